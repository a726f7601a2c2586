//! A store that fails when it is told to, around one that works.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use pushgate::store::{
    Accept, Accepted, Answer, Content, Counts, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryPage, Done,
    ErrorKind, InboxFilter, InboxPage, Millis, Paused, Pending, Progress, Pruned, Recorded, Removed, Replayed,
    Retention, Selection, Store, StoreError,
};

/// A store whose writes fail by a plan; what is read is never touched.
pub struct FailingStore {
    inner: Arc<dyn Store>,
    failure: Failure,
    writes: AtomicU64,
    /// The method that panics.
    stumbles_at: Option<&'static str>,
}

/// Which writes fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The first that fails, counted from 1 in the order of asking.
    pub nth: u64,
    /// How many in a row fail.
    pub count: u64,
    /// Whether what failed was stored all the same.
    pub when: When,
    /// What the failure says.
    pub kind: ErrorKind,
}

/// When a write that fails does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything is stored.
    Before,
    /// After all is stored: the news of it was lost, as over a network.
    After,
}

impl FailingStore {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, failure: Failure) -> Arc<Self> {
        Arc::new(Self { inner, failure, writes: AtomicU64::new(0), stumbles_at: None })
    }

    /// Wraps `inner`; who calls `method` panics.
    #[must_use]
    pub fn stumbling(inner: Arc<dyn Store>, method: &'static str) -> Arc<Self> {
        let never = Failure { nth: u64::MAX, count: 0, when: When::Before, kind: ErrorKind::Other };
        Arc::new(Self { inner, failure: never, writes: AtomicU64::new(0), stumbles_at: Some(method) })
    }

    /// How many writes have been asked for.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(SeqCst)
    }

    /// Counts a write, and lets it go through or fail.
    fn write<T: Send + 'static>(&self, ask: impl FnOnce(&dyn Store) -> Answer<T>) -> Answer<T> {
        let Failure { nth, count, when, kind } = self.failure;
        let number = self.writes.fetch_add(1, SeqCst) + 1;
        if !(nth..nth + count).contains(&number) {
            return ask(&*self.inner);
        }
        let failure = StoreError::new(kind, format!("write {number} fails, as planned"));
        match when {
            When::Before => Box::pin(async { Err(failure) }),
            When::After => {
                let stored = ask(&*self.inner);
                Box::pin(async {
                    stored.await?;
                    Err(failure)
                })
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nth, count, when, kind } = self;
        write!(f, "{count} from write {nth} on, {when:?} storing, {kind:?}")
    }
}

/// Hands each method on: those that write through [`FailingStore::write`], the others as they are.
macro_rules! hand_on {
    ($($way:ident $name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Store for FailingStore {
            $(fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
                assert_ne!(self.stumbles_at, Some(stringify!($name)), "it stumbles, as planned");
                hand_on!($way self, store => store.$name($($arg),*))
            })*

            fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
                self.inner.ended()
            }
        }
    };
    (read $self:ident, $store:ident => $call:expr) => {{
        let $store = &$self.inner;
        $call
    }};
    (write $self:ident, $store:ident => $call:expr) => {
        $self.write(|$store| $call)
    };
}

hand_on! {
    write accept_all(accepts: Vec<Accept>) -> Vec<Result<Accepted, StoreError>>;
    write record(progress: Vec<Progress>) -> Vec<Recorded>;
    write set_paused(lane: String, paused: Paused) -> ();
    write replay(id: DeliveryId, now: Millis) -> Replayed;
    write remove(id: DeliveryId) -> Removed;
    write replay_some(which: Selection, now: Millis) -> Done<Pending>;
    write remove_some(which: Selection) -> Done<DeliveryId>;
    write prune(retention: Retention) -> Pruned;
    write ready() -> ();
    read pending(after: Option<DeliveryId>, limit: usize) -> Vec<Pending>;
    read contents(ids: Vec<DeliveryId>) -> Vec<Option<Content>>;
    read paused_lanes() -> Vec<String>;
    read delivery(id: DeliveryId) -> Option<DeliveryDetail>;
    read deliveries(filter: DeliveryFilter) -> DeliveryPage;
    read inbox(filter: InboxFilter) -> InboxPage;
    read counts() -> Counts;
    read close() -> ();
}
