//! The device link's WebSocket: `GET /v2/message/client/link`, with the token as for a client push.
//!
//! What is refused before there is a WebSocket is refused like a push: a status, `X-Request-ID`, and a body that says
//! what is wrong.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError, handshake::server::create_response_with_body};

use super::{
    lingyang::{Problem, RequestId, TOKEN, client_token},
    server::upgraded::{self, Raw},
};
use crate::link::Links;

/// The link's route.
pub fn router(links: Arc<Links>) -> Router {
    Router::new().route("/v2/message/client/link", get(link)).with_state(links)
}

async fn link(
    State(links): State<Arc<Links>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let id = RequestId::new();
    match upgrade(&links, peer, request) {
        Ok(mut response) => {
            id.mark(&mut response);
            response
        }
        Err(NoUpgrade::Problem(problem)) => id.answer(Err(problem)),
        Err(NoUpgrade::NoWebSocket(problem)) => {
            let mut response = id.answer(Err(problem));
            // RFC 9110, section 7.8, and RFC 6455, section 4.4.
            response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
    }
}

enum NoUpgrade {
    Problem(Problem),
    NoWebSocket(Problem),
}

fn upgrade(links: &Arc<Links>, peer: SocketAddr, mut request: Request) -> Result<Response, NoUpgrade> {
    let response = create_response_with_body(&request, Body::empty).map_err(|error| no_websocket(&error))?;
    let token = client_token(request.headers(), request.uri().query())
        .ok_or_else(|| Problem::unauthorized(TOKEN, "required: the device's own token (or ?client_token=…)"))
        .map_err(NoUpgrade::Problem)?;
    let reserved = links.reserve(peer, token).map_err(|refusal| {
        let status = StatusCode::from_u16(refusal.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = refusal.to_string();
        NoUpgrade::Problem(match message.strip_prefix("hello.token: ") {
            Some(message) => Problem::new(status, TOKEN, message),
            None => Problem::without_field(status, message),
        })
    })?;
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await.map(upgraded::raw) {
            // Each on the heap: what is held on to is no larger than it has to be.
            Ok(Raw::Tcp(stream, ahead)) => Box::pin(reserved.serve(stream, ahead)).await,
            Ok(Raw::Tls(stream, ahead)) => Box::pin(reserved.serve(stream, ahead)).await,
            Ok(Raw::Other(stream)) => Box::pin(reserved.serve(stream, bytes::Bytes::new())).await,
            Err(error) => tracing::debug!(%peer, %error, "a device's WebSocket did not come to be"),
        }
    });
    Ok(response)
}

fn no_websocket(error: &tungstenite::Error) -> NoUpgrade {
    let message = match error {
        tungstenite::Error::Protocol(ProtocolError::MissingSecWebSocketKey) => {
            "the Sec-WebSocket-Key header is missing"
        }
        tungstenite::Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => {
            "the Sec-WebSocket-Version header must be 13"
        }
        tungstenite::Error::Protocol(ProtocolError::WrongHttpVersion) => {
            "a WebSocket takes HTTP/1.1; connect with that version"
        }
        _ => "this is the device link: connect with a WebSocket (Connection: Upgrade, Upgrade: websocket)",
    };
    NoUpgrade::NoWebSocket(Problem::without_field(StatusCode::UPGRADE_REQUIRED, message))
}
