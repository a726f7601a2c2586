//! A destination's own authority and client certificate, with the files in `tests/tls`.

use std::path::PathBuf;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use super::tls::{echo, tls_peer};
use super::*;
use crate::config::Config;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// Reads the `tls` of a destination as the configuration does.
fn own(table: &str) -> ClientTls {
    let text = format!("[[uplink.destinations]]\nname = 'a'\nurl = 'https://a.example/'\ntls = {table}\n");
    let config = Config::parse(&text, &file("t.toml").display().to_string()).unwrap_or_else(|error| panic!("{error}"));
    config.uplink.destinations.named("a").and_then(|destination| destination.tls.clone()).expect("the setting")
}

const CA: &str = "{ ca = 'ca.pem' }";
const CA_AND_CLIENT: &str = "{ ca = 'ca.pem', cert = 'client.pem', key = 'client.key' }";
const CA_AND_STRANGER: &str = "{ ca = 'ca.pem', cert = 'stranger.pem', key = 'stranger.key' }";

enum Clients {
    Anyone,
    /// Only those with a certificate of `ca.pem`.
    Known,
    /// The same, and others without a name.
    KnownOrNone,
}

/// The server whose certificate `ca.pem` signed.
fn server(clients: &Clients, protocols: &[&str], versions: &[&'static SupportedProtocolVersion]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).expect("an authority")).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let builder = match clients {
        Clients::Anyone => builder.with_no_client_auth(),
        Clients::Known => builder.with_client_cert_verifier(verifier.build().expect("a verifier")),
        Clients::KnownOrNone => {
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("its key");
    let mut config = builder.with_single_cert(chain, key).expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn post_on(courier: &HttpCourier, port: u16, tls: Option<&ClientTls>) -> Result<Reply, Failure> {
    let target = Target::parse(&format!("https://localhost:{port}/")).expect("a URL");
    let (uri, place, body) = (target.uri().clone(), target.place(), Bytes::from_static(b"{}"));
    courier.send(Ready { uri, place, headers: HeaderMap::new(), body, timeout: AMPLE, tls }).await
}

/// A courier for which the authority in `testdata` is the system's.
fn courier() -> HttpCourier {
    HttpCourier::new(Settings { allow_private: true, roots: trusted(), ..Settings::default() })
}

#[tokio::test]
async fn an_own_authority_is_trusted_beside_the_systems() {
    let own_server = echo(server(&Clients::Anyone, &["h2"], rustls::ALL_VERSIONS)).await.port();
    let system_server = tls_peer(&["http/1.1"]).await.port();
    let (courier, tls) = (courier(), own(CA));
    assert_eq!(post_on(&courier, own_server, Some(&tls)).await.expect("trusted").status, 200);
    assert_eq!(post_on(&courier, system_server, Some(&tls)).await.expect("trusted too").status, 200);
    assert_eq!(post_on(&courier, system_server, None).await.expect("trusted").status, 200);

    let failure = post_on(&courier, own_server, None).await.expect_err("not trusted");
    assert_eq!(failure.class, Class::Tls, "{failure}");
    assert!(failure.detail.contains("name the authority's file in `ca`"), "{failure}");
}

#[tokio::test]
async fn an_own_authority_needs_none_of_the_systems() {
    let port = echo(server(&Clients::Anyone, &[], rustls::ALL_VERSIONS)).await.port();
    let roots = Roots::Only(Arc::new(RootCertStore::empty()));
    let courier = HttpCourier::new(Settings { allow_private: true, roots, ..Settings::default() });
    assert_eq!(post_on(&courier, port, Some(&own(CA))).await.expect("trusted").status, 200);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_one() {
    for versions in [rustls::ALL_VERSIONS, &[&rustls::version::TLS12]] {
        for (protocols, version) in [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1")] {
            let port = echo(server(&Clients::Known, protocols, versions)).await.port();
            let courier = courier();
            let reply = post_on(&courier, port, Some(&own(CA_AND_CLIENT))).await.expect("known");
            assert_eq!((reply.status, &reply.body[..]), (200, format!("{version} {{}}").as_bytes()));

            for (table, words) in [
                (CA, "ask for a client certificate: name one in `cert` and `key`"),
                (CA_AND_STRANGER, "does not accept the client certificate"),
            ] {
                let failure = post_on(&courier, port, Some(&own(table))).await.expect_err(table);
                assert_eq!(failure.class, Class::Tls, "{table}: {failure}");
                assert!(failure.detail.replace("asks", "ask").contains(words), "{table}: {failure}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_sends_on_anothers_connection_and_the_same_files_share_one() {
    for protocols in [&["h2"], &["http/1.1"]] {
        let port = echo(server(&Clients::KnownOrNone, protocols, rustls::ALL_VERSIONS)).await.port();
        let courier = courier();
        let (plain, known) = (own(CA), own(CA_AND_CLIENT));
        // What a reload reads again.
        let again = own(CA_AND_CLIENT);
        let mut seen = Vec::new();
        for tls in [&plain, &known, &again, &plain, &known] {
            let reply = post_on(&courier, port, Some(tls)).await.expect("trusted");
            let header = |name| reply.headers[name].to_str().expect("text").to_owned();
            seen.push((header("x-connection"), header("x-certificate") != "0"));
        }
        let of = |number: &str, certificate| (number.to_owned(), certificate);
        assert_eq!(seen, [of("0", false), of("1", true), of("1", true), of("0", false), of("1", true)]);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_send_on_and_the_old_one_dropped() {
    let port = echo(server(&Clients::KnownOrNone, &["h2"], rustls::ALL_VERSIONS)).await.port();
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    let table =
        format!("{{ ca = '{}', cert = '{}', key = '{}' }}", file("ca.pem").display(), cert.display(), key.display());
    let courier = courier();
    let mut shown = Vec::new();
    for name in ["client", "server"] {
        // Both are certificates of `ca.pem`; a server's may be a client's too.
        std::fs::copy(file(&format!("{name}.pem")), &cert).expect("a copy");
        std::fs::copy(file(&format!("{name}.key")), &key).expect("a copy");
        let tls = own(&table);
        let reply = post_on(&courier, port, Some(&tls)).await.expect("known");
        shown.push(reply.headers["x-certificate"].clone());
        assert_eq!(courier.0.clients.own_clients(), 1);
    }
    assert_ne!(shown[0], shown[1]);
}
