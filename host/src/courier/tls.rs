//! TLS on top of a dialled connection, with trusted roots loaded when the first `https` destination needs them.
//!
//! A machine without a CA bundle sends plain `http` all the same, and `https` to destinations that bring their own
//! authority. Roots that cannot be loaded fail that one send with the reason and are looked for again by the next, so
//! installing a bundle needs no restart.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower::{Service, ServiceExt};

use super::dial::{Dialer, Dialing};
use super::failure::{Class, Failure, causes, find, reason};
use super::target::Place;
use crate::config::ClientTls;

/// The certificate authorities that a destination's certificate may come from.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// The system's own; the environment's `SSL_CERT_FILE` and `SSL_CERT_DIR` take their place.
    #[default]
    System,
    /// These alone.
    Only(Arc<RootCertStore>),
}

/// Ends a connection attempt that outlives the send it was begun for: hyper's client lets one finish in the
/// background when an older connection comes free first, for the next send to use.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Opens plain and encrypted connections: what hyper's client asks for one. It is cloned for every send, hence one `Arc`.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

struct Parts {
    dialer: Dialer,
    terms: Terms,
    trust: Arc<Trust>,
    config: OnceCell<Arc<ClientConfig>>,
}

/// What a client does beyond the common trust. A copy of a [`ClientTls`], which it must outlive without keeping it.
#[derive(Default)]
pub(super) struct Terms {
    authorities: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<dyn ResolvesClientCert>>,
}

/// The common trust of all clients of a courier, loaded when it is first needed.
pub(super) struct Trust {
    roots: Roots,
    store: OnceCell<Arc<RootCertStore>>,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Terms {
    pub(super) fn of(tls: &ClientTls) -> Self {
        Self { authorities: tls.authorities().to_vec(), certificate: tls.certificate() }
    }
}

/// Sets up TLS for a connection that is no HTTP client's: with the system's authorities and those of `tls`, speaking
/// `protocols` (ALPN).
///
/// # Errors
///
/// Says why there is no authority to trust.
pub(crate) async fn client(tls: Option<&ClientTls>, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, String> {
    let terms = tls.map_or_else(Terms::default, Terms::of);
    let mut config = Arc::unwrap_or_clone(terms.config(Trust::new(Roots::System).store().await)?);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

impl Connector {
    pub(super) fn new(dialer: Dialer, terms: Terms, trust: Arc<Trust>) -> Self {
        Self(Arc::new(Parts { dialer, terms, trust, config: OnceCell::new() }))
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Failure> {
        let Parts { dialer, .. } = &*self.0;
        if uri.scheme() == Some(&Scheme::HTTP) {
            return dialer.clone().oneshot(uri).await.map(MaybeHttpsStream::Http);
        }
        let place = Place::of(&uri)?;
        let config = self.config(&place).await?;
        HttpsConnector::from((dialer.clone(), config)).oneshot(uri).await.map_err(|error| {
            error.downcast::<Failure>().map_or_else(
                |error| untrusted(&place, "has no trusted TLS connection to give", &*error),
                |failure| *failure,
            )
        })
    }

    async fn config(&self, place: &Place) -> Result<Arc<ClientConfig>, Failure> {
        let Parts { terms, trust, config, .. } = &*self.0;
        let load = || async { terms.config(trust.store().await) };
        config.get_or_try_init(load).await.cloned().map_err(|reason| {
            let detail = format!(
                "{place} needs TLS and there is no certificate authority to trust ({reason}): install the system's CA \
                 bundle (ca-certificates), name one in SSL_CERT_FILE, or in `ca` of the destination's tls"
            );
            Failure::new(Class::Tls, detail)
        })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = Dialing<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let place = Place::of(&uri)?;
            tokio::time::timeout(CONNECT_WITHIN, connector.connect(uri)).await.unwrap_or_else(|_| {
                let detail = format!("{place}: no connection within {CONNECT_WITHIN:?}; is it behind a firewall?");
                Err(Failure::new(Class::Timeout, detail))
            })
        })
    }
}

impl Trust {
    pub(super) fn new(roots: Roots) -> Self {
        Self { roots, store: OnceCell::new() }
    }

    async fn store(&self) -> Result<Arc<RootCertStore>, String> {
        let load = || async {
            match &self.roots {
                Roots::Only(store) if store.is_empty() => Err("the given store is empty".to_owned()),
                Roots::Only(store) => Ok(Arc::clone(store)),
                // Reading a bundle takes milliseconds of disk and parsing: not on a thread that serves connections.
                Roots::System => tokio::task::spawn_blocking(system_store).await.map_err(|error| error.to_string())?,
            }
        };
        self.store.get_or_try_init(load).await.cloned()
    }
}

impl Terms {
    /// Sets up TLS with the common trust and these terms; a destination's own authority does without the system's.
    fn config(&self, common: Result<Arc<RootCertStore>, String>) -> Result<Arc<ClientConfig>, String> {
        let roots = if self.authorities.is_empty() {
            common?
        } else {
            let mut store = common.map_or_else(|_| RootCertStore::empty(), Arc::unwrap_or_clone);
            // The configuration took none that cannot be added.
            store.add_parsable_certificates(self.authorities.iter().cloned());
            Arc::new(store)
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            Some(certificate) => builder.with_client_cert_resolver(Arc::clone(certificate)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn system_store() -> Result<Arc<RootCertStore>, String> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a part of the system's certificate authorities cannot be read");
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(reason);
    }
    Ok(Arc::new(store))
}

/// The failure of a connection whose TLS broke with `error`, and what to do about it.
pub(super) fn untrusted(place: &Place, what: &str, error: &(dyn Error + 'static)) -> Failure {
    let advice = cause(error).map_or("", |error| advice(&error));
    let pause = if advice.is_empty() { "" } else { "; " };
    Failure::new(Class::Tls, format!("{place} {what}: {}{pause}{advice}", reason(error)))
}

/// Finds the TLS error that `error` comes from.
///
/// An alert that comes after the handshake (with TLS 1.3 all that concern the client's certificate do) reaches HTTP/2's
/// reader, which keeps its text alone.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    if let Some(error) = find::<rustls::Error>(error) {
        return Some(error.clone());
    }
    let texts: Vec<_> = causes(error).map(ToString::to_string).collect();
    let said = |alert: &rustls::Error| texts.iter().any(|text| text.ends_with(&alert.to_string()));
    ALERTS.into_iter().map(rustls::Error::AlertReceived).find(said)
}

/// The alerts that a server may send about a client's certificate or greeting.
const ALERTS: [AlertDescription; 13] = [
    AlertDescription::CertificateRequired,
    AlertDescription::NoCertificate,
    AlertDescription::HandshakeFailure,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::DecryptError,
    AlertDescription::InternalError,
    AlertDescription::UnrecognisedName,
];

/// What an operator can do about a TLS error that is an operator's to mend.
fn advice(error: &rustls::Error) -> &'static str {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "if its authority is to be trusted, name the authority's file in `ca` of the destination's tls"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "write the URL with a name that its certificate is for",
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its operator must renew the certificate"
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::NoCertificate) => {
            "it asks for a client certificate: name one in `cert` and `key` of the destination's tls"
        }
        rustls::Error::AlertReceived(Alert::HandshakeFailure) => {
            "it may ask for a client certificate: name one in `cert` and `key` of the destination's tls"
        }
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => {
            "it does not accept the client certificate: name one in `cert` and `key` of the destination's tls that its \
             operator takes"
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "does this port speak TLS, or should the URL begin with http://?"
        }
        _ => "",
    }
}
