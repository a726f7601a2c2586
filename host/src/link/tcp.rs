//! The device link on raw TCP, with TLS or without: a listener, and one task a connection.
//!
//! A connection is held to its word: a hello in time, a line of at most 1 KiB, a sign of life within three heartbeats,
//! no more lines than it is asked for or may send by itself, and lines that it reads. What it does wrong it is told
//! before the host closes.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use pushgate_core::link::{Host, MAX_LINE_LEN, Refusal};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{
    KERNEL_BUFFER, Links,
    connection::{self, Talk},
    registry::Connection,
    stream::LineStream,
    wire::Wire,
};
use crate::{
    listener::{self, BindError, Buffers},
    metrics::{Reason, Transport},
    telemetry::seldom::seldom,
};

/// How long the listener waits when the process is out of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Takes an address for this process; from here on the kernel queues who connects.
///
/// # Errors
///
/// [`BindError`] names the address and says what to do.
pub fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    listener::bind(address, Buffers::Bytes(KERNEL_BUFFER))
}

impl Links {
    /// Accepts connections until `stop` says so; then tells those that are left, also the WebSockets.
    pub async fn listen(self, listener: TcpListener, tls: Option<TlsAcceptor>, mut stop: watch::Receiver<bool>) {
        let links = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                biased;
                // A sender that is gone has stopped as well.
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => admit(&links, stream, peer, tls.as_ref()),
                Err(error) => {
                    seldom!(warn, %error, "cannot accept a device's connection");
                    time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop(listener);
        links.stop().await;
    }
}

fn admit(links: &Arc<Links>, stream: TcpStream, peer: SocketAddr, tls: Option<&TlsAcceptor>) {
    let counts = &links.metrics.link;
    counts.connected(if tls.is_some() { Transport::Tls } else { Transport::Tcp });
    let place = match links.registry.admit(links.most()) {
        Ok(place) => place,
        Err(refusal) => {
            counts.closed(Reason::from(&refusal));
            seldom!(warn, %peer, %refusal, "refused a device");
            if tls.is_none() {
                turn_away(stream, refusal);
            }
            return;
        }
    };
    // Lines are small and each should go out when it is written.
    let _ = stream.set_nodelay(true);
    let session = Host::new(links.terms(), links.clock.now());
    let talk = Talk { links: Arc::clone(links), place, session, peer, token: Box::default() };
    match tls {
        None => drop(tokio::spawn(serve(LineStream::new(stream), talk))),
        Some(acceptor) => drop(tokio::spawn(serve_tls(acceptor.clone(), stream, talk))),
    }
}

async fn serve<W: Wire>(wire: W, talk: Talk) {
    let peer = talk.peer;
    let ended = connection::serve(wire, talk).await;
    tracing::debug!(%peer, %ended, "a device's connection ended");
}

async fn serve_tls(acceptor: TlsAcceptor, stream: TcpStream, talk: Talk) {
    let within = Duration::from_millis(u64::from(talk.links.terms().hello_within));
    let handshake = tokio::select! {
        handshake = time::timeout(within, acceptor.accept(stream)) => handshake,
        () = told_to_go(&talk.place) => return talk.links.metrics.link.closed(Reason::ABANDONED),
    };
    if !matches!(handshake, Ok(Ok(_))) {
        talk.links.metrics.link.closed(Reason::HANDSHAKE);
    }
    match handshake {
        // On the heap: the handshake is over for most of the connection's life, and what it took with it.
        Ok(Ok(stream)) => Box::pin(serve(LineStream::new(stream), talk)).await,
        Ok(Err(error)) => tracing::debug!(peer = %talk.peer, %error, "a device's TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %talk.peer, "a device's TLS handshake did not finish in time"),
    }
}

/// Returns once a connection that cannot be told anything yet has to go.
async fn told_to_go(place: &Connection) {
    poll_fn(|cx| {
        let news = place.mailbox.poll(cx);
        if news.abandon || news.refusal.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Tells a device why there is no place for it, as far as that costs nothing: without waiting.
fn turn_away(stream: TcpStream, refusal: Refusal) {
    let mut line = [0; MAX_LINE_LEN];
    if let (Ok(mut stream), Ok(line)) = (stream.into_std(), refusal.write(&mut line)) {
        // A new connection's buffer takes a line.
        let _ = io::Write::write(&mut stream, line);
    }
}
