//! `GET /api/status`, `/metrics` and `/readyz`: how the gateway stands.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::refusal::Refusal;
use crate::api::state::Shared;

pub(super) async fn show(State(shared): State<Shared>) -> Result<Response, Refusal> {
    let counts = shared.store.counts().await?;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": shared.clock.millis(),
        "deliveries": {
            "pending": counts.pending,
            "delivered": counts.delivered,
            "dead": counts.dead,
            "dropped": counts.dropped,
        },
        "inbox": counts.inbox,
        "devices": shared.registry.len(),
    }))
    .into_response())
}

pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let counts = shared.store.counts().await.ok();
    let text = shared.metrics.text(counts, &shared.engine.lanes().await, shared.registry.len());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    match shared.store.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("store: {error}\n")).into_response(),
    }
}
