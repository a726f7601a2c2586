//! One connection from its handshake to its end: the protocol, the requests, and when it has to stop.

use std::{
    any::Any,
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, MatchedPath},
    http::{
        HeaderValue, Method, Request, Response, StatusCode, Version,
        header::{CONNECTION, CONTENT_TYPE},
    },
    response::IntoResponse,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{Instant, interval_at, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::{
    Limits,
    stream::{Exchange, Exchanges, LINGER, TimedStream},
};
use crate::{
    api::request_id::RequestId,
    telemetry::{
        seldom::seldom,
        trace::{Begun, Kind, Tracer},
    },
};

/// What the listener asks of all its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Nothing: there is room.
    Flowing,
    /// To make room: others wait.
    Crowded,
    /// To come to an end: the server stops.
    Ending,
}

/// What the connections of one listener have in common.
pub(super) struct Shared {
    router: Router,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    tracer: Tracer,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Shared {
    pub(super) fn new(router: Router, limits: Limits, tls: Option<TlsAcceptor>, tracer: Tracer) -> Self {
        Self { router: router.with_state(()), limits, tls, tracer, http1: http1(&limits), http2: http2(&limits) }
    }

    /// Serves one accepted connection to its end.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        mut traffic: watch::Receiver<Traffic>,
    ) {
        let Some(acceptor) = &self.tls else { return self.serve_http1(stream, peer, traffic).await };
        let handshake = tokio::select! {
            handshake = timeout(self.limits.header_timeout, acceptor.accept(stream)) => handshake,
            _ = traffic.wait_for(|traffic| *traffic == Traffic::Ending) => return,
        };
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "the TLS handshake did not finish in time"),
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, peer, traffic).await;
        } else {
            self.serve_http1(stream, peer, traffic).await;
        }
    }

    async fn serve_http1<S>(self: Arc<Self>, stream: S, peer: SocketAddr, traffic: watch::Receiver<Traffic>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let exchanges = Arc::new(Exchanges::default());
        let Limits { header_timeout, write_timeout, .. } = self.limits;
        let stream = TimedStream::http1(stream, Arc::clone(&exchanges), header_timeout, write_timeout);
        let client =
            Client { shared: Arc::clone(&self), exchanges: Arc::clone(&exchanges), peer, traffic: traffic.clone() };
        let service = service_fn(move |request| client.clone().answer(request));
        let connection = self.http1.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let end = http1::UpgradeableConnection::graceful_shutdown;
        drive(connection, end, &exchanges, self.limits.idle_timeout, peer, traffic).await;
    }

    async fn serve_http2<S>(self: Arc<Self>, stream: S, peer: SocketAddr, traffic: watch::Receiver<Traffic>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let exchanges = Arc::new(Exchanges::default());
        let stream = TimedStream::http2(stream, Arc::clone(&exchanges), self.limits.write_timeout);
        let client =
            Client { shared: Arc::clone(&self), exchanges: Arc::clone(&exchanges), peer, traffic: traffic.clone() };
        let service = service_fn(move |request| client.clone().answer(request));
        let connection = self.http2.serve_connection(TokioIo::new(stream), service);
        let end = http2::Connection::graceful_shutdown;
        drive(connection, end, &exchanges, self.limits.idle_timeout, peer, traffic).await;
    }
}

/// Returns how HTTP/1 is spoken within `limits`.
fn http1(limits: &Limits) -> http1::Builder {
    /// The smallest buffer hyper takes.
    const SMALLEST_BUFFER: usize = 8 * 1024;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Runs from the end of one answer to the whole head of the next request; the stream times the head itself.
        .header_read_timeout(limits.idle_timeout.saturating_add(limits.header_timeout))
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(SMALLEST_BUFFER));
    builder
}

/// Returns how HTTP/2 is spoken within `limits`.
fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    /// Requests at once on one connection (ours): each may hold a whole body.
    const STREAMS: u32 = 32;
    /// Body bytes of one request that may arrive before its handler asks for them (ours).
    const STREAM_WINDOW: u32 = 64 * 1024;
    /// The same for all requests of a connection (ours).
    const CONNECTION_WINDOW: u32 = 256 * 1024;
    /// Answer bytes held for one request (ours).
    const SEND_BUFFER: usize = 64 * 1024;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        // A peer that is gone answers no ping.
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// Runs a connection until it is done, and asks it to `end` when it idles too long or has to make room.
async fn drive<C>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    exchanges: &Exchanges,
    idle_timeout: Duration,
    peer: SocketAddr,
    mut traffic: watch::Receiver<Traffic>,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    // Looking at each tick whether anything began since the last finds an idle connection after one to two times the
    // timeout, for one timer and no bookkeeping per request.
    let period = idle_timeout.max(Duration::from_millis(1));
    let mut looks = interval_at(Instant::now() + period, period);
    let mut begun = 0;
    loop {
        tokio::select! {
            done = connection.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(%peer, %error, "the connection broke");
                }
                return;
            }
            _ = looks.tick() => {
                if exchanges.is_idle() && exchanges.begun() == begun {
                    end(connection.as_mut());
                }
                begun = exchanges.begun();
            }
            Ok(()) = traffic.changed() => {
                // A client that has just connected gets its one request: its own answer will end the connection.
                let wanted = *traffic.borrow_and_update();
                if wanted == Traffic::Ending || wanted == Traffic::Crowded && exchanges.begun() > 0 {
                    end(connection.as_mut());
                }
            }
        }
    }
}

/// One client's connection, as its requests see it.
#[derive(Clone)]
struct Client {
    shared: Arc<Shared>,
    exchanges: Arc<Exchanges>,
    peer: SocketAddr,
    traffic: watch::Receiver<Traffic>,
}

impl Client {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
        let exchange = self.exchanges.begin();
        let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
        let id = RequestId::of(request.headers());
        let begun = self.shared.tracer.request(request.headers());
        // HTTP/2 ends a request without its connection, so that what it left unread is nobody's.
        let is_http1 = version < Version::HTTP_2;
        let mut request = if is_http1 {
            let exchanges = &self.exchanges;
            request.map(|body| Body::new(RequestBody::new(body, Arc::clone(exchanges))))
        } else {
            request.map(|body| Body::new(StreamBody { body: Some(body) }))
        };
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.shared.limits.body);

        let answered = id.clone().scope(begun.map(|begun| begun.context), call(self.shared.router.clone(), request));
        let mut response = answered.await.unwrap_or_else(|panic| {
            // The path alone: a query may carry a signature.
            const BODY: &str =
                r#"{"error":{"code":500,"field":"gateway","message":"internal error; the gateway's log says more"}}"#;
            let (path, request_id) = (uri.path(), id.text());
            seldom!(error, %method, path, request_id, panic = said(&*panic), "a handler panicked");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "application/json")], BODY).into_response()
        });
        id.mark(&mut response);
        if let Some(begun) = begun {
            self.trace(begun, &method, uri.path(), &id, &response);
        }

        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.exchanges.upgrade();
        } else if is_http1 && self.ends_with(&response) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| AnswerBody { body, _exchange: exchange }))
    }

    /// Records what became of a request, under the route it took: paths are as many as callers think of.
    fn trace(&self, begun: Begun, method: &Method, path: &str, id: &RequestId, response: &Response<Body>) {
        let route = response.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let name = route.map_or_else(|| method.to_string(), |route| format!("{method} {route}"));
        let Some(span) = self.shared.tracer.end(begun, name, Kind::Server) else { return };
        let status = response.status();
        let failed = status.is_server_error().then(|| status.canonical_reason().unwrap_or("a server error"));
        span.with("http.request.method", method.as_str())
            .with("url.path", path)
            .with_some("http.route", route)
            .with("http.response.status_code", u64::from(status.as_u16()))
            .with("client.address", &*self.peer.ip().to_string())
            .with("pushgate.request_id", id.text())
            .with_error(failed)
            .record();
    }

    /// Says whether the connection ends with `response`: when others wait for its place, and when the response refuses
    /// a body that is still being sent.
    fn ends_with(&self, response: &Response<Body>) -> bool {
        let refuses_body = matches!(response.status(), StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
        *self.traffic.borrow() != Traffic::Flowing || refuses_body && self.exchanges.is_unread()
    }
}

/// Calls a handler, and returns what it panicked with if it did: one request's bug is not the others' outage.
async fn call(mut router: Router, request: Request<Body>) -> Result<Response<Body>, Box<dyn Any + Send>> {
    let mut answer = pin!(async move { router.call(request).await });
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(polled) => polled.map(|Ok(response)| Ok(response)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    formatted.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something without words")
}

/// A request's body that tells its connection when it was read to the end.
struct RequestBody {
    body: Incoming,
    exchanges: Arc<Exchanges>,
}

impl RequestBody {
    fn new(body: Incoming, exchanges: Arc<Exchanges>) -> Self {
        if body.is_end_stream() {
            exchanges.body_ended();
        } else {
            exchanges.body_begins();
        }
        Self { body, exchanges }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.exchanges.body_ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body on HTTP/2. Where its handler answers without reading it to the end, the rest is read for nobody, a
/// while and as far as it is small: ending the stream under a client that is still sending is what the protocol has for
/// that, and some clients lose the answer over it.
struct StreamBody {
    body: Option<Incoming>,
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        /// The most that is read for nobody (ours): a body of the default limit, and some over it.
        const MOST: usize = 2 << 20;
        let Some(mut rest) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        let reading = async move {
            let mut read = 0;
            while read < MOST
                && let Some(Ok(frame)) = rest.frame().await
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(LINGER, reading));
        }
    }
}

/// An answer's body that keeps its exchange open until all of it was handed over.
struct AnswerBody {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
