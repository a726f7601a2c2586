//! `GET /api/status` and `/metrics`: how the gateway stands.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    query::{Nothing, Query},
    refusal::Refusal,
};
use crate::{api::state::Shared, engine::LaneLevels, metrics::Levels, store::Millis};

/// How the gateway stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// The gateway's version.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// The gateway's clock, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    time: Millis,
    /// How many deliveries are kept in each state.
    deliveries: DeliveryCounts,
    /// How many items the inbox keeps.
    inbox: u64,
    /// How many devices are connected.
    devices: usize,
}

/// How many deliveries are kept in each state.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryCounts {
    /// Those that wait for their next attempt.
    pending: u64,
    /// Those that arrived.
    delivered: u64,
    /// Those whose schedule is exhausted.
    dead: u64,
    /// Those that were given up on purpose.
    dropped: u64,
}

/// Show how the gateway stands.
///
/// Counts are kept, not made: asking often costs little.
#[utoipa::path(
    get, path = "/api/status", operation_id = "show_status", tag = "gateway",
    responses((status = 200, description = "Version, time and counts.", body = Status))
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Json<Status>, Refusal> {
    let counts = shared.store.counts().await?;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        time: shared.clock.millis(),
        deliveries: DeliveryCounts {
            pending: counts.pending,
            delivered: counts.delivered,
            dead: counts.dead,
            dropped: counts.dropped,
        },
        inbox: counts.inbox,
        devices: shared.registry.len(),
    }))
}

/// Read the metrics.
///
/// In the `OpenMetrics` text format, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "read_metrics", tag = "gateway",
    responses((
        status = 200, description = "The metrics.", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ))
)]
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let (counts, readiness) = tokio::join!(shared.store.counts(), shared.health.readiness());
    let (counts, ready) = (counts.ok(), readiness.ready);
    let (devices, strangers) = (shared.registry.len(), shared.registry.strangers());
    let LaneLevels { destinations: lanes, devices: device_lanes } = shared.engine.levels().await;
    let text = shared.metrics.text(Levels { ready, counts, lanes, device_lanes, devices, strangers });
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
