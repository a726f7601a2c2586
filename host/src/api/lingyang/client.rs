//! `POST /v2/message/client/push`: a device pushes to other devices, by their tokens.
//!
//! A receiver's token is the right to send to it: it may be a device of another app, whose own keys have signed the
//! token ("the app is found by cid"; ours: the page does not speak of two apps here). The webhook is the sender's app's.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use pushgate_core::{
    Text,
    json::to_vec,
    lingyang::{Callback, Cids, ClientPush, DeviceMessage, Webhook},
};

use super::{
    Api,
    answer::{Problem, RequestId},
    bytes_of, caller, max_receivers, to_devices,
};
use crate::{
    api::{body::UnreadBody, state::Submission},
    auth,
    engine::{LaneKey, MessageMeta, Meta, Payload},
    metrics::Refused,
};

/// Push from a device to other devices.
///
/// Each receiver's token is the right to send to it. The message is stored before the answer, and sent as its flag
/// says.
#[utoipa::path(
    post, path = "/v2/message/client/push", operation_id = "push_from_device", tag = "pushes",
    security(("device_token" = []), ("device_token_in_query" = [])),
    request_body(content = ref("#/components/schemas/ClientPush"), content_type = "application/json"),
    responses(
        (
            status = 200, description = "It is stored, and under way.", body = ref("#/components/schemas/PushReply"),
            content_type = "application/json",
            headers(("X-Request-ID" = String, description = "The same as `request_id`.")),
        ),
    )
)]
pub(super) async fn push(State(api): State<Api>, uri: Uri, headers: HeaderMap, body: UnreadBody) -> Response {
    let request = RequestId::current();
    let outcome = accept(&api, &request, &uri, &headers, body).await;
    request.answer(outcome)
}

async fn accept(
    Api { shared, pace, .. }: &Api,
    request: &RequestId,
    uri: &Uri,
    headers: &HeaderMap,
    body: UnreadBody,
) -> Result<(), Problem> {
    let config = shared.config();
    let now = shared.clock.unix_secs();
    let token = caller::token(headers, uri)?;
    let sender = auth::device(&config.lingyang, Text::from(&*token), now)
        .map_err(|error| Problem::unauthorized(caller::TOKEN, error))?;
    let most = config.limits.device_pushes;
    pace.take(sender.cid, most, shared.clock.now()).map_err(|wait_ms| {
        shared.metrics.refused(Refused::Rate);
        let message = format!(
            "this device makes more than {most} pushes a second (limits.device_pushes); nothing was accepted, send it \
             again after Retry-After"
        );
        Problem::passing(StatusCode::TOO_MANY_REQUESTS, message, wait_ms.div_ceil(1000))
    })?;

    let body = body.read().await?;
    let push = ClientPush::read(&body, max_receivers(&config))?;
    let mut receivers = Vec::with_capacity(push.access_tokens.len());
    for (index, token) in push.access_tokens.iter().enumerate() {
        let receiver = auth::device(&config.lingyang, token, now)
            .map_err(|error| Problem::unauthorized(format!("access_tokens[{index}]"), error))?;
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
    to_devices(&mut submission, shared.clock, message, receivers.iter().copied());
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
