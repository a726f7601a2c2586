//! The listener bounds what any client can cost, over real sockets and with clients that no HTTP library would build.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, State},
    http::StatusCode,
    routing::{get, post},
};
use bytes::Bytes;
use hyper::body::Frame;
use pushgate::api::{
    body::{BodyError, BodyLimits, UnreadBody},
    server::{Limits, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// The longest any wait here may take; nothing comes near it unless it hangs.
const BOUND: Duration = Duration::from_secs(10);
/// A server's limit that a test waits for.
const SHORT: Duration = Duration::from_millis(300);
const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
const HOLD: &str = "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n";

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(BOUND, wait).await.expect("nothing happened for 10 s")
}

/// What `/hold` waits for, and who is there.
struct Hold {
    entered: Semaphore,
    released: Semaphore,
    inside: AtomicUsize,
    most: AtomicUsize,
}

struct Running {
    addr: SocketAddr,
    hold: Arc<Hold>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let hold = Arc::new(Hold {
            entered: Semaphore::new(0),
            released: Semaphore::new(0),
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/hello", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("hello {peer}") }))
            .route("/length", post(length))
            .route("/panic", get(async || -> StatusCode { panic!("a bug of ours") }))
            .route("/hold", get(held))
            .with_state(Arc::clone(&hold));
        let server = Server::bind("127.0.0.1:0".parse().expect("an address"), limits).expect("a free port");
        let addr = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(router, async move { drop(stopped.await) }));
        Self { addr, hold, stop: Some(stop), task }
    }

    async fn connect(&self) -> Client {
        Client { stream: within(TcpStream::connect(self.addr)).await.expect("a connection"), read: Vec::new() }
    }

    /// Waits until another request is inside `/hold`.
    async fn one_enters(&self) {
        within(self.hold.entered.acquire()).await.expect("an open semaphore").forget();
    }

    fn release(&self, requests: usize) {
        self.hold.released.add_permits(requests);
    }

    fn stop(&mut self) {
        self.stop.take().expect("still running").send(()).expect("somebody listens");
    }

    async fn assert_serves_others(&self) {
        assert_eq!(self.connect().await.ask(HELLO).await.status, 200);
    }
}

async fn length(body: UnreadBody) -> Result<String, BodyError> {
    Ok(body.read().await?.len().to_string())
}

async fn held(State(hold): State<Arc<Hold>>) -> &'static str {
    let inside = hold.inside.fetch_add(1, SeqCst) + 1;
    hold.most.fetch_max(inside, SeqCst);
    hold.entered.add_permits(1);
    hold.released.acquire().await.expect("an open semaphore").forget();
    hold.inside.fetch_sub(1, SeqCst);
    "held"
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn ends_connection(&self) -> bool {
        self.head.contains("connection: close")
    }
}

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.expect("the server reads");
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// Reads one answer; its body's length must be declared.
    async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(self.more().await, 0, "closed without an answer: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("text").to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        while self.read.len() < length {
            assert_ne!(self.more().await, 0, "closed inside an answer");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).expect("text");
        Answer { status, head, body }
    }

    /// Waits for the server to close, and fails if it says anything before.
    async fn closed(&mut self) {
        assert_eq!(self.more().await, 0, "got {:?}", String::from_utf8_lossy(&self.read));
        assert!(self.read.is_empty());
    }

    async fn more(&mut self) -> usize {
        within(self.stream.read_buf(&mut self.read)).await.expect("no reset")
    }
}

fn post_head(framing: &str) -> String {
    format!("POST /length HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")
}

#[tokio::test]
async fn a_connection_carries_one_request_after_another() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.connect().await;
    let own = client.stream.local_addr().expect("an address");
    for _ in 0..2 {
        let answer = client.ask(HELLO).await;
        assert_eq!((answer.status, answer.body), (200, format!("hello {own}")));
    }
    // Two at once, and a body between them.
    let mixed = format!("{HELLO}{}abc{HELLO}", post_head("Content-Length: 3"));
    client.send(mixed).await;
    let bodies = [client.answer().await.body, client.answer().await.body, client.answer().await.body];
    assert_eq!(bodies, [format!("hello {own}"), "3".to_owned(), format!("hello {own}")]);
}

#[tokio::test]
async fn a_head_over_its_limit_is_431_and_the_end() {
    let server = Running::start(Limits::default()).await;
    let floods = [
        ("200 KB in one field", format!("GET /hello HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(200_000))),
        ("10,000 fields", format!("GET /hello HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(10_000))),
        ("101 fields", format!("GET /hello HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(101))),
        ("an endless path", format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000))),
        ("17 KB that never end", format!("GET /hello HTTP/1.1\r\nX: {}", "a".repeat(17_000))),
    ];
    for (flood, request) in floods {
        let mut client = server.connect().await;
        let answer = client.ask(request).await;
        assert_eq!(answer.status, 431, "{flood}");
        assert!(answer.ends_connection(), "{flood}");
        client.closed().await;
        server.assert_serves_others().await;
    }
    let fits = format!("GET /hello HTTP/1.1\r\n{}X: {}\r\n\r\n", "X: 1\r\n".repeat(99), "a".repeat(15_000));
    assert_eq!(server.connect().await.ask(fits).await.status, 200);
}

#[tokio::test]
async fn a_head_that_stops_is_closed_while_an_idle_connection_stays() {
    let server = Running::start(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    // Between requests only the idle timeout runs.
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(HELLO).await.status, 200);

    for beginning in ["", "G", "GET /hello HTTP/1.1\r\nHost: x\r\n"] {
        let mut client = server.connect().await;
        client.send(beginning).await;
        client.closed().await;
    }
    let mut second = server.connect().await;
    assert_eq!(second.ask(HELLO).await.status, 200);
    second.send("GET /hello HTT").await;
    second.closed().await;

    assert_eq!(idle.ask(HELLO).await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_working_one_is_not() {
    let limits = Limits { idle_timeout: SHORT, header_timeout: SHORT, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut working = server.connect().await;
    working.send(HOLD).await;
    server.one_enters().await;
    for _ in 0..2 {
        let mut idle = server.connect().await;
        assert_eq!(idle.ask(HELLO).await.status, 200);
        idle.closed().await;
    }
    server.release(1);
    let answer = working.answer().await;
    assert_eq!(answer.body, "held");
    assert!(!answer.ends_connection());
}

#[tokio::test]
async fn a_body_that_stops_is_408() {
    let limits = Limits { body: BodyLimits { timeout: SHORT, ..BodyLimits::default() }, ..Limits::default() };
    let server = Running::start(limits).await;
    for (framing, beginning) in [("Content-Length: 10", "12345"), ("Transfer-Encoding: chunked", "5\r\n12345\r\n")] {
        let mut client = server.connect().await;
        let answer = client.ask(post_head(framing) + beginning).await;
        assert_eq!(answer.status, 408, "{framing}");
        assert!(answer.body.contains("300ms"), "{}", answer.body);
        assert!(answer.ends_connection());
        client.closed().await;
    }
    server.assert_serves_others().await;
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_however_it_is_framed() {
    const LIMIT: usize = 1000;
    let limits = Limits { body: BodyLimits { bytes: LIMIT, ..BodyLimits::default() }, ..Limits::default() };
    let server = Running::start(limits).await;
    let chunk = format!("{LIMIT:x}\r\n{}\r\n", "a".repeat(LIMIT));
    let fits = [
        post_head("Content-Length: 1000") + &"a".repeat(LIMIT),
        format!("{}{chunk}0\r\n\r\n", post_head("Transfer-Encoding: chunked")),
    ];
    for request in fits {
        assert_eq!(server.connect().await.ask(request).await.body, "1000");
    }
    let exceeds = [
        // None of the body is sent: only the declared length can be what refuses it.
        post_head("Content-Length: 1001"),
        post_head("Content-Length: 9223372036854775807"),
        post_head("Content-Length: 1001\r\nExpect: 100-continue"),
        format!("{}{chunk}1\r\na\r\n0\r\n\r\n", post_head("Transfer-Encoding: chunked")),
        // More than the kernel's buffers take: the client is still sending when it is refused, and reads the answer
        // all the same.
        post_head("Content-Length: 16000000") + &"a".repeat(16_000_000),
    ];
    for request in exceeds {
        let mut client = server.connect().await;
        let answer = client.ask(&request).await;
        assert_eq!(answer.status, 413, "{}", &request[..80.min(request.len())]);
        assert!(answer.body.contains("1000 bytes"), "{}", answer.body);
        client.closed().await;
    }
    server.assert_serves_others().await;
}

#[tokio::test]
async fn a_body_is_asked_for_when_the_client_waits_for_that() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask(post_head("Content-Length: 3\r\nExpect: 100-continue")).await.status, 100);
    assert_eq!(client.ask("abc").await.body, "3");
}

#[tokio::test]
async fn what_is_not_http_is_400() {
    let server = Running::start(Limits::default()).await;
    let garbage: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /length HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /hello HTTP/9.9\r\n\r\n",
    ];
    for request in garbage {
        let mut client = server.connect().await;
        assert_eq!(client.ask(request).await.status, 400, "{}", request.escape_ascii());
        client.closed().await;
    }
    server.assert_serves_others().await;
}

#[tokio::test]
async fn no_more_connections_are_served_than_the_cap() {
    let server = Running::start(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, mut second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        client.send(HOLD).await;
        server.one_enters().await;
    }
    third.send(HOLD).await;
    // Nothing happens, so there is nothing to wait for but a while.
    assert!(timeout(SHORT, server.hold.entered.acquire()).await.is_err(), "the third was let in");

    server.release(1);
    server.one_enters().await;
    server.release(2);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(client.answer().await.body, "held");
    }
    assert_eq!(server.hold.most.load(SeqCst), 2);
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let server = Running::start(Limits { connections: 2, ..Limits::default() }).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    busy.send(HOLD).await;
    server.one_enters().await;
    assert_eq!(idle.ask(HELLO).await.status, 200);

    server.assert_serves_others().await;
    idle.closed().await;
    server.release(1);
    assert_eq!(busy.answer().await.body, "held");
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight_and_takes_nothing_new() {
    let mut server = Running::start(Limits::default()).await;
    let (mut busy, mut idle, mut fresh) = (server.connect().await, server.connect().await, server.connect().await);
    assert_eq!(idle.ask(HELLO).await.status, 200);
    busy.send(HOLD).await;
    server.one_enters().await;

    server.stop();
    idle.closed().await;
    fresh.closed().await;
    assert!(within(TcpStream::connect(server.addr)).await.is_err(), "a new connection was taken");

    server.release(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "held"));
    assert!(answer.ends_connection());
    busy.closed().await;
    within(server.task).await.expect("the server ends");
}

#[tokio::test]
async fn stopping_cuts_off_what_outlasts_the_deadline() {
    let mut server = Running::start(Limits { drain_timeout: SHORT, ..Limits::default() }).await;
    let mut busy = server.connect().await;
    busy.send(HOLD).await;
    server.one_enters().await;
    server.stop();
    within(server.task).await.expect("the server ends");
    busy.closed().await;
}

/// A body without an end; whoever waits for the other half of its channel learns when the server lets go of it.
struct Endless(#[expect(dead_code, reason = "its drop is what tells")] oneshot::Sender<()>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 64 * 1024])))))
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let (held, let_go) = oneshot::channel();
    let held = Arc::new(Mutex::new(Some(held)));
    let endless = get(async move || Body::new(Endless(held.lock().expect("no panic").take().expect("one request"))));
    let limits = Limits { write_timeout: SHORT, ..Limits::default() };
    let server = Server::bind("127.0.0.1:0".parse().expect("an address"), limits).expect("a free port");
    let addr = server.local_addr();
    tokio::spawn(server.run(Router::new().route("/endless", endless), std::future::pending()));

    let mut client = within(TcpStream::connect(addr)).await.expect("a connection");
    client.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the server reads");
    assert!(within(let_go).await.is_err(), "the body is dropped, not answered");
}

#[tokio::test]
async fn a_panic_in_a_handler_is_500_and_nothing_more() {
    let server = Running::start(Limits::default()).await;
    let mut client = server.connect().await;
    let answer = client.ask("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("bug"), "what a panic says is for the log: {}", answer.body);
    assert_eq!(client.ask(HELLO).await.status, 200);
    server.assert_serves_others().await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let server = Running::start(Limits::default()).await;
    let error = Server::bind(server.addr, Limits::default()).err().expect("the address is taken");
    let message = error.to_string();
    assert!(message.contains(&server.addr.to_string()) && message.contains("another program"), "{message}");
}
