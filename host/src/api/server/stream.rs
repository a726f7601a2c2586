//! A connection's bytes under a clock: hyper bounds how much is held, this bounds how long the peer may take.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long a connection that ends with unread input is drained, so that the peer reads the answer rather than a reset
/// (ours).
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The requests of one connection, as far as its clocks need to know them.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    begun: AtomicUsize,
    open: AtomicUsize,
    unread: AtomicBool,
    upgraded: AtomicBool,
}

impl Exchanges {
    /// Opens an exchange: its head is read, its answer not yet written.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.begun.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Exchange(Arc::clone(self))
    }

    /// Returns how many exchanges were ever opened.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Relaxed)
    }

    /// Says whether no exchange is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Relaxed) == 0 && !self.upgraded.load(Relaxed)
    }

    /// Says whether the latest request has a body that was not read to its end.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Notes that the latest request's body is still to come.
    pub(super) fn body_begins(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Notes that the latest request's body was read to its end, or had none.
    pub(super) fn body_ended(&self) {
        self.unread.store(false, Relaxed);
    }

    /// Notes that the bytes are no longer HTTP: from here on their handler keeps the time.
    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Relaxed);
    }
}

/// An open exchange; dropped when its answer is handed over in full, or given up.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Exchanges>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// A byte stream that ends when its peer takes too long.
///
/// - A request's head must be whole within a time from its first byte; the first one, from the connection's start.
/// - The peer must take some of what is written to it within a time.
/// - A connection that ends in the middle of its input is drained for [`LINGER`].
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    inner: S,
    exchanges: Arc<Exchanges>,
    head: Option<Head>,
    write_timeout: Duration,
    write: Deadline,
    linger: Deadline,
}

impl<S> TimedStream<S> {
    /// Wraps a connection that speaks HTTP/1, whose heads are timed.
    pub(super) fn http1(
        inner: S,
        exchanges: Arc<Exchanges>,
        header_timeout: Duration,
        write_timeout: Duration,
    ) -> Self {
        let mut head = Head { timeout: header_timeout, after: 0, begun: false, deadline: Deadline::default() };
        head.deadline.arm(header_timeout);
        Self { head: Some(head), ..Self::http2(inner, exchanges, write_timeout) }
    }

    /// Wraps a connection that speaks HTTP/2, where heads are frames among others and pings find the dead.
    pub(super) fn http2(inner: S, exchanges: Arc<Exchanges>, write_timeout: Duration) -> Self {
        let (write, linger) = (Deadline::default(), Deadline::default());
        Self { inner, exchanges, head: None, write_timeout, write, linger }
    }

    /// The stream itself, of which nobody keeps the time any more.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    fn has_unread_input(&self) -> bool {
        self.exchanges.is_unread() || self.head.as_ref().is_some_and(|head| head.is_partial(&self.exchanges))
    }

    /// Passes on what a write returned, unless the peer has taken nothing for too long.
    fn timed<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write.disarm();
            return written;
        }
        self.write.arm(self.write_timeout);
        ready!(self.write.poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read what it is sent")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let Some(head) = &mut this.head else { return polled };
        if !this.exchanges.is_idle() {
            return polled;
        }
        head.await_next(&this.exchanges);
        match polled {
            Poll::Ready(Ok(())) if buf.filled().len() > before => head.begin(),
            Poll::Pending => {
                ready!(head.deadline.poll(cx));
                let late = io::Error::new(io::ErrorKind::TimedOut, "the request's head did not arrive in time");
                return Poll::Ready(Err(late));
            }
            Poll::Ready(_) => {}
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.timed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.linger.is_armed() {
            let shut = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.timed(cx, shut))?;
            if !this.has_unread_input() {
                return Poll::Ready(Ok(()));
            }
            this.linger.arm(LINGER);
        }
        // Closing a socket with input waiting resets it, and a reset may overtake the answer on its way.
        let mut scratch = [0; 4096];
        while this.linger.poll(cx).is_pending() {
            let mut discarded = ReadBuf::new(&mut scratch);
            let Ok(()) = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut discarded)) else { break };
            if discarded.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The head that is awaited while no exchange is open.
#[derive(Debug)]
struct Head {
    timeout: Duration,
    /// How many exchanges came before it.
    after: usize,
    begun: bool,
    deadline: Deadline,
}

impl Head {
    fn await_next(&mut self, exchanges: &Exchanges) {
        if self.after == exchanges.begun() {
            return;
        }
        self.after = exchanges.begun();
        self.begun = false;
        self.deadline.disarm();
    }

    fn begin(&mut self) {
        self.begun = true;
        self.deadline.arm(self.timeout);
    }

    fn is_partial(&self, exchanges: &Exchanges) -> bool {
        self.begun && self.after == exchanges.begun()
    }
}

/// A moment that something must have happened by; its timer is made only when somebody waits for it.
#[derive(Debug, Default)]
struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the moment, unless one is set.
    fn arm(&mut self, after: Duration) {
        if self.at.is_none() {
            // A time too long to be told is no bound at all.
            self.at = Instant::now().checked_add(after);
        }
    }

    fn disarm(&mut self) {
        self.at = None;
    }

    fn is_armed(&self) -> bool {
        self.at.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}
