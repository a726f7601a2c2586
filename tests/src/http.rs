//! An HTTP/1.1 client of one request a connection, which sends exactly what it is told.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::within;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST of `body`.
    #[must_use]
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..Self::new("POST", path) }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The request as it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), body].concat()
    }

    /// Sends the request to `address` and reads the whole answer.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn send(&self, address: SocketAddr) -> Answer {
        self.try_send(address).await.unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.path))
    }

    /// Sends the request to `address`; `None` when the answer does not come whole, as from a peer that is killed.
    pub async fn try_send(&self, address: SocketAddr) -> Option<Answer> {
        exchange(address, &self.to_bytes()).await
    }
}

/// Sends bytes to an HTTP server and reads its one answer.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    within(async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        // A server that refuses early may answer before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
        // The length is that of the body which is not sent.
        if bytes.starts_with(b"HEAD ") { Answer::split(&read) } else { Answer::read(&read) }
    })
    .await
}

impl Answer {
    /// Reads an answer whose body has its declared length.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let answer = Self::split(bytes)?;
        let whole = answer.header("content-length").is_none_or(|length| length.parse() == Ok(answer.body.len()));
        whole.then_some(answer)
    }

    fn split(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers, body: body.to_owned() })
    }

    /// A header field's value; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks the admin API at `address` for something that there must be.
///
/// # Panics
///
/// When the answer is not 200.
pub async fn admin_json(address: SocketAddr, path: &str) -> Value {
    let answer = Request::get(path).send(address).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}
