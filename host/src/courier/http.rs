//! The HTTP courier: one POST, one bounded answer, one timeout over everything.
//!
//! What a send may rely on, beyond [`Post`] and [`Reply`]:
//!
//! - **A send is one request.** A pooled connection that turns out closed before a byte of the request was written
//!   is replaced by another, since the request is then known not to have left; after the first byte nothing is
//!   resent, and the schedule of the delivery decides. Redirects are answers like any other and are not followed.
//! - **Connections are kept** and shared by all sends to a host: HTTP/1.1, or HTTP/2 where TLS negotiates it. At
//!   most [`IDLE_PER_HOST`] idle ones stay for a host, and a sweep every [`IDLE_FOR`] closes those idle for that long,
//!   so what is kept is bounded by the hosts of the last minute and not by all hosts ever sent to.
//! - **An answer is bounded**: the body by [`Settings::answer_bytes`], the head by [`ANSWER_HEAD_BYTES`] and
//!   [`ANSWER_HEADERS`]. A larger one is a failure, and its connection is dropped unless the rest was there
//!   already.
//! - **Addresses are checked** where they are connected to, see [`address`](super::address).
//! - The environment's proxy variables are not read: a proxy would connect to addresses that nobody checked.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::address::Reach;
use super::dial::Dialer;
use super::failure::{Class, Failure};
use super::resolver::Resolver;
use super::target::{Place, Target};
use super::tls::{Connector, Roots};

/// Idle connections kept for one host. More sends than this at once still go out, on connections closed afterwards.
pub const IDLE_PER_HOST: usize = 32;

/// How long an idle connection is kept. Longer than any wait of the three protocols' schedules, so that a retry finds
/// its connection open.
pub const IDLE_FOR: Duration = Duration::from_secs(30);

/// Bytes of an answer's status line and headers that are read.
pub const ANSWER_HEAD_BYTES: u32 = 64 * 1024;

/// Header fields of an HTTP/1 answer that are read: hyper's own limit, which needs no allocation.
pub const ANSWER_HEADERS: usize = 100;

/// Bytes that an HTTP/2 peer may send ahead on one stream, and on all streams of a connection together.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How often an HTTP/2 connection is asked whether it lives, and how long it has to say so. Without this a path that
/// went away silently would fail every send to its host until the system gives the connection up.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Headers that name the host, belong to the connection or frame the body: the courier's to write, not a caller's.
const OURS: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Sends bodies over HTTP. Clones share their connections.
#[derive(Clone)]
pub struct HttpCourier {
    client: Client<Connector, Full<Bytes>>,
    user_agent: HeaderValue,
    answer_bytes: usize,
}

/// What is the same for every send of a courier.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether private, loopback and other addresses off the public Internet may be sent to: `network.allow_private`.
    pub allow_private: bool,
    /// The most bytes of an answer's body that are read.
    pub answer_bytes: usize,
    /// The `User-Agent` of requests that bring none.
    pub user_agent: HeaderValue,
    /// Whom to trust for `https`.
    pub roots: Roots,
}

/// A request to send.
///
/// Not `Debug`: the URL and the headers may hold tokens and signatures.
#[derive(Clone)]
pub struct Post {
    /// Where to, see [`Target`].
    pub url: String,
    /// Headers to add. `Content-Type` is `application/json` unless given here; `Host`, `Content-Length` and the
    /// headers of the connection (`Transfer-Encoding`, `Expect`, …) are the courier's and left out if given.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The time for everything: finding the address, connecting, TLS, sending and reading the whole answer.
    pub timeout: Duration,
}

/// A whole answer, whatever its status.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`Settings::answer_bytes`].
    pub body: Bytes,
}

impl Default for Settings {
    /// Public addresses alone, 64 KiB of an answer (ours), the system's roots.
    fn default() -> Self {
        Self {
            allow_private: false,
            answer_bytes: 64 * 1024,
            user_agent: HeaderValue::from_static(concat!("pushgate/", env!("CARGO_PKG_VERSION"))),
            roots: Roots::System,
        }
    }
}

impl HttpCourier {
    /// Makes a courier without connections.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let reach = if settings.allow_private { Reach::Anywhere } else { Reach::Public };
        let connector = Connector::new(Dialer::new(Resolver::new(reach)), settings.roots);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            // Only what hyper hands back unsent is sent on another connection.
            .retry_canceled_requests(true)
            .http1_max_buf_size(ANSWER_HEAD_BYTES as usize)
            .http2_max_header_list_size(ANSWER_HEAD_BYTES)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_WITHIN)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        Self { client, user_agent: settings.user_agent, answer_bytes: settings.answer_bytes }
    }

    /// Sends one request and reads the whole answer.
    ///
    /// Dropping the future ends the send where it stands: an HTTP/1 connection is closed, an HTTP/2 stream reset.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is no whole answer in time. The request may have arrived all the same for
    /// [`Class::Timeout`], [`Class::Closed`], [`Class::Protocol`] and [`Class::AnswerTooLarge`].
    pub async fn post(&self, post: Post) -> Result<Reply, Failure> {
        let mut alarm = pin!(tokio::time::sleep(post.timeout));
        let (uri, place) = Target::parse(&post.url)?.into_parts();
        let late = |missing: &str| {
            let detail = format!("{place}: {missing} within {:?}, the timeout of this send", post.timeout);
            Failure::new(Class::Timeout, detail)
        };

        let mut request = Request::new(Full::new(post.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers(post.headers, post.body.len());
        let connection = capture_connection(&mut request);

        let response = tokio::select! {
            biased;
            response = self.client.request(request) => response.map_err(|error| Failure::read(&error, &place))?,
            () = &mut alarm => {
                let connected = connection.connection_metadata().is_some();
                return Err(late(if connected { "connected, but no answer" } else { "no connection" }));
            }
        };
        let (head, body) = response.into_parts();
        let body = tokio::select! {
            biased;
            body = read_whole(body, self.answer_bytes, &place) => body?,
            () = &mut alarm => return Err(late("only a part of the answer")),
        };
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    fn headers(&self, mut headers: HeaderMap, length: usize) -> HeaderMap {
        for name in OURS {
            headers.remove(name);
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        headers.entry(header::USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers
    }
}

/// Shows the status and the sizes alone: headers and bodies of others do not belong in logs.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} headers, {} bytes)", self.status, self.headers.len(), self.body.len())
    }
}

/// Reads a body to its end, or gives up as soon as it is known to be too large. Giving up drops the body; hyper then
/// resets the HTTP/2 stream, or closes the HTTP/1 connection unless one more read brings the end.
async fn read_whole(mut body: Incoming, limit: usize, place: &Place) -> Result<Bytes, Failure> {
    let too_large = || {
        Failure::new(Class::AnswerTooLarge, format!("{place} answered with more than {limit} bytes: answer with less"))
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    // Copied together, because hyper's pieces would keep its whole read buffer alive.
    let mut whole = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::read(&error, place))?;
        let Some(piece) = frame.data_ref() else { continue };
        if piece.len() > limit - whole.len() {
            return Err(too_large());
        }
        whole.extend_from_slice(piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests;
