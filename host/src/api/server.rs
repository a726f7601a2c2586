//! The HTTP listener under the public API, the admin API and the receivers: it accepts, bounds and serves.
//!
//! Binding comes first and serving second, so that the address behind port 0 is known before the first request. Every
//! connection runs in a task of its own, and nothing a client does or leaves undone costs more than [`Limits`] say.
//!
//! A handler finds its peer as [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) and reads its body through
//! [`UnreadBody`](super::body::UnreadBody).

mod connection;
mod stream;
pub(super) mod upgraded;

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::body::BodyLimits;
pub use crate::listener::BindError;
use crate::{
    listener::{self, Buffers},
    telemetry::{seldom::Seldom, trace::Tracer},
};
use connection::{Shared, Traffic};

/// What one listener spends on its clients at most. Every default is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a request's head, its request line included: 16 KiB. A larger one is answered 431, as is one
    /// of more than 100 header fields.
    pub header_bytes: usize,
    /// The time a head has from its first byte to its last, a new connection from when it was accepted: 10 s. A TLS
    /// handshake has as long.
    pub header_timeout: Duration,
    /// The size and the time of a body, for [`UnreadBody`](super::body::UnreadBody): 1 MiB, 10 s.
    pub body: BodyLimits,
    /// The most connections served at once: 1024. At the limit, those without a request end, answers end theirs, and
    /// the next ones wait in the kernel's queue. A connection that became a WebSocket no longer counts.
    pub connections: usize,
    /// The time a connection may stay open between two requests: 60 s.
    pub idle_timeout: Duration,
    /// The time a client may go without taking any of its answer: 30 s.
    pub write_timeout: Duration,
    /// The time that requests in flight have to finish when the server stops: 10 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            body: BodyLimits::default(),
            connections: 1024,
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// A bound listener, ready to serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    tracer: Tracer,
}

impl Server {
    /// Takes `address` for this process. From here on the kernel queues clients; [`run`](Self::run) serves them.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address and says what to do.
    pub fn bind(address: SocketAddr, limits: Limits) -> Result<Self, BindError> {
        let (listener, address) = listener::bind(address, Buffers::Automatic)?;
        Ok(Self { listener, address, limits, tls: None, tracer: Tracer::default() })
    }

    /// Serves over TLS, HTTP/2 to the clients that ask for it and HTTP/1.1 to the rest.
    #[must_use]
    pub fn with_tls(self, mut config: ServerConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { tls: Some(TlsAcceptor::from(Arc::new(config))), ..self }
    }

    /// Records a span of each request.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Returns the address that clients connect to, with the port the kernel chose where port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown` completes, then ends well.
    ///
    /// Ending means: no connection is accepted any more, those without a request close, requests in flight have
    /// [`Limits::drain_timeout`] to be answered, and what is left then is cut off. A WebSocket is its handler's to end.
    pub async fn run(self, router: Router, shutdown: impl Future<Output = ()>) {
        let Self { listener, address, limits, tls, tracer } = self;
        let traffic = watch::Sender::new(Traffic::Flowing);
        let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let router = router.layer(DefaultBodyLimit::max(limits.body.bytes));
        let router = if tracer.is_on() { router.layer(from_fn(keep_route)) } else { router };
        let shared = Arc::new(Shared::new(router, limits, tls, tracer));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let (cannot_accept, full) = (Seldom::new(), Seldom::new());

        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    if let Some(leave) = cannot_accept.leave() {
                        tracing::warn!(
                            left_out = leave.left_out, %address, %error,
                            "cannot accept; too many open files call for a higher limit (ulimit -n)"
                        );
                    }
                    // Connections without a request hold what is missing.
                    traffic.send_replace(Traffic::Crowded);
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                    traffic.send_replace(Traffic::Flowing);
                    continue;
                }
            };
            let slot = if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                slot
            } else {
                if let Some(leave) = full.leave() {
                    let (left_out, connections) = (leave.left_out, limits.connections);
                    tracing::warn!(left_out, %address, connections, "all connections are in use; new ones wait");
                }
                traffic.send_replace(Traffic::Crowded);
                let slot = tokio::select! {
                    () = &mut shutdown => break,
                    slot = Arc::clone(&slots).acquire_owned() => slot,
                };
                traffic.send_replace(Traffic::Flowing);
                let Ok(slot) = slot else { break };
                slot
            };
            let (shared, traffic) = (Arc::clone(&shared), traffic.subscribe());
            connections.spawn(async move {
                shared.serve(tuned(stream), canonical(peer), traffic).await;
                drop(slot);
            });
        }

        drop(listener);
        traffic.send_replace(Traffic::Ending);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.drain_timeout, all).await.is_err() {
            tracing::warn!(%address, connections = connections.len(), "cut off connections that were not done in time");
            connections.shutdown().await;
        }
    }
}

/// How long nothing is accepted after the system refused to (ours): short against a client's timeout, long against a
/// spinning core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Leaves the route that a request took in its answer, for the request's span.
async fn keep_route(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Says whether accepting failed because that one client had already gone.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Sends small answers at once instead of waiting for more to send with them.
fn tuned(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be delayed");
    }
    stream
}

/// Writes an IPv4 peer of a dual-stack listener as IPv4, so that a rule for `10.0.0.0/8` sees `10.1.2.3` and not
/// `::ffff:10.1.2.3`.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_peer_is_its_ipv4_address() {
        for (peer, expected) in [
            ("[::ffff:10.1.2.3]:5", "10.1.2.3:5"),
            ("10.1.2.3:5", "10.1.2.3:5"),
            ("[2001:db8::1]:5", "[2001:db8::1]:5"),
        ] {
            assert_eq!(canonical(peer.parse().expect("a socket address")).to_string(), expected);
        }
    }
}
