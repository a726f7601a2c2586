//! A device on the raw link: it sends the lines it is told to, right or wrong.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::within;

/// A connection to the device link.
pub struct Device {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Device {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    ///
    /// When the link does not listen.
    pub async fn connect(link: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(link)).await.expect("the link listens");
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer }
    }

    /// Connects with a token and reads the welcome.
    ///
    /// # Panics
    ///
    /// When it is not welcome.
    pub async fn hello(link: SocketAddr, token: &str) -> Self {
        let mut device = Self::connect(link).await;
        device.send(&json!({ "hello": { "token": token } })).await;
        let welcome = device.next().await.expect("a welcome");
        assert!(welcome.get("welcome").is_some(), "{welcome}");
        device
    }

    /// As [`hello`](Self::hello); `None` when the host is gone or goes meanwhile, as one that is killed.
    pub async fn try_hello(link: SocketAddr, token: &str) -> Option<Self> {
        let (reader, writer) = TcpStream::connect(link).await.ok()?.into_split();
        let mut device = Self { reader: BufReader::new(reader), writer };
        device.send(&json!({ "hello": { "token": token } })).await;
        device.try_next().await?.get("welcome")?;
        Some(device)
    }

    /// Sends a frame on a line of its own.
    pub async fn send(&mut self, frame: &Value) {
        self.send_bytes(format!("{frame}\n").as_bytes()).await;
    }

    /// Sends bytes as they are. A host that has closed already is no fault.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = within(self.writer.write_all(bytes)).await;
    }

    /// Ends this side of the connection.
    pub async fn finish(&mut self) {
        let _ = within(self.writer.shutdown()).await;
    }

    /// The next frame from the host; `None` when it has closed well.
    ///
    /// # Panics
    ///
    /// When the connection breaks or a line is not JSON.
    pub async fn next(&mut self) -> Option<Value> {
        within(self.next_unbounded()).await
    }

    /// As [`next`](Self::next), however long it takes.
    ///
    /// # Panics
    ///
    /// As [`next`](Self::next).
    pub async fn next_unbounded(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await.expect("the host closes in good order");
        (read > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }

    /// As [`next_unbounded`](Self::next_unbounded); `None` also when the host breaks off, in the middle of a line too.
    pub async fn try_next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.ok()?;
        serde_json::from_str(line.strip_suffix('\n')?).ok()
    }

    /// The next frame called `name`, those before it left out.
    ///
    /// # Panics
    ///
    /// When the host closes before it.
    pub async fn expect(&mut self, name: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the host closed before a {name}"));
            if let Some(value) = frame.get(name) {
                return value.clone();
            }
        }
    }

    /// Reads the error the host closes with, and that it does close.
    ///
    /// # Panics
    ///
    /// When the host does anything else.
    pub async fn refused(&mut self) -> (u64, String) {
        let frame = self.next().await.expect("an error before the host closes");
        let error = frame.get("error").unwrap_or_else(|| panic!("not an error: {frame}"));
        assert_eq!(self.next().await, None, "the host closes after an error");
        let code = error["code"].as_u64().expect("a code");
        (code, error["message"].as_str().expect("a message").to_owned())
    }

    /// Waits for a message, acknowledges it, and returns it.
    pub async fn take_message(&mut self) -> Value {
        let message = self.expect("message").await;
        self.send(&json!({ "ack": message["id"] })).await;
        message
    }

    /// Proves that everything sent so far has been read by the host: it answers a ping after it.
    ///
    /// # Panics
    ///
    /// When the answer is another.
    pub async fn settle(&mut self) {
        self.send(&json!({ "ping": 4711 })).await;
        assert_eq!(self.expect("pong").await, 4711);
    }
}

/// A message's id, which is its delivery's.
///
/// # Panics
///
/// When it has none.
#[must_use]
pub fn message_id(message: &Value) -> String {
    message["id"].as_str().expect("an id").to_owned()
}
