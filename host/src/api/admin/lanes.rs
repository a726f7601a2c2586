//! `/api/lanes`: how each destination and device stands, and whether anything is sent there.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    path::Path,
    query::{Nothing, Query},
    refusal::{Answer, Refusal},
};
use crate::{
    api::state::Shared,
    engine::{LaneFilter, LaneKey, LaneKind, LanePage, MAX_LANES},
    store::Paused,
};

/// Which lanes to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LanesQuery {
    /// Only those whose name begins so. Without `kind`, only lanes of destinations, unless it begins with `device:`.
    #[param(max_length = 256, example = "uplink:")]
    q: Option<String>,
    /// Only lanes that lead to these.
    #[param(inline)]
    kind: Option<Kind>,
    /// How many to list at the most.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Only those behind this one: `next` of the page before.
    #[param(value_type = Option<LaneKey>, example = "device:5000049")]
    after: Option<String>,
}

/// What lanes lead to.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// URLs: of destinations, webhooks and forwards.
    Destination,
    /// Devices.
    Device,
}

/// List lanes.
///
/// Those of the configuration, those that have something to do and those that are paused: destinations by name, then
/// devices by cid. A page at a time: `next` is the `after` of the page after it, and `null` at the end.
#[utoipa::path(
    get, path = "/api/lanes", operation_id = "list_lanes", tag = "lanes",
    params(LanesQuery),
    responses((status = 200, description = "A page of lanes.", body = LanePage))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<LanesQuery>,
) -> Result<Json<LanePage>, Refusal> {
    let LanesQuery { q, kind, limit, after } = query;
    let prefix = q.unwrap_or_default();
    let kind = match kind {
        Some(Kind::Destination) => LaneKind::Destination,
        Some(Kind::Device) => LaneKind::Device,
        None if prefix.is_empty() => LaneKind::Any,
        None if prefix.starts_with("device:") => LaneKind::Device,
        None => LaneKind::Destination,
    };
    let after = after.map(|after| after.parse::<LaneKey>()).transpose();
    let after = after.map_err(|error| Refusal::bad_request("after", error.to_string()))?;
    let filter = LaneFilter { kind, prefix, after, limit: limit.unwrap_or(MAX_LANES) };
    Ok(Json(shared.engine.lanes(filter).await))
}

/// Pause a lane.
///
/// Nothing is sent on it until it is resumed, over restarts too. Its schedules go on waiting: what becomes due is
/// queued. Pausing a paused lane changes nothing. A lane is there when the configuration has it or it has deliveries.
#[utoipa::path(
    post, path = "/api/lanes/{lane}/pause", operation_id = "pause_lane", tag = "lanes",
    params(("lane" = LaneKey, Path, description = "The lane's name.", example = "uplink:acme")),
    responses(
        (status = 204, description = "It is paused."),
        (status = 404, description = "There is no such lane.", body = Answer),
    )
)]
pub(super) async fn pause(
    State(shared): State<Shared>,
    Path(lane): Path<LaneKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    set_paused(&shared, lane, Paused::Yes).await
}

/// Resume a lane.
///
/// What is due is sent at once. Resuming a lane that is not paused changes nothing.
#[utoipa::path(
    post, path = "/api/lanes/{lane}/resume", operation_id = "resume_lane", tag = "lanes",
    params(("lane" = LaneKey, Path, description = "The lane's name.", example = "uplink:acme")),
    responses(
        (status = 204, description = "It sends."),
        (status = 404, description = "There is no such lane.", body = Answer),
    )
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    Path(lane): Path<LaneKey>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    set_paused(&shared, lane, Paused::No).await
}

async fn set_paused(shared: &Shared, lane: LaneKey, paused: Paused) -> Result<StatusCode, Refusal> {
    // What nobody has named or sent to would be kept for ever, for whoever mistypes.
    if !lane.is_configured(&shared.config()) && shared.engine.lane(lane.clone()).await.is_none() {
        let message = "no such lane is configured, has deliveries or is paused; GET /api/lanes lists those that are";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "lane", message));
    }
    shared.set_paused(lane, paused).await?;
    Ok(StatusCode::NO_CONTENT)
}
