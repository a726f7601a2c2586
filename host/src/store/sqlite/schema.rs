//! The tables, their versions, and the decision whether a file is ours to use.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::explain;
use crate::store::{ErrorKind, StoreError};

/// Marks a database as the gateway's: "pgat", in SQLite's header for `file(1)` and for us.
const APPLICATION_ID: i32 = 0x7067_6174;

/// Takes a database from each version to the next; the first from an empty one. Released entries never change.
const MIGRATIONS: &[&str] = &[V1];

/// Waits this long for a program that has the database locked, a backup for example (ours).
const PATIENCE: Duration = Duration::from_secs(5);

/// Every index pays for itself:
/// - `delivery_state` walks what is pending in the order it was accepted, and a state's pages newest first;
/// - `delivery_lane` walks a lane's pages, one walk per state;
/// - `inbox_kind` and `inbox_receiver` keep a rare kind from being searched for in the whole log.
///
/// `seen` and `idempotency` are swept in the order of their `seq`, which is nearly that of `until`: no index for that.
/// `body` has its count of deliveries before its bytes, so that counting does not read through them.
const V1: &str = "
CREATE TABLE body (
    seq         INTEGER PRIMARY KEY,
    deliveries  INTEGER NOT NULL,
    bytes       BLOB NOT NULL
) STRICT;

CREATE TABLE delivery (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,
    lane        TEXT NOT NULL,
    state       INTEGER NOT NULL,
    body        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    phase       INTEGER NOT NULL,
    planned     INTEGER NOT NULL,
    due         INTEGER NOT NULL,
    finished_at INTEGER,
    meta        TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_state ON delivery (state, id);
CREATE INDEX delivery_lane ON delivery (lane, state, id);

CREATE TABLE attempt (
    delivery    INTEGER NOT NULL,
    nth         INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    planned     INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    finished    INTEGER NOT NULL,
    status      INTEGER,
    class       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (delivery, nth)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    cursor      INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    item        TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_kind ON inbox (kind);
CREATE INDEX inbox_receiver ON inbox (receiver);

CREATE TABLE seen (
    seq         INTEGER PRIMARY KEY,
    identity    BLOB NOT NULL,
    receiver    TEXT NOT NULL,
    until       INTEGER NOT NULL,
    UNIQUE (identity, receiver)
) STRICT;

CREATE TABLE idempotency (
    seq         INTEGER PRIMARY KEY,
    key         TEXT NOT NULL,
    scope       TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    until       INTEGER NOT NULL,
    ids         BLOB NOT NULL,
    UNIQUE (key, scope)
) STRICT;

CREATE TABLE tally (
    what        INTEGER PRIMARY KEY,
    n           INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0);

CREATE TABLE paused (
    lane        TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE probe (
    n           INTEGER NOT NULL
) STRICT;
INSERT INTO probe VALUES (0);
";

/// Says when a commit counts as done.
#[derive(Clone, Copy)]
pub(super) enum Flush {
    /// When it is on the disk.
    EveryCommit,
    /// When the operating system has it: for files that do not outlive the process.
    Never,
}

/// Opens the database for the writer, after making sure that it is ours, and brings it up to date.
pub(super) fn open(path: &Path, flush: Flush) -> Result<Connection, StoreError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|error| explain(path, &error))?;
    let version = identify(path, &connection)?;
    set_up(&mut connection, flush, version).map_err(|error| explain(path, &error))?;
    Ok(connection)
}

/// Opens the database for reading alone.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time: SQLite's own mutexes would only cost.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Returns the version of the database, without changing anything.
fn identify(path: &Path, connection: &Connection) -> Result<usize, StoreError> {
    let refuse = |kind, message: &str| Err(StoreError::new(kind, format!("{}: {message}", path.display())));
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let header = || -> rusqlite::Result<_> {
        let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((number("application_id")?, number("user_version")?, objects, connection.is_readonly("main")?))
    };
    let (application, version, objects, read_only) = header().map_err(|error| explain(path, &error))?;

    let empty = application == 0 && version == 0 && objects == 0;
    if application != APPLICATION_ID && !empty {
        return refuse(
            ErrorKind::Foreign,
            "is another program's database; set store.url to a file of the gateway's own",
        );
    }
    if read_only {
        return refuse(ErrorKind::Denied, "is read-only; let the gateway's user write it, or change store.url");
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        Ok(version) => refuse(
            ErrorKind::Newer,
            &format!(
                "has version {version}, this gateway knows up to {}; run the release that wrote it or a newer one, \
                 or put back the backup from before the upgrade",
                MIGRATIONS.len()
            ),
        ),
        Err(_) => refuse(ErrorKind::Corrupt, "has a version below zero; put back a backup, or move it away"),
    }
}

fn set_up(connection: &mut Connection, flush: Flush, version: usize) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        // SQLite stays in its old mode, silently, where files cannot be shared: some network file systems.
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("no write-ahead log on this file system: use a local disk".into()),
        ));
    }
    connection.pragma_update(
        None,
        "synchronous",
        match flush {
            Flush::EveryCommit => "FULL",
            Flush::Never => "OFF",
        },
    )?;
    connection.pragma_update(None, "fullfsync", true)?; // macOS: fsync alone stops at the drive's cache
    connection.pragma_update(None, "cache_size", -16_384)?; // KiB
    // A checkpoint costs two more fsyncs: every 16 MiB, not SQLite's 4. The price is the longest recovery.
    connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (migration, next) in MIGRATIONS.iter().zip(1_i32..).skip(version) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", next)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_on_the_disk_when_it_returns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        for opened in ["new", "again"] {
            let connection = open(&path, Flush::EveryCommit).unwrap();
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!((mode.as_str(), synchronous), ("wal", 2), "{opened}"); // 2 = FULL
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let _writer = open(&path, Flush::Never).unwrap();
        let error = open_reader(&path).unwrap().execute("UPDATE probe SET n = 9", []).unwrap_err();
        assert_eq!(explain(&path, &error).kind(), ErrorKind::Denied);
    }
}
