//! `GET /api/devices`: who is connected.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::query::{Nothing, Query};
use crate::{api::state::Shared, link::Connected};

/// The devices that are connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    /// The devices, by cid.
    devices: Vec<Connected>,
}

/// List the devices that are connected.
///
/// In the order of their cids.
#[utoipa::path(
    get, path = "/api/devices", operation_id = "list_devices", tag = "devices",
    responses((status = 200, description = "The devices.", body = Devices))
)]
pub(super) async fn list(State(shared): State<Shared>, Query(Nothing {}): Query<Nothing>) -> Json<Devices> {
    Json(Devices { devices: shared.registry.connected() })
}
