//! Taking an address to listen on, for every kind of listener.

use std::{error::Error, fmt, io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections the kernel may complete before they are accepted (ours; it takes less where `net.core.somaxconn` is
/// less): after a restart a whole fleet comes at once, and whoever finds no room tries again after seconds.
const BACKLOG: u32 = 4096;

/// What the kernel may hold of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// As much as it finds useful: megabytes, when much is sent to who reads slowly.
    Automatic,
    /// About so many bytes each way.
    Bytes(u32),
}

/// Takes `address` for this process; from here on the kernel queues who connects. Returns the address too, with the port
/// that the kernel chose where port 0 was asked for.
///
/// # Errors
///
/// [`BindError`] names the address and says what to do.
pub(crate) fn bind(address: SocketAddr, buffers: Buffers) -> Result<(TcpListener, SocketAddr), BindError> {
    let bound = listen(address, buffers).and_then(|listener| Ok((listener.local_addr()?, listener)));
    bound.map(|(address, listener)| (listener, address)).map_err(|source| BindError { address, source })
}

/// Bounds what the kernel may hold of a connection that was accepted without bounds.
pub(crate) fn bound(stream: &TcpStream, bytes: u32) {
    #[cfg(unix)]
    {
        use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        // The worst is that it holds more.
        let _ = set_socket_send_buffer_size(stream, bytes);
        let _ = set_socket_recv_buffer_size(stream, bytes);
    }
    #[cfg(not(unix))]
    let _ = (stream, bytes);
}

/// Why a listener could not be bound.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        write!(f, "cannot listen on {address}: ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "another program does; stop it, or choose another port (port 0 takes a free one)")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "not permitted; choose a port from 1024 up, or grant this program CAP_NET_BIND_SERVICE")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "this machine has no such address; choose one of its own, or 0.0.0.0 for all of them")
            }
            _ => write!(f, "{source}; choose another address"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

fn listen(address: SocketAddr, buffers: Buffers) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As tokio's own listeners have it: a restart must not wait for the last connections of the process before.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    if let Buffers::Bytes(bytes) = buffers {
        // Accepted connections inherit them.
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
