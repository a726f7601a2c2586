//! The same over TLS, with a real certificate on loopback.

use std::hash::{DefaultHasher, Hash, Hasher};

use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

fn acceptor(protocols: &[&str]) -> TlsAcceptor {
    let certificate = CertificateDer::from(&include_bytes!("../../testdata/localhost.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("../../testdata/localhost-key.der")[..]);
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        })
        .expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Serves HTTP over TLS, echoing the version and the body, with the number of the connection in a header.
pub(super) async fn tls_peer(protocols: &'static [&'static str]) -> SocketAddr {
    echo(acceptor(protocols)).await
}

/// The same with a given acceptor; another header tells one client certificate from another.
pub(super) async fn echo(acceptor: TlsAcceptor) -> SocketAddr {
    peer(move |number, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let shown = stream.get_ref().1.peer_certificates().map_or(0, |chain| {
                let mut hasher = DefaultHasher::new();
                chain.hash(&mut hasher);
                hasher.finish()
            });
            let answer = move |request: Request<Incoming>| async move {
                let version = format!("{:?} ", request.version());
                let body = request.into_body().collect().await?.to_bytes();
                let mut answer = http::Response::new(Full::new(Bytes::from([version.as_bytes(), &body].concat())));
                answer.headers_mut().insert("x-connection", HeaderValue::from(number));
                answer.headers_mut().insert("x-certificate", HeaderValue::from(shown));
                Ok::<_, hyper::Error>(answer)
            };
            let service = hyper::service::service_fn(answer);
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // An error here is the courier hanging up.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

fn trusting_courier(roots: Roots) -> HttpCourier {
    HttpCourier::new(Settings { allow_private: true, roots, ..Settings::default() })
}

#[tokio::test]
async fn tls_speaks_http_2_where_the_peer_does_and_http_1_elsewhere() {
    for (protocols, body) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0 {\"a\":1}"),
        (&["http/1.1"], "HTTP/1.1 {\"a\":1}"),
        (&[], "HTTP/1.1 {\"a\":1}"),
    ] {
        let port = tls_peer(protocols).await.port();
        let courier = trusting_courier(trusted());
        for _ in 0..3 {
            let reply = courier.post(post(format!("https://localhost:{port}/"), AMPLE)).await.expect("an answer");
            assert_eq!((reply.status, &reply.body[..]), (200, body.as_bytes()));
            assert_eq!(reply.headers["x-connection"], "0");
        }
    }
}

#[tokio::test]
async fn an_http_2_answer_is_bounded_too() {
    let port = tls_peer(&["h2"]).await.port();
    let settings = Settings { allow_private: true, roots: trusted(), answer_bytes: 10 };
    let failure = fail(&HttpCourier::new(settings), &format!("https://localhost:{port}"), AMPLE).await;
    assert_eq!(failure.class, Class::AnswerTooLarge, "{failure}");
}

/// On one connection for all, a send that hangs ends alone.
#[tokio::test]
async fn an_http_2_send_that_hangs_costs_the_others_nothing() {
    let acceptor = acceptor(&["h2"]);
    let (connections, mut opened) = mpsc::unbounded_channel();
    let port = peer(move |number, stream| {
        let acceptor = acceptor.clone();
        connections.send(number).expect("the test listens");
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                if request.uri().path() == "/hang" {
                    std::future::pending::<()>().await;
                }
                Ok::<_, hyper::Error>(http::Response::new(Full::new(Bytes::from_static(b"ok"))))
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
    .port();
    let courier = trusting_courier(trusted());
    let url = |path: &str| format!("https://localhost:{port}{path}");
    assert_eq!(courier.post(post(url("/"), AMPLE)).await.expect("an answer").status, 200);
    let hanging = courier.post(post(url("/hang"), SHORT));
    let (hung, beside) = tokio::join!(hanging, courier.post(post(url("/"), AMPLE)));
    let failure = hung.expect_err("no answer");
    assert_eq!(failure.class, Class::Timeout, "{failure}");
    assert!(failure.detail.contains("connected, but no answer"), "{failure}");
    assert_eq!(beside.expect("an answer").status, 200);
    assert_eq!(courier.post(post(url("/"), AMPLE)).await.expect("an answer").status, 200);
    assert_eq!(opened.recv().await, Some(0));
    assert!(opened.try_recv().is_err(), "a second connection was opened");
}

#[tokio::test]
async fn tls_that_cannot_be_trusted_fails_with_its_reason() {
    let port = tls_peer(&["http/1.1"]).await.port();
    let nobody = Roots::Only(Arc::new(RootCertStore::empty()));
    let plain = peer(|_, mut stream| async move {
        // What a plain web server says to a TLS greeting.
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        read_until_closed(&mut stream).await;
    })
    .await;
    let hangs_up = peer(|_, _stream| std::future::ready(())).await;
    for (roots, base, words) in [
        (trusted(), format!("https://127.0.0.1:{port}"), "not valid for"),
        (nobody, format!("https://localhost:{port}"), "ca-certificates"),
        (trusted(), format!("https://{plain}"), "InvalidContentType"),
        (trusted(), format!("https://{hangs_up}"), "TLS"),
    ] {
        let failure = fail(&trusting_courier(roots), &base, AMPLE).await;
        assert_eq!(failure.class, Class::Tls, "{base}: {failure}");
        assert!(failure.detail.contains(words), "{base}: {failure}");
    }
}

#[tokio::test]
async fn a_tls_greeting_without_an_answer_runs_into_the_timeout() {
    let address = peer(|_, mut stream| async move { read_until_closed(&mut stream).await }).await;
    let failure = fail(&trusting_courier(trusted()), &format!("https://{address}"), SHORT).await;
    assert_eq!(failure.class, Class::Timeout, "{failure}");
    assert!(failure.detail.contains("no connection"), "{failure}");
}
