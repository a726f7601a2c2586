//! The body of a request, which tells how far the request has come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// A body in one piece.
pub(super) struct Parcel {
    bytes: Option<Bytes>,
    progress: Progress,
}

/// How far a send has come, seen from outside: what its timeout is told with.
///
/// hyper's own way of watching a request (`capture_connection`) costs a channel, a map and two copies of what is known
/// of the connection for every send; this costs one small allocation.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

const CONNECTED: u8 = 1;
const ANSWERED: u8 = 2;

impl Parcel {
    pub(super) fn new(bytes: Bytes, progress: Progress) -> Self {
        Self { bytes: Some(bytes), progress }
    }
}

impl Progress {
    /// Notes that the head of the answer is there.
    pub(super) fn answered(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// What a send that got this far is still missing.
    pub(super) fn missing(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            ANSWERED => "only a part of the answer",
            CONNECTED => "connected, but no answer",
            _ => "no connection",
        }
    }
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    /// Asked by a connection that has taken the request, and by nobody before: an empty body is not read, only asked.
    fn is_end_stream(&self) -> bool {
        self.progress.0.fetch_max(CONNECTED, Ordering::Relaxed);
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
