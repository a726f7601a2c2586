//! TLS on top of a dialled connection, with trusted roots loaded when the first `https` destination needs them.
//!
//! A machine without a CA bundle sends plain `http` all the same. Roots that cannot be loaded fail that one send
//! with the reason and are looked for again by the next, so installing a bundle needs no restart.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower::{Service, ServiceExt};

use super::dial::{Dialer, Dialing};
use super::failure::{Class, Failure, reason};
use super::target::Place;

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

/// Opens plain and encrypted connections: what hyper's client asks for one.
#[derive(Clone)]
pub(super) struct Connector {
    dialer: Dialer,
    tls: Arc<Tls>,
}

struct Tls {
    roots: Roots,
    config: OnceCell<Arc<ClientConfig>>,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Connector {
    pub(super) fn new(dialer: Dialer, roots: Roots) -> Self {
        Self { dialer, tls: Arc::new(Tls { roots, config: OnceCell::new() }) }
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Failure> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            return self.dialer.oneshot(uri).await.map(MaybeHttpsStream::Http);
        }
        let place = Place::of(&uri)?;
        let config = self.tls.config(&place).await?;
        HttpsConnector::from((self.dialer, config)).oneshot(uri).await.map_err(|error| {
            error.downcast::<Failure>().map_or_else(
                |error| {
                    let reason = reason(&*error);
                    Failure::new(Class::Tls, format!("{place} has no trusted TLS connection to give: {reason}"))
                },
                |failure| *failure,
            )
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

impl Tls {
    async fn config(&self, place: &Place) -> Result<Arc<ClientConfig>, Failure> {
        let roots = self.roots.clone();
        // Reading a bundle takes milliseconds of disk and parsing: not on a thread that serves connections.
        let load =
            || async { tokio::task::spawn_blocking(move || load(roots)).await.map_err(|error| error.to_string())? };
        self.config.get_or_try_init(load).await.cloned().map_err(|reason| {
            let detail = format!(
                "{place} needs TLS and there is no certificate authority to trust ({reason}): install the system's CA \
                 bundle (ca-certificates) or name one in SSL_CERT_FILE"
            );
            Failure::new(Class::Tls, detail)
        })
    }
}

fn load(roots: Roots) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match roots {
        Roots::System => builder.with_native_roots().map_err(|error| error.to_string())?,
        Roots::Only(store) if store.is_empty() => return Err("the given store is empty".to_owned()),
        Roots::Only(store) => builder.with_root_certificates(store),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
