//! `GET /api/devices`: who is connected.

use axum::{Json, extract::State};
use serde_json::json;

use crate::api::state::Shared;

pub(super) async fn list(State(shared): State<Shared>) -> Json<serde_json::Value> {
    Json(json!({ "devices": shared.registry.connected() }))
}
