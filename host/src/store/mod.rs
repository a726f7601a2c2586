//! What the gateway accepted, and what became of it.
//!
//! "Accepted means stored": a caller is answered only after [`Store::accept`] returned, and it returns only after a
//! durable commit. Timers and queues live in the engine; the store is for durability, for the operator's questions and
//! for taking over after a restart ([`Store::pending`]).
//!
//! [`Store`] is the seam between the gateway and a database. It knows lanes, identifiers, bytes and numbers, nothing of
//! the protocols and nothing of SQL, so that an embedded file ([`sqlite`]) and a shared server are interchangeable.
//!
//! # Limits (all ours)
//! Names are capped ([`MAX_LANE`], [`MAX_META`], …) because they are kept in memory and in indexes. An attempt's detail
//! is cut rather than refused ([`MAX_DETAIL`]): losing the end of an error text is better than losing the attempt.

mod answered;
mod delivery;
mod error;
mod id;
mod id_range;
mod inbox;
mod intake;
mod observer;
mod retention;
mod selection;
pub mod sqlite;

use std::pin::Pin;
use std::sync::Arc;

pub use answered::{Answered, MAX_ANSWER};
pub use delivery::{
    Attempt, Content, Counts, DeliveryDetail, DeliveryFilter, DeliveryPage, DeliverySummary, MAX_ATTEMPTS, MAX_CLASS,
    MAX_DETAIL, Paused, Pending, Progress, Recorded, Removed, Replayed, State, UnknownState,
};
pub use error::{ErrorKind, StoreError};
pub use id::{BadDeliveryId, DeliveryId};
pub use id_range::{IdRange, NoPrefix, NoSuchTime};
pub use inbox::{InboxEnd, InboxFilter, InboxItem, InboxPage};
pub use intake::{
    Accept, Accepted, DeliveriesWhen, Idempotency, MAX_IDEMPOTENCY_KEY, MAX_LANE, MAX_META, MAX_NAME, NewDelivery,
    NewItem,
};
pub use observer::{Commit, Observer};
pub use retention::{Keep, Pruned, Retention};
pub use selection::{Done, MAX_SELECTED, NotDone, Selection};

/// Is a point in time: milliseconds since 1970-01-01 UTC.
pub type Millis = u64;

/// Caps the entries of one page, whatever a caller asks for (ours): a page is built in memory.
pub const MAX_PAGE: usize = 1_000;

/// Caps the entries of one page of [`Store::pending`] (ours).
pub const MAX_SCAN: usize = 10_000;

/// Caps the lanes that are paused at a time (ours): every one is in memory, with work or without.
pub const MAX_PAUSED: usize = 10_000;

/// Is what every method of [`Store`] returns: a future that owns all it needs, so that it can be spawned.
///
/// A future that is never polled does nothing; one dropped half way may or may not have happened.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Keeps deliveries and the inbox.
///
/// Every change is durable when its future resolves. Changes of one caller that awaits each before the next happen in
/// that order, and a read that starts after a change resolved sees it.
///
/// Every method fails with [`ErrorKind::Closed`] after [`close`](Self::close), and with the kind that says who must act
/// otherwise: see [`ErrorKind`].
pub trait Store: Send + Sync + 'static {
    /// Stores bodies, deliveries and inbox items: what is in one [`Accept`] whole or not at all.
    ///
    /// Answers for each, in the same order; an error of its own is one's alone, and one for all of them means that
    /// nothing was stored. New deliveries are [`State::Pending`] with no attempts, planned and due when they were
    /// created.
    fn accept_all(&self, accepts: Vec<Accept>) -> Answer<Vec<Result<Accepted, StoreError>>>;

    /// As [`accept_all`](Self::accept_all), for one.
    fn accept(&self, accept: Accept) -> Answer<Accepted> {
        let all = self.accept_all(vec![accept]);
        Box::pin(async move { all.await?.pop().unwrap_or_else(|| Err(StoreError::closed())) })
    }

    /// Stores where deliveries stand, and the attempts that brought them there, in this order, all or nothing.
    ///
    /// Answers for each, in the same order.
    fn record(&self, progress: Vec<Progress>) -> Answer<Vec<Recorded>>;

    /// Lists what is still to be sent, oldest first, starting behind `after`: the scan of a starting gateway.
    ///
    /// Bodies are not loaded. Fewer than `limit` (at most [`MAX_SCAN`]) entries mean the end.
    fn pending(&self, after: Option<DeliveryId>, limit: usize) -> Answer<Vec<Pending>>;

    /// Loads what deliveries send, in the order asked for; nothing for one that is not there.
    fn contents(&self, ids: Vec<DeliveryId>) -> Answer<Vec<Option<Content>>>;

    /// Remembers whether an operator has paused a lane.
    fn set_paused(&self, lane: String, paused: Paused) -> Answer<()>;

    /// Lists the lanes that an operator has paused.
    fn paused_lanes(&self) -> Answer<Vec<String>>;

    /// Loads everything known of a delivery.
    fn delivery(&self, id: DeliveryId) -> Answer<Option<DeliveryDetail>>;

    /// Lists deliveries, newest first.
    fn deliveries(&self, filter: DeliveryFilter) -> Answer<DeliveryPage>;

    /// Makes a dead or dropped delivery pending again, with a fresh schedule; its past attempts stay readable.
    fn replay(&self, id: DeliveryId, now: Millis) -> Answer<Replayed>;

    /// Does [`replay`](Self::replay) for some deliveries, in one commit. A filter passes over what cannot be replayed.
    fn replay_some(&self, which: Selection, now: Millis) -> Answer<Done<Pending>>;

    /// Deletes a delivery, pending or finished, with its attempts, and its body if no other delivery sends it.
    fn remove(&self, id: DeliveryId) -> Answer<Removed>;

    /// Does [`remove`](Self::remove) for some deliveries, in one commit.
    fn remove_some(&self, which: Selection) -> Answer<Done<DeliveryId>>;

    /// Reads the inbox, in the order of arrival.
    fn inbox(&self, filter: InboxFilter) -> Answer<InboxPage>;

    /// Deletes some of what is too old or too much, and gives some of the room back; see [`Retention`].
    fn prune(&self, retention: Retention) -> Answer<Pruned>;

    /// Tells `observer` of every commit from now on. A store that says nothing of its commits keeps this one.
    fn observe(&self, observer: Arc<dyn Observer>) {
        drop(observer);
    }

    /// Counts what is stored, without walking it.
    fn counts(&self) -> Answer<Counts>;

    /// Proves that the store can accept: writes and commits.
    fn ready(&self) -> Answer<()>;

    /// Finishes what was asked for, then closes. Closing twice is fine.
    fn close(&self) -> Answer<()>;

    /// Waits until the store works no more, because it was closed or because what it runs on has ended by itself.
    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Opens the store a URL names.
///
/// | URL | store |
/// | --- | --- |
/// | `sqlite:PATH` | a file, created if it is not there; for one gateway |
/// | `sqlite::memory:` | a temporary file that goes away with the gateway; for demos and tests |
///
/// # Errors
/// Fails with [`ErrorKind::Url`] when no store answers to the URL, and with whatever keeps the store itself from
/// opening. Messages never repeat a URL, which may hold a password.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(StoreError::new(
            ErrorKind::Url,
            "store.url names no kind of store; for a file write sqlite:PATH, for example sqlite:pushgate.db",
        ));
    };
    match scheme {
        "sqlite" => Ok(Arc::new(sqlite::SqliteStore::open(rest).await?)),
        "redis" | "rediss" | "valkey" | "valkeys" => Err(StoreError::new(
            ErrorKind::Url,
            format!("store.url: {scheme} is not available yet in this build; use sqlite:PATH"),
        )),
        _ => Err(StoreError::new(
            ErrorKind::Url,
            "store.url: unknown kind of store; this build knows sqlite:PATH and sqlite::memory:",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_without_a_store_is_refused_without_repeating_it() {
        for (url, says) in [
            ("pushgate.db", "write sqlite:PATH"),
            ("redis://:s3cret@db:6379", "redis is not available yet in this build"),
            ("rediss://:s3cret@db:6379", "rediss is not available yet in this build"),
            ("postgres://me:s3cret@db/x", "this build knows sqlite:PATH"),
            ("s3cret:x", "this build knows sqlite:PATH"),
            ("sqlite:", "names no file"),
            ("sqlite:x.db?mode=s3cret", "takes no parameters"),
        ] {
            let Err(error) = open(url).await else { panic!("{url} opened") };
            assert_eq!(error.kind(), ErrorKind::Url, "{url}");
            assert!(error.to_string().contains(says), "{url}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{url}: {error}");
        }
    }
}
