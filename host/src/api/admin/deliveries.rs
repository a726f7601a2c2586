//! `/api/deliveries`: what became of everything accepted; one again, or never.

use axum::{Json, extract::State, http::StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    PAGE,
    path::Path,
    query::{Nothing, Query},
    refusal::{Answer, Refusal},
    submit::Accepted,
};
use crate::{
    api::state::{Replay, Shared},
    config::Config,
    engine::Plan,
    store::{
        Attempt, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryPage, DeliverySummary, IdRange, Millis, Removed,
        State as DeliveryState,
    },
};

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only those that stand here.
    state: Option<DeliveryState>,
    /// Only those of this lane.
    #[param(max_length = 256, example = "uplink:acme")]
    lane: Option<String>,
    /// How many to list at the most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Only those accepted before this one: `next` of the page before.
    cursor: Option<DeliveryId>,
    /// Only those accepted at this time or later, in unix milliseconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 281_474_976_710_655_u64, example = 1_700_000_000_000_u64)]
    since: Option<Millis>,
    /// Only those accepted before this time, in unix milliseconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 281_474_976_710_655_u64, example = 1_700_000_000_000_u64)]
    until: Option<Millis>,
    /// Only those whose id begins with these digits.
    #[param(max_length = 32, pattern = "^[0-9a-f]{1,32}$", example = "018bcfe568")]
    id: Option<String>,
}

/// List deliveries, newest first.
///
/// A page at a time: `next` is the `cursor` of the page after it, and `null` at the end.
#[utoipa::path(
    get, path = "/api/deliveries", operation_id = "list_deliveries", tag = "deliveries",
    params(DeliveriesQuery),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryPage))
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<DeliveryPage>, Refusal> {
    let DeliveriesQuery { state, lane, limit, cursor, since, until, id } = query;
    let mut ids = span(since, until)?;
    if let Some(digits) = id {
        ids = ids.beginning(&digits).map_err(|error| Refusal::bad_request("id", error.to_string()))?;
    }
    let filter = DeliveryFilter { state, lane, ids, limit: limit.unwrap_or(PAGE), cursor };
    Ok(Json(shared.store.deliveries(filter).await?))
}

/// The ids of what was accepted within some time.
pub(super) fn span(since: Option<Millis>, until: Option<Millis>) -> Result<IdRange, Refusal> {
    let mut ids = IdRange::default();
    if let Some(at) = since {
        ids = ids.since(at).map_err(|error| Refusal::bad_request("since", error.to_string()))?;
    }
    if let Some(at) = until {
        ids = ids.until(at).map_err(|error| Refusal::bad_request("until", error.to_string()))?;
    }
    Ok(ids)
}

/// A delivery with its body and every attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// Names it.
    id: DeliveryId,
    /// The destination or device it goes to.
    #[schema(example = "uplink:acme")]
    lane: String,
    /// Where it stands.
    state: DeliveryState,
    /// When it was accepted, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    created_at: Millis,
    /// When it is tried next, in unix milliseconds; only while pending.
    #[schema(required, example = 1_700_000_002_000_u64)]
    next_at: Option<Millis>,
    /// When it ended, in unix milliseconds, if it did.
    #[schema(required, example = 1_700_000_003_000_u64)]
    finished_at: Option<Millis>,
    /// When it was last replayed, in unix milliseconds, if it was.
    #[schema(required, example = 1_700_000_003_000_u64)]
    replayed_at: Option<Millis>,
    /// What went wrong at the last attempt, as `class: detail`; nothing after one that succeeded or is on its way.
    #[schema(required, example = "status: the destination answered 503")]
    last_error: Option<String>,
    /// When it is sent again after a failure; nothing while the configuration has no such destination.
    #[schema(required)]
    schedule: Option<Plan>,
    /// The attempts, oldest first, those before a replay too; the newest 256 of them.
    attempts: Vec<Attempt>,
    /// Bytes of the body.
    body_bytes: usize,
    /// What is sent, if it is UTF-8. What goes over HTTP is JSON; a message for a device may be anything.
    #[schema(required)]
    body: Option<String>,
    /// What is sent, in base64, if it is not UTF-8.
    #[schema(required)]
    body_base64: Option<String>,
}

impl Delivery {
    fn of(detail: DeliveryDetail, config: &Config) -> Self {
        let DeliverySummary { id, lane, state, attempts: _, created_at, next_at, last_error } = detail.summary;
        let (body, body_base64) = match std::str::from_utf8(&detail.body) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64_STANDARD.encode(&detail.body))),
        };
        let schedule = lane.parse().ok().and_then(|key| Plan::of(&key, &detail.meta, config));
        let DeliveryDetail { finished_at, replayed_at, attempts, .. } = detail;
        Self {
            id,
            lane,
            state,
            created_at,
            next_at,
            finished_at,
            replayed_at,
            last_error,
            schedule,
            attempts,
            body_bytes: detail.body.len(),
            body,
            body_base64,
        }
    }
}

/// Show one delivery.
///
/// With its body and every attempt that was made.
#[utoipa::path(
    get, path = "/api/deliveries/{id}", operation_id = "show_delivery", tag = "deliveries",
    params(("id" = DeliveryId, Path, description = "The delivery's id.")),
    responses(
        (status = 200, description = "The delivery.", body = Delivery),
        (status = 404, description = "No delivery has this id.", body = Answer),
    )
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path(id): Path<DeliveryId>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Json<Delivery>, Refusal> {
    let detail = shared.store.delivery(id).await?.ok_or_else(Refusal::no_delivery)?;
    Ok(Json(Delivery::of(detail, &shared.config())))
}

/// Drop a delivery.
///
/// Deletes it, pending or finished, with its attempts. A send under way is not broken off.
#[utoipa::path(
    delete, path = "/api/deliveries/{id}", operation_id = "drop_delivery", tag = "deliveries",
    params(("id" = DeliveryId, Path, description = "The delivery's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "No delivery has this id.", body = Answer),
    )
)]
pub(super) async fn remove(
    State(shared): State<Shared>,
    Path(id): Path<DeliveryId>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    match shared.remove(id).await? {
        Removed::Done { .. } => Ok(StatusCode::NO_CONTENT),
        Removed::NotFound => Err(Refusal::no_delivery()),
    }
}

/// Replay a dead or dropped delivery.
///
/// Makes it pending again, on a fresh schedule; its past attempts stay readable.
#[utoipa::path(
    post, path = "/api/deliveries/{id}/replay", operation_id = "replay_delivery", tag = "deliveries",
    params(("id" = DeliveryId, Path, description = "The delivery's id.")),
    responses(
        (status = 202, description = "It is under way again.", body = Accepted),
        (status = 404, description = "No delivery has this id.", body = Answer),
        (status = 409, description = "It is pending or delivered: there is nothing to replay.", body = Answer),
    )
)]
pub(super) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<DeliveryId>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    match shared.replay(id).await? {
        Replay::Done => Ok((StatusCode::ACCEPTED, Json(Accepted { ids: vec![id] }))),
        Replay::NotFound => Err(Refusal::no_delivery()),
        Replay::Refused(state) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "state",
            format!("the delivery is {state}; only a dead or dropped one can be replayed"),
        )),
    }
}
