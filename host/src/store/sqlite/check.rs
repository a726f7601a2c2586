//! Whether a file is sound, as far as that can be told within a start's time.
//!
//! A file of up to 64 MiB is checked page by page. Of a larger one each tree is walked down to both of its ends, where
//! what was written last lies, and SQLite itself compares the length of the file with what its header says; damage in
//! between shows when it is read, and is an error then.

use std::path::Path;

use rusqlite::Connection;

use super::{damaged, explain};
use crate::store::StoreError;

/// Bounds what is checked whole (ours): a fraction of a second.
const WHOLE: i64 = 64 << 20;

/// Walks down to both ends of every tree.
const ENDS: &[&str] = &[
    "SELECT *, (SELECT length(bytes) FROM body WHERE seq = body) FROM delivery ORDER BY state, id LIMIT 1",
    "SELECT *, (SELECT length(bytes) FROM body WHERE seq = body) FROM delivery ORDER BY state DESC, id DESC LIMIT 1",
    "SELECT id FROM delivery INDEXED BY delivery_lane ORDER BY state, lane, id LIMIT 1",
    "SELECT id FROM delivery INDEXED BY delivery_lane ORDER BY state DESC, lane DESC, id DESC LIMIT 1",
    "SELECT packed FROM attempt ORDER BY delivery, nth LIMIT 1",
    "SELECT packed FROM attempt ORDER BY delivery DESC, nth DESC LIMIT 1",
    "SELECT head FROM answer ORDER BY delivery, nth LIMIT 1",
    "SELECT head FROM answer ORDER BY delivery DESC, nth DESC LIMIT 1",
    "SELECT deliveries FROM body ORDER BY seq LIMIT 1",
    "SELECT deliveries FROM body ORDER BY seq DESC LIMIT 1",
    "SELECT item FROM inbox ORDER BY cursor LIMIT 1",
    "SELECT item FROM inbox ORDER BY cursor DESC LIMIT 1",
    "SELECT kind FROM inbox INDEXED BY inbox_kind ORDER BY kind LIMIT 1",
    "SELECT kind FROM inbox INDEXED BY inbox_kind ORDER BY kind DESC LIMIT 1",
    "SELECT receiver FROM inbox INDEXED BY inbox_receiver ORDER BY receiver LIMIT 1",
    "SELECT receiver FROM inbox INDEXED BY inbox_receiver ORDER BY receiver DESC LIMIT 1",
    "SELECT until FROM seen ORDER BY identity, receiver LIMIT 1",
    "SELECT until FROM seen ORDER BY identity DESC, receiver DESC LIMIT 1",
    "SELECT until FROM seen INDEXED BY seen_until ORDER BY until LIMIT 1",
    "SELECT until FROM seen INDEXED BY seen_until ORDER BY until DESC LIMIT 1",
    "SELECT ids FROM idempotency ORDER BY key, scope LIMIT 1",
    "SELECT ids FROM idempotency ORDER BY key DESC, scope DESC LIMIT 1",
    "SELECT until FROM idempotency INDEXED BY idempotency_until ORDER BY until LIMIT 1",
    "SELECT until FROM idempotency INDEXED BY idempotency_until ORDER BY until DESC LIMIT 1",
    "SELECT pending + delivered + dead + dropped + inbox FROM tally",
    "SELECT lane FROM paused",
    "SELECT n FROM probe",
];

/// Finds damage in a file of the present version.
pub(super) fn examine(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let look = || -> rusqlite::Result<Option<String>> {
        if number("page_count")?.saturating_mul(number("page_size")?) <= WHOLE {
            let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            return Ok((found != "ok").then_some(found));
        }
        for sql in ENDS {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(None)
    };
    match look().map_err(|error| explain(path, &error))? {
        Some(found) => Err(damaged(path, &found)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema::{self, Flush};

    #[test]
    fn both_ends_of_every_tree_are_looked_at_without_a_walk_between() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        let mut trees: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for sql in ENDS {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
            trees.retain(|tree| !steps.iter().any(|step| step.split(' ').any(|word| word == tree)));
        }
        assert_eq!(trees, [""; 0], "not looked at");
    }
}
