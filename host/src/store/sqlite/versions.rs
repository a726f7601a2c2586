//! What the tables were in each version, and the way from each version to the next.
//!
//! A released version never changes: what a file was made with is what its migration finds. All steps of an upgrade and
//! the new version's number are one transaction, so a file is of the old version or of the new one, whenever the machine
//! stops.

use rusqlite::{Connection, Row, params};

use super::packed;
use super::query::{millis_of, to_millis};
use crate::store::{Attempt, MAX_ATTEMPTS};

/// Takes a database from each version to the next; the first from an empty one.
pub(super) const STEPS: &[fn(&Connection) -> rusqlite::Result<()>] = &[
    |connection| connection.execute_batch(V1),
    |connection| {
        connection.execute_batch(V2)?;
        pack_attempts(connection)?;
        connection.execute_batch(V2_DROPS)
    },
    |connection| connection.execute_batch(V3),
];

pub(super) const V1: &str = "
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

CREATE TABLE probe (
    n           INTEGER NOT NULL
) STRICT;
INSERT INTO probe VALUES (0);
";

/// A delivery is a row of the tree that its state begins: what is pending is one short tree, walked from end to end by a
/// starting gateway; a page of any state is a walk, and a page of all of them is four, merged. Two trees hold a delivery
/// then, not four, and an outcome moves it once in each.
///
/// - `delivery_lane` walks a lane's pages, one walk per state.
/// - `last` is the newest attempt, packed; `attempt` has only those before it: most deliveries need one attempt, and no
///   row there. `tried` counts them all, those that are not kept any more too.
/// - `inbox_kind` and `inbox_receiver` keep a rare kind from being searched for in the whole log.
/// - `seen_until` and `idempotency_until` find what has run out.
/// - `body` has its count of deliveries before its bytes, so that counting does not read through them.
/// - `tally` is one row, written once a commit.
const V2: &str = "
DROP INDEX delivery_state;
DROP INDEX delivery_lane;
ALTER TABLE delivery RENAME TO delivery_v1;
ALTER TABLE attempt RENAME TO attempt_v1;
ALTER TABLE seen RENAME TO seen_v1;
ALTER TABLE idempotency RENAME TO idempotency_v1;
ALTER TABLE tally RENAME TO tally_v1;

CREATE TABLE delivery (
    state       INTEGER NOT NULL,
    id          BLOB NOT NULL,
    lane        TEXT NOT NULL,
    body        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    phase       INTEGER NOT NULL,
    planned     INTEGER NOT NULL,
    due         INTEGER NOT NULL,
    finished_at INTEGER,
    tried       INTEGER NOT NULL,
    last        BLOB,
    meta        TEXT NOT NULL,
    PRIMARY KEY (state, id)
) STRICT, WITHOUT ROWID;
INSERT INTO delivery
    SELECT state, id, lane, body, created_at, attempts, phase, planned, due, finished_at, 0, NULL, meta
    FROM delivery_v1 ORDER BY state, id;
CREATE INDEX delivery_lane ON delivery (state, lane, id);

CREATE TABLE attempt (
    delivery    BLOB NOT NULL,
    nth         INTEGER NOT NULL,
    packed      BLOB NOT NULL,
    PRIMARY KEY (delivery, nth)
) STRICT, WITHOUT ROWID;

CREATE TABLE seen (
    identity    BLOB NOT NULL,
    receiver    TEXT NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (identity, receiver)
) STRICT, WITHOUT ROWID;
INSERT INTO seen SELECT identity, receiver, until FROM seen_v1;
CREATE INDEX seen_until ON seen (until);

CREATE TABLE idempotency (
    key         TEXT NOT NULL,
    scope       TEXT NOT NULL,
    until       INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    ids         BLOB NOT NULL,
    PRIMARY KEY (key, scope)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency SELECT key, scope, until, fingerprint, ids FROM idempotency_v1;
CREATE INDEX idempotency_until ON idempotency (until);

CREATE TABLE tally (
    pending     INTEGER NOT NULL,
    delivered   INTEGER NOT NULL,
    dead        INTEGER NOT NULL,
    dropped     INTEGER NOT NULL,
    inbox       INTEGER NOT NULL
) STRICT;
INSERT INTO tally SELECT
    (SELECT n FROM tally_v1 WHERE what = 0), (SELECT n FROM tally_v1 WHERE what = 1),
    (SELECT n FROM tally_v1 WHERE what = 2), (SELECT n FROM tally_v1 WHERE what = 3),
    (SELECT n FROM tally_v1 WHERE what = 4);

CREATE TABLE paused (
    lane        TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

const V2_DROPS: &str = "
DROP TABLE attempt_v1;
DROP TABLE delivery_v1;
DROP TABLE seen_v1;
DROP TABLE idempotency_v1;
DROP TABLE tally_v1;
";

/// What was answered to attempts that failed: by itself, so that the rows that lists walk stay short.
const V3: &str = "
CREATE TABLE answer (
    delivery    BLOB NOT NULL,
    nth         INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    head        BLOB NOT NULL,
    PRIMARY KEY (delivery, nth)
) STRICT, WITHOUT ROWID;
";

/// Turns a row for each attempt into the newest with its delivery and the others packed.
fn pack_attempts(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT state, id, number, a.planned, started, finished, status, class, detail,
                row_number() OVER (PARTITION BY a.delivery ORDER BY nth),
                count(*) OVER (PARTITION BY a.delivery)
         FROM attempt_v1 a JOIN delivery_v1 d ON d.seq = a.delivery",
    )?;
    let mut latest = connection.prepare("UPDATE delivery SET tried = ?3, last = ?4 WHERE state = ?1 AND id = ?2")?;
    let mut older = connection.prepare("INSERT INTO attempt (delivery, nth, packed) VALUES (?1, ?2, ?3)")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (state, id): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
        let (nth, tried): (i64, i64) = (row.get(9)?, row.get(10)?);
        let packed = packed::pack(&attempt_v1(row)?);
        if nth == tried {
            latest.execute(params![state, id, tried, packed])?;
        } else if nth > tried - i64::from(MAX_ATTEMPTS) {
            older.execute(params![id, nth, packed])?;
        }
    }
    Ok(())
}

fn attempt_v1(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        number: row.get(2)?,
        planned: millis_of(row, 3)?,
        started: to_millis(row, 4)?,
        finished: to_millis(row, 5)?,
        status: row.get(6)?,
        class: row.get(7)?,
        detail: row.get(8)?,
        answer: None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::sqlite::query;
    use crate::store::sqlite::schema::{self, Flush};
    use crate::store::sqlite::session::Tally;
    use crate::store::{Counts, DeliveryFilter, DeliveryId, InboxFilter, State};

    const TABLES: [&str; 5] = ["delivery", "attempt", "body", "inbox", "seen"];

    /// A file as the first version wrote it: a delivery in each state with attempts, one body of two deliveries, an inbox
    /// whose newest item was pruned.
    const V1_DATA: &str = "
        INSERT INTO body VALUES (1, 2, x'68656c6c6f'), (2, 1, x'62'), (7, 1, x'63');
        INSERT INTO delivery VALUES
            (1, x'01010101010101010101010101010101', 'uplink:a', 0, 1, 1000, 2, 7, -2, -1, NULL, '{\"n\":1}'),
            (2, x'02020202020202020202020202020202', 'uplink:a', 1, 1, 1001, 1, 1, 5, 6, 2000, ''),
            (3, x'03030303030303030303030303030303', 'device:5', 2, 2, 1002, 1, 2, 5, 6, 2001, ''),
            (9, x'04040404040404040404040404040404', 'device:6', 3, 7, 1003, 0, 0, 5, 6, 2002, '');
        INSERT INTO attempt VALUES
            (1, 1, 1, 10, 11, 12, 500, 'status', 'first'),
            (1, 2, 2, -1, 21, 22, NULL, 'timeout', ''),
            (2, 1, 1, 10, 11, 12, 200, 'delivered', '');
        INSERT INTO inbox VALUES
            (1, 'r', 'message', 500, '{}'), (2, 'r', 'report', 501, '{\"a\":1}'), (3, 'r', 'message', 502, '{}');
        DELETE FROM inbox WHERE cursor = 3;
        INSERT INTO seen (identity, receiver, until) VALUES (x'0a', 'r', 900), (x'0b', 'r', 901);
        INSERT INTO idempotency (key, scope, fingerprint, until, ids)
            VALUES ('k', 's', zeroblob(32), 9000, x'01010101010101010101010101010101');
        UPDATE tally SET n = 1; UPDATE tally SET n = 2 WHERE what = 4;
        PRAGMA application_id = 0x70676174; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;";

    fn first_version(path: &Path) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(V1).unwrap();
        connection.execute_batch(V1_DATA).unwrap();
    }

    fn rows(connection: &Connection) -> Vec<i64> {
        let count = |table| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        TABLES.map(|table| count(table).unwrap()).to_vec()
    }

    #[test]
    fn a_file_of_the_first_version_keeps_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        first_version(&path);
        let connection = schema::open(&path, Flush::Never).unwrap();

        let id = |n| DeliveryId::from_bytes([n; 16]);
        let detail = |n| query::delivery(&connection, id(n)).unwrap().unwrap();
        let pending = query::pending(&connection, None, 9).unwrap();
        assert_eq!(pending.len(), 1);
        let one = &pending[0];
        assert_eq!((one.id, &*one.lane, &*one.meta, one.created_at), (id(1), "uplink:a", r#"{"n":1}"#, 1_000));
        assert_eq!((one.attempts, one.phase, one.planned, one.due), (2, 7, u64::MAX - 1, u64::MAX));

        let one = detail(1);
        assert_eq!((&one.body[..], one.summary.last_error.as_deref()), (&b"hello"[..], Some("timeout")));
        let expected = [(1, 10, Some(500), "status", "first"), (2, u64::MAX, None, "timeout", "")];
        let tried = |n| detail(n).attempts;
        let told: Vec<_> =
            one.attempts.iter().map(|a| (a.number, a.planned, a.status, &*a.class, &*a.detail)).collect();
        assert_eq!(told, expected);
        assert_eq!((one.attempts[1].started, one.attempts[1].finished), (21, 22));
        assert_eq!([tried(2).len(), tried(3).len(), tried(4).len()], [1, 0, 0]);
        let stands = |n| (detail(n).summary.state, detail(n).finished_at, detail(n).body);
        assert_eq!(stands(2), (State::Delivered, Some(2_000), b"hello".to_vec().into()));
        assert_eq!(stands(3), (State::Dead, Some(2_001), b"b".to_vec().into()));
        assert_eq!(stands(4), (State::Dropped, Some(2_002), b"c".to_vec().into()));
        for (lane, expected) in [("uplink:a", vec![id(2), id(1)]), ("device:6", vec![id(4)])] {
            let filter = DeliveryFilter { lane: Some(lane.into()), limit: 9, ..DeliveryFilter::default() };
            let page = query::deliveries(&connection, &filter).unwrap().deliveries;
            assert_eq!(page.iter().map(|summary| summary.id).collect::<Vec<_>>(), expected);
        }

        let inbox = query::inbox(&connection, &InboxFilter { limit: 9, ..InboxFilter::default() }).unwrap();
        assert_eq!(inbox.items.iter().map(|item| item.cursor).collect::<Vec<_>>(), [1, 2]);
        connection.execute("INSERT INTO inbox VALUES (NULL, 'r', 'k', 1, '{}')", []).unwrap();
        assert_eq!(connection.last_insert_rowid(), 4, "a cursor is never used again");
        let remembered = "SELECT (SELECT group_concat(hex(identity) || until) FROM seen),
                                 (SELECT key || scope || until || length(fingerprint) || hex(ids) FROM idempotency)";
        let remembered: (String, String) =
            connection.query_row(remembered, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let key = "ks90003201010101010101010101010101010101";
        assert_eq!((&*remembered.0, &*remembered.1), ("0A900,0B901", key));
        let counts = Counts { pending: 1, delivered: 1, dead: 1, dropped: 1, inbox: 2 };
        assert_eq!(Counts::from(Tally::load(&connection).unwrap()), counts);
        assert_eq!(query::paused_lanes(&connection).unwrap(), [""; 0]);

        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((number("user_version"), number("auto_vacuum")), (3, 2));
    }

    /// What is packed is as it was: a file of the second version only gets a place for answers.
    #[test]
    fn a_file_of_the_second_version_keeps_its_attempts_and_gets_answers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        first_version(&path);
        let connection = Connection::open(&path).unwrap();
        STEPS[1](&connection).unwrap();
        // Number 1, HTTP 503, three times of 1, `status` and its detail, as the second version wrote them.
        let packed = "01f701010000000000000001000000000000000100000000000000067374617475736e6f";
        let row =
            format!("UPDATE delivery SET tried = 1, last = x'{packed}' WHERE state = 2; PRAGMA user_version = 2;");
        connection.execute_batch(&row).unwrap();
        drop(connection);

        let connection = schema::open(&path, Flush::Never).unwrap();
        let detail = |id| query::delivery(&connection, DeliveryId::from_bytes([id; 16])).unwrap().unwrap();
        let attempts = detail(3).attempts;
        let told: Vec<_> = attempts.iter().map(|a| (a.number, a.status, &*a.class, &*a.detail, &a.answer)).collect();
        assert_eq!(told, [(1, Some(503), "status", "no", &None)]);
        assert_eq!(detail(1).attempts.len(), 2);
        let rows: i64 = connection.query_row("SELECT count(*) FROM answer", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }

    #[test]
    fn a_file_of_the_first_version_has_the_tables_of_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let tables = |name: &str| -> Vec<(String, Option<String>)> {
            let connection = schema::open(&directory.path().join(name), Flush::Never).unwrap();
            let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        first_version(&directory.path().join("old.db"));
        assert_eq!(tables("old.db"), tables("new.db"));
    }

    #[test]
    fn an_upgrade_that_is_cut_short_leaves_the_first_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        first_version(&path);
        let before = rows(&Connection::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        STEPS[1](&connection).unwrap();
        assert_eq!(rows(&connection)[1], 1, "the newest attempts are with their deliveries");
        drop(connection); // as a crash would

        let connection = Connection::open(&path).unwrap();
        assert_eq!(rows(&connection), before);
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
        drop(connection);
        schema::open(&path, Flush::Never).unwrap();
    }
}
