//! The device API: a device's push and the application server's, `POST /v2/message/…/push`.
//!
//! Every answer carries `X-Request-ID`, the same as `request_id` in its body. 200 means accepted and safely stored.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use pushgate_core::{
    Error, Text,
    json::to_vec,
    lingyang::{Callback, Cid, Cids, ClientPush, DeviceMessage, Flag, Msg, Refusal, Reply, ServerPush, Webhook},
};
use uuid::Uuid;

use super::{
    body::{BodyError, UnreadBody},
    state::{NotAccepted, Shared, Submission},
};
use crate::{
    auth::{self, NotADevice},
    config::{App, Config},
    engine::{LaneKey, MessageMeta, Meta, Payload},
};

/// The header of a device's own token.
pub(super) const TOKEN: &str = "X-Client-Token";

/// The device API's routes.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v2/message/client/push", post(client_push).fallback(no_such_method))
        .route("/v2/message/server/push", post(server_push).fallback(no_such_method))
        .with_state(shared)
}

/// "Every response carries `X-Request-ID`" (the Lingyang page), this one too.
async fn no_such_method() -> Response {
    let problem = Problem {
        status: StatusCode::METHOD_NOT_ALLOWED,
        field: None,
        message: "a push is a POST; see the Allow header".to_owned(),
    };
    RequestId::new().answer(Err(problem))
}

async fn client_push(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: UnreadBody,
) -> Response {
    let request = RequestId::new();
    let outcome = push_from_device(&shared, &request, query.as_deref(), &headers, body).await;
    request.answer(outcome)
}

async fn push_from_device(
    shared: &Shared,
    request: &RequestId,
    query: Option<&str>,
    headers: &HeaderMap,
    body: UnreadBody,
) -> Result<(), Problem> {
    let config = shared.config();
    let now = shared.clock.unix_secs();
    let token = client_token(headers, query)
        .ok_or_else(|| Problem::unauthorized(TOKEN, "required: the device's own token (or ?client_token=…)"))?;
    let sender = auth::device(&config.lingyang, Text::from(token), now)
        .map_err(|error| Problem::unauthorized(TOKEN, error.to_string()))?;

    let body = body.read().await?;
    let push = ClientPush::read(&body, max_receivers(&config))?;
    let mut receivers = Vec::with_capacity(push.access_tokens.len());
    for (index, token) in push.access_tokens.iter().enumerate() {
        let receiver = auth::device(&config.lingyang, token, now)
            .map_err(|error: NotADevice| Problem::unauthorized(format!("access_tokens[{index}]"), error.to_string()))?;
        // Once however often it is listed (ours).
        if !receivers.contains(&receiver.cid) {
            receivers.push(receiver.cid);
        }
    }

    let message = Payload {
        meta: Meta::Message(MessageMeta {
            from: sender.cid.value(),
            created: now,
            flag: push.flag.unwrap_or_default().code(),
            push: request.text().to_owned(),
            receipt: push.callback == Callback::Yes,
        }),
        body: bytes_of(push.msg),
    };
    let mut submission = Submission::default();
    to_devices(&mut submission, shared, message, receivers.iter().copied());
    if push.callback == Callback::Yes && sender.app.webhook().is_some() {
        let call = Webhook::DeviceMessage(DeviceMessage {
            msg: push.msg,
            from: sender.cid,
            to: Cids::from(receivers.as_slice()),
            created: now,
        });
        let call = to_vec(|buf| call.write(buf))?;
        submission.payload(Payload { meta: Meta::Whole, body: call.into() });
        submission.delivery(LaneKey::Webhook(sender.app.id().into()), shared.clock);
    }
    shared.accept(submission).await?;
    Ok(())
}

async fn server_push(State(shared): State<Shared>, headers: HeaderMap, body: UnreadBody) -> Response {
    let request = RequestId::new();
    let outcome = push_from_server(&shared, &request, &headers, body).await;
    request.answer(outcome)
}

async fn push_from_server(
    shared: &Shared,
    request: &RequestId,
    headers: &HeaderMap,
    body: UnreadBody,
) -> Result<(), Problem> {
    const APP: &str = "X-APP-ID";
    const KEY: &str = "X-APP-Key";
    let config = shared.config();
    let id = text(headers, APP).ok_or_else(|| Problem::unauthorized(APP, "required: the app's id"))?;
    let key = text(headers, KEY).ok_or_else(|| Problem::unauthorized(KEY, "required: one of the app's keys"))?;
    let app = auth::app(&config.lingyang, id, key)
        .ok_or_else(|| Problem::unauthorized(KEY, "no app with this id and key; see lingyang.apps"))?;

    let body = body.read().await?;
    let push = ServerPush::read(&body, max_receivers(&config))?;
    let created = shared.clock.unix_secs();
    let message = |from: u32, flag: Option<Flag>, msg: Msg<'_>| {
        let meta = MessageMeta {
            from,
            created,
            flag: flag.unwrap_or_default().code(),
            push: request.text().to_owned(),
            receipt: false,
        };
        Payload { meta: Meta::Message(meta), body: bytes_of(msg) }
    };
    let mut submission = Submission::default();
    match push {
        ServerPush::Batch(batch) => {
            for (index, cid) in batch.clients.iter().enumerate() {
                owned(app, cid, || format!("payload.clients[{index}]"))?;
            }
            to_devices(&mut submission, shared, message(0, batch.flag, batch.msg), batch.clients.iter());
        }
        ServerPush::Proxy(messages) => {
            for (index, one) in messages.iter().enumerate() {
                owned(app, one.from, || format!("payload[{index}].from"))?;
                owned(app, one.to, || format!("payload[{index}].to"))?;
                let message = message(one.from.value(), one.flag, one.msg);
                to_devices(&mut submission, shared, message, [one.to].into_iter());
            }
        }
    }
    shared.accept(submission).await?;
    Ok(())
}

/// Adds a delivery of `message` to each device, once however often it is listed (ours).
fn to_devices(submission: &mut Submission, shared: &Shared, message: Payload, receivers: impl Iterator<Item = Cid>) {
    let mut told = std::collections::HashSet::new();
    submission.payload(message);
    for cid in receivers.filter(|cid| told.insert(*cid)) {
        submission.delivery(LaneKey::Device(cid.value()), shared.clock);
    }
}

/// "A cid outside the app's ranges on server push = 403" (the Lingyang page; ours).
fn owned(app: &App, cid: Cid, field: impl FnOnce() -> String) -> Result<(), Problem> {
    if app.owns(cid.value()) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, field(), format!("cid {cid} is outside the app's ranges")))
}

fn bytes_of(msg: Msg<'_>) -> Bytes {
    msg.bytes().collect()
}

fn max_receivers(config: &Config) -> u32 {
    u32::try_from(config.limits.receivers_per_request).unwrap_or(u32::MAX)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The device's own token, from its header or from the query; tokens hold nothing that a query has to escape.
pub(super) fn client_token<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> Option<&'r str> {
    text(headers, "x-client-token").or_else(|| {
        query?.split('&').find_map(|pair| pair.strip_prefix("client_token=")).filter(|token| !token.is_empty())
    })
}

/// The id of a request: 32 lowercase hexadecimal characters.
pub(super) struct RequestId(String);

impl RequestId {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn answer(&self, outcome: Result<(), Problem>) -> Response {
        let problem = outcome.err();
        let (status, error) = match &problem {
            None => (StatusCode::OK, None),
            Some(problem) => (problem.status, Some(problem.refusal())),
        };
        let reply = Reply { request_id: Text::from(self.text()), error };
        let body = to_vec(|buf| reply.write(buf)).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        self.mark(&mut response);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// Says the id in the header too.
    pub(super) fn mark(&self, response: &mut Response) {
        if let Ok(id) = HeaderValue::from_str(self.text()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
        }
    }
}

/// Why a request is refused.
pub(super) struct Problem {
    status: StatusCode,
    field: Option<String>,
    message: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, field: Some(field.into()), message: message.into() }
    }

    pub(super) fn without_field(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, field: None, message: message.into() }
    }

    pub(super) fn unauthorized(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, field, message)
    }

    fn refusal(&self) -> Refusal<'_> {
        Refusal {
            code: u32::from(self.status.as_u16()),
            field: self.field.as_deref().map(Text::from),
            message: Text::from(self.message.as_str()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = format!("{} (byte {})", error.kind(), error.offset());
        Self::new(StatusCode::BAD_REQUEST, error.field().to_string(), message)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        let message = message.strip_prefix("body: ").unwrap_or(&message).to_owned();
        Self::new(error.status(), "body", message)
    }
}

impl From<NotAccepted> for Problem {
    fn from(error: NotAccepted) -> Self {
        tracing::error!(%error, "cannot accept a push");
        let message = match error {
            NotAccepted::Full(full) => full.to_string(),
            NotAccepted::Store(_) => "cannot store it now; nothing was accepted, send it again".to_owned(),
        };
        Self { status: StatusCode::SERVICE_UNAVAILABLE, field: None, message }
    }
}
