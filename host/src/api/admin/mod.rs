//! The admin API: what is to be sent, what became of it, what has come in.
//!
//! Requests need the bearer token of `listen.admin_token` when one is configured, which it must be on an address that
//! others can reach. Answers are JSON; a refusal is `{"error":{"code":…,"field":…,"message":…}}`.

mod deliveries;
mod devices;
mod inbox;
mod lanes;
mod refusal;
mod status;
mod submit;

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::state::Shared;
use crate::config::{Admin, Secret};
use refusal::Refusal;

/// Entries of a page when the caller does not say.
const PAGE: usize = 100;

/// The admin API's routes.
pub fn router(shared: Shared, admin: &Admin) -> Router {
    let api = Router::new()
        .route("/api/uplink/{destination}", post(submit::uplink))
        .route("/api/tencent/{destination}", post(submit::tencent))
        .route("/api/deliveries", get(deliveries::list))
        .route("/api/deliveries/{id}", get(deliveries::show).delete(deliveries::remove))
        .route("/api/deliveries/{id}/replay", post(deliveries::replay))
        .route("/api/inbox", get(inbox::list))
        .route("/api/lanes", get(lanes::list))
        .route("/api/lanes/{lane}/pause", post(lanes::pause))
        .route("/api/lanes/{lane}/resume", post(lanes::resume))
        .route("/api/devices", get(devices::list))
        .route("/api/status", get(status::show))
        .route("/metrics", get(status::metrics));
    let api = match admin.token() {
        Some(token) => api.layer(middleware::from_fn_with_state(token.clone(), authorize)),
        None => api,
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(status::ready))
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
