//! What is left of an HTTP connection that has become something else: its socket, and what came too early.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::stream::TimedStream;

/// A connection after its upgrade, without what HTTP needed around it.
pub(in crate::api) enum Raw {
    /// The socket, and the bytes of it that were read along with the request.
    Tcp(TcpStream, Vec<u8>),
    /// The same over TLS.
    Tls(Box<TlsStream<TcpStream>>, Vec<u8>),
    /// Any other.
    Other(TokioIo<Upgraded>),
}

/// Takes the socket out of an upgraded connection.
pub(in crate::api) fn raw(upgraded: Upgraded) -> Raw {
    let upgraded = match upgraded.downcast::<TokioIo<TimedStream<TcpStream>>>() {
        Ok(parts) => return Raw::Tcp(parts.io.into_inner().into_inner(), own(&parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<TimedStream<TlsStream<TcpStream>>>>() {
        Ok(parts) => Raw::Tls(Box::new(parts.io.into_inner().into_inner()), own(&parts.read_buf)),
        Err(upgraded) => Raw::Other(TokioIo::new(upgraded)),
    }
}

/// The bytes without the buffer they are in, which is HTTP's and large, also when there are none.
fn own(ahead: &[u8]) -> Vec<u8> {
    ahead.to_vec()
}
