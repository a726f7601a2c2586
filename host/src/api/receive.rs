//! The receivers: what vendors push to us, `POST /receive/uplink/{name}` and `POST /receive/tencent/{name}`.
//!
//! Every item of a batch goes into the inbox, committed before the answer; an item that came before is not kept twice.
//! A refusal has its fitting status and says in the protocol's own words what is wrong.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, Path, RawQuery, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pushgate_core::{
    Error, Identity, Text,
    json::to_vec,
    tencent::{self, ActionStatus},
    uplink::{self, Code, Item},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    body::{BodyError, UnreadBody},
    request_id::RequestId,
    state::{NotAccepted, Shared, Submission},
};
use crate::{
    config::FailureStatus,
    engine::{LaneKey, Meta, Payload},
    metrics::ReceiverCounts,
    store::{Accepted, DeliveriesWhen, NewItem},
    telemetry::DELIVERY,
};

/// The receivers' routes.
pub fn router(shared: Shared) -> Router {
    Router::from(described()).with_state(shared)
}

/// What the routes say of themselves.
pub(super) fn words() -> OpenApi {
    described().into_openapi()
}

/// The routes with their words.
fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(receive_uplink)).routes(routes!(receive_tencent))
}

/// Take a batch of the uplink protocol.
///
/// Every item goes into the inbox before the answer; one that came before is not kept twice.
#[utoipa::path(
    post, path = "/receive/uplink/{name}", operation_id = "receive_uplink", tag = "receivers",
    params(("name" = String, Path, description = "The receiver's name in the configuration.", example = "ucloud")),
    request_body(content = ref("#/components/schemas/ReceivedUplinkBatch"), content_type = "application/json"),
    responses(
        (
            status = 200, description = "It is stored.", body = ref("#/components/schemas/UplinkReply"),
            content_type = "application/json",
        ),
        (
            status = 403, description = "The caller's address is none of those that may call the receiver.",
            body = ref("#/components/schemas/UplinkReply"), content_type = "application/json",
        ),
        (
            status = 404, description = "No uplink receiver has this name.",
            body = ref("#/components/schemas/UplinkReply"), content_type = "application/json",
        ),
    )
)]
async fn receive_uplink(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: UnreadBody,
) -> Response {
    let name = called(name);
    let counts = shared.metrics.receiver("uplink", &name);
    let answer = uplink_answer(&take_uplink(&shared, &name, &counts, peer, body).await);
    counts.answered(answer.status());
    answer
}

/// The name a request calls. One that is no text is nobody's, like the empty one, and refused in the same words.
fn called(name: Result<Path<String>, PathRejection>) -> String {
    name.map_or_else(|_| String::new(), |Path(name)| name)
}

async fn take_uplink(
    shared: &Shared,
    name: &str,
    counts: &ReceiverCounts,
    peer: SocketAddr,
    body: UnreadBody,
) -> Result<(), Refused> {
    let config = shared.config();
    let receiver = config
        .uplink
        .receivers
        .named(name)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("no uplink receiver is called `{name}`")))?;
    if let Some(allow) = &receiver.allow
        && !allow.admits(peer.ip())
    {
        return Err(Refused::new(StatusCode::FORBIDDEN, format!("{} may not call this receiver", peer.ip())));
    }
    let body = body.read().await?;
    let mut inbox = Inbox::new(shared, name);
    let summary = uplink::read(&body, |item| {
        let kind = match item {
            Item::Message(_) => "message",
            Item::Report(_) => "report",
            Item::Unsupported(_) => "unsupported",
        };
        inbox.put(kind, item.identity(), |buf| item.write(buf));
    })?;
    let mut submission = inbox.submission;
    if receiver.forward.is_some() && summary.items > 0 {
        // Passed on as it is sent by us: the object, in documented order.
        let batch = to_vec(|buf| uplink::compact(&body, buf))?;
        submission.payload(Payload { meta: Meta::Whole, body: batch.into() });
        submission.delivery(LaneKey::Forward(name.into()), shared.clock);
    }
    submission.accept().deliveries_when = DeliveriesWhen::UnlessAllDuplicate;
    store(shared, name, counts, submission).await
}

/// Take a Tencent callback.
///
/// Every event goes into the inbox before the answer; one that came before is not kept twice.
#[utoipa::path(
    post, path = "/receive/tencent/{name}", operation_id = "receive_tencent", tag = "receivers",
    params(
        ("name" = String, Path, description = "The receiver's name in the configuration.", example = "im"),
        (
            "SdkAppid" = String, Query, description = "The receiver's `sdk_app_id`.", pattern = "^[0-9]{1,20}$",
            example = "1400000000",
        ),
        (
            "RequestTime" = Option<String>, Query,
            description = "When the request was signed, in unix seconds; required where the receiver has a token.",
        ),
        (
            "Sign" = Option<String>, Query,
            description = "The signature: SHA-256 of the token and `RequestTime`, in hexadecimal; required where the \
                receiver has a token.",
        ),
    ),
    request_body(content = ref("#/components/schemas/ReceivedTencentBatch"), content_type = "application/json"),
    responses(
        (
            status = 200, description = "It is stored.", body = ref("#/components/schemas/TencentReply"),
            content_type = "application/json",
        ),
        (
            status = 403, description = "The callback is for another app, or its signature is missing, wrong or too old.",
            body = ref("#/components/schemas/TencentReply"), content_type = "application/json",
        ),
        (
            status = 404, description = "No Tencent receiver has this name.",
            body = ref("#/components/schemas/TencentReply"), content_type = "application/json",
        ),
    )
)]
async fn receive_tencent(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: UnreadBody,
) -> Response {
    let name = called(name);
    let failure = shared.config().tencent.receivers.named(&name).map_or(FailureStatus::default(), |r| r.failure_status);
    let counts = shared.metrics.receiver("tencent", &name);
    let outcome = take_tencent(&shared, &name, &counts, query.as_deref().unwrap_or_default(), body).await;
    let answer = tencent_answer(&outcome, failure);
    counts.answered(answer.status());
    answer
}

async fn take_tencent(
    shared: &Shared,
    name: &str,
    counts: &ReceiverCounts,
    query: &str,
    body: UnreadBody,
) -> Result<(), Refused> {
    let config = shared.config();
    let receiver = config
        .tencent
        .receivers
        .named(name)
        .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("no Tencent receiver is called `{name}`")))?;
    let token = receiver.token.as_ref().map(|token| token.reveal().as_bytes());
    check_callback(query, receiver.sdk_app_id.as_str(), token, shared.clock.unix_secs())?;
    let body = body.read().await?;
    let mut inbox = Inbox::new(shared, name);
    tencent::read(&body, |event| inbox.put("event", event.identity(), |buf| event.write(buf)))?;
    store(shared, name, counts, inbox.submission).await
}

/// Checks a callback's query in the page's order: `SdkAppid`, then the signature. `now` is in unix seconds.
///
/// # Errors
///
/// The refusal, with its status.
pub fn check_callback(query: &str, sdk_app_id: &str, token: Option<&[u8]>, now: u64) -> Result<(), Refused> {
    use tencent::query::{CallbackQuery, Refusal};
    let checked =
        CallbackQuery::parse(query).map_err(Refusal::from).and_then(|query| query.check(sdk_app_id, token, now));
    checked.map_err(|refusal| {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
        Refused::new(status, refusal.to_string())
    })
}

/// A request's items on their way into the inbox.
struct Inbox<'s> {
    shared: &'s Shared,
    receiver: &'s str,
    submission: Submission,
}

impl<'s> Inbox<'s> {
    fn new(shared: &'s Shared, receiver: &'s str) -> Self {
        let mut submission = Submission::default();
        submission.accept().dedup_window_ms = u64::from(shared.config().limits.dedup_window_s) * 1000;
        Self { shared, receiver, submission }
    }

    fn put(
        &mut self,
        kind: &str,
        identity: Identity,
        write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error>,
    ) {
        // What was read can be written: the only failure is a buffer's, and this one grows.
        let item = to_vec(write).ok().and_then(|json| String::from_utf8(json).ok()).unwrap_or_default();
        self.submission.accept().items.push(NewItem {
            receiver: self.receiver.to_owned(),
            kind: kind.to_owned(),
            identity: identity.to_bytes(),
            received_at: self.shared.clock.millis(),
            item,
        });
    }
}

async fn store(
    shared: &Shared,
    receiver: &str,
    counts: &ReceiverCounts,
    mut submission: Submission,
) -> Result<(), Refused> {
    let kinds = ReceiverCounts::by_kind(submission.accept().items.iter().map(|item| &*item.kind));
    if let Accepted::Stored { new_items, duplicate_items, .. } = shared.accept(submission).await? {
        counts.took(kinds, duplicate_items);
        let request_id = RequestId::current();
        let (items, duplicates) = (new_items.len(), duplicate_items);
        tracing::debug!(target: DELIVERY, %request_id, receiver, items, duplicates, "received");
    }
    Ok(())
}

/// Answers an uplink request: "`code` 0 after the batch is safely stored; a refused request gets its fitting 4xx/5xx
/// status and a non-zero code with a description" (the uplink page).
#[must_use]
pub fn uplink_answer(outcome: &Result<(), Refused>) -> Response {
    let (status, body) = match outcome {
        Ok(()) => (StatusCode::OK, to_vec(|buf| uplink::Reply::OK.write(buf))),
        Err(refused) => {
            let code = Code(i64::from(refused.status.as_u16()));
            let reply = uplink::Reply::refusal(code, Text::from(refused.message.as_str()));
            (refused.status, to_vec(|buf| reply.write(buf)))
        }
    };
    json(status, body)
}

/// Answers a Tencent callback: `ErrorCode` 0, or 1 and the reason.
#[must_use]
pub fn tencent_answer(outcome: &Result<(), Refused>, failure: FailureStatus) -> Response {
    let (status, body) = match outcome {
        Ok(()) => (StatusCode::OK, to_vec(|buf| tencent::Reply::OK.write(buf))),
        Err(refused) => {
            let word = match failure {
                FailureStatus::Failure => ActionStatus::Failure,
                FailureStatus::Fail => ActionStatus::Fail,
            };
            let reply = tencent::Reply::refusal(word, Text::from(refused.message.as_str()));
            (refused.status, to_vec(|buf| reply.write(buf)))
        }
    };
    json(status, body)
}

fn json(status: StatusCode, body: Result<Vec<u8>, Error>) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body.unwrap_or_default()).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status that fits.
    pub status: StatusCode,
    /// What is wrong, for the sender.
    pub message: String,
}

impl Refused {
    /// Refuses with `status`.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("{error} (byte {})", error.offset()))
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<NotAccepted> for Refused {
    fn from(error: NotAccepted) -> Self {
        if let NotAccepted::Full(full) = error {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, full.to_string());
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "cannot store it now; nothing was accepted, send it again")
    }
}
