//! `GET /api/devices`: who is connected.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{query::Query, refusal::Refusal};
use crate::{api::state::Shared, engine::cids_that_begin, link::Connected};

/// Devices of one page (ours), at the most and when the caller does not say.
const MOST: usize = 1_000;

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DevicesQuery {
    /// Only those whose cid begins with these digits.
    #[param(max_length = 10, pattern = "^[0-9]{1,10}$", example = "5003")]
    cid: Option<String>,
    /// How many to list at the most.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Only those behind this cid: `next` of the page before.
    #[param(minimum = 0, maximum = 4_294_967_295_u64)]
    after: Option<u32>,
}

/// A page of the devices that are connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    /// The devices, by cid.
    devices: Vec<Connected>,
    /// The `after` of the next page, if there is one.
    #[schema(required, example = "5000049")]
    next: Option<String>,
}

/// List the devices that are connected.
///
/// In the order of their cids, a page at a time: `next` is the `after` of the page after it, and `null` at the end.
#[utoipa::path(
    get, path = "/api/devices", operation_id = "list_devices", tag = "devices",
    params(DevicesQuery),
    responses((status = 200, description = "A page of devices.", body = Devices))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<DevicesQuery>,
) -> Result<Json<Devices>, Refusal> {
    let digits = query.cid.unwrap_or_default();
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::bad_request("cid", "must be the digits that a cid begins with"));
    }
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST);
    let (devices, more) = shared.registry.connected(&cids_that_begin(&digits), query.after, limit);
    let next = devices.last().filter(|_| more).map(|last| last.cid.to_string());
    Ok(Json(Devices { devices, next }))
}
