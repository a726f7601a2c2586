//! The device link as a WebSocket: `GET /v2/message/client/link`, with the token as for a client push.
//!
//! What is refused before there is a WebSocket is refused like a push: a status, `X-Request-ID`, and a body that says
//! what is wrong.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError, handshake::server::create_response_with_body};

use super::{
    Api,
    answer::{Problem, RequestId},
    caller,
};
use crate::{
    api::server::upgraded::{self, Raw},
    link::{Links, bound, websocket::Reserved},
};

/// Seconds after which a device that found no room may come again (ours).
const COME_AGAIN: u64 = 1;

/// Connect a device.
///
/// Makes a WebSocket of the request, and a connection of the device link of that: one JSON object in each text message.
#[utoipa::path(
    get, path = "/v2/message/client/link", operation_id = "connect_device", tag = "link",
    security(("device_token" = []), ("device_token_in_query" = [])),
    responses(
        (status = 101, description = "From here on it is a WebSocket."),
        (
            status = 426, description = "The request is for no WebSocket.",
            body = ref("#/components/schemas/PushReply"), content_type = "application/json",
        ),
    )
)]
pub(super) async fn link(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let id = RequestId::current();
    match upgrade(&api.links, peer, request) {
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
    let reserved = reserve(links, peer, &request).map_err(NoUpgrade::Problem)?;
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await.map(upgraded::raw) {
            // Each on the heap: what is held on to is no larger than it has to be.
            Ok(Raw::Tcp(stream, ahead)) => {
                bound(&stream);
                Box::pin(reserved.serve(stream, ahead)).await;
            }
            Ok(Raw::Tls(stream, ahead)) => {
                bound(stream.get_ref().0);
                Box::pin(reserved.serve(stream, ahead)).await;
            }
            Ok(Raw::Other(stream)) => Box::pin(reserved.serve(stream, Vec::new())).await,
            Err(error) => tracing::debug!(%peer, %error, "a device's WebSocket did not come to be"),
        }
    });
    Ok(response)
}

fn reserve(links: &Arc<Links>, peer: SocketAddr, request: &Request) -> Result<Reserved, Problem> {
    let token = caller::token(request.headers(), request.uri())?;
    links.reserve(peer, &token).map_err(|refusal| {
        let message = refusal.to_string();
        match message.strip_prefix("hello.token: ") {
            Some(message) => Problem::unauthorized(caller::TOKEN, message),
            None => Problem::passing(StatusCode::SERVICE_UNAVAILABLE, message, COME_AGAIN),
        }
    })
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
    NoUpgrade::NoWebSocket(Problem::of_request(StatusCode::UPGRADE_REQUIRED, message))
}
