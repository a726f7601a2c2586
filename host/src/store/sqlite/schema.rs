//! The tables, their versions, and the decision whether a file is ours to use.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::check;
use super::explain;
use super::versions::STEPS;
use crate::store::{ErrorKind, StoreError};

/// Marks a database as the gateway's: "pgat", in SQLite's header for `file(1)` and for us.
pub(super) const APPLICATION_ID: i32 = 0x7067_6174;

/// Waits this long for a program that has the database locked, a backup for example (ours).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Is the size of a page of a new file (ours). What is committed is written in whole pages.
const PAGE_SIZE: i64 = 4_096;

/// Is SQLite's number for giving free pages back when told to.
const INCREMENTAL: i64 = 2;

/// Says when a commit counts as done.
#[derive(Clone, Copy)]
pub(super) enum Flush {
    /// When it is on the disk.
    EveryCommit,
    /// When the operating system has it: for files that do not outlive the process.
    Never,
}

/// Opens the database for the writer, after making sure that it is ours and sound, and brings it up to date.
pub(super) fn open(path: &Path, flush: Flush) -> Result<Connection, StoreError> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|error| explain(path, &error))?;
    let tidy_at_close = |connection: &Connection, tidy: bool| {
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !tidy)
            .map_err(|error| explain(path, &error))
    };
    // What is refused stays as it is, a log that its gateway left behind too.
    tidy_at_close(&connection, false)?;
    let version = identify(path, &connection)?;
    if version == STEPS.len() {
        check::examine(path, &connection)?;
    }
    set_up(&mut connection, flush, version).map_err(|error| explain(path, &error))?;
    tidy_at_close(&connection, true)?;
    shrinkable(path, &connection);
    Ok(connection)
}

/// Sees to it that free pages can be given back. A file of the first version must be written anew for that, once; where
/// there is no room for a second one, it goes on as it was, and the next start tries again.
fn shrinkable(path: &Path, connection: &Connection) {
    let rewrite = || -> rusqlite::Result<()> {
        let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
        if mode == INCREMENTAL {
            return Ok(());
        }
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
    };
    if let Err(error) = rewrite() {
        let file = path.display();
        tracing::warn!(%error, %file, "the file cannot be written anew, so it keeps its size; the next start tries again");
    }
}

/// Opens the database again, for a writer that lost faith in its connection.
pub(super) fn reopen(path: &Path, flush: Flush) -> Result<Connection, StoreError> {
    let again = || {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        settle(&connection, flush)?;
        Ok(connection)
    };
    again().map_err(|error| explain(path, &error))
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
    // Without it a statement is planned anew whenever it is bound to other values, which costs several times the query;
    // the plans are known (see the test of them in `query.rs`), and no value makes another one better.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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
        Ok(version) if version <= STEPS.len() => Ok(version),
        Ok(version) => refuse(
            ErrorKind::Newer,
            &format!(
                "has version {version}, this gateway knows up to {}; run the release that wrote it or a newer one, \
                 or put back the backup from before the upgrade",
                STEPS.len()
            ),
        ),
        Err(_) => refuse(ErrorKind::Corrupt, "has a version below zero; put back a backup, or move it away"),
    }
}

fn set_up(connection: &mut Connection, flush: Flush, version: usize) -> rusqlite::Result<()> {
    if version == 0 {
        // Only before the first page is written.
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        // SQLite stays in its old mode, silently, where files cannot be shared: some network file systems.
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("no write-ahead log on this file system: use a local disk".into()),
        ));
    }
    settle(connection, flush)?;

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (step, next) in STEPS.iter().zip(1_i32..).skip(version) {
        step(&transaction)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", next)?;
    }
    transaction.commit()
}

/// Sets what a connection that writes does not find in the file.
fn settle(connection: &Connection, flush: Flush) -> rusqlite::Result<()> {
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
    connection.pragma_update(None, "wal_autocheckpoint", 0)?; // see `log.rs`
    connection.pragma_update(None, "journal_size_limit", 64 << 20)
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
