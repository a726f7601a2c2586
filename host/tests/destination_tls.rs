//! A destination with an authority of its own that asks for a client certificate: what a reload of renewed files and of
//! taken-away ones does. The files are in `tls/`; `make.sh` there says how they came to be.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request as HttpRequest, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use pushgate_tests::{Request, Rig};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;

const BATCH: &str =
    r#"{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}]}"#;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).expect("a certificate")
}

/// Accepts every batch of those with a certificate of `ca.pem`, and tells which they showed.
async fn destination() -> (u16, mpsc::UnboundedReceiver<CertificateDer<'static>>) {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(
            vec![certificate("server.pem")],
            PrivateKeyDer::from_pem_file(file("server.key")).expect("a key"),
        )
        .expect("a certificate and its key");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let (shown, certificates) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, shown) = (acceptor.clone(), shown.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let chain = stream.get_ref().1.peer_certificates().expect("a certificate").to_vec();
                let service = service_fn(|_: HttpRequest<Incoming>| {
                    shown.send(chain[0].clone()).expect("the test listens");
                    let accepted = Full::new(Bytes::from_static(br#"{"code":0,"message":"ok"}"#));
                    async { Ok::<_, std::convert::Infallible>(Response::new(accepted)) }
                });
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, certificates)
}

async fn submit(rig: &Rig) -> String {
    let answer = rig.admin(Request::post("/api/uplink/acme", BATCH)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["ids"][0].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_reload_takes_up_a_renewed_certificate() {
    let (port, mut shown) = destination().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    let put = |name: &str| {
        fs::copy(file(&format!("{name}.pem")), &cert).expect("a copy");
        fs::copy(file(&format!("{name}.key")), &key).expect("a copy");
    };
    let destination = format!(
        "[[uplink.destinations]]\nname = 'acme'\nurl = 'https://localhost:{port}/sms?token=hunter2'\nretries = 0\n"
    );
    let own = format!("ca = '{}', cert = '{}', key = '{}'", file("ca.pem").display(), cert.display(), key.display());
    let with_certificate = format!("{destination}tls = {{ {own} }}");
    let without = format!("{destination}tls = {{ ca = '{}' }}", file("ca.pem").display());

    put("client");
    let rig = Rig::start(&with_certificate).await;
    rig.until_state(&submit(&rig).await, "delivered").await;
    assert_eq!(shown.recv().await, Some(certificate("client.pem")));

    // A server's certificate may be a client's too.
    put("server");
    rig.reload(&with_certificate);
    rig.until_state(&submit(&rig).await, "delivered").await;
    assert_eq!(shown.recv().await, Some(certificate("server.pem")));

    rig.reload(&without);
    let dead = rig.until_state(&submit(&rig).await, "dead").await;
    let attempt = &dead["attempts"][0];
    assert_eq!(attempt["class"], "tls", "{dead}");
    let told = attempt.to_string();
    assert!(told.contains("name one in `cert` and `key`") && !told.contains("hunter2"), "{told}");
}
