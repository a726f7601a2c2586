//! The thread that writes: group commit, many callers' work in one transaction.
//!
//! A caller's mistake undoes that caller's work alone, yet savepoints, which see to that, cost as much as the work: a
//! group runs without them, and only when one of its callers fails it is undone and run again with them. A commit that
//! fails undoes everybody's, and everybody is told; only when the disk is full is each tried again by itself, because
//! the small ones may still fit.
//!
//! The thread outlives what goes wrong: after an error that may lie in the connection it goes on with a fresh one, and a
//! bug in one caller's work is that caller's error.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};

use super::log::Log;
use super::place::Place;
use super::session::{Care, Session};
use super::{explain, schema};
use crate::store::{Commit, ErrorKind, Observer, StoreError};

/// Bounds what waits for the thread (ours); callers beyond wait to queue.
const QUEUE: usize = 1024;

/// Bounds the tasks of one commit (ours), and with it how long the first of them waits for the last.
const MAX_GROUP: usize = 512;

/// Bounds the bodies of one commit (ours); a single larger body is committed by itself.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// Spaces out the commits of several callers (ours): more callers share one, and each waits a little longer.
const SPACING: Duration = Duration::from_micros(400);

/// Spaces out fresh connections (ours): opening one takes longer than failing on the old one.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// Is what a task does inside of the transaction.
pub(super) type Run<I, O> = fn(&mut Session<'_>, &I) -> rusqlite::Result<O>;

/// Is what the thread is told.
pub(super) enum Order {
    /// Do this.
    Run(Box<dyn Job>),
    /// Take no more, do what is queued, close.
    Stop(oneshot::Sender<Result<(), StoreError>>),
}

/// Starts the thread. It ends, and gives up the place, on [`Order::Stop`] or when all senders are gone.
pub(super) fn start(
    connection: Connection,
    place: Place,
    observer: Arc<OnceLock<Arc<dyn Observer>>>,
) -> Result<mpsc::Sender<Order>, StoreError> {
    let (sender, orders) = mpsc::channel(QUEUE);
    let writer = Writer {
        place,
        observer,
        orders,
        received: Vec::with_capacity(MAX_GROUP),
        queued: VecDeque::with_capacity(MAX_GROUP),
        stop: None,
        reopened: None,
    };
    thread::Builder::new().name("store".into()).spawn(move || writer.run(connection)).map_err(|error| {
        StoreError::new(
            ErrorKind::Other,
            format!("the store's thread does not start: {error}; raise the limit on threads"),
        )
    })?;
    Ok(sender)
}

/// Is a [`Task`] whose types are forgotten.
pub(super) trait Job: Send {
    /// How many bytes it brings.
    fn weight(&self) -> usize;
    /// How many callers' work it is.
    fn callers(&self) -> usize;
    /// Does the work and keeps the outcome. It may be done again after a rollback.
    fn apply(&mut self, session: &mut Session<'_>) -> rusqlite::Result<()>;
    /// Replaces the outcome.
    fn fail(&mut self, error: StoreError);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

/// Is one caller's work: input, outcome, and where to send it.
pub(super) struct Task<I, O> {
    input: I,
    load: Load,
    run: Run<I, O>,
    outcome: Option<Result<O, StoreError>>,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

impl<I, O> Task<I, O> {
    pub(super) fn new(input: I, load: Load, run: Run<I, O>, reply: oneshot::Sender<Result<O, StoreError>>) -> Self {
        Self { input, load, run, outcome: None, reply }
    }
}

impl<I: Send, O: Send> Job for Task<I, O> {
    fn weight(&self) -> usize {
        self.load.bytes
    }

    fn callers(&self) -> usize {
        self.load.callers
    }

    fn apply(&mut self, session: &mut Session<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(Ok((self.run)(session, &self.input)?));
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.unwrap_or_else(|| Err(StoreError::closed()));
        let _ = self.reply.send(outcome); // the caller may have stopped waiting
    }
}

/// Says how much work a task is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// The bytes it brings.
    pub(super) bytes: usize,
    /// How many callers' work it is.
    pub(super) callers: usize,
}

impl Load {
    /// Is one caller's work that brings next to nothing.
    pub(super) const ONE: Self = Self { bytes: 0, callers: 1 };
}

/// Keeps commits apart while there are several callers, so that each commit is many callers' and its price is shared. A
/// single caller who waits for each answer is never held up.
#[derive(Default)]
struct Pace {
    /// When the last commit began, if it was several callers'.
    last: Option<Instant>,
}

impl Pace {
    fn wait(&self) {
        let spent = self.last.map_or(SPACING, |last| last.elapsed());
        if let Some(rest) = SPACING.checked_sub(spent).filter(|rest| !rest.is_zero()) {
            thread::sleep(rest);
        }
    }

    fn begin(&mut self, callers: usize) {
        self.last = (callers > 1).then(Instant::now);
    }
}

type Group = Vec<Box<dyn Job>>;

struct Writer {
    place: Place,
    observer: Arc<OnceLock<Arc<dyn Observer>>>,
    orders: mpsc::Receiver<Order>,
    received: Vec<Order>,
    queued: VecDeque<Box<dyn Job>>,
    stop: Option<oneshot::Sender<Result<(), StoreError>>>,
    reopened: Option<Instant>,
}

/// Says why the thread stopped using a connection.
enum End {
    /// It is to stop.
    Stop,
    /// The connection may be what is broken.
    Doubt,
}

impl Writer {
    fn run(mut self, mut connection: Connection) {
        while let End::Doubt = self.serve(&connection) {
            if self.reopened.is_some_and(|at| at.elapsed() < REOPEN_EVERY) {
                continue;
            }
            self.reopened = Some(Instant::now());
            // The old one goes only after the new one is there: with the last connection the index of the log goes too,
            // and reading the log anew would find in it what could not be committed.
            match schema::reopen(self.place.path(), self.place.flush()) {
                Ok(fresh) => connection = fresh,
                Err(error) => tracing::warn!(%error, "the store does not open anew; going on with what there is"),
            }
        }
        let closed = close(connection, &self.place);
        drop(self.place);
        if let Some(reply) = self.stop {
            let _ = reply.send(closed);
        }
    }

    /// Works with one connection for as long as that goes well.
    fn serve(&mut self, connection: &Connection) -> End {
        let mut session = match Session::new(connection) {
            Ok(session) => session,
            Err(error) => return self.refuse(&error),
        };
        let mut log = Log::default();
        let mut group = Vec::with_capacity(MAX_GROUP);
        let mut pace = Pace::default();
        while self.gather(&mut group, &mut pace) {
            let begun = (Instant::now(), connection.total_changes());
            let done = commit(&mut session, &mut group, |error| explain(self.place.path(), error));
            self.tell(&group, done, begun.0, connection.total_changes().saturating_sub(begun.1));
            group.drain(..).for_each(Job::answer);
            if session.doubtful {
                return End::Doubt;
            }
            log.tend(connection);
        }
        End::Stop
    }

    /// Tells who counts of a group's commit.
    fn tell(&self, group: &Group, done: Result<(), ErrorKind>, begun: Instant, rows: u64) {
        let Some(observer) = self.observer.get() else { return };
        if let Err(kind) = done {
            return observer.failed(kind);
        }
        observer.committed(Commit {
            took: begun.elapsed(),
            callers: group.iter().map(|job| job.callers()).sum(),
            rows,
            bytes: group.iter().map(|job| job.weight()).sum(),
            queued: self.queued.len() + self.orders.len(),
        });
    }

    /// Answers a group, when there is nothing to work with.
    fn refuse(&mut self, error: &rusqlite::Error) -> End {
        let mut group = Vec::new();
        if !self.gather(&mut group, &mut Pace::default()) {
            return End::Stop;
        }
        let error = explain(self.place.path(), error);
        if let Some(observer) = self.observer.get() {
            observer.failed(error.kind());
        }
        for mut job in group {
            job.fail(error.clone());
            job.answer();
        }
        End::Doubt
    }

    /// Waits for work, and fills a group with what there is. Returns whether there was any: else nothing more comes.
    fn gather(&mut self, group: &mut Group, pace: &mut Pace) -> bool {
        if self.queued.is_empty() {
            loop {
                if self.orders.blocking_recv_many(&mut self.received, MAX_GROUP) == 0 {
                    return false;
                }
                self.sort();
                if !self.queued.is_empty() {
                    break;
                }
            }
        }
        pace.wait();
        let mut weight = 0;
        while group.len() < MAX_GROUP && weight < MAX_GROUP_BYTES {
            if self.queued.is_empty()
                && let Ok(order) = self.orders.try_recv()
            {
                self.received.push(order);
                self.sort();
            }
            let Some(job) = self.queued.pop_front() else { break };
            weight += job.weight();
            group.push(job);
        }
        pace.begin(group.iter().map(|job| job.callers()).sum());
        true
    }

    /// Tells work from the order to stop.
    fn sort(&mut self) {
        for order in self.received.drain(..) {
            match order {
                Order::Run(job) => self.queued.push_back(job),
                Order::Stop(reply) => {
                    self.orders.close(); // what is queued already still comes out of it
                    self.stop = Some(reply);
                }
            }
        }
    }
}

/// Leaves one file behind, the whole of it on the disk.
fn close(connection: Connection, place: &Place) -> Result<(), StoreError> {
    let tidied = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    let closed = connection.close().map_err(|(_, error)| error);
    tidied.and(closed).map_err(|error| explain(place.path(), &error))
}

/// Commits a group, and leaves in every job what became of it. Returns what was wrong, if anything was not committed.
fn commit(
    session: &mut Session<'_>,
    group: &mut [Box<dyn Job>],
    explain: impl Fn(&rusqlite::Error) -> StoreError + Copy,
) -> Result<(), ErrorKind> {
    let Err(_) = run_together(session, group) else { return Ok(()) };
    session.roll_back();
    let Err(error) = run_apart(session, group, explain) else { return Ok(()) };
    session.roll_back();
    session.doubt(&error);
    let error = explain(&error);
    if error.kind() == ErrorKind::Full && group.len() > 1 {
        let mut all = Ok(());
        for one in group.chunks_mut(1) {
            all = all.and(commit(session, one, explain));
        }
        return all;
    }
    group.iter_mut().for_each(|job| job.fail(error.clone()));
    Err(error.kind())
}

/// Does everything, or nothing.
fn run_together(session: &mut Session<'_>, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    session.begin()?;
    session.care = Care::Together;
    for job in group {
        apply(job, session)?;
    }
    session.commit()
}

/// Does everything but what fails.
fn run_apart(
    session: &mut Session<'_>,
    group: &mut [Box<dyn Job>],
    explain: impl Fn(&rusqlite::Error) -> StoreError,
) -> rusqlite::Result<()> {
    session.begin()?;
    session.care = Care::Apart;
    for job in group {
        if let Err(error) = session.apart(|session| apply(job, session))? {
            job.fail(explain(&error));
        }
    }
    session.commit()
}

/// Does one caller's work; a panic in it is an error of that caller's alone.
fn apply(job: &mut Box<dyn Job>, session: &mut Session<'_>) -> rusqlite::Result<()> {
    panic::catch_unwind(AssertUnwindSafe(|| job.apply(session))).unwrap_or_else(|_| {
        let error = ffi::Error { code: ErrorCode::InternalMalfunction, extended_code: ffi::SQLITE_INTERNAL };
        Err(rusqlite::Error::SqliteFailure(
            error,
            Some("the gateway stumbled over it: this is a bug, report it".into()),
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::sqlite::schema::Flush;
    use crate::store::sqlite::session::Tally;
    use crate::store::sqlite::write;
    use crate::store::{Accept, Accepted, Counts, DeliveryId, NewDelivery};

    type Answered = oneshot::Receiver<Result<Accepted, StoreError>>;

    fn accepting(id: u8, body: usize) -> (Box<dyn Job>, Answered) {
        let delivery = NewDelivery {
            id: DeliveryId::from_bytes([id; 16]),
            lane: "lane".into(),
            meta: String::new(),
            body: 0,
            created_at: 0,
        };
        let accept = Accept { bodies: vec![vec![id; body].into()], deliveries: vec![delivery], ..Accept::default() };
        let (reply, answer) = oneshot::channel();
        (Box::new(Task::new(accept, Load { bytes: body, callers: 1 }, write::accept, reply)), answer)
    }

    fn commit_all(connection: &Connection, tasks: Vec<(Box<dyn Job>, Answered)>) -> Vec<Result<Accepted, StoreError>> {
        let (mut group, answers): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let mut session = Session::new(connection).unwrap();
        let _ = commit(&mut session, &mut group, |error| explain(Path::new("x.db"), error));
        group.into_iter().for_each(Job::answer);
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    fn pending(connection: &Connection) -> u64 {
        let counted: u64 = connection
            .query_row("SELECT count(*) FROM delivery", [], |row| row.get::<_, i64>(0))
            .unwrap()
            .try_into()
            .unwrap();
        let tally = Counts::from(Tally::load(connection).unwrap());
        assert_eq!(tally, Counts { pending: counted, ..Counts::default() });
        counted
    }

    #[test]
    fn one_that_fails_does_not_undo_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        let answers = commit_all(&connection, vec![accepting(1, 9), accepting(2, 9), accepting(1, 9), accepting(3, 9)]);
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.as_ref().map_err(StoreError::kind)).collect();
        assert!(matches!(outcomes[..], [Ok(_), Ok(_), Err(ErrorKind::Other), Ok(_)]), "{outcomes:?}");
        assert_eq!(pending(&connection), 3);
        let bodies: i64 = connection.query_row("SELECT count(*) FROM body", [], |row| row.get(0)).unwrap();
        assert_eq!(bodies, 3, "the failed one's body is gone with it");
    }

    #[test]
    fn a_bug_in_one_does_not_end_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        let (reply, mut answer) = oneshot::channel();
        let buggy: Run<(), ()> = |session, ()| {
            session.run("DELETE FROM probe", [])?;
            panic!("on purpose: not a failure of this test");
        };
        let (first, mut stored) = accepting(1, 9);
        let mut group = vec![first, Box::new(Task::new((), Load::ONE, buggy, reply))];
        let mut session = Session::new(&connection).unwrap();
        let _ = commit(&mut session, &mut group, |error| explain(Path::new("x.db"), error));
        group.into_iter().for_each(Job::answer);
        assert!(stored.try_recv().unwrap().is_ok());
        let error = answer.try_recv().unwrap().unwrap_err();
        assert!(error.to_string().contains("this is a bug"), "{error}");
        assert_eq!(pending(&connection), 1);
        let probes: i64 = connection.query_row("SELECT count(*) FROM probe", [], |row| row.get(0)).unwrap();
        assert_eq!(probes, 1, "what it had done is undone");
    }

    #[test]
    fn a_full_disk_refuses_what_does_not_fit_and_takes_what_does() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(())).unwrap();
        let answers = commit_all(&connection, vec![accepting(1, 9), accepting(2, 1 << 20), accepting(3, 9)]);
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.as_ref().map_err(StoreError::kind)).collect();
        assert!(matches!(outcomes[..], [Ok(_), Err(ErrorKind::Full), Ok(_)]), "{outcomes:?}");
        assert_eq!(pending(&connection), 2);
        let after = commit_all(&connection, vec![accepting(4, 9)]);
        assert!(after[0].is_ok(), "the store goes on: {after:?}");
    }

    #[test]
    fn a_commit_that_fails_is_told_to_everyone_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let connection = schema::open(&path, Flush::Never).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answers = commit_all(&connection, vec![accepting(1, 9), accepting(2, 9)]);
        assert!(
            answers.iter().all(|answer| answer.as_ref().is_err_and(|e| e.kind() == ErrorKind::Busy)),
            "{answers:?}"
        );
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(pending(&connection), 0);
        assert!(commit_all(&connection, vec![accepting(1, 9)])[0].is_ok());
    }

    #[test]
    fn a_group_is_one_commit() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        let frames = |connection: &Connection| -> i64 {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).unwrap()
        };
        commit_all(&connection, vec![accepting(200, 9)]); // the pages all of them touch
        let before = frames(&connection);
        commit_all(&connection, (0..100).map(|id| accepting(id, 9)).collect());
        assert!(frames(&connection) < before + 50, "a commit of its own writes several frames for each");
    }
}
