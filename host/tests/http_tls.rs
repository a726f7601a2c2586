//! The same listener over TLS: what it negotiates, what a file at fault is told, and who a stalled handshake harms.
//!
//! `tls/` holds a certificate for `localhost` with its key, and a key of another; they guard nothing.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, http::Version, routing::get};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pushgate::{
    api::{
        server::{Limits, Server},
        tls::Certificates,
    },
    config::ServerTls,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

const BOUND: Duration = Duration::from_secs(10);

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(BOUND, wait).await.expect("nothing happened for 10 s")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

async fn start(limits: Limits) -> SocketAddr {
    let tls = ServerTls::from_files(&file("cert.pem"), &file("key.pem")).expect("a certificate and its key");
    let config = Certificates::new(tls).server_config().expect("TLS");
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"), limits).expect("a free port");
    let server = server.with_tls(config);
    let addr = server.local_addr();
    let hello = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() });
    tokio::spawn(server.run(Router::new().route("/hello", hello), std::future::pending()));
    addr
}

async fn connect(addr: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("cert.pem")).expect("a certificate")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = within(TcpStream::connect(addr)).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("a handshake")
}

fn hello() -> Request<Body> {
    Request::get("https://localhost/hello").header("host", "localhost").body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn http2_is_spoken_with_those_who_ask_for_it() {
    let addr = start(Limits::default()).await;
    let stream = connect(addr, b"h2").await;
    let own = stream.get_ref().0.local_addr().expect("an address").to_string();
    let (mut sender, connection) =
        within(http2::handshake(TokioExecutor::new(), TokioIo::new(stream))).await.expect("HTTP/2");
    tokio::spawn(connection);
    for _ in 0..2 {
        let response = within(sender.send_request(hello())).await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
        assert_eq!(within(response.into_body().collect()).await.expect("a body").to_bytes(), own);
    }

    let mut flood = hello();
    flood.headers_mut().insert("x", "a".repeat(200_000).parse().expect("a value"));
    let refused = within(sender.send_request(flood)).await;
    assert!(refused.is_err() || refused.is_ok_and(|response| response.status() == 431));
}

#[tokio::test]
async fn http1_is_spoken_with_the_rest() {
    let addr = start(Limits::default()).await;
    let stream = connect(addr, b"http/1.1").await;
    let (mut sender, connection) = within(http1::handshake(TokioIo::new(stream))).await.expect("HTTP/1");
    tokio::spawn(connection);
    let response = within(sender.send_request(hello())).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_11));
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let addr = start(Limits { idle_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let (mut sender, connection) =
        within(http2::handshake(TokioExecutor::new(), TokioIo::new(connect(addr, b"h2").await))).await.expect("HTTP/2");
    let ended = tokio::spawn(connection);
    assert_eq!(within(sender.send_request(hello())).await.expect("an answer").status(), 200);
    within(ended).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_handshake_that_stops_is_closed_and_keeps_nobody_waiting() {
    let addr = start(Limits { header_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let mut silent = within(TcpStream::connect(addr)).await.expect("a connection");
    let (mut sender, connection) =
        within(http1::handshake(TokioIo::new(connect(addr, b"http/1.1").await))).await.expect("HTTP/1");
    tokio::spawn(connection);
    assert_eq!(within(sender.send_request(hello())).await.expect("an answer").status(), 200);
    assert_eq!(within(silent.read(&mut [0])).await.expect("no reset"), 0);
}

#[test]
fn a_file_at_fault_is_named_with_what_belongs_there() {
    let cases = [
        ("absent.pem", "key.pem", ["cert: ", "absent.pem", "give a file"]),
        ("key.pem", "key.pem", ["cert: ", "key.pem", "BEGIN CERTIFICATE"]),
        ("cert.pem", "absent.pem", ["key: ", "absent.pem", "give a file"]),
        ("cert.pem", "cert.pem", ["key: ", "cert.pem", "BEGIN PRIVATE KEY"]),
        ("cert.pem", "other-key.pem", ["key: ", "other-key.pem", "not the key of the first certificate"]),
    ];
    for (cert, key, named) in cases {
        let message = ServerTls::from_files(&file(cert), &file(key)).expect_err("two that do not fit").to_string();
        for name in named {
            assert!(message.contains(name), "{cert} {key}: {message}");
        }
    }
}
