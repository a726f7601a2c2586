//! The device link on raw TCP: a listener, and one task a connection.
//!
//! A connection is held to its word: a hello within [`HELLO_WITHIN`], a line of at most 1 KiB, a sign of life within
//! three heartbeats, and lines that it reads. What it does wrong it is told before the host closes.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use pushgate_core::{
    Text,
    lingyang::Cid,
    link::{Frame, Hello, LineBuffer, MAX_LINE_LEN, Problem, SILENT_HEARTBEATS, Welcome},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time,
};
use tokio_rustls::TlsAcceptor;

use super::Registry;
use crate::{auth, clock::Clock, config::Config, engine::Engine, store::DeliveryId};

/// How long a connection may take to say who it is (ours).
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may take to read what it is sent (ours).
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection that was refused is read on, so that the device reads why and not a reset (ours).
const LINGER: Duration = Duration::from_secs(2);

/// How long the connections of a stopping gateway have to tell their devices (ours).
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// How long the listener waits when the process is out of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone, Debug)]
pub struct Host {
    /// The gateway's clock.
    pub clock: Clock,
    /// Which device is connected.
    pub registry: Registry,
    /// Who is told of acknowledgements and connections.
    pub engine: Engine,
    /// Keys, and the heartbeat.
    pub config: watch::Receiver<Arc<Config>>,
}

impl Host {
    /// Accepts connections until `stop` says so, at most as many at once as the configuration allows; then tells those
    /// that are left.
    pub async fn run(self, listener: TcpListener, tls: Option<TlsAcceptor>, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(self.config.borrow().limits.connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = told(&mut stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(&mut connections, stream, peer, tls.clone(), &room, stop.clone()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a device's connection");
                    time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        // Those that do not read what they are told are cut off.
        let _ = time::timeout(STOP_WITHIN, all).await;
    }

    fn admit(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        room: &Arc<Semaphore>,
        stop: watch::Receiver<bool>,
    ) {
        let Ok(permit) = Arc::clone(room).try_acquire_owned() else {
            tracing::warn!(%peer, "refused a device: as many as limits.connections allows are connected");
            if tls.is_none() {
                turn_away(stream);
            }
            return;
        };
        // Lines are small and each should go out when it is written.
        let _ = stream.set_nodelay(true);
        let host = self.clone();
        connections.spawn(async move {
            let ended = match tls {
                None => host.serve(stream, peer, permit, stop).await,
                Some(acceptor) => match time::timeout(HELLO_WITHIN, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => host.serve(stream, peer, permit, stop).await,
                    Ok(Err(error)) => Ended::Io(error),
                    Err(_) => Ended::Io(io::ErrorKind::TimedOut.into()),
                },
            };
            tracing::debug!(%peer, %ended, "a device's connection ended");
        });
    }

    /// Serves one connection to its end.
    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        peer: SocketAddr,
        _permit: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) -> Ended {
        let (reader, stream) = tokio::io::split(stream);
        let mut lines = Lines { reader, buffer: LineBuffer::new(), chunk: [0; 512], start: 0, end: 0 };
        let mut writer = Writer { stream };
        let ended = match self.session(&mut lines, &mut writer, peer, stop.clone()).await {
            Ok(()) => Ended::Left,
            Err(ended) => ended,
        };
        if let Ended::Refused(code, message) = &ended {
            let problem = Problem { code: u32::from(*code), message: Text::from(message.as_str()) };
            // It is over either way.
            let _ = writer.frame(&Frame::Error(problem)).await;
        }
        let _ = time::timeout(WRITE_WITHIN, writer.stream.shutdown()).await;
        if matches!(ended, Ended::Refused(..)) {
            lines.linger(stop).await;
        }
        ended
    }

    async fn session<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        lines: &mut Lines<R>,
        writer: &mut Writer<W>,
        peer: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        let cid = match time::timeout(HELLO_WITHIN, self.hello(lines)).await {
            Ok(hello) => hello?,
            Err(_) => return Err(Ended::Refused(408, "no hello within 10 s".to_owned())),
        };
        let heartbeat = self.config.borrow().limits.heartbeat_s;
        writer.frame(&Frame::Welcome(Welcome { cid, time: self.clock.unix_secs(), heartbeat })).await?;
        let cid = cid.value();
        let mut connection = self.registry.connect(cid, peer, self.clock.millis());
        self.engine.connected(cid);

        let heartbeat = Duration::from_secs(u64::from(heartbeat));
        let mut beat = time::interval_at(time::Instant::now() + heartbeat, heartbeat);
        let mut heard = time::Instant::now();
        let mut pings = 0;
        let outgoing = &mut connection.lines;
        loop {
            tokio::select! {
                line = lines.next() => {
                    heard = time::Instant::now();
                    match Frame::read(line?).map_err(|error| Ended::Refused(400, error.to_string()))? {
                        Frame::Ack(id) => {
                            if let Ok(id) = id.to_cow().parse::<DeliveryId>() {
                                self.engine.acknowledge(cid, id);
                            }
                        }
                        Frame::Ping(number) => writer.frame(&Frame::Pong(number)).await?,
                        // A pong is a sign of life and no more; the rest is for the other side, or unknown.
                        _ => {}
                    }
                }
                line = outgoing.recv() => match line {
                    Some(line) => writer.line(&line).await?,
                    None => {
                        let why = "replaced by a newer connection of the same device";
                        return Err(Ended::Refused(409, why.to_owned()));
                    }
                },
                _ = beat.tick() => {
                    if heard.elapsed() >= heartbeat * SILENT_HEARTBEATS {
                        return Err(Ended::Refused(408, "silent for 3 heartbeats".to_owned()));
                    }
                    pings += 1;
                    writer.frame(&Frame::Ping(pings)).await?;
                }
                () = told(&mut stop) => {
                    return Err(Ended::Refused(503, "the gateway is stopping; connect again in a moment".to_owned()));
                }
            }
        }
    }

    /// Waits for the hello and checks its token.
    async fn hello<R: AsyncRead + Unpin>(&self, lines: &mut Lines<R>) -> Result<Cid, Ended> {
        let line = lines.next().await?;
        let frame = Frame::read(line).map_err(|error| Ended::Refused(400, error.to_string()))?;
        let Frame::Hello(Hello { token }) = frame else {
            return Err(Ended::Refused(401, "the first line must be a hello with the device's token".to_owned()));
        };
        let config = Arc::clone(&self.config.borrow());
        auth::device(&config.lingyang, token, self.clock.unix_secs())
            .map(|device| device.cid)
            .map_err(|error| Ended::Refused(401, format!("hello.token: {error}")))
    }
}

/// Tells a device that there is no room, as far as that costs nothing: without waiting.
fn turn_away(stream: TcpStream) {
    let message = Text::from("as many devices as limits.connections allows are connected; try again later");
    let mut line = [0; MAX_LINE_LEN];
    if let (Ok(mut stream), Ok(line)) =
        (stream.into_std(), Frame::Error(Problem { code: 503, message }).write(&mut line))
    {
        // A new connection's buffer takes a line.
        let _ = io::Write::write(&mut stream, line);
    }
}

/// Returns once `stop` says so, or nobody is left to say it.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Why a connection is over.
#[derive(Debug)]
enum Ended {
    /// The device closed it.
    Left,
    /// The host closes it, with a code and the reason.
    Refused(u16, String),
    /// The network, or a device that does not read, ended it.
    Io(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the device left"),
            Self::Refused(code, message) => write!(f, "{code}: {message}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// The lines a connection sends, read with one small buffer.
struct Lines<R> {
    reader: R,
    buffer: LineBuffer<MAX_LINE_LEN>,
    chunk: [u8; 512],
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Waits for the next line. Nothing is lost when the wait is broken off.
    async fn next(&mut self) -> Result<&[u8], Ended> {
        loop {
            if self.start == self.end {
                self.start = 0;
                self.end = 0;
                self.end = self.reader.read(&mut self.chunk).await?;
                if self.end == 0 {
                    return Err(Ended::Left);
                }
            }
            let mut input = &self.chunk[self.start..self.end];
            let found = self.buffer.feed(&mut input).map(|line| line.map(drop));
            self.start = self.end - input.len();
            match found {
                None => {}
                Some(Ok(())) => return Ok(self.buffer.line()),
                Some(Err(error)) => return Err(Ended::Refused(413, format!("the line is {}", error.kind()))),
            }
        }
    }

    /// Reads on, for nobody, until the device closes: closing with input unread resets the connection, and a reset may
    /// overtake the error on its way.
    async fn linger(&mut self, mut stop: watch::Receiver<bool>) {
        let rest = async { while self.reader.read(&mut self.chunk).await.is_ok_and(|read| read > 0) {} };
        tokio::select! {
            _ = time::timeout(LINGER, rest) => {}
            () = told(&mut stop) => {}
        }
    }
}

struct Writer<W> {
    stream: W,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn frame(&mut self, frame: &Frame<'_>) -> Result<(), Ended> {
        let mut line = [0; MAX_LINE_LEN];
        match frame.write(&mut line) {
            Ok(line) => self.line(line).await,
            // Only an error's words may be too long for a line: then it goes without them.
            Err(_) => Ok(()),
        }
    }

    async fn line(&mut self, line: &[u8]) -> Result<(), Ended> {
        let written = time::timeout(WRITE_WITHIN, async {
            self.stream.write_all(line).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Ended::Io(io::ErrorKind::TimedOut.into())),
        }
    }
}
