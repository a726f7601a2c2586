//! The HTTP courier: one POST, one bounded answer, one timeout over everything.
//!
//! What a send may rely on, beyond [`Post`] and [`Reply`]:
//!
//! - **A send is one request.** A pooled connection that turns out closed before a byte of the request was written
//!   is replaced by another, since the request is then known not to have left; after the first byte nothing is
//!   resent, and the schedule of the delivery decides. Redirects are answers like any other and are not followed.
//! - **Connections are kept** and shared by all sends to a host on the same terms of TLS: HTTP/1.1, or HTTP/2 where TLS
//!   negotiates it. At most [`IDLE_PER_HOST`] idle ones stay for a host, and a sweep every [`IDLE_FOR`] closes those idle
//!   for that long, so what is kept is bounded by the load of the last minute and not by all hosts ever sent to. One that
//!   the peer closes while it is idle is replaced unseen; one that it closes in the moment of a send fails that send
//!   as [`Class::Closed`], since nobody here can know whether the request was taken.
//! - **An answer is bounded**: the body by [`Settings::answer_bytes`], the head by [`ANSWER_HEAD_BYTES`] and
//!   [`ANSWER_HEADERS`]. A larger one is a failure, and its connection is dropped unless the rest was there
//!   already.
//! - **Addresses are checked** where they are connected to, see [`address`](super::address).
//! - The environment's proxy variables are not read: a proxy would connect to addresses that nobody checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::address::Reach;
use super::clients::Clients;
use super::dial::Dialer;
use super::failure::{Class, Failure};
use super::parcel::{Parcel, Progress};
use super::resolver::Resolver;
use super::target::{Place, Target};
use super::tls::{Connector, Roots};
use crate::config::ClientTls;

/// Idle connections kept for one host (ours): as many as four lanes of the greatest concurrency may use at once.
///
/// Load comes in bursts: a batch of answers, a tick of a rate limit, a round of retries. Between two bursts all
/// connections of a host are idle, so whatever this is less than the sends at once is opened anew for every burst, each
/// with a TCP and a TLS handshake and a port of ours that stays in TIME-WAIT for a minute. A lane makes up to 1024
/// sends at once, and several lanes may lead to one host. The bound on what is kept is thus the load itself: a
/// few times the sends that were under way at once in the last [`IDLE_FOR`], the one used last being reused first, so that
/// those a peak left behind age and go. This number only ends what is out of all proportion.
///
/// HTTP/2 has one connection to a host, whatever the load.
pub const IDLE_PER_HOST: usize = 4096;

/// How long an idle connection is kept; it is closed within twice that. Longer than any wait of the three protocols'
/// schedules, so that a retry finds its connection open, and shorter than the minute and more that load balancers and
/// firewalls usually give one.
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

/// The `User-Agent` of requests that bring none.
pub(super) const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("pushgate/", env!("CARGO_PKG_VERSION")));

/// The `Content-Type` of requests that bring none.
pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// Sends bodies over HTTP. Clones share their connections, and cost no more than an `Arc`'s.
#[derive(Clone)]
pub struct HttpCourier(Arc<Inner>);

struct Inner {
    clients: Clients,
    answer_bytes: usize,
}

/// What is the same for every send of a courier.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether private, loopback and other addresses off the public Internet may be sent to: `network.allow_private`.
    pub allow_private: bool,
    /// The most bytes of an answer's body that are read.
    pub answer_bytes: usize,
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
        Self { allow_private: false, answer_bytes: 64 * 1024, roots: Roots::System }
    }
}

/// A request that is ready to go: what a [`Post`] and a route come to.
pub(super) struct Ready<'a> {
    /// Where to.
    pub(super) uri: Uri,
    /// Host and port of that, for what failures say.
    pub(super) place: &'a Place,
    /// All headers but the length of the body and, unless it is known to be right, the host.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    /// How the peer is reached over TLS, beyond the system's roots.
    pub(super) tls: Option<&'a ClientTls>,
}

impl HttpCourier {
    /// Makes a courier without connections.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let reach = if settings.allow_private { Reach::Anywhere } else { Reach::Public };
        let clients = Clients::new(Dialer::new(Resolver::new(reach)), settings.roots, client);
        Self(Arc::new(Inner { clients, answer_bytes: settings.answer_bytes }))
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
        let Post { url, mut headers, body, timeout } = post;
        let target = Target::parse(&url)?;
        for name in OURS {
            headers.remove(name);
        }
        headers.entry(header::CONTENT_TYPE).or_insert(CONTENT_TYPE);
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        let (uri, place) = (target.uri().clone(), target.place());
        self.send(Ready { uri, place, headers, body, timeout, tls: None }).await
    }

    /// As [`post`](Self::post), for a request that needs no more looking at.
    pub(super) async fn send(&self, ready: Ready<'_>) -> Result<Reply, Failure> {
        let Ready { uri, place, mut headers, body, timeout, tls } = ready;
        // hyper would write it too, for all bodies but an empty one; where a route has kept its place, nothing moves.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let progress = Progress::default();
        let mut request = Request::new(Parcel::new(body, progress.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;

        let exchange = async {
            let response = self.0.clients.request(request, tls).await.map_err(|error| Failure::read(&error, place))?;
            progress.answered();
            let (head, body) = response.into_parts();
            let body = read_whole(body, self.0.answer_bytes, place).await?;
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            let missing = progress.missing();
            Err(Failure::new(
                Class::Timeout,
                format!("{place}: {missing} within {timeout:?}, the timeout of this send"),
            ))
        })
    }
}

/// Makes a client with a pool of its own.
fn client(connector: Connector) -> Client<Connector, Parcel> {
    Client::builder(TokioExecutor::new())
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
        .build(connector)
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
    // Most answers are one piece, which is handed on as it is: a part of hyper's read buffer, free again once the answer
    // is judged.
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::read(&error, place))?;
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limit - first.len() - whole.len() {
            return Err(too_large());
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
        } else {
            if whole.is_empty() {
                whole.reserve(announced.max(first.len() + piece.len()));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&piece);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests;
