//! TCP to the first address of a place that answers.
//!
//! Addresses are tried in the system's order, each next one a moment after the one before (RFC 8305, "happy
//! eyeballs"), so a dead address costs a quarter of a second and not the whole timeout.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::Service;

use super::failure::{Class, Failure};
use super::resolver::Resolver;
use super::target::Place;

/// How long one address is alone before the next is tried beside it: RFC 8305's recommended value.
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens TCP connections: what hyper's client asks for one.
#[derive(Clone)]
pub(super) struct Dialer {
    resolver: Resolver,
}

pub(super) type Dialing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

impl Dialer {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver }
    }

    async fn dial(&self, uri: &Uri) -> Result<TcpStream, Failure> {
        let place = Place::of(uri)?;
        let addresses = self.resolver.addresses(&place).await?;
        let stream =
            first_to_answer(&addresses).await.map_err(|(address, error)| unreached(&place, address, &error))?;
        // A request is one write; waiting for more to send with it only delays it. It works without, too.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Dialing<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri).await.map(TokioIo::new) })
    }
}

/// Connects to one of the addresses, or tells why the first that failed did: the system sorts the likeliest to the
/// front.
async fn first_to_answer(addresses: &[SocketAddr]) -> Result<TcpStream, (SocketAddr, io::Error)> {
    if let [only] = addresses {
        return TcpStream::connect(only).await.map_err(|error| (*only, error));
    }
    let mut left = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut first_failure = None;
    loop {
        if let Some(address) = left.next() {
            attempts.spawn(async move { TcpStream::connect(address).await.map_err(|error| (address, error)) });
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(failure)) => _ = first_failure.get_or_insert(failure),
                Err(lost) => _ = first_failure.get_or_insert((addresses[0], io::Error::other(lost))),
            },
            () = tokio::time::sleep(HEAD_START), if left.len() > 0 => {}
        }
        if attempts.is_empty() && left.len() == 0 {
            let unspecified = SocketAddr::from(([0; 4], 0));
            return Err(first_failure.unwrap_or_else(|| (unspecified, io::ErrorKind::AddrNotAvailable.into())));
        }
    }
}

fn unreached(place: &Place, address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let detail =
                format!("{place} refused the connection (at {address}): is the receiver running on this port?");
            Failure::new(Class::Refused, detail)
        }
        io::ErrorKind::TimedOut => {
            let detail = format!("{place} did not answer the connection (at {address}): is it behind a firewall?");
            Failure::new(Class::Timeout, detail)
        }
        _ => Failure::new(Class::Unreachable, format!("{place} cannot be reached (at {address}): {error}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::address::Reach;
    use super::*;

    /// What a name says when it is asked for the first time counts for one connection, and that is checked too.
    #[tokio::test]
    async fn a_name_that_turns_private_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let uri: Uri = format!("http://acme.example:{port}/").parse().expect("a URI");
        for private in ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "64:ff9b::7f00:1"] {
            let found = SocketAddr::new(private.parse().expect(private), 0);
            let lookup = move |_: &str| Ok(vec![found]);
            let failure =
                Dialer::new(Resolver::with_lookup(Reach::Public, lookup)).dial(&uri).await.expect_err(private);
            assert_eq!(failure.class, Class::Blocked, "{private}: {failure}");
        }
        let lookup = |_: &str| Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
        let stream = Dialer::new(Resolver::with_lookup(Reach::Anywhere, lookup)).dial(&uri).await.expect("allowed");
        // The first to arrive is the one that was allowed.
        let (_, first) = listener.accept().await.expect("a connection");
        assert_eq!(stream.local_addr().expect("an address"), first);
    }

    /// Finds an address of loopback at which nothing listens.
    async fn deaf() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("its address")
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let open = listener.local_addr().expect("its address");
        let stream = first_to_answer(&[deaf().await, deaf().await, open]).await.expect("the last one answers");
        assert_eq!(stream.peer_addr().expect("a peer"), open);
    }

    #[tokio::test]
    async fn the_first_refusal_is_the_one_reported() {
        let (first, second) = (deaf().await, deaf().await);
        let (address, error) = first_to_answer(&[first, second]).await.expect_err("nobody listens");
        assert_eq!((address, error.kind()), (first, io::ErrorKind::ConnectionRefused));
    }
}
