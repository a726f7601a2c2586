//! Writes what became of deliveries to the store, in order, many in one commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle, time};

use super::Command;
use crate::{
    store::{ErrorKind, Progress, Store, StoreError},
    telemetry::seldom::{End, Leave, Seldom, seldom},
    workers::{Ended, Worker, Workers},
};

/// Records that share a commit at the most: enough that a commit's cost vanishes among them.
const MOST_AT_ONCE: usize = 512;

/// Records that may wait: with more, nothing new is sent until the store has caught up (ours). It bounds the memory
/// they take, and how many sends are made again if the gateway is killed meanwhile.
const MOST_WAITING: usize = 16 * 1024;

/// How long a store that cannot write is left alone: first, and at the most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How often a record is tried by itself that the store refuses for no reason that passes.
const TRIES: u32 = 60;

/// Takes records for the store.
pub(super) struct Records {
    sender: mpsc::UnboundedSender<Progress>,
    backlog: Backlog,
}

/// How many records wait for the store. Clones count the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Counts where others look.
    pub(super) fn counted_by(waiting: Arc<AtomicUsize>) -> Self {
        Self(waiting)
    }

    /// Says how many wait, if that is more than should.
    pub(super) fn excessive(&self) -> Option<usize> {
        Some(self.0.load(Relaxed)).filter(|waiting| *waiting > MOST_WAITING)
    }
}

impl Records {
    /// Starts the task that writes. It ends once this is dropped and everything has been written, and tells the
    /// scheduler when it has caught up.
    pub(super) fn start(
        store: Arc<dyn Store>,
        commands: mpsc::UnboundedSender<Command>,
        backlog: Backlog,
        workers: &Workers,
    ) -> (Self, JoinHandle<()>) {
        let (sender, records) = mpsc::unbounded_channel();
        let recorder = Recorder { store, records, backlog: backlog.clone(), commands, trouble: Seldom::new() };
        (Self { sender, backlog }, tokio::spawn(workers.watch(Worker::Recorder, recorder.run())))
    }

    pub(super) fn put(&self, progress: Progress) {
        self.backlog.0.fetch_add(1, Relaxed);
        // The recorder outlives this sender, unless the store was closed: then nothing can be kept any more.
        let _ = self.sender.send(progress);
    }

    /// Says whether more waits than should.
    pub(super) fn are_behind(&self) -> bool {
        self.backlog.excessive().is_some()
    }
}

struct Recorder {
    store: Arc<dyn Store>,
    records: mpsc::UnboundedReceiver<Progress>,
    backlog: Backlog,
    commands: mpsc::UnboundedSender<Command>,
    trouble: Seldom,
}

impl Recorder {
    async fn run(mut self) -> Ended {
        let mut batch = Vec::with_capacity(MOST_AT_ONCE);
        while self.records.recv_many(&mut batch, MOST_AT_ONCE).await > 0 {
            let written = batch.len();
            if self.write(std::mem::take(&mut batch)).await.is_err() {
                return Ended::ByItself;
            }
            let before = self.backlog.0.fetch_sub(written, Relaxed);
            if before > MOST_WAITING && before - written <= MOST_WAITING {
                let _ = self.commands.send(Command::CaughtUp); // a scheduler that is gone sends nothing
            }
        }
        Ended::Unneeded
    }

    /// Writes records, trying for as long as it takes: one that is lost would be a send too many after the next start.
    ///
    /// # Errors
    ///
    /// When the store was closed.
    async fn write(&self, batch: Vec<Progress>) -> Result<(), StoreError> {
        let mut pause = PAUSES[0];
        loop {
            let Err(error) = self.store.record(batch.clone()).await else {
                if let Some(end) = self.trouble.went_well() {
                    let End { left_out, lasted_ms } = end;
                    tracing::info!(left_out, lasted_ms, "what becomes of deliveries is recorded again");
                }
                return Ok(());
            };
            if let Some(Leave { left_out }) = self.trouble.leave() {
                let records = batch.len();
                tracing::error!(left_out, %error, records, "cannot record what became of deliveries; trying on");
            }
            match error.kind() {
                ErrorKind::Closed => return Err(error),
                ErrorKind::Full | ErrorKind::Busy => {}
                // Perhaps one of them is to blame: it must not hold up the others.
                _ => return self.write_each(batch).await,
            }
            time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    async fn write_each(&self, batch: Vec<Progress>) -> Result<(), StoreError> {
        for record in batch {
            let (mut pause, mut tries) = (PAUSES[0], 0);
            while let Err(error) = self.store.record(vec![record.clone()]).await {
                match error.kind() {
                    ErrorKind::Closed => return Err(error),
                    ErrorKind::Full | ErrorKind::Busy => {}
                    _ if tries == TRIES => {
                        let delivery = record.id;
                        seldom!(error, %error, %delivery, "gave up recording; after a restart it is sent again");
                        break;
                    }
                    // A store that takes nothing at all is no fault of this record's.
                    _ => tries += u32::from(self.store.ready().await.is_ok()),
                }
                time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Accept, Attempt, DeliveryId, NewDelivery, State};

    fn progress(id: DeliveryId, attempts: u8, state: State) -> Progress {
        let attempt = Attempt {
            number: attempts,
            planned: 0,
            started: 0,
            finished: 0,
            status: None,
            class: "sent".to_owned(),
            detail: String::new(),
            answer: None,
        };
        let attempt = Some(attempt).filter(|_| state == State::Pending);
        Progress { id, state, attempts, phase: 1, planned: 0, due: 0, attempt, finished_at: None }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn records_of_a_delivery_are_written_in_their_order() {
        const DELIVERIES: usize = 100;
        let store = crate::store::open("sqlite::memory:").await.unwrap();
        let ids: Vec<_> = (0..DELIVERIES).map(|_| DeliveryId::new()).collect();
        let deliveries = ids.iter().map(|id| NewDelivery {
            id: *id,
            lane: "device:1".to_owned(),
            meta: String::new(),
            body: 0,
            created_at: 0,
        });
        let accept = Accept { bodies: vec![vec![0].into()], deliveries: deliveries.collect(), ..Accept::default() };
        store.accept(accept).await.unwrap();

        let (commands, _heard) = mpsc::unbounded_channel();
        let (records, recorder) = Records::start(Arc::clone(&store), commands, Backlog::default(), &Workers::default());
        for id in &ids {
            for (attempts, state) in [(1, State::Pending), (2, State::Pending), (2, State::Delivered)] {
                records.put(progress(*id, attempts, state));
            }
        }
        drop(records);
        recorder.await.unwrap();
        assert_eq!(store.counts().await.unwrap().delivered, 100);
        for id in ids {
            let detail = store.delivery(id).await.unwrap().unwrap();
            assert_eq!(detail.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
        }
        store.close().await.unwrap();
    }
}
