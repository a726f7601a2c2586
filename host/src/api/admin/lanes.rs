//! `/api/lanes`: how each destination and device stands, and whether anything is sent there.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    path::Path,
    query::{Nothing, Query},
    refusal::Refusal,
};
use crate::{
    api::state::Shared,
    engine::{LaneKey, LaneStatus},
    store::Paused,
};

/// Lanes, each as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lanes {
    /// The lanes.
    lanes: Vec<LaneStatus>,
}

/// List lanes.
///
/// Those of the configuration, and the devices' that have something to do or are paused.
#[utoipa::path(
    get, path = "/api/lanes", operation_id = "list_lanes", tag = "lanes",
    responses((status = 200, description = "The lanes.", body = Lanes))
)]
pub(super) async fn list(State(shared): State<Shared>, Query(Nothing {}): Query<Nothing>) -> Json<Lanes> {
    Json(Lanes { lanes: shared.engine.lanes().await })
}

/// Pause a lane.
///
/// Nothing is sent on it until it is resumed, over restarts too. Its schedules go on waiting: what becomes due is
/// queued. Pausing a paused lane changes nothing.
#[utoipa::path(
    post, path = "/api/lanes/{lane}/pause", operation_id = "pause_lane", tag = "lanes",
    params((
        "lane" = String, Path, description = "The lane's name.", max_length = 256, example = "uplink:acme",
        pattern = "^((uplink|tencent|webhook|forward):.+|device:[1-9][0-9]{0,8})$",
    )),
    responses((status = 204, description = "It is paused."))
)]
pub(super) async fn pause(
    State(shared): State<Shared>,
    Path(lane): Path<LaneKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    shared.set_paused(lane, Paused::Yes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resume a lane.
///
/// What is due is sent at once. Resuming a lane that is not paused changes nothing.
#[utoipa::path(
    post, path = "/api/lanes/{lane}/resume", operation_id = "resume_lane", tag = "lanes",
    params((
        "lane" = String, Path, description = "The lane's name.", max_length = 256, example = "uplink:acme",
        pattern = "^((uplink|tencent|webhook|forward):.+|device:[1-9][0-9]{0,8})$",
    )),
    responses((status = 204, description = "It sends."))
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    Path(lane): Path<LaneKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    shared.set_paused(lane, Paused::No).await?;
    Ok(StatusCode::NO_CONTENT)
}
