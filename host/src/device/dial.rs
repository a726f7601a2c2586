//! Opening a connection to a gateway: TCP, TLS on top of it, a WebSocket on top of either.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, HOST, LOCATION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
    },
};
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1, upgrade};
use hyper_util::rt::TokioIo;
use pushgate_core::{lingyang::Reply, link::device::WELCOME_WITHIN};
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use super::{
    Device,
    link::{Link, Over},
    wire::{Stream, Wire},
};
use crate::courier::tls;

/// How long connecting may take, TLS and the upgrade included; the welcome has the same time again (ours).
const CONNECT_WITHIN: Duration = Duration::from_millis(WELCOME_WITHIN as u64);

/// Bytes of a refused upgrade's body that are read (ours).
const MAX_REFUSAL_BYTES: usize = 4096;

/// Bytes of an HTTP head that are read, the least that hyper takes (ours).
const MAX_HEAD_BYTES: usize = 8192;

/// What opens connections: the network, or a test.
pub(super) trait Dial {
    /// Opens one.
    fn dial(&mut self) -> impl Future<Output = Result<Wire, Unopened>> + Send;
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// Nobody answered, or not as a gateway does.
    Failed(String),
    /// The gateway answered a WebSocket's request with another status than 101.
    Refused { status: u16, message: String },
    /// The token cannot be sent in a header.
    UnsendableToken,
}

impl From<String> for Unopened {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// The network, as a device uses it.
pub(super) struct Network<'d> {
    device: &'d Device,
    /// Reading the system's authorities takes milliseconds: once is enough.
    tls: Option<Arc<ClientConfig>>,
}

impl<'d> Network<'d> {
    pub(super) const fn of(device: &'d Device) -> Self {
        Self { device, tls: None }
    }

    async fn open(&mut self) -> Result<Wire, Unopened> {
        let link = &self.device.link;
        let tcp = TcpStream::connect((link.host.as_str(), link.port))
            .await
            .map_err(|error| format!("cannot connect to {}: {error}", link.authority()))?;
        // Acknowledgements are small and each should go out when it is written.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = if link.over.is_encrypted() { self.encrypt(tcp).await? } else { Box::new(tcp) };
        if link.over.is_websocket() { self.upgrade(stream).await } else { Ok(Wire::lines(stream)) }
    }

    async fn encrypt(&mut self, tcp: TcpStream) -> Result<Box<dyn Stream>, Unopened> {
        let link = &self.device.link;
        let config = match &self.tls {
            Some(config) => Arc::clone(config),
            None => {
                let protocols: &[&[u8]] = if link.over.is_websocket() { &[b"http/1.1"] } else { &[] };
                let config = tls::client(self.device.tls.as_ref(), protocols).await.map_err(|reason| {
                    format!(
                        "there is no certificate authority to trust ({reason}): install the system's CA bundle \
                         (ca-certificates), or name the gateway's own authority with --ca"
                    )
                })?;
                Arc::clone(self.tls.insert(config))
            }
        };
        let name = ServerName::try_from(link.host.clone())
            .map_err(|_| format!("{} is no name that a certificate can be for", link.host))?;
        match TlsConnector::from(config).connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let cause = error.get_ref().and_then(|error| error.downcast_ref());
                let advice = cause.map_or("", |error| advice(error, link.over));
                Err(Unopened::Failed(format!("no trusted TLS connection to {}: {error}{advice}", link.authority())))
            }
        }
    }

    /// Asks for a WebSocket. The HTTP is hyper's, which reads a refusal whole, where a WebSocket library keeps what came
    /// with the head.
    async fn upgrade(&self, stream: Box<dyn Stream>) -> Result<Wire, Unopened> {
        let key = generate_key();
        let request = self.request(&key)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| not_http(&error))?;
        let drive = async {
            // What goes wrong is told to who asked.
            let _ = connection.with_upgrades().await;
            future::pending::<Infallible>().await
        };
        let ask = async {
            let response = sender.send_request(request).await.map_err(|error| not_http(&error))?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(refused(response).await);
            }
            let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
            if accept.is_none_or(|accept| *accept != *derive_accept_key(key.as_bytes())) {
                let words = "the gateway's answer is of no WebSocket: Sec-WebSocket-Accept does not fit the key";
                return Err(Unopened::Failed(words.to_owned()));
            }
            upgrade::on(response).await.map_err(|error| not_http(&error))
        };
        let upgraded = tokio::select! {
            upgraded = ask => upgraded?,
            never = drive => match never {},
        };
        let parts = upgraded
            .downcast::<TokioIo<Box<dyn Stream>>>()
            .map_err(|_| "the connection's stream was lost in the upgrade".to_owned())?;
        let (stream, read) = (parts.io.into_inner(), parts.read_buf.to_vec());
        let config = Some(Wire::websocket_config());
        Ok(Wire::messages(WebSocketStream::from_partially_read(stream, read, Role::Client, config).await))
    }

    fn request(&self, key: &str) -> Result<Request<Empty<Bytes>>, Unopened> {
        let link = &self.device.link;
        let token = self.device.token.reveal();
        // Other bytes would be read as another text, or not at all.
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        let token = HeaderValue::from_str(token).ok().filter(|_| printable);
        let mut token = token.ok_or(Unopened::UnsendableToken)?;
        token.set_sensitive(true);
        Request::builder()
            .method(Method::GET)
            .uri(&link.path)
            .header(HOST, host_header(link))
            .header(USER_AGENT, concat!("pushgate/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key)
            .header("x-client-token", token)
            .body(Empty::new())
            .map_err(|error| Unopened::Failed(format!("{link} cannot be asked for: {error}")))
    }
}

impl Dial for Network<'_> {
    async fn dial(&mut self) -> Result<Wire, Unopened> {
        let link = &self.device.link;
        time::timeout(CONNECT_WITHIN, self.open())
            .await
            .unwrap_or_else(|_| Err(Unopened::Failed(format!("no connection to {link} within {CONNECT_WITHIN:?}"))))
    }
}

/// `Host` leaves out the usual port, as browsers do.
fn host_header(link: &Link) -> String {
    let authority = link.authority();
    let usual = if link.over.is_encrypted() { ":443" } else { ":80" };
    authority.strip_suffix(usual).map_or(authority.clone(), str::to_owned)
}

/// What a gateway answers instead of 101: its status and its words.
async fn refused(response: Response<Incoming>) -> Unopened {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_REFUSAL_BYTES).collect().await.map(Collected::to_bytes).unwrap_or_default();
    Unopened::Refused { status: head.status.as_u16(), message: words_of(head.status, &head.headers, &body) }
}

fn words_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    if let Ok(reply) = Reply::read(body)
        && let Some(error) = reply.error
    {
        let field = error.field.map(|field| format!("{}: ", field.to_cow())).unwrap_or_default();
        return format!("{field}{} (request {})", error.message.to_cow(), reply.request_id.to_cow());
    }
    if let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
        let place = location.split(['?', '#']).next().unwrap_or_default();
        return format!("moved to {place}; a device does not follow");
    }
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let elsewhere = status.is_success() || status == StatusCode::NOT_FOUND;
    let advice = if elsewhere { " (is this a gateway's public listener, and the path right?)" } else { "" };
    format!("{reason}{advice}")
}

fn not_http(error: &hyper::Error) -> Unopened {
    let words = if error.is_parse() || error.is_parse_too_large() {
        "what answers is no HTTP server (is the port a gateway's public listener, with TLS: wss://, or without: ws://?)"
    } else if error.is_incomplete_message() {
        "the gateway closed the connection instead of answering (does the port speak TLS: wss://?)"
    } else {
        return Unopened::Failed(format!("the connection failed: {error}"));
    };
    Unopened::Failed(words.to_owned())
}

/// What can be done about a TLS error.
fn advice(error: &rustls::Error, over: Over) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "; if its authority is to be trusted, name the authority's file with --ca"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "; use a name that its certificate is for",
        rustls::Error::InvalidMessage(_) if over == Over::Tls => " (does this port speak TLS, or is it tcp://?)",
        rustls::Error::InvalidMessage(_) => " (does this port speak TLS, or is it ws://?)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_upgrade_is_shown_with_the_gateways_words() {
        let body = br#"{"request_id":"2279","error":{"code":401,"field":"X-Client-Token","message":"expired"}}"#;
        let mut moved = HeaderMap::new();
        moved.insert(LOCATION, HeaderValue::from_static("https://h/x?token=hunter2"));
        let none = HeaderMap::new();
        for (status, headers, body, words) in [
            (401, &none, &body[..], "X-Client-Token: expired (request 2279)"),
            (503, &none, br#"{"request_id":"7","error":{"code":503,"message":"full"}}"#, "full (request 7)"),
            (502, &none, b"<html>", "Bad Gateway"),
            (404, &none, b"", "Not Found (is this a gateway's public listener, and the path right?)"),
            (301, &moved, b"", "moved to https://h/x; a device does not follow"),
        ] {
            assert_eq!(words_of(StatusCode::from_u16(status).unwrap(), headers, body), words);
        }
    }

    #[test]
    fn the_usual_port_is_left_out_of_the_host() {
        for (link, host) in [
            ("ws://h", "h"),
            ("wss://h", "h"),
            ("ws://h:443", "h:443"),
            ("wss://[::1]:8443", "[::1]:8443"),
            ("ws://h:8080", "h:8080"),
        ] {
            assert_eq!(host_header(&link.parse().unwrap()), host, "{link}");
        }
    }
}
