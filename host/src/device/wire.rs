//! Lines over whatever carries them: one at a time, in small buffers, with a bound on every write.

use std::{io, time::Duration};

use futures_util::{SinkExt, StreamExt};
use pushgate_core::{
    Error,
    link::{LineBuffer, MAX_LINE_LEN},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// How long the gateway may take to read a line (ours).
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection that this end closes is read on, so that what was written last arrives: closing with input
/// unread resets the connection, and a reset may overtake a line on its way (ours).
const LINGER: Duration = Duration::from_secs(1);

/// TCP, TLS on top of it, or what a test puts in their place.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection to the gateway.
pub(super) enum Wire {
    /// One frame a line, on a stream of bytes.
    Lines(Box<Lines>),
    /// One frame a text message.
    WebSocket(Messages),
}

/// What came, or why nothing comes any more.
type Next<'w> = Result<Result<&'w [u8], Error>, String>;

impl Wire {
    pub(super) fn lines(stream: impl Stream + 'static) -> Self {
        Self::Lines(Box::new(Lines {
            stream: Box::new(stream),
            buffer: LineBuffer::new(),
            chunk: [0; 512],
            start: 0,
            end: 0,
            in_a_line: false,
        }))
    }

    pub(super) fn messages(stream: WebSocketStream<Box<dyn Stream>>) -> Self {
        Self::WebSocket(Messages { stream: Box::new(stream), text: Utf8Bytes::default() })
    }

    /// What a WebSocket may keep of a connection: little more than a line.
    pub(super) fn websocket_config() -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(MAX_LINE_LEN)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * MAX_LINE_LEN)
            .max_message_size(Some(MAX_LINE_LEN))
            .max_frame_size(Some(MAX_LINE_LEN))
    }

    /// Waits for the next line or message. Nothing is lost when the wait is broken off.
    pub(super) async fn next(&mut self) -> Next<'_> {
        match self {
            Self::Lines(lines) => lines.next().await,
            Self::WebSocket(messages) => messages.next().await.map(Ok),
        }
    }

    /// Writes a line, its line feed included.
    pub(super) async fn send(&mut self, line: &[u8]) -> Result<(), String> {
        let sent = async {
            match self {
                Self::Lines(lines) => {
                    lines.stream.write_all(line).await.map_err(|error| failed(&error))?;
                    lines.stream.flush().await.map_err(|error| failed(&error))
                }
                Self::WebSocket(messages) => {
                    let text = line.strip_suffix(b"\n").unwrap_or(line);
                    let text = Utf8Bytes::try_from(text.to_vec()).map_err(|error| error.to_string())?;
                    messages.stream.send(Message::Text(text)).await.map_err(|error| broken(&error))
                }
            }
        };
        let sent = time::timeout(WRITE_WITHIN, sent).await;
        sent.unwrap_or_else(|_| Err(format!("the gateway took no line for {WRITE_WITHIN:?}")))
    }

    /// Closes this end, after what was sent has gone out.
    pub(super) async fn close(&mut self) {
        let closed = async {
            match self {
                Self::Lines(lines) => {
                    let _ = lines.stream.shutdown().await;
                    while lines.stream.read(&mut lines.chunk).await.is_ok_and(|read| read > 0) {}
                }
                Self::WebSocket(messages) => messages.close(CloseCode::Normal, "").await,
            }
        };
        // A gateway that does not answer the farewell is left without.
        let _ = time::timeout(LINGER, closed).await;
    }
}

/// The lines of a stream of bytes.
pub(super) struct Lines {
    stream: Box<dyn Stream>,
    buffer: LineBuffer<MAX_LINE_LEN>,
    chunk: [u8; 512],
    start: usize,
    end: usize,
    /// Whether a line has begun and not ended.
    in_a_line: bool,
}

impl Lines {
    async fn next(&mut self) -> Next<'_> {
        loop {
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
                self.end = match self.stream.read(&mut self.chunk).await {
                    Ok(read) => read,
                    // How TLS calls an end that was not announced.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                    Err(error) => return Err(failed(&error)),
                };
                if self.end == 0 {
                    let place = if self.in_a_line { " in the middle of a line" } else { "" };
                    return Err(format!("the gateway closed the connection{place}"));
                }
            }
            let mut input = &self.chunk[self.start..self.end];
            let found = self.buffer.feed(&mut input).map(|line| line.map(drop));
            self.start = self.end - input.len();
            self.in_a_line = found.is_none();
            match found {
                None => {}
                Some(Ok(())) => return Ok(Ok(self.buffer.line())),
                Some(Err(error)) => return Ok(Err(error)),
            }
        }
    }
}

/// The messages of a WebSocket.
pub(super) struct Messages {
    stream: Box<WebSocketStream<Box<dyn Stream>>>,
    text: Utf8Bytes,
}

impl Messages {
    async fn next(&mut self) -> Result<&[u8], String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.text = text;
                    return Ok(self.text.as_bytes());
                }
                Some(Ok(Message::Binary(_))) => {
                    let words = "the link's messages are text";
                    let _ = time::timeout(LINGER, self.close(CloseCode::Unsupported, words)).await;
                    return Err("the gateway sent a binary message; the device link's are text".to_owned());
                }
                Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
                // The library has answered the ping.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(closed(None)),
            }
        }
    }

    /// Says why, and waits for the other end to close.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = WebSocketStream::close(&mut self.stream, Some(frame)).await;
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

fn failed(error: &io::Error) -> String {
    format!("the connection failed: {error}")
}

fn closed(frame: Option<&CloseFrame>) -> String {
    let mut words = "the gateway closed the connection".to_owned();
    if let Some(CloseFrame { code, reason }) = frame.filter(|frame| !frame.reason.is_empty()) {
        words += &format!(": {}: {reason}", u16::from(*code));
    }
    words
}

fn broken(error: &tungstenite::Error) -> String {
    use tungstenite::Error;
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
            closed(None)
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => closed(None),
        Error::Io(error) => failed(error),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            format!("the gateway sent a message longer than {MAX_LINE_LEN} bytes")
        }
        Error::Utf8(_) => "the gateway sent text that is not UTF-8".to_owned(),
        error => format!("the WebSocket broke: {error}"),
    }
}
