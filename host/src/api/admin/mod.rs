//! The admin API: what is to be sent, what became of it, what has come in.
//!
//! Requests need the bearer token of `listen.admin_token` when one is configured, which it must be on an address that
//! others can reach. Answers are JSON; a refusal is `{"error":{"code":…,"field":…,"message":…}}`.

#![expect(unused_qualifications, reason = "utoipa's macros qualify the names of parameters' types")]

mod deliveries;
mod devices;
mod inbox;
mod lanes;
mod live;
mod openapi;
mod page;
mod path;
mod query;
mod refusal;
mod series;
mod status;
mod submit;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::state::Shared;
use crate::{
    config::{Admin, Secret},
    telemetry::seldom::seldom,
};
use openapi::Document;
use refusal::Refusal;

/// Entries of a page when the caller does not say.
const PAGE: usize = 100;

/// The admin API's routes.
pub fn router(shared: Shared, admin: &Admin) -> Router {
    let (open, guarded) = described();
    let mut document = open.get_openapi().clone();
    document.merge(guarded.get_openapi().clone());
    let guarded = Router::from(guarded).layer(Extension(Arc::new(Document::new(document))));
    let guarded = match admin.token() {
        Some(token) => guarded.layer(middleware::from_fn_with_state(token.clone(), authorize)),
        None => guarded,
    };
    let shows = if admin.token().is_none() { page::Shows::State } else { page::Shows::NoData };
    Router::from(open).merge(page::router(shows)).merge(guarded).with_state(shared)
}

/// The routes with their words: those that ask for no token, and those that do.
fn described() -> (OpenApiRouter<Shared>, OpenApiRouter<Shared>) {
    let open =
        OpenApiRouter::with_openapi(openapi::begun()).routes(routes!(status::live)).routes(routes!(status::ready));
    let guarded = OpenApiRouter::new()
        .routes(routes!(submit::uplink))
        .routes(routes!(submit::tencent))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show, deliveries::remove))
        .routes(routes!(deliveries::replay))
        .routes(routes!(inbox::list))
        .routes(routes!(lanes::list))
        .routes(routes!(lanes::pause))
        .routes(routes!(lanes::resume))
        .routes(routes!(devices::list))
        .routes(routes!(status::show))
        .routes(routes!(live::live))
        .routes(routes!(series::series))
        .routes(routes!(status::metrics))
        .routes(routes!(openapi::show));
    (open, guarded)
}

async fn authorize(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).and_then(|value| Secret::new(value).ok());
    if given.is_some_and(|given| given == token) {
        return next.run(request).await;
    }
    let peer = request.extensions().get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip().to_string());
    seldom!(warn, peer, "refused a request to the admin API: it does not bring the admin token");
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Authorization", "required: Bearer and the admin token");
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}
