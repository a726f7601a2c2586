//! `POST /api/uplink/{destination}` and `/api/tencent/{destination}`: a protocol's own request body, to be delivered.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::{
    api::{
        body::UnreadBody,
        state::{Shared, Submission},
    },
    batches::{tencent_batch, uplink_batches},
    engine::{LaneKey, Payload},
    store::{Accepted, DeliveryId, Idempotency},
};

/// How long a submission's `Idempotency-Key` is remembered: a day (ours).
const IDEMPOTENCY_KEPT_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) async fn uplink(
    State(shared): State<Shared>,
    Path(destination): Path<String>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response, Refusal> {
    if shared.config().uplink.destinations.named(&destination).is_none() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "destination", "no uplink destination has this name"));
    }
    let body = body.read().await?;
    let batches = uplink_batches(&body)?;
    submit(&shared, LaneKey::Uplink(destination.into()), &headers, &body, batches).await
}

pub(super) async fn tencent(
    State(shared): State<Shared>,
    Path(destination): Path<String>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response, Refusal> {
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
) -> Result<Response, Refusal> {
    let mut submission = Submission::default();
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            Refusal::new(StatusCode::BAD_REQUEST, "Idempotency-Key", "must be visible ASCII and not empty")
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
        Accepted::Stored { ids, .. } | Accepted::Repeated { ids } => {
            Ok((StatusCode::ACCEPTED, Json(Submitted { ids })).into_response())
        }
        Accepted::KeyReused => Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Idempotency-Key",
            "was used with another body; take a new key for a new request",
        )),
    }
}

/// The answer to a submission.
#[derive(Debug, Serialize)]
struct Submitted {
    ids: Vec<DeliveryId>,
}
