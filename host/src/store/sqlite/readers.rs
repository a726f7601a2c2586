//! Connections that only read. With a write-ahead log they neither wait for the writer nor hold it up.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{explain, schema};
use crate::store::{ErrorKind, StoreError};

/// Bounds the reads at one time (ours): more would compete for the same disk.
const CONNECTIONS: u32 = 4;

/// Keeps the connections that are not in use, and opens one when there is none.
pub(super) struct Readers {
    path: Arc<Path>,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: Arc<Path>) -> Self {
        Self { path, turns: Arc::new(Semaphore::new(CONNECTIONS as usize)), idle: Mutex::default() }
    }

    /// Runs `query` where it may block.
    pub(super) async fn run<O: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<O> + Send + 'static,
    ) -> Result<O, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::closed())?;
        let blocking = tokio::task::spawn_blocking(move || {
            // Held to the end of the query, even if the caller stops waiting: closing must find the connection.
            let _turn = turn;
            self.run_now(query).map_err(|error| explain(&self.path, &error))
        });
        match blocking.await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => Err(StoreError::closed()), // the runtime is going away
            Err(_) => Err(StoreError::new(ErrorKind::Other, "reading the store failed: this is a bug, report it")),
        }
    }

    fn run_now<O>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<O>) -> rusqlite::Result<O> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let outcome = query(&connection);
        if outcome.is_ok() {
            // After an error a fresh one takes its place: what is wrong may lie in the connection.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        outcome
    }

    /// Waits for what is being read, closes the connections, and refuses what comes later.
    pub(super) async fn close(&self) {
        let turns = self.turns.acquire_many(CONNECTIONS).await;
        self.turns.close();
        drop(turns);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
