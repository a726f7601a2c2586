//! `/api/lanes`: how each destination and device stands, and whether anything is sent there.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;

use super::refusal::Refusal;
use crate::{api::state::Shared, engine::LaneKey, store::Paused};

pub(super) async fn list(State(shared): State<Shared>) -> Json<serde_json::Value> {
    Json(json!({ "lanes": shared.engine.lanes().await }))
}

pub(super) async fn pause(State(shared): State<Shared>, Path(lane): Path<String>) -> Result<StatusCode, Refusal> {
    set_paused(&shared, &lane, Paused::Yes).await
}

pub(super) async fn resume(State(shared): State<Shared>, Path(lane): Path<String>) -> Result<StatusCode, Refusal> {
    set_paused(&shared, &lane, Paused::No).await
}

async fn set_paused(shared: &Shared, lane: &str, paused: Paused) -> Result<StatusCode, Refusal> {
    let lane =
        lane.parse::<LaneKey>().map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "lane", error.to_string()))?;
    shared.set_paused(lane, paused).await?;
    Ok(StatusCode::NO_CONTENT)
}
