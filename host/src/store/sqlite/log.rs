//! The write-ahead log's length. SQLite would copy the log into the file within a commit, with callers waiting for it;
//! here that is done after they were answered, and a log that readers keep from starting over is bounded too.

use std::time::Duration;

use rusqlite::Connection;

use super::schema::PATIENCE;

/// Is how many pages are committed before they are copied into the file (ours): a copy costs two syncs, and the longer
/// the log, the fewer copies of a page that is written often. The price is the longest recovery.
const COPY_AT: i64 = 8_192;

/// Is how many more pages are committed before a copy that did not get through is tried again (ours).
const TRY_AGAIN: i64 = 1_024;

/// Is how long the log may get before what reads is waited for (ours), so that it starts over from its beginning.
const START_OVER_AT: i64 = 65_536;

/// Bounds that wait (ours): reads of ours take milliseconds, and another program's may take for ever.
const WAIT_FOR_READERS: Duration = Duration::from_millis(250);

/// Sees to the log of one connection.
#[derive(Default)]
pub(super) struct Log {
    tried_at: i64,
}

impl Log {
    /// Copies the log into the file when it is time. What goes wrong shows in the next commit, or goes away by itself.
    pub(super) fn tend(&mut self, connection: &Connection) {
        let Ok((length, copied)) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else { return };
        if length < self.tried_at {
            self.tried_at = 0; // it started over
        }
        if length - copied < COPY_AT || (self.tried_at > 0 && length < self.tried_at + TRY_AGAIN) {
            return;
        }
        self.tried_at = length;
        if length < START_OVER_AT {
            let _ = checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            return;
        }
        self.tried_at = length + COPY_AT; // this one is waited for: not too often
        let _ = connection.busy_timeout(WAIT_FOR_READERS);
        if let Err(error) = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, pages = length, "the store's log is long and cannot be shortened");
        }
        let _ = connection.busy_timeout(PATIENCE);
    }
}

/// Returns the pages in the log, and how many of them are in the file.
fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<(i64, i64)> {
    connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}
