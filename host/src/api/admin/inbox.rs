//! `GET /api/inbox`: what has come in for the operator, by cursor.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{PAGE, query::Query, refusal::Refusal};
use crate::{
    api::state::Shared,
    store::{InboxEnd, InboxFilter, InboxPage},
};

/// Which items to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InboxQuery {
    /// Only items behind this cursor; 0 starts at the oldest.
    #[param(minimum = 0, default = 0)]
    after: Option<u64>,
    /// How many to read at the most, from the oldest on.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Takes the place of `limit`: this many from the end.
    #[param(minimum = 1, maximum = 1000)]
    last: Option<usize>,
    /// Only items of this kind: `message`, `report`, `unsupported` or `event`.
    #[param(max_length = 64, example = "message")]
    kind: Option<String>,
    /// Only items of this receiver.
    #[param(max_length = 64, example = "ucloud")]
    receiver: Option<String>,
}

/// Read the inbox, in the order of arrival.
///
/// One entry for each uplink message, status report or event. Asking again with `after` = `next` reads on; a page that
/// is empty has its own `after` as `next`.
#[utoipa::path(
    get, path = "/api/inbox", operation_id = "read_inbox", tag = "inbox",
    params(InboxQuery),
    responses((status = 200, description = "A page of the inbox.", body = InboxPage))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<InboxQuery>,
) -> Result<Json<InboxPage>, Refusal> {
    let (limit, end) = match (query.limit, query.last) {
        (limit, None) => (limit.unwrap_or(PAGE), InboxEnd::Oldest),
        (None, Some(last)) => (last, InboxEnd::Newest),
        (Some(_), Some(_)) => {
            return Err(Refusal::bad_request("last", "goes without limit: it is itself the number of items"));
        }
    };
    let InboxQuery { after, kind, receiver, .. } = query;
    let filter = InboxFilter { after: after.unwrap_or(0), limit, end, kind, receiver };
    Ok(Json(shared.store.inbox(filter).await?))
}
