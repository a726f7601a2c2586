//! Fetches what is to be sent from the store, for many sends in one read.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::payload::Payload;
use crate::{
    store::{DeliveryId, Store, StoreError},
    workers::{Ended, Worker, Workers},
};

/// Deliveries of one read, at the most (ours).
const MOST_AT_ONCE: usize = 256;

/// Fetches payloads. Clones share the reads.
#[derive(Clone, Debug)]
pub(super) struct Loader {
    requests: mpsc::UnboundedSender<Request>,
}

/// What the store has of a delivery's payload.
pub(super) type Loaded = Result<Option<Payload>, StoreError>;

#[derive(Debug)]
struct Request {
    id: DeliveryId,
    answer: oneshot::Sender<Loaded>,
}

impl Loader {
    /// Starts the task that reads; it ends with the last loader.
    pub(super) fn start(store: Arc<dyn Store>, workers: &Workers) -> Self {
        let (requests, asked) = mpsc::unbounded_channel();
        tokio::spawn(workers.watch(Worker::Loader, run(store, asked)));
        Self { requests }
    }

    /// Fetches what these deliveries send, in their order.
    pub(super) async fn load(&self, ids: impl IntoIterator<Item = DeliveryId>) -> Vec<Loaded> {
        // Asked for together, so that one read can answer them.
        let asked: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let (answer, answered) = oneshot::channel();
                let _ = self.requests.send(Request { id, answer }); // the answer, or its absence, tells
                answered
            })
            .collect();
        let mut loaded = Vec::with_capacity(asked.len());
        for answered in asked {
            loaded.push(answered.await.unwrap_or_else(|_| Err(StoreError::closed())));
        }
        loaded
    }
}

async fn run(store: Arc<dyn Store>, mut asked: mpsc::UnboundedReceiver<Request>) -> Ended {
    let mut requests = Vec::with_capacity(MOST_AT_ONCE);
    while asked.recv_many(&mut requests, MOST_AT_ONCE).await > 0 {
        let ids = requests.iter().map(|request| request.id).collect();
        let found = store.contents(ids).await;
        match found {
            Ok(contents) => {
                for (request, content) in requests.drain(..).zip(contents) {
                    let payload = content.and_then(Payload::read);
                    let _ = request.answer.send(Ok(payload)); // who asked may have stopped waiting
                }
            }
            Err(error) => {
                for request in requests.drain(..) {
                    let _ = request.answer.send(Err(error.clone()));
                }
            }
        }
    }
    Ended::Unneeded
}
