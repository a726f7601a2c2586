//! `GET /api/live`: how the gateway stands, each second, as an event stream.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;

use super::{
    query::{Nothing, Query},
    refusal::Refusal,
};
use crate::api::state::Shared;

/// Watch how the gateway stands.
///
/// An event stream: an event `tick` at once, then one each second, until the client leaves or the gateway stops. Its
/// data is an object: `time` and `version`; `counts`, how many deliveries are in each state, items in the inbox and
/// devices connected; `counts_at` and `devices_at`, which grow with every change to what they are named for, and
/// `inbox_last`, the newest item's cursor; `point`, what the second that has ended brought, in the columns of
/// `/api/series`; and `lanes`, all destinations and those devices that are paused or full. 16 may watch at once; one
/// more is answered 503.
#[utoipa::path(
    get, path = "/api/live", operation_id = "watch_live", tag = "gateway",
    responses((status = 200, description = "The ticks.", body = String, content_type = "text/event-stream"))
)]
pub(super) async fn live(State(shared): State<Shared>, Query(Nothing {}): Query<Nothing>) -> Result<Response, Refusal> {
    let watcher = shared.watch().await.ok_or_else(|| {
        let message = "as many watch as may; close another window, or try again later";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "live", message)
    })?;
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(events)).into_response())
}
