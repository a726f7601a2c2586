//! The tasks that a gateway cannot do without, watched.
//!
//! Each runs for as long as the gateway does. One that ends before, by a panic or by itself, would leave a gateway that
//! seems to live and does half its work: so its end is logged, [readiness](crate::health) fails from that moment on, and
//! who runs the gateway hears of it and stops it, to be started anew.

use std::{
    any::Any,
    fmt,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::sync::watch;

/// Characters that are kept of what a panic said (ours): it is shown in one line.
const SAID: usize = 300;

/// A task that a gateway cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Decides what goes out when.
    Scheduler,
    /// Fetches from the store what goes out.
    Loader,
    /// Writes to the store what became of it.
    Recorder,
    /// Stores what comes in.
    Acceptor,
    /// Lets go of what is old.
    Retention,
    /// Tells who watches how the gateway stands.
    Live,
    /// Owns the store's file.
    Store,
    /// Serves the device API and the receivers.
    Public,
    /// Serves the admin API.
    Admin,
    /// Serves the device link.
    Link,
}

/// A worker that ended before its gateway did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which one.
    pub worker: Worker,
    why: String,
}

/// How a worker's task came to its end when it did not panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, which it should not.
    ByItself,
    /// Nobody is left who asks anything of it: the worker it works for has ended, and is the one to be told of.
    Unneeded,
}

/// Watches the workers of one gateway. Clones watch the same.
#[derive(Clone, Debug, Default)]
pub struct Workers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    may_end: AtomicBool,
    lost: watch::Sender<Option<Lost>>,
}

impl Worker {
    /// Names the worker as logs and `/readyz` do.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Loader => "loader",
            Self::Recorder => "recorder",
            Self::Acceptor => "acceptor",
            Self::Retention => "retention",
            Self::Live => "live view",
            Self::Store => "store",
            Self::Public => "public listener",
            Self::Admin => "admin listener",
            Self::Link => "link listener",
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} has ended: {}", self.worker.as_str(), self.why)
    }
}

impl From<()> for Ended {
    fn from((): ()) -> Self {
        Self::ByItself
    }
}

impl Workers {
    /// Runs a worker's task to its end, and notes that end unless it [may](Self::may_end) come.
    pub(crate) fn watch<T: Into<Ended>>(
        &self,
        worker: Worker,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let watched = Watched { workers: self.clone(), worker, why: Some(String::from("it was cancelled")) };
        async move {
            let outcome = caught(task).await.map(Into::into);
            watched.ended(match outcome {
                Ok(Ended::ByItself) => Some(String::from("it had nothing more to do")),
                Ok(Ended::Unneeded) => None,
                Err(panic) => Some(format!("it panicked: {panic}; this is a bug, report it")),
            });
        }
    }

    /// Notes no end any more: the gateway stops.
    pub(crate) fn may_end(&self) {
        self.0.may_end.store(true, SeqCst);
    }

    /// Whether the gateway stops.
    pub(crate) fn are_ending(&self) -> bool {
        self.0.may_end.load(SeqCst)
    }

    /// The first worker that was lost, if there is one.
    pub(crate) fn first_lost(&self) -> Option<Lost> {
        self.0.lost.borrow().clone()
    }

    /// Returns once a worker is lost.
    pub(crate) async fn lost(&self) -> Lost {
        let mut lost = self.0.lost.subscribe();
        loop {
            if let Some(lost) = &*lost.borrow_and_update() {
                return lost.clone();
            }
            // The sender lives as long as this does.
            let _ = lost.changed().await;
        }
    }

    fn note(&self, lost: Lost) {
        if self.are_ending() {
            return;
        }
        tracing::error!(worker = lost.worker.as_str(), "{lost}");
        self.0.lost.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(lost);
            is_first
        });
    }
}

/// Notes its worker's end when it is dropped, however that comes.
struct Watched {
    workers: Workers,
    worker: Worker,
    /// `None`: there is nothing to note.
    why: Option<String>,
}

impl Watched {
    fn ended(mut self, why: Option<String>) {
        self.why = why;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(why) = self.why.take() {
            self.workers.note(Lost { worker: self.worker, why });
        }
    }
}

/// Runs a task to its end; a panic is what it said.
async fn caught<T>(task: impl Future<Output = T>) -> Result<T, String> {
    let mut task = pin!(task);
    std::future::poll_fn(|cx| {
        // Nobody looks at the task again after a panic.
        match panic::catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(said(&*panic))),
        }
    })
    .await
}

fn said(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    crate::shown::text(words.unwrap_or("without a word")).chars().take(SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stumble(said: String) {
        panic!("{said}");
    }

    #[tokio::test]
    async fn whatever_way_a_worker_ends_is_noted() {
        let long = "x".repeat(2 * SAID);
        let panics = stumble(long);
        let (workers, ran) = (Workers::default(), "the recorder has ended: it panicked: xxx");
        tokio::spawn(workers.watch(Worker::Recorder, panics)).await.unwrap();
        let lost = workers.lost().await;
        assert_eq!(lost.worker, Worker::Recorder);
        assert!(lost.to_string().starts_with(ran) && lost.to_string().len() < SAID + 100, "{lost}");

        let workers = Workers::default();
        tokio::spawn(workers.watch(Worker::Store, async {})).await.unwrap();
        assert_eq!(workers.lost().await.to_string(), "the store has ended: it had nothing more to do");

        let workers = Workers::default();
        let task = tokio::spawn(workers.watch(Worker::Link, std::future::pending::<()>()));
        assert_eq!(workers.first_lost(), None);
        task.abort();
        assert_eq!(workers.lost().await.to_string(), "the link listener has ended: it was cancelled");
    }

    #[tokio::test]
    async fn a_worker_that_ends_with_another_is_not_told_of_in_its_place() {
        let workers = Workers::default();
        tokio::spawn(workers.watch(Worker::Loader, async { Ended::Unneeded })).await.unwrap();
        assert_eq!(workers.first_lost(), None);
        tokio::spawn(workers.watch(Worker::Scheduler, async {})).await.unwrap();
        assert_eq!(workers.lost().await.worker, Worker::Scheduler);
    }

    #[tokio::test]
    async fn the_first_is_told_and_none_once_they_may_end() {
        let workers = Workers::default();
        for worker in [Worker::Public, Worker::Admin] {
            tokio::spawn(workers.watch(worker, async {})).await.unwrap();
        }
        assert_eq!(workers.lost().await.worker, Worker::Public);

        let workers = Workers::default();
        workers.may_end();
        tokio::spawn(workers.watch(Worker::Scheduler, stumble("on purpose".to_owned()))).await.unwrap();
        assert_eq!(workers.first_lost(), None);
    }
}
