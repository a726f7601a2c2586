//! What waits for a connection: lines to write, and what it is told from outside.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use pushgate_core::link::Refusal;

/// Bytes of lines that a connection may be behind before its device counts as not reading (ours): what some hundred
/// messages take.
const MOST_BYTES: usize = 64 << 10;

/// What a line takes beside its own bytes.
const LINE_OVERHEAD: usize = 64;

/// The mailbox of one connection. It takes nothing while it is empty: tens of thousands of devices are idle.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Bytes>,
    bytes: usize,
    news: News,
    waker: Option<Waker>,
}

/// What a connection is told from outside, beside lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// To end, and why.
    pub(super) refusal: Option<Refusal>,
    /// To look again whether its token holds.
    pub(super) recheck: bool,
    /// To be gone at once.
    pub(super) abandon: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The device's connection has it.
    Sent,
    /// The device is not connected.
    Absent,
    /// The device does not read what it is sent.
    Busy,
}

impl Mailbox {
    /// Puts a line in, unless the device is too far behind or on its way out.
    pub(super) fn push(&self, line: Bytes) -> Link {
        let mut inner = self.lock();
        if inner.news.refusal.is_some() || inner.news.abandon {
            return Link::Absent;
        }
        let bytes = inner.bytes + line.len() + LINE_OVERHEAD;
        if bytes > MOST_BYTES {
            return Link::Busy;
        }
        inner.bytes = bytes;
        inner.lines.push_back(line);
        wake(inner);
        Link::Sent
    }

    /// Takes the oldest line out.
    pub(super) fn pop(&self) -> Option<Bytes> {
        let mut inner = self.lock();
        let line = inner.lines.pop_front()?;
        inner.bytes = inner.bytes.saturating_sub(line.len() + LINE_OVERHEAD);
        if inner.lines.is_empty() {
            inner.lines = VecDeque::new();
        }
        Some(line)
    }

    /// Ends the connection; the first reason stays. What is not written yet goes with it: a message comes again on the
    /// next connection.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let mut inner = self.lock();
        inner.news.refusal.get_or_insert(refusal);
        wake(inner);
    }

    /// Makes the connection look again whether its token holds.
    pub(super) fn recheck(&self) {
        let mut inner = self.lock();
        inner.news.recheck = true;
        wake(inner);
    }

    /// Ends the connection without a word.
    pub(super) fn abandon(&self) {
        let mut inner = self.lock();
        inner.news.abandon = true;
        wake(inner);
    }

    /// What there is to know now; the task of `cx` is woken when there is more, or a line.
    pub(super) fn poll(&self, cx: &Context<'_>) -> News {
        let mut inner = self.lock();
        match &mut inner.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let news = inner.news;
        inner.news.recheck = false;
        news
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.clone();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_does_not_read_is_busy_until_it_does() {
        let mailbox = Mailbox::default();
        let line = Bytes::from(vec![b'x'; 192]);
        let sent = (0..1000).filter(|_| mailbox.push(line.clone()) == Link::Sent).count();
        assert_eq!((sent, mailbox.push(line.clone())), (MOST_BYTES / 256, Link::Busy));
        assert!(mailbox.pop().is_some());
        assert_eq!(mailbox.push(line), Link::Sent);
        while mailbox.pop().is_some() {}
        let inner = mailbox.lock();
        assert_eq!((inner.bytes, inner.lines.capacity()), (0, 0), "empty, it takes nothing");
    }

    #[test]
    fn the_first_reason_to_end_stays_and_nothing_goes_in_after_it() {
        let mailbox = Mailbox::default();
        mailbox.refuse(Refusal::Replaced);
        mailbox.refuse(Refusal::Stopping);
        let news = mailbox.poll(&Context::from_waker(Waker::noop()));
        assert_eq!(news.refusal, Some(Refusal::Replaced));
        assert_eq!(mailbox.push(Bytes::new()), Link::Absent);
    }

    #[test]
    fn a_recheck_is_told_once() {
        let mailbox = Mailbox::default();
        mailbox.recheck();
        let cx = Context::from_waker(Waker::noop());
        assert!(mailbox.poll(&cx).recheck && !mailbox.poll(&cx).recheck);
    }
}
