//! One device on each transport, against a gateway that the test plays: the same lines over TCP, TLS and WebSockets.
//!
//! `tls/` holds a server for `localhost` and the authority it comes from; they guard nothing.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use pushgate::{
    config::{ClientTls, Secret},
    device::{Device, Event, GaveUp, WEBSOCKET_PATH},
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

const BOUND: Duration = Duration::from_secs(20);
const TOKEN: &str = "5003062_0_4294967295_00000000000000000000000000000000";
const WELCOME: &str = r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#;
const MESSAGE: &str = r#"{"message":{"id":"m","from":0,"created":1452666295,"msg":"aGVsbG8="}}"#;
const ERROR: &str = r#"{"error":{"code":401,"message":"the token expired"}}"#;

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(BOUND, wait).await.expect("nothing happened for 20 s")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn device(link: &str) -> Device {
    let token = Secret::new(TOKEN).expect("a token");
    Device {
        tls: Some(ClientTls::with_authority(&file("ca.pem")).expect("an authority")),
        ..Device::new(link.parse().expect("a link"), token)
    }
}

/// Runs a device until it gives up or loses a connection for the `losses`th time; returns its events too.
async fn run(device: Device, losses: usize) -> (GaveUp, Vec<Event>) {
    let mut events = Vec::new();
    let mut lost = 0;
    let gave_up = within(device.run(|event| {
        lost += usize::from(matches!(event, Event::Lost { .. }));
        events.push(event);
        if lost < losses { Ok(()) } else { Err(pushgate::device::Stop::Untaken) }
    }))
    .await;
    (gave_up, events)
}

/// Why the first connection was lost.
async fn reason(device: Device) -> String {
    match run(device, 1).await {
        (GaveUp::Stopped, events) => match events.last() {
            Some(Event::Lost { reason, .. }) => reason.clone(),
            other => panic!("not lost: {other:?}"),
        },
        other => panic!("gave up: {other:?}"),
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(listener: &TcpListener, scheme: &str) -> Box<dyn Stream> {
    let (tcp, _) = within(listener.accept()).await.expect("a connection");
    if matches!(scheme, "tcp" | "ws") {
        return Box::new(tcp);
    }
    Box::new(within(acceptor().accept(tcp)).await.expect("a handshake"))
}

fn acceptor() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("its key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    // As a gateway's public listener: whoever wants a WebSocket must not get HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Upgrades as a gateway does, and checks what it is asked.
async fn upgrade(stream: Box<dyn Stream>) -> WebSocketStream<Box<dyn Stream>> {
    #[expect(clippy::result_large_err, reason = "the library's own callback")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri().path(), WEBSOCKET_PATH);
        assert_eq!(request.headers()["x-client-token"], TOKEN);
        assert!(request.headers().contains_key("host"));
        Ok(response)
    };
    within(tokio_tungstenite::accept_hdr_async(stream, check)).await.expect("an upgrade")
}

/// A conversation: what the gateway says, and what the device answers.
async fn converse_in_lines(stream: Box<dyn Stream>) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    for say in ["", WELCOME, MESSAGE, MESSAGE, r#"{"ping":7}"#, ERROR] {
        if !say.is_empty() {
            stream.write_all(format!("{say}\n").as_bytes()).await.expect("a line");
        }
        if say != WELCOME {
            let mut line = String::new();
            within(stream.read_line(&mut line)).await.expect("an answer");
            lines.push(line.trim_end().to_owned());
        }
    }
    let hello = format!(r#"{{"hello":{{"token":"{TOKEN}"}}}}"#);
    assert_eq!(lines, [hello.as_str(), r#"{"ack":"m"}"#, r#"{"ack":"m"}"#, r#"{"pong":7}"#, ""], "it leaves");
}

async fn converse_in_messages(mut stream: WebSocketStream<Box<dyn Stream>>) {
    let mut answers = Vec::new();
    // With a line feed or without, and the library's own pings between.
    for say in [WELCOME, MESSAGE, &format!("{MESSAGE}\n"), r#"{"ping":7}"#, "", ERROR] {
        let message = if say.is_empty() { Message::Ping("8".into()) } else { Message::text(say) };
        stream.send(message).await.expect("a message");
        if say != WELCOME {
            answers.push(match within(stream.next()).await.expect("an answer").expect("a good one") {
                Message::Text(text) => text.to_string(),
                Message::Pong(bytes) => format!("pong {}", String::from_utf8_lossy(&bytes)),
                Message::Close(_) => "close".to_owned(),
                other => panic!("{other:?}"),
            });
        }
    }
    assert_eq!(answers, [r#"{"ack":"m"}"#, r#"{"ack":"m"}"#, r#"{"pong":7}"#, "pong 8", "close"]);
}

#[tokio::test]
async fn the_same_is_said_on_every_transport() {
    for scheme in ["tcp", "tls", "ws", "wss"] {
        let (listener, address) = listen().await;
        let device = tokio::spawn(run(device(&format!("{scheme}://localhost:{}", address.port())), 1));
        let stream = accept(&listener, scheme).await;
        match scheme {
            "tcp" | "tls" => converse_in_lines(stream).await,
            _ => converse_in_messages(upgrade(stream).await).await,
        }
        let (gave_up, events) = within(device).await.expect("the device");
        assert_eq!(
            (gave_up, lost(&events)),
            (GaveUp::Stopped, Some("the gateway said 401: the token expired")),
            "{scheme}"
        );
        let copies: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Message { id, msg, copy, .. } => Some((id.as_str(), msg.as_slice(), *copy)),
                _ => None,
            })
            .collect();
        assert_eq!(copies, [("m", &b"hello"[..], 1), ("m", b"hello", 2)], "{scheme}");
    }
}

#[tokio::test]
async fn a_welcome_right_behind_the_upgrade_is_not_lost() {
    let (listener, address) = listen().await;
    let device = tokio::spawn(run(device(&format!("ws://{address}")), 1));
    let mut stream = accept(&listener, "ws").await;
    let head = head(&mut stream).await;
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).expect("a key");
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    for text in [WELCOME, ERROR] {
        answer.extend([0x81, u8::try_from(text.len()).expect("a short text")]);
        answer.extend(text.as_bytes());
    }
    stream.write_all(&answer).await.expect("one write");
    let (gave_up, events) = within(device).await.expect("the device");
    assert_eq!((gave_up, lost(&events)), (GaveUp::Stopped, Some("the gateway said 401: the token expired")));
    assert!(matches!(events[..], [Event::Welcome { cid: 5_003_062, .. }, _]), "{events:?}");
}

/// Why the connection was lost, which is the last thing that happened.
fn lost(events: &[Event]) -> Option<&str> {
    match events.last()? {
        Event::Lost { reason, .. } => Some(reason),
        _ => None,
    }
}

/// Reads a request's head.
async fn head(stream: &mut Box<dyn Stream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.expect("a request"));
    }
    String::from_utf8(head).expect("text")
}

/// Answers a request with these writes, and returns what the device made of it.
async fn answered(writes: &'static [&'static str]) -> (GaveUp, Vec<Event>) {
    let (listener, address) = listen().await;
    let device = tokio::spawn(run(device(&format!("ws://{address}")), 1));
    let mut stream = accept(&listener, "ws").await;
    let head = head(&mut stream).await;
    assert!(head.starts_with(&format!("GET {WEBSOCKET_PATH} HTTP/1.1\r\n")), "{head}");
    assert!(head.contains(&format!("host: {address}\r\n")) && head.contains("sec-websocket-version: 13\r\n"), "{head}");
    for write in writes {
        stream.write_all(write.as_bytes()).await.expect("a part of the answer");
        stream.flush().await.expect("a part of the answer");
        tokio::task::yield_now().await;
    }
    // A gateway closes after a refusal; the device has what came before.
    let _ = stream.shutdown().await;
    within(device).await.expect("the device")
}

#[tokio::test]
async fn a_refused_upgrade_is_told_with_the_gateways_words_and_means_what_its_code_means() {
    // 401, 403, 404: another try would fare no better; the words come in a write of their own.
    let (gave_up, _) = answered(&[
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 95\r\n\r\n",
        r#"{"request_id":"2279","error":{"code":401,"field":"X-Client-Token",""#,
        r#"message":"the token expir"}}"#,
    ])
    .await;
    let message = "X-Client-Token: the token expir (request 2279)".to_owned();
    assert_eq!(gave_up, GaveUp::Refused { code: 401, message });
    let (gave_up, _) = answered(&["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]).await;
    let GaveUp::Refused { code: 404, message } = gave_up else { panic!("{gave_up:?}") };
    assert!(message.contains("public listener"), "{message}");
    let (gave_up, _) = answered(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    assert!(matches!(gave_up, GaveUp::Refused { code: 200, .. }), "{gave_up:?}");

    // 429 and 503 may pass.
    for (writes, words) in [
        (
            &[
                "HTTP/1.1 503 Service Unavailable\r\n\r\n",
                r#"{"request_id":"7","error":{"code":503,"message":"full"}}"#,
            ],
            "the gateway said 503: full (request 7)",
        ),
        (
            &["HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n", "\r\n"],
            "the gateway said 429: Too Many Requests",
        ),
        (
            &["HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n", "Upgrade: websocket\r\n\r\n"],
            "the gateway's answer is of no WebSocket",
        ),
        (&["SSH-2.0-OpenSSH\r\n", ""], "what answers is no HTTP server"),
        (&["", ""], "the gateway closed the connection instead of answering"),
    ] {
        let (gave_up, events) = answered(writes).await;
        assert_eq!(gave_up, GaveUp::Stopped);
        assert!(
            matches!(&events[..], [Event::Lost { reason, .. }] if reason.starts_with(words)),
            "{words}: {events:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_trusted_says_why_and_what_to_do() {
    let (listener, address) = listen().await;
    let port = address.port();
    let plain = tokio::spawn(async move {
        // Each of these sends no plain byte before TLS stands.
        for _ in 0..2 {
            let (mut tcp, _) = listener.accept().await.expect("a connection");
            tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("an answer");
            let _ = tcp.read(&mut [0; 512]).await;
        }
    });
    for (scheme, words) in [("tls", "or is it tcp://?"), ("wss", "or is it ws://?")] {
        let reason = reason(device(&format!("{scheme}://localhost:{port}"))).await;
        assert!(reason.contains("no trusted TLS connection to localhost:") && reason.contains(words), "{reason}");
    }
    plain.await.expect("the listener");

    let (listener, address) = listen().await;
    let port = address.port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let _ = acceptor().accept(tcp).await;
        }
    });
    let stranger = Device {
        tls: Some(ClientTls::with_authority(&file("cert.pem")).expect("another authority")),
        ..device(&format!("tls://localhost:{port}"))
    };
    let reason_of_stranger = reason(stranger).await;
    assert!(reason_of_stranger.contains("name the authority's file with --ca"), "{reason_of_stranger}");
    let other_name = reason(device(&format!("tls://[::ffff:127.0.0.1]:{port}"))).await;
    assert!(other_name.contains("use a name that its certificate is for"), "{other_name}");
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let closed = tokio::net::TcpSocket::new_v4().expect("a socket");
    closed.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = closed.local_addr().expect("its address");
    for scheme in ["tcp", "tls", "ws", "wss"] {
        let reason = reason(device(&format!("{scheme}://{address}"))).await;
        assert!(reason.starts_with(&format!("cannot connect to {address}: ")), "{reason}");
    }
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_no_token() {
    let (listener, address) = listen().await;
    let token = Secret::new("5003062_短信").expect("a secret");
    let device = Device { token, ..device(&format!("ws://{address}")) };
    assert_eq!(run(device, 1).await.0, GaveUp::UnsendableToken);
    drop(listener);
}
