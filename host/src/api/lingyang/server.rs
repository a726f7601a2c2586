//! `POST /v2/message/server/push`: the application server pushes to its devices, by their cids.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use pushgate_core::lingyang::{Cid, Flag, Msg, ServerPush};

use super::{
    Api,
    answer::{Problem, RequestId},
    bytes_of, caller, max_receivers, to_devices,
};
use crate::{
    api::{
        body::UnreadBody,
        state::{Shared, Submission},
    },
    auth,
    config::App,
    engine::{MessageMeta, Meta, Payload},
};

const APP: &str = "X-APP-ID";
const KEY: &str = "X-APP-Key";

/// Push from the application server to its devices.
///
/// One message to many devices, or messages in devices' names. They are stored before the answer, and sent as their
/// flags say.
#[utoipa::path(
    post, path = "/v2/message/server/push", operation_id = "push_from_server", tag = "pushes",
    security(("app_id" = [], "app_key" = [])),
    request_body(content = ref("#/components/schemas/ServerPush"), content_type = "application/json"),
    responses(
        (
            status = 200, description = "It is stored, and under way.", body = ref("#/components/schemas/PushReply"),
            content_type = "application/json",
            headers(("X-Request-ID" = String, description = "The same as `request_id`.")),
        ),
        (
            status = 403, description = "A device is outside the app's ranges of cids.",
            body = ref("#/components/schemas/PushReply"), content_type = "application/json",
        ),
    )
)]
pub(super) async fn push(State(api): State<Api>, headers: HeaderMap, body: UnreadBody) -> Response {
    let request = RequestId::current();
    let outcome = accept(&api.shared, &request, &headers, body).await;
    request.answer(outcome)
}

async fn accept(shared: &Shared, request: &RequestId, headers: &HeaderMap, body: UnreadBody) -> Result<(), Problem> {
    let config = shared.config();
    let id = caller::header(headers, APP)?.ok_or_else(|| Problem::unauthorized(APP, "required: the app's id"))?;
    let key =
        caller::header(headers, KEY)?.ok_or_else(|| Problem::unauthorized(KEY, "required: one of the app's keys"))?;
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
            let message = message(0, batch.flag, batch.msg);
            to_devices(&mut submission, shared.clock, message, batch.clients.iter());
        }
        ServerPush::Proxy(messages) => {
            for (index, one) in messages.iter().enumerate() {
                owned(app, one.from, || format!("payload[{index}].from"))?;
                owned(app, one.to, || format!("payload[{index}].to"))?;
                let message = message(one.from.value(), one.flag, one.msg);
                to_devices(&mut submission, shared.clock, message, [one.to].into_iter());
            }
        }
    }
    shared.accept(submission).await?;
    Ok(())
}

/// "A cid outside the app's ranges on server push = 403" (the Lingyang page; ours).
fn owned(app: &App, cid: Cid, field: impl FnOnce() -> String) -> Result<(), Problem> {
    if app.owns(cid.value()) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, field(), format!("cid {cid} is outside the app's ranges")))
}
