//! What a device's lines travel on: raw TCP or a WebSocket, with buffers as small as a device's.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use pushgate_core::{
    Text,
    link::{Frame, Hello, LineBuffer, MAX_LINE_LEN},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, Utf8Bytes, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// Bytes read at a time (ours): a line of the usual length.
const CHUNK: usize = 256;

/// Lines in both directions.
pub(super) trait Stream {
    /// Waits for the next line.
    async fn next(&mut self) -> io::Result<&[u8]>;

    /// Sends a line, which ends with its line feed.
    async fn send(&mut self, line: &[u8]) -> io::Result<()>;
}

/// Lines on raw TCP.
pub(super) struct Tcp {
    stream: TcpStream,
    lines: LineBuffer<MAX_LINE_LEN>,
    chunk: [u8; CHUNK],
    start: usize,
    end: usize,
}

impl Tcp {
    /// Connects and says who the device is.
    pub(super) async fn open(address: SocketAddr, token: &str) -> Result<Self, String> {
        let mut stream = connect(address).await?;
        let mut line = [0; MAX_LINE_LEN];
        let hello = Frame::Hello(Hello { token: Text::from(token) });
        let line = hello.write(&mut line).map_err(|error| error.to_string())?;
        stream.write_all(line).await.map_err(|error| format!("cannot send the hello: {error}"))?;
        Ok(Self { stream, lines: LineBuffer::new(), chunk: [0; CHUNK], start: 0, end: 0 })
    }
}

impl Stream for Tcp {
    async fn next(&mut self) -> io::Result<&[u8]> {
        loop {
            if self.start == self.end {
                self.start = 0;
                self.end = self.stream.read(&mut self.chunk).await?;
                if self.end == 0 {
                    return Err(closed());
                }
            }
            let mut input = &self.chunk[self.start..self.end];
            let found = self.lines.feed(&mut input).map(|line| line.map(drop));
            self.start = self.end - input.len();
            match found {
                None => {}
                Some(Ok(())) => return Ok(self.lines.line()),
                Some(Err(error)) => return Err(io::Error::new(ErrorKind::InvalidData, error.to_string())),
            }
        }
    }

    async fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.stream.write_all(line).await
    }
}

/// Lines on a WebSocket, each a text message.
pub(super) struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    line: Utf8Bytes,
}

impl WebSocket {
    /// Connects and upgrades; the token goes in the request.
    pub(super) async fn open(address: SocketAddr, token: &str) -> Result<Self, String> {
        let stream = connect(address).await?;
        let url = format!("ws://{address}{}", super::WEBSOCKET_PATH);
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        let token = HeaderValue::from_str(token).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HeaderName::from_static("x-client-token"), token);
        match client_async_with_config(request, stream, Some(small())).await {
            Ok((stream, _)) => Ok(Self { stream, line: Utf8Bytes::default() }),
            Err(Error::Http(answer)) => Err(format!(
                "the WebSocket was refused: GET {} was answered {}",
                super::WEBSOCKET_PATH,
                answer.status()
            )),
            Err(error) => Err(format!("the WebSocket was refused: {error}")),
        }
    }
}

impl Stream for WebSocket {
    async fn next(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.stream.next().await.ok_or_else(closed)?.map_err(io::Error::other)? {
                Message::Text(line) => {
                    self.line = line;
                    return Ok(self.line.as_bytes());
                }
                Message::Close(_) => return Err(closed()),
                // Its own pings are answered while it reads.
                _ => {}
            }
        }
    }

    async fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let text = str::from_utf8(line).map_err(io::Error::other)?.trim_end();
        self.stream.send(Message::text(text)).await.map_err(io::Error::other)
    }
}

/// A WebSocket with the smallest buffers that hold a line.
pub(super) fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(MAX_LINE_LEN).write_buffer_size(0)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("cannot connect to {address}: {error}"))?;
    let _ = stream.set_nodelay(true);
    // Ten thousand ports that wait for a minute after each scenario would be missed by the next: a reset keeps none.
    let _ = stream.set_zero_linger();
    Ok(stream)
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "closed by the gateway")
}
