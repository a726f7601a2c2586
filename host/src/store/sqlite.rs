//! A store in one file, for one gateway: nothing to install, nothing to run beside it.
//!
//! One thread owns the only connection that writes. It commits whatever queued up while the previous commit was on its
//! way to the disk, all of it at once, so that a thousand callers wait for one `fsync`, not for a thousand
//! (`sqlite/writer.rs`). Reads have connections of their own and are never held up by it (`sqlite/readers.rs`).
//!
//! | file | holds |
//! | --- | --- |
//! | `PATH` | the database |
//! | `PATH-wal`, `PATH-shm` | what was committed last; they go away on a clean shutdown, and belong to `PATH` until then |
//! | `PATH.lock` | nothing: whoever has it locked is the gateway of this file. The lock ends with the process, however it ends |
//!
//! Files are made readable for their owner alone: bodies are other people's messages.

pub mod backup;
mod check;
mod log;
mod packed;
mod place;
mod prune;
mod query;
mod readers;
mod schema;
mod session;
mod versions;
mod write;
mod writer;

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Mutex, mpsc, oneshot};

use self::place::Place;
use self::readers::Readers;
use self::session::Tally;
use self::writer::{Load, Order, Task};
use super::{
    Accept, Accepted, Answer, Content, Counts, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryPage, Done,
    ErrorKind, InboxFilter, InboxPage, MAX_PAUSED, Millis, Observer, Paused, Pending, Progress, Pruned, Recorded,
    Removed, Replayed, Retention, Selection, Store, StoreError, intake,
};

/// Keeps deliveries and the inbox in a SQLite file.
pub struct SqliteStore {
    orders: mpsc::Sender<Order>,
    readers: Arc<Readers>,
    closing: Arc<Closing>,
    /// Who is told of commits; the first who asks.
    observer: Arc<OnceLock<Arc<dyn Observer>>>,
    path: Arc<Path>,
}

/// Says whether the store was told to close.
#[derive(Default)]
struct Closing {
    asked: AtomicBool,
    turn: Mutex<()>,
}

impl Closing {
    /// Returns why the writer's thread takes nothing.
    fn gone(&self) -> StoreError {
        if self.asked.load(Ordering::Acquire) {
            return StoreError::closed();
        }
        let message = "the store's thread ended by itself: this is a bug, report it; restart the gateway";
        StoreError::new(ErrorKind::Other, message)
    }
}

impl SqliteStore {
    /// Opens the file at `path`, creating it if it is not there; `:memory:` is a temporary one.
    ///
    /// A temporary store keeps its bodies in the system's directory for temporary files, not in memory, and is not
    /// durable: it is deleted when it is closed.
    ///
    /// # Errors
    /// Fails if another gateway has the file ([`ErrorKind::Busy`]), if it is something else, newer or damaged
    /// ([`ErrorKind::Foreign`], [`ErrorKind::Newer`], [`ErrorKind::Corrupt`]), or cannot be written
    /// ([`ErrorKind::Denied`]). A file that is refused was not changed.
    pub async fn open(path: &str) -> Result<Self, StoreError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || Self::open_now(&path))
            .await
            .unwrap_or_else(|_| Err(StoreError::new(ErrorKind::Other, "opening the store failed: this is a bug")))
    }

    fn open_now(path: &str) -> Result<Self, StoreError> {
        let place = Place::claim(path)?;
        let connection = schema::open(place.path(), place.flush())?;
        place.make_private();
        let path: Arc<Path> = place.path().into();
        let readers = Arc::new(Readers::new(Arc::clone(&path)));
        let observer = Arc::default();
        let orders = writer::start(connection, place, Arc::clone(&observer))?;
        Ok(Self { orders, readers, closing: Arc::default(), observer, path })
    }

    /// Has the writer thread run `run`, and answers once its transaction is committed.
    fn write<I, O>(&self, input: I, load: Load, run: writer::Run<I, O>) -> Answer<O>
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        let (orders, closing) = (self.orders.clone(), Arc::clone(&self.closing));
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let task = Task::new(input, load, run, reply);
            orders.send(Order::Run(Box::new(task))).await.map_err(|_| closing.gone())?;
            answer.await.unwrap_or_else(|_| Err(closing.gone()))
        })
    }

    /// Runs `query` on a connection that only reads.
    fn read<O: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<O> + Send + 'static,
    ) -> Answer<O> {
        let readers = Arc::clone(&self.readers);
        Box::pin(async move { readers.run(query).await })
    }
}

impl Store for SqliteStore {
    fn accept_all(&self, accepts: Vec<Accept>) -> Answer<Vec<Result<Accepted, StoreError>>> {
        let checked: Vec<_> = accepts.iter().map(Accept::check).collect();
        let right = accepts.into_iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(accept, _)| accept);
        let right: Vec<_> = right.collect();
        let bytes = right.iter().flat_map(|accept| &accept.bodies).map(Bytes::len).sum();
        let load = Load { bytes, callers: right.len() };
        let written = self.write(right, load, write::accept_all);
        let path = Arc::clone(&self.path);
        Box::pin(async move {
            let mut written = written.await?.into_iter();
            let outcome = |checked: Result<(), StoreError>| {
                checked?;
                let outcome = written.next().ok_or_else(StoreError::closed)?;
                outcome.map_err(|error| explain(&path, &error))
            };
            Ok(checked.into_iter().map(outcome).collect())
        })
    }

    fn record(&self, progress: Vec<Progress>) -> Answer<Vec<Recorded>> {
        let load = Load { bytes: 0, callers: progress.len() };
        self.write(progress, load, write::record)
    }

    fn pending(&self, after: Option<DeliveryId>, limit: usize) -> Answer<Vec<Pending>> {
        self.read(move |connection| query::pending(connection, after, limit))
    }

    fn contents(&self, ids: Vec<DeliveryId>) -> Answer<Vec<Option<Content>>> {
        self.read(move |connection| query::contents(connection, &ids))
    }

    fn set_paused(&self, lane: String, paused: Paused) -> Answer<()> {
        if let Err(error) = intake::check_lane(&lane) {
            return Box::pin(async { Err(error) });
        }
        let written = self.write((lane, paused), Load::ONE, write::set_paused);
        Box::pin(async move {
            if written.await? {
                return Ok(());
            }
            let message = format!("{MAX_PAUSED} lanes are paused, the most there may be: resume some of them first");
            Err(StoreError::new(ErrorKind::Invalid, message))
        })
    }

    fn paused_lanes(&self) -> Answer<Vec<String>> {
        self.read(query::paused_lanes)
    }

    fn delivery(&self, id: DeliveryId) -> Answer<Option<DeliveryDetail>> {
        self.read(move |connection| query::delivery(connection, id))
    }

    fn deliveries(&self, filter: DeliveryFilter) -> Answer<DeliveryPage> {
        self.read(move |connection| query::deliveries(connection, &filter))
    }

    fn replay(&self, id: DeliveryId, now: Millis) -> Answer<Replayed> {
        self.write((id, now), Load::ONE, write::replay)
    }

    fn remove(&self, id: DeliveryId) -> Answer<Removed> {
        self.write(id, Load::ONE, write::remove)
    }

    fn replay_some(&self, which: Selection, now: Millis) -> Answer<Done<Pending>> {
        self.write((which, now), Load::ONE, write::replay_some)
    }

    fn remove_some(&self, which: Selection) -> Answer<Done<DeliveryId>> {
        self.write(which, Load::ONE, write::remove_some)
    }

    fn inbox(&self, filter: InboxFilter) -> Answer<InboxPage> {
        self.read(move |connection| query::inbox(connection, &filter))
    }

    fn prune(&self, retention: Retention) -> Answer<Pruned> {
        self.write(retention, Load::ONE, prune::prune)
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        // There is one gateway on a store.
        let _ = self.observer.set(observer);
    }

    fn counts(&self) -> Answer<Counts> {
        self.read(|connection| Tally::load(connection).map(Into::into))
    }

    fn ready(&self) -> Answer<()> {
        self.write((), Load::ONE, write::probe)
    }

    fn close(&self) -> Answer<()> {
        let (orders, readers, closing) = (self.orders.clone(), Arc::clone(&self.readers), Arc::clone(&self.closing));
        Box::pin(async move {
            closing.asked.store(true, Ordering::Release);
            let _turn = closing.turn.lock().await; // a second caller waits until the first has really closed
            // Readers first: the last connection to close is the one that tidies the WAL away.
            readers.close().await;
            let (reply, closed) = oneshot::channel();
            if orders.send(Order::Stop(reply)).await.is_err() {
                return Ok(());
            }
            closed.await.unwrap_or_else(|_| Err(StoreError::closed()))
        })
    }

    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let orders = self.orders.clone();
        Box::pin(async move { orders.closed().await })
    }
}

/// Translates what SQLite reports into who must act and what to do.
fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    let file = path.display();
    let (kind, message) = match (error.sqlite_error_code(), error) {
        (Some(ErrorCode::DiskFull), _) => full(path),
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
            (ErrorKind::Busy, format!("{file}: another program is writing to it; end that program, nothing was stored"))
        }
        (Some(ErrorCode::NotADatabase), _) => (
            ErrorKind::Foreign,
            format!("{file}: is not a database; set store.url to a file of the gateway's own, or move this one away"),
        ),
        (Some(ErrorCode::DatabaseCorrupt), _)
        | (
            None,
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..),
        ) => return damaged(path, error),
        (Some(ErrorCode::SystemIoFailure), _) if !place::has_room(path) => full(path),
        (Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied), _) => (
            ErrorKind::Denied,
            format!("{file}: {error}; let the gateway's user read and write the file and its directory"),
        ),
        _ => (ErrorKind::Other, format!("{file}: {error}")),
    };
    StoreError::new(kind, message)
}

fn full(path: &Path) -> (ErrorKind, String) {
    (ErrorKind::Full, format!("{}: no room left on its disk; free some, nothing was stored", path.display()))
}

fn damaged(path: &Path, how: impl fmt::Display) -> StoreError {
    let message = format!(
        "{}: is damaged ({how}); put back a backup, or move it away with its -wal and -shm to start empty",
        path.display()
    );
    StoreError::new(ErrorKind::Corrupt, message)
}
