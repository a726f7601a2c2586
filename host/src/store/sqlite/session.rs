//! What the writer's thread works with: a connection's statements, prepared once, and the counts of what it changed.

use rusqlite::{Connection, ErrorCode, Params, Statement, params};

use crate::store::{Counts, DeliveryId, State};

/// Is a connection as the writer's thread uses it, for as long as it has it.
///
/// The statements of the two changes that happen most are kept; the others come from the connection's cache, which costs
/// a look-up each time.
pub(super) struct Session<'c> {
    pub(super) connection: &'c Connection,
    /// What the transaction under way changes.
    pub(super) tally: Tally,
    /// How work that holds the work of several is done.
    pub(super) care: Care,
    /// Whether something went wrong that may lie in the connection.
    pub(super) doubtful: bool,
    /// Where the next walk over what is old begins; see [`super::prune`].
    pub(super) walks: [Option<DeliveryId>; 2],
    pub(super) add_body: Statement<'c>,
    pub(super) add_delivery: Statement<'c>,
    pub(super) stay: Statement<'c>,
    pub(super) moving: Statement<'c>,
    begin: Statement<'c>,
    commit: Statement<'c>,
    count: Statement<'c>,
}

const ADD_BODY: &str = "INSERT INTO body (deliveries, bytes) VALUES (?1, ?2)";

const ADD_DELIVERY: &str = "
    INSERT INTO delivery (state, id, lane, body, created_at, attempts, phase, planned, due, tried, meta)
    VALUES (0, ?1, ?2, ?3, ?4, 0, 0, ?5, ?5, 0, ?6)";

/// Naming `state` moves the row in both of its trees, though a retry leaves it where it is.
macro_rules! progress {
    ($state:literal) => {
        concat!(
            "UPDATE delivery SET attempts = ?4, phase = ?5, planned = ?6, due = ?7, finished_at = ?8,
             tried = tried + (?9 IS NOT NULL), last = coalesce(?9, last)",
            $state,
            " WHERE state = ?1 AND id = ?2 AND tried = ?3"
        )
    };
}

const STAY: &str = progress!("");
const MOVE: &str = progress!(", state = ?10");

const COUNT: &str = "
    UPDATE tally SET pending = pending + ?1, delivered = delivered + ?2, dead = dead + ?3, dropped = dropped + ?4,
    inbox = inbox + ?5";

impl<'c> Session<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            tally: Tally::default(),
            care: Care::Together,
            doubtful: false,
            walks: [None; 2],
            add_body: connection.prepare(ADD_BODY)?,
            add_delivery: connection.prepare(ADD_DELIVERY)?,
            stay: connection.prepare(STAY)?,
            moving: connection.prepare(MOVE)?,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            count: connection.prepare(COUNT)?,
        })
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.tally = Tally::default();
        self.begin.execute([]).map(drop)
    }

    /// Stores the counts and commits.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        let [pending, delivered, dead, dropped, inbox] = self.tally.0;
        if self.tally != Tally::default() {
            self.count.execute(params![pending, delivered, dead, dropped, inbox])?;
        }
        self.commit.execute([]).map(drop)
    }

    /// Undoes the transaction under way, if there still is one: some errors make SQLite undo it by itself.
    pub(super) fn roll_back(&mut self) {
        self.tally = Tally::default();
        if !self.connection.is_autocommit() {
            // If even this fails, the next BEGIN does too, and its callers are told.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Notes an error: one of the file rather than of what was asked raises doubt.
    pub(super) fn doubt(&mut self, error: &rusqlite::Error) {
        self.doubtful |= matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ReadOnly
                    | ErrorCode::InternalMalfunction
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::OutOfMemory
            )
        );
    }

    /// Does `work`, or none of it.
    ///
    /// # Errors
    /// The outer error is one that has undone the whole transaction; the inner one is the work's own.
    pub(super) fn apart<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<rusqlite::Result<T>> {
        self.run("SAVEPOINT part", [])?;
        let before = self.tally;
        let done = work(self);
        if let Err(error) = &done {
            // Some errors make SQLite roll everything back at once.
            if self.connection.is_autocommit() {
                return done.map(Ok);
            }
            self.doubt(error);
            self.tally = before;
            self.run("ROLLBACK TO part", [])?;
        }
        self.run("RELEASE part", [])?;
        Ok(done)
    }

    /// Runs a statement that is not run often.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(params)
    }

    /// Returns what is counted, the transaction under way included.
    pub(super) fn counts(&self) -> rusqlite::Result<Counts> {
        let mut sum = Tally::load(self.connection)?;
        for (sum, change) in sum.0.iter_mut().zip(self.tally.0) {
            *sum += change;
        }
        Ok(sum.into())
    }
}

/// Says what a failure undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Everything: then all of it is done again apart.
    Together,
    /// Only what failed, at the price of a savepoint for each.
    Apart,
}

/// Counts deliveries by state, and the inbox, so that nobody has to walk them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally([i64; 5]);

impl Tally {
    const INBOX: usize = 4;

    /// Reads the stored counts.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT pending, delivered, dead, dropped, inbox FROM tally")?;
        statement.query_row([], |row| Ok(Self([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])))
    }

    pub(super) fn add(&mut self, state: State, deliveries: i64) {
        self.0[state as usize] += deliveries;
    }

    pub(super) fn add_items(&mut self, items: i64) {
        self.0[Self::INBOX] += items;
    }
}

impl From<Tally> for Counts {
    fn from(Tally(n): Tally) -> Self {
        let [pending, delivered, dead, dropped, inbox] = n.map(|n| u64::try_from(n).unwrap_or(0));
        Self { pending, delivered, dead, dropped, inbox }
    }
}
