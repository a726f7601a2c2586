//! A certificate renewed under a running gateway: shown to who connects from then on, on every listener, while those
//! who are connected stay; and a pair that does not fit changes nothing.

mod binary;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use binary::run;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use pushgate_tests::{Place, Process, until, within};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::spawn_blocking,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// Puts a certificate and a key where the gateway's configuration names them.
fn put(place: &Place, cert: &str, key: &str) {
    let folder = place.config().parent().expect("a folder").to_owned();
    fs::copy(file(cert), folder.join("own.pem")).expect("a certificate");
    fs::copy(file(key), folder.join("own.key")).expect("a key");
}

async fn start(listen: &str) -> (Place, Process) {
    let place = Place::new(env!("CARGO_BIN_EXE_pushgate"), "");
    put(&place, "server.pem", "server.key");
    place.configure_listening(listen, "");
    let gateway = place.start().await;
    (place, gateway)
}

const ALL: &str = "tls = { cert = 'own.pem', key = 'own.key' }\nadmin_tls = { cert = 'own.pem', key = 'own.key' }";

/// Connects, trusting both certificates.
async fn connect(address: SocketAddr) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for name in ["ca.pem", "cert.pem"] {
        roots.add(CertificateDer::from_pem_file(file(name)).expect("a certificate")).expect("a root");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = within(TcpStream::connect(address)).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("a handshake")
}

/// Whether the listener at `address` shows the certificate in `name` to a new connection.
async fn shows(address: SocketAddr, name: &str) -> bool {
    let stream = connect(address).await;
    let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
    shown == CertificateDer::from_pem_file(file(name)).expect("a certificate")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_shown_and_old_connections_stay() {
    let (place, gateway) = start(ALL).await;
    let all = [gateway.public, gateway.admin, gateway.link];
    for address in all {
        assert!(shows(address, "server.pem").await);
    }
    let (mut old, connection) =
        within(http1::handshake(TokioIo::new(connect(gateway.admin).await))).await.expect("HTTP/1");
    tokio::spawn(connection);
    let mut ask = async || {
        let request =
            Request::get("/livez").header("host", "localhost").body(Empty::<Bytes>::new()).expect("a request");
        let answer = within(old.send_request(request)).await.expect("an answer");
        let status = answer.status();
        within(answer.into_body().collect()).await.expect("a body");
        status
    };
    assert_eq!(ask().await, 200);
    let mut device = BufReader::new(connect(gateway.link).await);

    put(&place, "cert.pem", "key.pem");
    gateway.signal("HUP");
    gateway.until_says("listen.tls: new connections are shown the renewed certificate").await;
    gateway.until_says("listen.admin_tls: new connections are shown the renewed certificate").await;
    for address in all {
        assert!(shows(address, "cert.pem").await);
    }
    assert_eq!(ask().await, 200, "on the connection from before");
    device.get_mut().write_all(b"nonsense\n").await.expect("it stands");
    let mut line = String::new();
    within(device.read_line(&mut line)).await.expect("it stands");
    assert!(!line.is_empty(), "the gateway answers it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_does_not_fit_changes_nothing() {
    let (place, gateway) = start(ALL).await;
    put(&place, "cert.pem", "server.key");
    gateway.signal("HUP");
    let line = gateway.until_says("not reloaded").await;
    assert!(line.contains("pushgate.toml:5:33: listen.tls.key: "), "{line}");
    for address in [gateway.public, gateway.admin, gateway.link] {
        assert!(shows(address, "server.pem").await);
    }
    // Nor does the next start take what the reload refused.
    let (status, said) = place.spawn().refused().await.expect("it is refused");
    assert!(!status.success() && said.contains("listen.tls.key: "), "{said}");
    put(&place, "cert.pem", "key.pem");
    gateway.signal("HUP");
    until("the pair that fits is shown", async || shows(gateway.link, "cert.pem").await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_ask_over_tls_and_say_what_is_missing() {
    let (_place, gateway) = start("admin_tls = { cert = 'own.pem', key = 'own.key' }").await;
    let said = gateway.said();
    assert!(said.contains(&format!("public  http://{}", gateway.public)), "{said}");
    assert!(said.contains(&format!("admin   https://{}", gateway.admin)), "{said}");
    assert!(said.contains(&format!("pushgate status --admin https://{}", gateway.admin)), "{said}");
    let ask = async |url: String, rest: &[&str]| {
        let args: Vec<String> = ["status", "--admin", &url].iter().chain(rest).map(|&arg| arg.to_owned()).collect();
        spawn_blocking(move || run(&args)).await.expect("it runs")
    };
    let (url, ca, stranger) = (format!("https://{}", gateway.admin), file("ca.pem"), file("cert.pem"));
    let (ca, stranger) = (ca.to_str().expect("a path"), stranger.to_str().expect("a path"));
    let asked = ask(url.clone(), &["--ca", ca]).await;
    assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""));
    for (url, rest, words) in [
        (url.clone(), &["--ca", stranger][..], "name the authority that signed its certificate with --ca"),
        (url.clone(), &["--ca", "gone.pem"], "--ca (or PUSHGATE_CA): gone.pem: "),
        (url.replace("127.0.0.1", "127.0.0.2"), &["--ca", ca], "--admin"),
        (url.replace("https", "http"), &[], "is it plain http, not https?"),
        (format!("https://{}", gateway.public), &["--ca", ca], "it speaks no TLS: write http://"),
    ] {
        let asked = ask(url.clone(), rest).await;
        assert_eq!(
            (asked.code, asked.stdout.as_str(), asked.stderr.lines().count()),
            (Some(1), "", 1),
            "{url} {rest:?}"
        );
        assert!(asked.stderr.contains(words), "{url} {rest:?}: {}", asked.stderr);
    }
}
