//! `POST /api/uplink/{destination}` and `/api/tencent/{destination}`: a protocol's own request body, to be delivered.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    path::Path,
    query::{Nothing, Query},
    refusal::{Answer, Refusal},
};
use crate::{
    api::{
        body::UnreadBody,
        state::{Shared, Submission},
    },
    batches::{tencent_batch, uplink_batches},
    engine::{LaneKey, Payload},
    store::{self, DeliveryId, Idempotency, MAX_IDEMPOTENCY_KEY},
};

/// How long a submission's `Idempotency-Key` is remembered: a day (ours).
const IDEMPOTENCY_KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Deliver to an uplink destination.
///
/// Takes the protocol's own request body, a batch of messages and status reports, and answers once it is stored. One
/// larger than a request may be becomes as many deliveries as it takes.
#[utoipa::path(
    post, path = "/api/uplink/{destination}", operation_id = "submit_uplink", tag = "submissions",
    params(
        ("destination" = String, Path, description = "The destination's name in the configuration.", example = "acme"),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "Names the request: within a day, the same key with the same body is answered as it was the \
                first time, and nothing is accepted twice. Visible ASCII, without spaces.",
        ),
    ),
    request_body(
        content = ref("#/components/schemas/UplinkBatch"), content_type = "application/json",
        description = "A batch of the protocol.",
    ),
    responses(
        (status = 202, description = "It is stored, and under way.", body = Accepted),
        (status = 404, description = "No uplink destination has this name.", body = Answer),
        (status = 422, description = "The key was used with another body.", body = Answer),
    )
)]
pub(super) async fn uplink(
    State(shared): State<Shared>,
    Path(destination): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    if shared.config().uplink.destinations.named(&destination).is_none() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "destination", "no uplink destination has this name"));
    }
    let body = body.read().await?;
    let batches = uplink_batches(&body)?;
    submit(&shared, LaneKey::Uplink(destination.into()), &headers, &body, batches).await
}

/// Deliver to a Tencent destination.
///
/// Takes the protocol's own request body, a batch of 1 to 100 events, and answers once it is stored. It is one delivery.
#[utoipa::path(
    post, path = "/api/tencent/{destination}", operation_id = "submit_tencent", tag = "submissions",
    params(
        ("destination" = String, Path, description = "The destination's name in the configuration.", example = "acme"),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "Names the request: within a day, the same key with the same body is answered as it was the \
                first time, and nothing is accepted twice. Visible ASCII, without spaces.",
        ),
    ),
    request_body(
        content = ref("#/components/schemas/TencentBatch"), content_type = "application/json",
        description = "A batch of the protocol.",
    ),
    responses(
        (status = 202, description = "It is stored, and under way.", body = Accepted),
        (status = 404, description = "No Tencent destination has this name.", body = Answer),
        (status = 422, description = "The key was used with another body.", body = Answer),
    )
)]
pub(super) async fn tencent(
    State(shared): State<Shared>,
    Path(destination): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    if shared.config().tencent.destinations.named(&destination).is_none() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "destination", "no Tencent destination has this name"));
    }
    let body = body.read().await?;
    let batch = tencent_batch(&body)?;
    submit(&shared, LaneKey::Tencent(destination.into()), &headers, &body, vec![batch]).await
}

async fn submit(
    shared: &Shared,
    lane: LaneKey,
    headers: &HeaderMap,
    body: &[u8],
    batches: Vec<Payload>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let mut submission = Submission::default();
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().ok().filter(|key| is_key(key)).ok_or_else(|| {
            let message = format!("must be 1 to {MAX_IDEMPOTENCY_KEY} characters of visible ASCII, without spaces");
            Refusal::bad_request("Idempotency-Key", message)
        })?;
        submission.accept().idempotency = Some(Idempotency {
            scope: lane.to_string(),
            key: key.to_owned(),
            fingerprint: Sha256::digest(body).into(),
            now: shared.clock.millis(),
            keep_ms: IDEMPOTENCY_KEPT_MS,
        });
    }
    for batch in batches {
        submission.payload(batch).delivery(lane.clone(), shared.clock);
    }
    match shared.accept(submission).await? {
        store::Accepted::Stored { ids, .. } | store::Accepted::Repeated { ids } => {
            Ok((StatusCode::ACCEPTED, Json(Accepted { ids })))
        }
        store::Accepted::KeyReused => Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency-Key",
            "was used with another body; take a new key for a new request",
        )),
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The deliveries, in the order of what was submitted.
    pub(super) ids: Vec<DeliveryId>,
}
