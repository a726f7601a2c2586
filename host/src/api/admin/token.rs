//! The bearer token of `listen.admin_token`, as the configuration in force has it.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::refusal::Refusal;
use crate::{
    api::state::Shared,
    config::{Admin, Listen, Secret},
    metrics::Refused,
    telemetry::seldom::seldom,
};

/// Knows who may use the admin API.
#[derive(Clone)]
pub(super) struct Guard {
    shared: Shared,
    /// Where it listens, which a reload does not change.
    address: SocketAddr,
}

impl Guard {
    pub(super) fn new(shared: Shared, admin: &Admin) -> Self {
        Self { shared, address: admin.address() }
    }

    /// Says whether a request must carry a token.
    pub(super) fn asks_for_token(&self) -> bool {
        // A reload may have taken the token away together with the address that needs one, which is still listened on.
        self.shared.config().listen.admin.token().is_some() || Admin::new(self.address, None).is_err()
    }

    /// How the gateway listens, as the configuration in force has it.
    pub(super) fn listen(&self) -> Listen {
        self.shared.config().listen.clone()
    }

    fn admits(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.asks_for_token() {
            return Ok(());
        }
        let refused = |message| Err(Refusal::new(StatusCode::UNAUTHORIZED, "Authorization", message));
        let config = self.shared.config();
        let Some(token) = config.listen.admin.token() else {
            return refused(
                "the configuration has no listen.admin_token any more, and until the next start the gateway listens \
                 where others can reach it: set one again, or restart the gateway",
            );
        };
        match given(headers) {
            None => refused("required: Bearer and the admin token (listen.admin_token)"),
            Some(given) if given == *token => Ok(()),
            Some(_) => refused("is not the admin token: give Bearer and what listen.admin_token says"),
        }
    }
}

/// Lets a request pass that carries the token, if there is one.
pub(super) async fn required(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Err(refusal) = guard.admits(request.headers()) else { return next.run(request).await };
    guard.shared.metrics.refused(Refused::Token);
    let peer = request.extensions().get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip().to_string());
    seldom!(warn, peer, "refused a request to the admin API: it does not bring the admin token");
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

/// The token that a request carries.
fn given(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Secret::new(token.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_from_its_header() {
        for (value, token) in [
            ("Bearer s3cret", Some("s3cret")),
            ("bearer s3cret", Some("s3cret")),
            ("Bearer  s3cret ", Some("s3cret")),
            ("s3cret", None),
            ("Basic s3cret", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(given(&headers).as_ref().map(Secret::reveal), token, "{value}");
        }
    }
}
