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
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_i64, default = 0)]
    after: Option<u64>,
    /// How many to read at the most, from the oldest on.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Takes the place of `limit`: this many from the end.
    #[param(minimum = 1, maximum = 1000)]
    last: Option<usize>,
    /// Goes with `last`: this many in front of this cursor, so that the inbox can be read backwards.
    #[param(minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    before: Option<u64>,
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
/// is empty has its own `after` as `next`. `last` begins at the end, and with `before` goes back from there: `before` is
/// the smallest cursor that has been read.
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
    if query.before.is_some() && (query.last.is_none() || query.after.is_some()) {
        return Err(Refusal::bad_request(
            "before",
            "goes with last and without after: the last so many in front of it",
        ));
    }
    let InboxQuery { after, before, kind, receiver, .. } = query;
    let filter = InboxFilter { after: after.unwrap_or(0), before, limit, end, kind, receiver };
    Ok(Json(shared.store.inbox(filter).await?))
}
