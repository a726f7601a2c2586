//! `GET /api/inbox`: what has come in for the operator, by cursor.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{PAGE, refusal::Refusal};
use crate::{
    api::state::Shared,
    store::{InboxEnd, InboxFilter},
};

#[derive(Debug, Deserialize)]
pub(super) struct InboxQuery {
    after: Option<u64>,
    limit: Option<usize>,
    /// Takes the place of `limit`: this many from the end.
    last: Option<usize>,
    kind: Option<String>,
    receiver: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<InboxQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    let (limit, end) = match (query.limit, query.last) {
        (limit, None) => (limit.unwrap_or(PAGE), InboxEnd::Oldest),
        (None, Some(last)) => (last, InboxEnd::Newest),
        (Some(_), Some(_)) => {
            let message = "goes without limit: it is itself the number of items";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "last", message));
        }
    };
    let filter = InboxFilter {
        after: query.after.unwrap_or(0),
        limit,
        end,
        kind: query.kind.filter(|kind| !kind.is_empty()),
        receiver: query.receiver.filter(|receiver| !receiver.is_empty()),
    };
    Ok(Json(shared.store.inbox(filter).await?).into_response())
}
