//! A device on a WebSocket: it sends the messages it is told to, right or wrong.

use std::net::SocketAddr;

use futures_util::{SinkExt, Stream};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::within;

/// A connection to the device link's WebSocket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Connects with a token in its header and reads the welcome.
    ///
    /// # Panics
    ///
    /// When it is not welcome.
    pub async fn hello(public: SocketAddr, token: &str) -> Self {
        let mut socket = Self::connect(public, "/v2/message/client/link", Some(token)).await.expect("a WebSocket");
        let welcome = socket.next().await.expect("a welcome");
        assert!(welcome.get("welcome").is_some(), "{welcome}");
        socket
    }

    /// Connects; without a WebSocket, the status and the body of the answer.
    ///
    /// # Errors
    ///
    /// What the answer says instead.
    ///
    /// # Panics
    ///
    /// When nothing answers like HTTP.
    pub async fn connect(public: SocketAddr, path: &str, token: Option<&str>) -> Result<Self, (u16, Value)> {
        let stream = within(TcpStream::connect(public)).await.expect("the public listener listens");
        let mut request = format!("ws://{public}{path}").into_client_request().expect("a request");
        if let Some(token) = token {
            request.headers_mut().insert("X-Client-Token", token.parse().expect("a header's value"));
        }
        match within(client_async(request, stream)).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(tungstenite::Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err((answer.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects with a token and expects no WebSocket: the status and the body of the answer.
    ///
    /// # Panics
    ///
    /// When there is one.
    pub async fn refused(public: SocketAddr, token: &str) -> (u16, Value) {
        match Self::connect(public, "/v2/message/client/link", Some(token)).await {
            Ok(_) => panic!("the WebSocket was not refused"),
            Err(answer) => answer,
        }
    }

    /// Sends a frame in a text message of its own.
    pub async fn send(&mut self, frame: &Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    /// Sends a message as it is. A host that has closed already is no fault.
    pub async fn send_message(&mut self, message: Message) {
        let _ = within(self.stream.send(message)).await;
    }

    /// The socket under it, to write to it what no WebSocket would.
    pub fn raw(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// The next message of the host, whatever it is; `None` when the connection has ended.
    pub async fn next_message(&mut self) -> Option<Message> {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.stream).poll_next(cx));
        within(next).await?.ok()
    }

    /// The next frame from the host; `None` when it has closed.
    ///
    /// # Panics
    ///
    /// When a message is no JSON text.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.next_message().await? {
                Message::Text(text) => {
                    return Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}")));
                }
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a text message: {other:?}"),
            }
        }
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

    /// Reads the error the host closes with, and the code that it closes the WebSocket with.
    ///
    /// # Panics
    ///
    /// When the host does anything else.
    pub async fn told(&mut self) -> (u64, String, CloseCode) {
        let error = self.expect("error").await;
        let code = error["code"].as_u64().expect("a code");
        let message = error["message"].as_str().expect("a message").to_owned();
        match self.next_message().await {
            Some(Message::Close(Some(close))) => (code, message, close.code),
            other => panic!("not a close: {other:?}"),
        }
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
