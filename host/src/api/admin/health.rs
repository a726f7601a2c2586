//! `GET /livez` and `/readyz`: whether the gateway lives, and whether it does what it is there for.
//!
//! Both are for whoever watches over it and ask for no token, so they tell nothing of what it keeps.

use axum::{
    Json,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::refusal::Refusal;
use crate::{api::state::Shared, health::Readiness};

/// Say whether the process answers.
///
/// Asks for no token.
#[utoipa::path(
    get, path = "/livez", operation_id = "is_alive", tag = "gateway", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain; charset=utf-8"))
)]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Say whether the gateway does what it is there for.
///
/// Its store has just committed, its scheduler has just answered, none of its workers and listeners has ended, and it
/// does not stop. However many ask, the store and the scheduler are asked once a second at the most. Asks for no token.
#[utoipa::path(
    get, path = "/readyz", operation_id = "is_ready", tag = "gateway", security(()),
    responses(
        (status = 200, description = "It does: every part is `ok`.", body = Readiness),
        (status = 503, description = "It does not: what is wrong, part by part.", body = Readiness),
    )
)]
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = shared.health.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Refuses what would change something while the gateway stops; what only asks is answered to the end.
pub(super) async fn while_serving(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if shared.health.is_stopping() && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = "the gateway is stopping and takes nothing more; try again once it is back";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "gateway", message).into_response();
    }
    next.run(request).await
}
