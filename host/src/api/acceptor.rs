//! Between the requests and the store: what many callers bring at once is stored in one go, then put under way in one
//! go, then each is answered.
//!
//! A caller that goes away in the middle changes nothing: its submission is stored and put under way, or neither.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    engine::{Engine, Entry, Reservation},
    store::{Accept, Accepted, ErrorKind, Store, StoreError},
    workers::{Worker, Workers},
};

/// Submissions of one go at the most (ours).
const MOST_AT_ONCE: usize = 256;

/// Submissions that may wait; callers beyond wait to queue (ours).
const QUEUE: usize = 1024;

/// Tasks that take turns: while one waits for its commit, the other gathers the next.
const TURNS: usize = 2;

/// Accepts submissions. Clones share the commits.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    requests: mpsc::Sender<Request>,
}

/// A submission on its way into the store and the engine.
#[derive(Debug)]
struct Request {
    accept: Accept,
    after: After,
}

/// What follows once a submission is stored.
#[derive(Debug)]
struct After {
    entries: Vec<Entry>,
    places: Reservation,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
}

impl Acceptor {
    /// Starts the tasks; they end with the last acceptor.
    pub(super) fn start(store: &Arc<dyn Store>, engine: &Engine, workers: &Workers) -> Self {
        let (requests, received) = mpsc::channel(QUEUE);
        let received = Arc::new(Mutex::new(received));
        for _ in 0..TURNS {
            let turn = run(Arc::clone(store), engine.clone(), Arc::clone(&received));
            tokio::spawn(workers.watch(Worker::Acceptor, turn));
        }
        Self { requests }
    }

    /// Stores a submission durably, then puts its deliveries under way, on the places reserved for them.
    pub(super) async fn accept(
        &self,
        accept: Accept,
        entries: Vec<Entry>,
        places: Reservation,
    ) -> Result<Accepted, StoreError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { accept, after: After { entries, places, answer } };
        self.requests.send(request).await.map_err(|_| StoreError::closed())?;
        answered.await.unwrap_or_else(|_| Err(StoreError::closed()))
    }
}

async fn run(store: Arc<dyn Store>, engine: Engine, requests: Arc<Mutex<mpsc::Receiver<Request>>>) {
    let mut batch = Vec::with_capacity(MOST_AT_ONCE);
    while requests.lock().await.recv_many(&mut batch, MOST_AT_ONCE).await > 0 {
        let (accepts, afters): (Vec<_>, Vec<_>) = batch.drain(..).map(|one| (one.accept, one.after)).unzip();
        let outcomes = store_all(&*store, accepts).await;
        finish(&store, &engine, outcomes.into_iter().zip(afters));
    }
}

/// Stores submissions together; by themselves when the disk has no room for all of them, because some may still fit.
async fn store_all(store: &dyn Store, accepts: Vec<Accept>) -> Vec<Result<Accepted, StoreError>> {
    let count = accepts.len();
    let spare = accepts.clone(); // bodies are shared, not copied
    match store.accept_all(accepts).await {
        Ok(outcomes) => outcomes,
        Err(error) if error.kind() == ErrorKind::Full && count > 1 => {
            let mut outcomes = Vec::with_capacity(count);
            for accept in spare {
                outcomes.push(store.accept(accept).await);
            }
            outcomes
        }
        Err(error) => vec![Err(error); count],
    }
}

/// Puts what is stored under way, then answers.
fn finish(
    store: &Arc<dyn Store>,
    engine: &Engine,
    outcomes: impl Iterator<Item = (Result<Accepted, StoreError>, After)>,
) {
    let (mut entries, mut places, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (outcome, after) in outcomes {
        match &outcome {
            Ok(Accepted::Stored { ids, .. }) if !ids.is_empty() => {
                entries.extend(after.entries);
                places.push(after.places);
            }
            Ok(Accepted::Repeated { ids }) => {
                tokio::spawn(repeated(Arc::clone(store), engine.clone(), ids.clone(), after.answer));
                continue;
            }
            // What is reserved is given up.
            Ok(Accepted::Stored { .. } | Accepted::KeyReused) | Err(_) => {}
        }
        answers.push((outcome, after.answer));
    }
    if !entries.is_empty() {
        engine.add(entries, places);
    }
    for (outcome, answer) in answers {
        let _ = answer.send(outcome); // the caller may have gone
    }
}

/// Answers a repetition: the first request may have been stored without anybody hearing of it.
async fn repeated(
    store: Arc<dyn Store>,
    engine: Engine,
    ids: Vec<crate::store::DeliveryId>,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
) {
    let mut outcome = Ok(());
    for id in &ids {
        outcome = outcome.and(engine.take_up(*id, &*store).await.map(drop));
    }
    let _ = answer.send(outcome.map(|()| Accepted::Repeated { ids }));
}
