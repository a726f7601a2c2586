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
    })
}
