//! What a gateway is held against: plain tokio loops that hold the same connections and write the same lines, with
//! nothing behind them.
//!
//! They run as a child process, as the gateway does, so that their memory is their own: [`serve`] is what the child
//! does, [`Bare`] is the child. They read a hello without asking whose it is, keep 512 bytes a connection, and answer
//! `POST /push?cid=N&count=N` once each of the devices from `cid` on has acknowledged its line. With `&resend` the line
//! goes out at the times of flag 2 whatever the device answers, and the push is answered at once.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use pushgate_core::{
    Text,
    lingyang::{Cid, Flag, Msg},
    link::{Frame, HEARTBEAT_SECS, MAX_LINE_LEN, Message, Welcome},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{self, Instant},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, handshake::derive_accept_key, protocol::Role},
};

use super::{CannotRun, Over, stream};
use crate::bench::{child::Process, wire::request};

/// Bytes that a connection keeps for what it reads.
const BUFFER: usize = 512;

/// How long a device may take to acknowledge (ours).
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// The loops in a child process; killed when dropped.
#[derive(Debug)]
pub(super) struct Bare {
    pub(super) process: Process,
    /// Where it answers pushes and upgrades to WebSockets.
    pub(super) public: SocketAddr,
    /// Where devices connect over TCP.
    pub(super) link: SocketAddr,
}

impl Bare {
    /// Starts them, with the device link at `link`.
    pub(super) async fn start(link: SocketAddr) -> Result<Self, CannotRun> {
        let mut process = Process::start("the bare loops", ["bench", "bare", "--link", &link.to_string()])?;
        let [public, link] = process.addresses(["public", "link"]).await?;
        Ok(Self { process, public, link })
    }

    /// Where devices connect.
    pub(super) fn address(&self, over: Over) -> SocketAddr {
        match over {
            Over::Tcp => self.link,
            Over::WebSocket => self.public,
        }
    }

    /// The request for a line to each of `count` devices from `cid` on, answered when all have acknowledged.
    pub(super) fn push(host: &str, cid: u32, count: usize) -> Bytes {
        request("POST", host, &format!("/push?cid={cid}&count={count}"), "", "")
    }

    /// The request for a line that is sent again at the times of flag 2, answered at once.
    pub(super) fn resend(host: &str, cid: u32) -> Bytes {
        request("POST", host, &format!("/push?cid={cid}&count=1&resend"), "", "")
    }
}

/// Runs the loops until they are dropped; `tell` is told the lines with their addresses.
pub(crate) async fn serve(link: SocketAddr, mut tell: impl FnMut(fmt::Arguments<'_>)) -> io::Result<()> {
    let (link, public) = (TcpListener::bind(link).await?, TcpListener::bind("127.0.0.1:0").await?);
    tell(format_args!("public  http://{}", public.local_addr()?));
    tell(format_args!("link    {}", link.local_addr()?));
    let held = Arc::new(Held::default());
    loop {
        tokio::select! {
            Ok((stream, _)) = link.accept() => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(hold(Arc::clone(&held), Arc::new(stream)));
            }
            Ok((stream, _)) = public.accept() => {
                let _ = stream.set_nodelay(true);
                let held = Arc::clone(&held);
                let service = service_fn(move |request| answer(Arc::clone(&held), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
            }
        }
    }
}

/// Every connection, and who waits for an acknowledgement.
#[derive(Debug, Default)]
struct Held {
    connections: Mutex<HashMap<u32, Arc<TcpStream>>>,
    waiting: Mutex<HashMap<u128, oneshot::Sender<()>>>,
    last: AtomicU64,
}

impl Held {
    /// Writes a line to each of `count` devices from `cid` on and waits for all acknowledgements.
    async fn push(&self, cid: u32, count: u32) -> Option<()> {
        let mut answers = Vec::new();
        for cid in cid..cid.checked_add(count)? {
            let id = self.id();
            let (acknowledged, answer) = oneshot::channel();
            lock(&self.waiting).insert(id, acknowledged);
            self.write(cid, id).await?;
            answers.push(answer);
        }
        for answer in answers {
            time::timeout(ACKNOWLEDGED_WITHIN, answer).await.ok()?.ok()?;
        }
        Some(())
    }

    /// Writes a line to a device at the times of flag 2.
    async fn resend(&self, cid: u32) {
        let (id, mut next) = (self.id(), Instant::now());
        let waits = Flag::UntilAnswered.schedule().waits();
        for wait in waits.iter().map(Some).chain([None]) {
            if self.write(cid, id).await.is_none() {
                return;
            }
            let Some(wait) = wait else { return };
            next += Duration::from_millis(u64::from(*wait));
            time::sleep_until(next).await;
        }
    }

    fn id(&self) -> u128 {
        u128::from(self.last.fetch_add(1, Ordering::Relaxed))
    }

    async fn write(&self, cid: u32, id: u128) -> Option<()> {
        let stream = Arc::clone(lock(&self.connections).get(&cid)?);
        let id = format!("{id:032x}");
        let message =
            Message { id: Text::from(id.as_str()), from: 0, created: 0, msg: Msg::from_bytes(b"hello").ok()? };
        let mut line = [0; MAX_LINE_LEN];
        let line = Frame::Message(message).write(&mut line).ok()?;
        write(&stream, line).await.ok()
    }

    fn acknowledged(&self, line: &[u8]) {
        let id = line.strip_prefix(br#"{"ack":""#).and_then(|rest| rest.strip_suffix(br#""}"#));
        let id = id.and_then(|id| u128::from_str_radix(str::from_utf8(id).ok()?, 16).ok());
        if let Some(waiting) = id.and_then(|id| lock(&self.waiting).remove(&id)) {
            let _ = waiting.send(());
        }
    }
}

/// Holds a connection: welcomes it, and reads acknowledgements.
async fn hold(held: Arc<Held>, stream: Arc<TcpStream>) -> Option<()> {
    let (mut buffer, mut len, mut known) = ([0; BUFFER], 0, false);
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut buffer[len..]) {
            Ok(0) => return None,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        while let Some(end) = buffer[..len].iter().position(|byte| *byte == b'\n') {
            let line = &buffer[..end];
            if known {
                held.acknowledged(line);
            } else {
                let token = line.strip_prefix(br#"{"hello":{"token":""#)?;
                let cid = cid_of(str::from_utf8(token).ok()?)?;
                lock(&held.connections).insert(cid.value(), Arc::clone(&stream));
                let mut line = [0; 128];
                write(&stream, welcome(cid, &mut line)?).await.ok()?;
                known = true;
            }
            buffer.copy_within(end + 1..len, 0);
            len -= end + 1;
        }
    }
}

fn welcome(cid: Cid, line: &mut [u8]) -> Option<&[u8]> {
    Frame::Welcome(Welcome { cid, time: 0, heartbeat: HEARTBEAT_SECS }).write(line).ok()
}

/// The cid that a token begins with.
fn cid_of(token: &str) -> Option<Cid> {
    Cid::new(token.split_once('_')?.0.parse().ok()?)
}

async fn write(stream: &TcpStream, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match stream.try_write(line) {
            Ok(written) => line = &line[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn answer(held: Arc<Held>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = match request.uri().path() {
        "/push" => push(held, request.uri().query().unwrap_or_default()).await,
        super::WEBSOCKET_PATH => upgrade(request, response.headers_mut()),
        _ => None,
    }
    .unwrap_or(StatusCode::BAD_REQUEST);
    Ok(response)
}

async fn push(held: Arc<Held>, query: &str) -> Option<StatusCode> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let (cid, count) = (value("cid")?.parse().ok()?, value("count")?.parse().ok()?);
    if query.ends_with("&resend") {
        tokio::spawn(async move { held.resend(cid).await });
    } else {
        held.push(cid, count).await?;
    }
    Some(StatusCode::OK)
}

fn upgrade(mut request: Request<Incoming>, headers: &mut http::HeaderMap) -> Option<StatusCode> {
    let accept = derive_accept_key(request.headers().get(header::SEC_WEBSOCKET_KEY)?.as_bytes());
    let cid = cid_of(request.headers().get("x-client-token")?.to_str().ok()?)?;
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).ok()?);
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.ok()?);
        hold_websocket(WebSocketStream::from_raw_socket(io, Role::Server, Some(stream::small())).await, cid).await
    });
    Some(StatusCode::SWITCHING_PROTOCOLS)
}

/// Holds a WebSocket: welcomes it, and reads what comes.
async fn hold_websocket<S>(mut socket: WebSocketStream<S>, cid: Cid) -> Option<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut line = [0; 128];
    let line = str::from_utf8(welcome(cid, &mut line)?).ok()?.trim_end().to_owned();
    socket.send(tungstenite::Message::text(line)).await.ok()?;
    while let Some(Ok(_)) = socket.next().await {}
    None
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insertion or removal: a panic elsewhere leaves it right.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
