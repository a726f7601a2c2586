//! The device API: a device's push (`client`) and the application server's (`server`), `POST /v2/message/…/push`, and
//! the device link as a WebSocket (`link`).
//!
//! Every answer under `/v2/message/` has one shape, in `answer`: `X-Request-ID`, the same as `request_id` in its body,
//! and on a refusal what was wrong. 200 means accepted and safely stored.

mod answer;
mod caller;
mod client;
mod link;
mod pace;
mod server;

use std::sync::Arc;

use axum::{Router, http::StatusCode, middleware, response::Response, routing::any};
use bytes::Bytes;
use pushgate_core::lingyang::{Cid, Msg};
use utoipa::openapi::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

use super::state::{Shared, Submission};
use crate::{
    clock::Clock,
    config::Config,
    engine::{LaneKey, Payload},
    link::Links,
};
use answer::{Problem, RequestId};
use pace::Pace;

/// What the handlers of the device API work with.
#[derive(Clone)]
struct Api {
    shared: Shared,
    links: Arc<Links>,
    pace: Arc<Pace>,
}

/// The device API's routes.
pub fn router(shared: Shared, links: Arc<Links>) -> Router {
    Router::from(described())
        .route("/v2/message/", any(nothing_here))
        .route("/v2/message/{*path}", any(nothing_here))
        .layer(middleware::from_fn(answer::or_internal_error))
        .with_state(Api { shared, links, pace: Arc::default() })
}

/// What the routes say of themselves.
pub(super) fn words() -> OpenApi {
    described().into_openapi()
}

/// The routes with their words.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(client::push).map(|route| route.fallback(no_such_method)))
        .routes(routes!(server::push).map(|route| route.fallback(no_such_method)))
        .routes(routes!(link::link).map(|route| route.fallback(no_such_method_of_link)))
}

/// "Every response carries `X-Request-ID`" (the Lingyang page), this one too.
async fn no_such_method() -> Response {
    let problem = Problem::of_request(StatusCode::METHOD_NOT_ALLOWED, "a push is a POST; see the Allow header");
    RequestId::current().answer(Err(problem))
}

async fn no_such_method_of_link() -> Response {
    let problem =
        Problem::of_request(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket begins with a GET; see the Allow header");
    RequestId::current().answer(Err(problem))
}

async fn nothing_here() -> Response {
    let what = "nothing is here; POST to /v2/message/client/push or /v2/message/server/push, or connect a WebSocket to /v2/message/client/link";
    RequestId::current().answer(Err(Problem::of_request(StatusCode::NOT_FOUND, what)))
}

/// Adds a delivery of `message` to each device, once however often it is listed (ours).
fn to_devices(submission: &mut Submission, clock: Clock, message: Payload, receivers: impl Iterator<Item = Cid>) {
    let mut told = std::collections::HashSet::new();
    submission.payload(message);
    for cid in receivers.filter(|cid| told.insert(*cid)) {
        submission.delivery(LaneKey::Device(cid.value()), clock);
    }
}

fn bytes_of(msg: Msg<'_>) -> Bytes {
    msg.bytes().collect()
}

fn max_receivers(config: &Config) -> u32 {
    u32::try_from(config.limits.receivers_per_request).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{MessageMeta, Meta};

    #[tokio::test]
    async fn a_message_for_a_hundred_devices_is_a_hundred_deliveries_of_one_body() {
        let meta = MessageMeta { from: 7, created: 1, flag: 2, push: "push".to_owned(), receipt: false };
        let message = Payload { meta: Meta::Message(meta), body: Bytes::from_static(b"hello") };
        let mut submission = Submission::default();
        let receivers = (1..=100).chain([1, 50]).filter_map(Cid::new);
        to_devices(&mut submission, Clock::start(), message, receivers);
        let accept = submission.accept();
        assert_eq!(accept.bodies, [&b"hello"[..]]);
        assert_eq!(accept.deliveries.len(), 100);
        let mut lanes: Vec<_> = accept.deliveries.iter().map(|delivery| (&*delivery.lane, delivery.body)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        assert_eq!(lanes.len(), 100, "each on a lane of its own, once");
        assert!(lanes.iter().all(|(_, body)| *body == 0), "each names the one body");
    }
}
