//! The thread that writes: group commit, with every caller's work in a savepoint of its own.
//!
//! A caller's mistake undoes that caller's work alone. A commit that fails undoes everybody's, and everybody is told;
//! only when the disk is full is each tried again by itself, because the small ones may still fit.

use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::explain;
use super::place::Place;
use super::write::Tally;
use crate::store::{ErrorKind, StoreError};

/// Bounds what waits for the thread (ours); callers beyond wait to queue.
const QUEUE: usize = 1024;

/// Bounds the tasks of one commit (ours), and with it how long the first of them waits for the last.
const MAX_GROUP: usize = 512;

/// Bounds the bodies of one commit (ours); a single larger body is committed by itself.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// Is what a task does inside of its savepoint.
pub(super) type Run<I, O> = fn(&Connection, &I, &mut Tally) -> rusqlite::Result<O>;

/// Is what the thread is told.
pub(super) enum Order {
    /// Do this.
    Run(Box<dyn Job>),
    /// Take no more, do what is queued, close.
    Stop(oneshot::Sender<Result<(), StoreError>>),
}

/// Starts the thread. It ends, and gives up the place, on [`Order::Stop`] or when all senders are gone.
pub(super) fn start(connection: Connection, place: Place) -> Result<mpsc::Sender<Order>, StoreError> {
    let (sender, orders) = mpsc::channel(QUEUE);
    let writer = Writer { connection, place, orders };
    thread::Builder::new().name("store".into()).spawn(move || writer.run()).map_err(|error| {
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
    /// Does the work and keeps the outcome. It may be done again after a rollback.
    fn apply(&mut self, connection: &Connection, tally: &mut Tally) -> rusqlite::Result<()>;
    /// Replaces the outcome.
    fn fail(&mut self, error: StoreError);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

/// Is one caller's work: input, outcome, and where to send it.
pub(super) struct Task<I, O> {
    input: I,
    weight: usize,
    run: Run<I, O>,
    outcome: Option<Result<O, StoreError>>,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

impl<I, O> Task<I, O> {
    pub(super) fn new(input: I, weight: usize, run: Run<I, O>, reply: oneshot::Sender<Result<O, StoreError>>) -> Self {
        Self { input, weight, run, outcome: None, reply }
    }
}

impl<I: Send, O: Send> Job for Task<I, O> {
    fn weight(&self) -> usize {
        self.weight
    }

    fn apply(&mut self, connection: &Connection, tally: &mut Tally) -> rusqlite::Result<()> {
        self.outcome = Some(Ok((self.run)(connection, &self.input, tally)?));
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

struct Writer {
    connection: Connection,
    place: Place,
    orders: mpsc::Receiver<Order>,
}

impl Writer {
    fn run(mut self) {
        let mut stop = None;
        while let Some(first) = self.orders.blocking_recv() {
            let mut group = Vec::new();
            let mut weight = 0;
            let mut order = Some(first);
            while let Some(next) = order {
                match next {
                    Order::Run(job) => {
                        weight += job.weight();
                        group.push(job);
                    }
                    Order::Stop(reply) => {
                        self.orders.close(); // what is queued already still comes out of it
                        stop = Some(reply);
                    }
                }
                let full = group.len() >= MAX_GROUP || weight >= MAX_GROUP_BYTES;
                order = if full { None } else { self.orders.try_recv().ok() };
            }
            commit(&self.connection, &mut group, |error| explain(self.place.path(), error));
            group.into_iter().for_each(Job::answer);
        }
        let closed = self.close();
        if let Some(reply) = stop {
            let _ = reply.send(closed);
        }
    }

    /// Leaves one file behind, the whole of it on the disk, and gives up the place.
    fn close(self) -> Result<(), StoreError> {
        let tidied = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        let closed = self.connection.close().map_err(|(_, error)| error);
        tidied.and(closed).map_err(|error| explain(self.place.path(), &error))
    }
}

/// Commits a group, and leaves in every job what became of it.
pub(super) fn commit(
    connection: &Connection,
    group: &mut [Box<dyn Job>],
    explain: impl Fn(&rusqlite::Error) -> StoreError + Copy,
) {
    if group.is_empty() {
        return;
    }
    let Err(error) = transact(connection, group, explain) else { return };
    if !connection.is_autocommit() {
        // If even this fails, the next BEGIN does too, and its callers are told.
        let _ = connection.execute_batch("ROLLBACK");
    }
    let error = explain(&error);
    if error.kind() == ErrorKind::Full && group.len() > 1 {
        group.chunks_mut(1).for_each(|one| commit(connection, one, explain));
        return;
    }
    group.iter_mut().for_each(|job| job.fail(error.clone()));
}

fn transact(
    connection: &Connection,
    group: &mut [Box<dyn Job>],
    explain: impl Fn(&rusqlite::Error) -> StoreError,
) -> rusqlite::Result<()> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]);
    execute("BEGIN IMMEDIATE")?;
    let mut tally = Tally::default();
    for job in group {
        execute("SAVEPOINT job")?;
        let before = tally;
        match job.apply(connection, &mut tally) {
            Ok(()) => {}
            // Some errors make SQLite roll everything back at once.
            Err(error) if connection.is_autocommit() => return Err(error),
            Err(error) => {
                job.fail(explain(&error));
                tally = before;
                execute("ROLLBACK TO job")?;
            }
        }
        execute("RELEASE job")?;
    }
    tally.store(connection)?;
    execute("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::sqlite::schema::{self, Flush};
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
        (Box::new(Task::new(accept, body, write::accept, reply)), answer)
    }

    fn commit_all(connection: &Connection, tasks: Vec<(Box<dyn Job>, Answered)>) -> Vec<Result<Accepted, StoreError>> {
        let (mut group, answers): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        commit(connection, &mut group, |error| explain(Path::new("x.db"), error));
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
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
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
