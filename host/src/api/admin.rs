//! The admin API: what is to be sent, what became of it, what has come in.
//!
//! Requests need the bearer token of `listen.admin_token` when one is configured, which it must be on an address that
//! others can reach. Answers are JSON; a refusal is `{"error":{"code":…,"field":…,"message":…}}`.

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use pushgate_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    body::{BodyError, UnreadBody},
    state::{NotAccepted, Replay, Shared, Submission},
};
use crate::{
    batches::{tencent_batch, uplink_batches},
    config::{Admin, Secret},
    engine::{LaneKey, Payload},
    store::{
        Accepted, DeliveryFilter, DeliveryId, DeliverySummary, Idempotency, InboxEnd, InboxFilter, Paused, Removed,
        State as DeliveryState, StoreError,
    },
};

/// How long a submission's `Idempotency-Key` is remembered: a day (ours).
const IDEMPOTENCY_KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Entries of a page when the caller does not say.
const PAGE: usize = 100;

/// The admin API's routes.
pub fn router(shared: Shared, admin: &Admin) -> Router {
    let api = Router::new()
        .route("/api/uplink/{destination}", post(submit_uplink))
        .route("/api/tencent/{destination}", post(submit_tencent))
        .route("/api/deliveries", get(list_deliveries))
        .route("/api/deliveries/{id}", get(show_delivery).delete(remove_delivery))
        .route("/api/deliveries/{id}/replay", post(replay_delivery))
        .route("/api/inbox", get(list_inbox))
        .route("/api/lanes", get(list_lanes))
        .route("/api/lanes/{lane}/pause", post(pause_lane))
        .route("/api/lanes/{lane}/resume", post(resume_lane))
        .route("/api/devices", get(list_devices))
        .route("/api/status", get(status))
        .route("/metrics", get(metrics));
    let api = match admin.token() {
        Some(token) => api.layer(middleware::from_fn_with_state(token.clone(), authorize)),
        None => api,
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(api)
        .with_state(shared)
}

async fn authorize(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).and_then(|value| Secret::new(value).ok());
    if given.is_some_and(|given| given == token) {
        return next.run(request).await;
    }
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Authorization", "required: Bearer and the admin token");
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

async fn ready(State(shared): State<Shared>) -> Response {
    match shared.store.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("store: {error}\n")).into_response(),
    }
}

async fn submit_uplink(
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

async fn submit_tencent(
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

#[derive(Debug, Deserialize)]
struct DeliveriesQuery {
    state: Option<String>,
    lane: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list_deliveries(
    State(shared): State<Shared>,
    query: Result<Query<DeliveriesQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    let state = query.state.filter(|state| !state.is_empty()).map(|state| state.parse::<DeliveryState>()).transpose();
    let filter = DeliveryFilter {
        state: state.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "state", error.to_string()))?,
        lane: query.lane.filter(|lane| !lane.is_empty()),
        limit: query.limit.unwrap_or(PAGE),
        cursor: query
            .cursor
            .filter(|cursor| !cursor.is_empty())
            .map(|cursor| parse_id("cursor", &cursor))
            .transpose()?,
    };
    Ok(Json(shared.store.deliveries(filter).await?).into_response())
}

async fn show_delivery(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    let detail = shared.store.delivery(id).await?.ok_or_else(Refusal::no_delivery)?;
    let DeliverySummary { id, lane, state, attempts: _, created_at, next_at, last_error } = detail.summary;
    // What is sent over HTTP is JSON; a message for a device may be anything.
    let (body, body_base64) = match std::str::from_utf8(&detail.body) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(&detail.body))),
    };
    let answer = json!({
        "id": id,
        "lane": lane,
        "state": state,
        "created_at": created_at,
        "next_at": next_at,
        "finished_at": detail.finished_at,
        "last_error": last_error,
        "attempts": detail.attempts,
        "body": body,
        "body_base64": body_base64,
    });
    Ok(Json(answer).into_response())
}

async fn remove_delivery(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    match shared.remove(id).await? {
        Removed::Done { .. } => Ok(StatusCode::NO_CONTENT.into_response()),
        Removed::NotFound => Err(Refusal::no_delivery()),
    }
}

async fn replay_delivery(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    match shared.replay(id).await? {
        Replay::Done => Ok((StatusCode::ACCEPTED, Json(json!({ "ids": [id] }))).into_response()),
        Replay::NotFound => Err(Refusal::no_delivery()),
        Replay::Refused(state) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "state",
            format!("the delivery is {state}; only a dead or dropped one can be replayed"),
        )),
    }
}

#[derive(Debug, Deserialize)]
struct InboxQuery {
    after: Option<u64>,
    limit: Option<usize>,
    /// Takes the place of `limit`: this many from the end.
    last: Option<usize>,
    kind: Option<String>,
    receiver: Option<String>,
}

async fn list_inbox(
    State(shared): State<Shared>,
    query: Result<Query<InboxQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    let (limit, end) = match (query.limit, query.last) {
        (limit, None) => (limit.unwrap_or(PAGE), InboxEnd::Oldest),
        (None, Some(last)) => (last, InboxEnd::Newest),
        (Some(_), Some(_)) => {
            let message = "goes without limit: it is itself the number of items";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "last", message));
        }
    };
    let filter = InboxFilter {
        after: query.after.unwrap_or(0),
        limit,
        end,
        kind: query.kind.filter(|kind| !kind.is_empty()),
        receiver: query.receiver.filter(|receiver| !receiver.is_empty()),
    };
    Ok(Json(shared.store.inbox(filter).await?).into_response())
}

async fn list_lanes(State(shared): State<Shared>) -> Json<serde_json::Value> {
    Json(json!({ "lanes": shared.engine.lanes().await }))
}

async fn pause_lane(State(shared): State<Shared>, Path(lane): Path<String>) -> Result<StatusCode, Refusal> {
    set_paused(&shared, &lane, Paused::Yes).await
}

async fn resume_lane(State(shared): State<Shared>, Path(lane): Path<String>) -> Result<StatusCode, Refusal> {
    set_paused(&shared, &lane, Paused::No).await
}

async fn set_paused(shared: &Shared, lane: &str, paused: Paused) -> Result<StatusCode, Refusal> {
    let lane =
        lane.parse::<LaneKey>().map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "lane", error.to_string()))?;
    shared.set_paused(lane, paused).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_devices(State(shared): State<Shared>) -> Json<serde_json::Value> {
    Json(json!({ "devices": shared.registry.connected() }))
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let counts = shared.store.counts().await.ok();
    let text = shared.metrics.text(counts, &shared.engine.lanes().await, shared.registry.len());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn status(State(shared): State<Shared>) -> Result<Response, Refusal> {
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

fn parse_id(field: &'static str, id: &str) -> Result<DeliveryId, Refusal> {
    id.parse().map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, field, "must be the 32 hexadecimal digits of an id"))
}

/// Why an admin request is refused.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, field: field.into(), message: message.into() }
    }

    fn no_delivery() -> Self {
        Self::new(StatusCode::NOT_FOUND, "id", "no delivery has this id")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.status.as_u16(), "field": self.field, "message": self.message });
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = match error.kind() {
            // Found while writing: its byte is none of the submission's.
            ErrorKind::NotSendable(_) | ErrorKind::TooFew { .. } => error.kind().to_string(),
            _ => format!("{} (byte {})", error.kind(), error.offset()),
        };
        Self::new(StatusCode::BAD_REQUEST, error.field().to_string(), message)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        Self::new(error.status(), "body", message.strip_prefix("body: ").unwrap_or(&message))
    }
}

impl From<NotAccepted> for Refusal {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Full(full) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, full.lane.to_string(), full.to_string())
            }
            NotAccepted::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.kind() == crate::store::ErrorKind::Invalid {
            return Self::new(StatusCode::BAD_REQUEST, "request", error.to_string());
        }
        tracing::error!(%error, "the store failed an admin request");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string())
    }
}
