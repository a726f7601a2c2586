//! The admin API: what is to be sent, what became of it, what has come in.
//!
//! Requests need the bearer token of `listen.admin_token` when one is configured, which it must be on an address that
//! others can reach (`token`), and come from no other site's page (`origin`). Answers are JSON; a refusal is
//! `{"error":{"code":…,"field":…,"message":…}}` (`refusal`).
//!
//! A route is added in `described`, with its words: its parameters are read by `query` and `path` as those words say,
//! and what any request may be refused with is added to the words in `openapi`.

#![expect(unused_qualifications, reason = "utoipa's macros qualify the names of parameters' types")]

mod bulk;
mod deliveries;
mod devices;
mod health;
mod inbox;
mod lanes;
mod live;
mod openapi;
mod origin;
mod page;
mod path;
mod query;
mod refusal;
mod series;
mod status;
mod submit;
mod token;

use std::sync::Arc;

use axum::{Extension, Router, http::StatusCode, middleware};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::state::Shared;
use crate::config::Admin;
use openapi::Documents;
use refusal::Refusal;
use token::Guard;

/// Entries of a page when the caller does not say.
const PAGE: usize = 100;

/// The admin API's routes, for a listener at `admin`.
pub fn router(shared: Shared, admin: &Admin) -> Router {
    let guard = Guard::new(shared.clone(), admin);
    let (open, guarded) = described();
    let mut words = open.get_openapi().clone();
    words.merge(guarded.get_openapi().clone());
    let documents = Arc::new(Documents::new(words, guard.clone()));
    let guarded = Router::from(guarded)
        .method_not_allowed_fallback(no_such_method)
        .layer(Extension(documents))
        .layer(middleware::from_fn_with_state(shared.clone(), health::while_serving))
        .layer(middleware::from_fn_with_state(guard.clone(), token::required));
    Router::from(open)
        .method_not_allowed_fallback(no_such_method)
        .merge(page::router(guard.clone()).method_not_allowed_fallback(no_such_method))
        .merge(guarded)
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(guard, origin::own))
        .with_state(shared)
}

/// The routes with their words: those that ask for no token, and those that do.
fn described() -> (OpenApiRouter<Shared>, OpenApiRouter<Shared>) {
    let open =
        OpenApiRouter::with_openapi(openapi::begun()).routes(routes!(health::live)).routes(routes!(health::ready));
    let guarded = OpenApiRouter::new()
        .routes(routes!(submit::uplink))
        .routes(routes!(submit::tencent))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show, deliveries::remove))
        .routes(routes!(deliveries::replay))
        .routes(routes!(bulk::replay))
        .routes(routes!(bulk::drop))
        .routes(routes!(inbox::list))
        .routes(routes!(lanes::list))
        .routes(routes!(lanes::pause))
        .routes(routes!(lanes::resume))
        .routes(routes!(devices::list))
        .routes(routes!(status::show))
        .routes(routes!(live::live))
        .routes(routes!(series::series))
        .routes(routes!(status::metrics))
        .routes(routes!(openapi::show))
        .routes(routes!(openapi::show_public));
    (open, guarded)
}

async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "path", "there is nothing at this path; /api/openapi.json lists what there is")
}

async fn no_such_method() -> Refusal {
    let message = "this path does not take this method; see the Allow header";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", message)
}
