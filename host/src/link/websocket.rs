//! The device link on WebSockets: one frame a text message, on the public listener.
//!
//! Who the device is has been seen to by the time there is a WebSocket: it authenticates like any request. From there
//! on it is a connection like those on raw TCP.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, Stream};
use pushgate_core::{
    Error, ErrorKind, Field, Text, Unit,
    link::{Host, MAX_LINE_LEN, Refusal},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    Links,
    connection::{self, Talk},
    registry::Connection,
    wire::{Ended, Heard, Wire},
};
use crate::metrics::{Reason, Transport};

/// Bytes of a WebSocket's read buffer, which it holds from its beginning to its end (ours): most frames are smaller.
const READ_BUFFER: usize = 256;

/// Bytes that may wait to be written before another line.
const ENOUGH: usize = 2 * MAX_LINE_LEN;

/// A place for a WebSocket to come; the request that asked for it can still be refused.
#[derive(Debug)]
pub struct Reserved {
    links: Arc<Links>,
    place: Connection,
    peer: SocketAddr,
    token: Box<str>,
}

impl Links {
    /// Takes a place for the device whose token this is.
    ///
    /// # Errors
    ///
    /// Why there is none; its code is the status to answer.
    pub fn reserve(self: &Arc<Self>, peer: SocketAddr, token: &str) -> Result<Reserved, Refusal> {
        let counts = &self.metrics.link;
        counts.connected(Transport::WebSocket);
        let place = self.check(Text::from(token), self.clock.unix_secs());
        let place = place.and_then(|_| self.registry.admit(self.most()));
        let place = place.inspect_err(|refusal| counts.closed(Reason::from(refusal)))?;
        Ok(Reserved { links: Arc::clone(self), place, peer, token: token.into() })
    }
}

impl Reserved {
    /// Serves the WebSocket on a stream whose upgrade has been answered, and of which some bytes were read `ahead`.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(self, stream: S, ahead: Vec<u8>) {
        let Self { links, place, peer, token } = self;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(ENOUGH)
            .max_write_buffer_size(4 * ENOUGH)
            .max_message_size(Some(MAX_LINE_LEN))
            .max_frame_size(Some(MAX_LINE_LEN));
        let socket = WebSocketStream::from_partially_read(stream, ahead, Role::Server, Some(config)).await;
        let now = links.clock.now();
        let session = Host::new(links.terms(), now);
        let mut talk = Talk { links, place, session, peer, token: Box::default() };
        talk.hello(Text::from(&*token), now);
        let ended = connection::serve(LineSocket { socket, waiting: 0, is_deaf: false, is_closing: false }, talk).await;
        tracing::debug!(%peer, %ended, "a device's WebSocket ended");
    }
}

/// Lines as text messages.
struct LineSocket<S> {
    socket: WebSocketStream<S>,
    /// Bytes put and not flushed.
    waiting: usize,
    /// Whether what came was so wrong that nothing more can be read.
    is_deaf: bool,
    is_closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for LineSocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Heard<'_>)) -> Poll<Result<(), Ended>> {
        if self.is_deaf {
            return Poll::Pending;
        }
        match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            None | Some(Ok(Message::Close(_))) => return Poll::Ready(Err(Ended::Left)),
            Some(Ok(Message::Text(text))) => {
                let line = text.as_bytes();
                // As on a raw stream: the line feed is one byte of the kibibyte.
                take(Heard::Line(Ok(line.strip_suffix(b"\n").unwrap_or(line))));
            }
            Some(Ok(Message::Binary(_))) => take(Heard::NoText),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => take(Heard::Sign),
            Some(Err(error)) => {
                let error = match error {
                    tungstenite::Error::Capacity(_) => too_long(),
                    tungstenite::Error::Utf8(_) => Error::new(ErrorKind::InvalidUtf8, Field::BODY, 0),
                    tungstenite::Error::Io(error) => return Poll::Ready(Err(error.into())),
                    tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                        return Poll::Ready(Err(Ended::Left));
                    }
                    error => return Poll::Ready(Err(std::io::Error::other(error).into())),
                };
                self.is_deaf = true;
                take(Heard::Line(Err(error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, line: &[u8]) -> Result<(), Ended> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // Every line is text.
        let text = str::from_utf8(line).unwrap_or_default();
        self.waiting += line.len();
        Pin::new(&mut self.socket).start_send(Message::text(text)).map_err(failed)
    }

    fn has_room(&self) -> bool {
        self.waiting < ENOUGH
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(failed)?;
        self.waiting = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: Option<u16>) -> Poll<Result<(), Ended>> {
        if !self.is_closing {
            self.is_closing = true;
            let close = CloseFrame { code: close_code(code), reason: "".into() };
            // A device that has closed already gets its answer from the library.
            let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(close)));
        }
        Pin::new(&mut self.socket).poll_flush(cx).map_err(failed)
    }
}

/// RFC 6455, section 7.4.1, and the registry it opens: what passes is "try again later", what does not is a policy.
fn close_code(code: Option<u16>) -> CloseCode {
    match code {
        None => CloseCode::Normal,
        Some(408 | 429 | 503) => CloseCode::Again,
        Some(_) => CloseCode::Policy,
    }
}

fn too_long() -> Error {
    let limit = u32::try_from(MAX_LINE_LEN).unwrap_or(u32::MAX);
    Error::new(ErrorKind::TooLong { limit, unit: Unit::Bytes }, Field::BODY, MAX_LINE_LEN)
}

fn failed(error: tungstenite::Error) -> Ended {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Ended::Left,
        tungstenite::Error::Io(error) => Ended::Io(error),
        error => Ended::Io(std::io::Error::other(error)),
    }
}
