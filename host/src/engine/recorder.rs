//! Writes what became of deliveries to the store, in order, many in one commit.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time};

use crate::store::{ErrorKind, Progress, Store};

/// Records that share a commit at the most: enough that a commit's cost vanishes among them.
const MOST_AT_ONCE: usize = 512;

/// How long a store that cannot write is left alone before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// Records until every sender is gone and everything has been written.
///
/// A store that cannot write (its disk is full) is tried again: a record that is lost would be a send too many after
/// the next start. Only a store that has been closed ends this early.
pub(super) async fn run(store: Arc<dyn Store>, mut records: mpsc::UnboundedReceiver<Progress>) {
    let mut batch = Vec::with_capacity(MOST_AT_ONCE);
    while records.recv_many(&mut batch, MOST_AT_ONCE).await > 0 {
        while let Err(error) = store.record(batch.clone()).await {
            if error.kind() == ErrorKind::Closed {
                return;
            }
            tracing::error!(%error, records = batch.len(), "cannot record what became of deliveries; trying on");
            time::sleep(PAUSE).await;
        }
        batch.clear();
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

        let (records, recorded) = mpsc::unbounded_channel();
        for id in &ids {
            for (attempts, state) in [(1, State::Pending), (2, State::Pending), (2, State::Delivered)] {
                records.send(progress(*id, attempts, state)).unwrap();
            }
        }
        drop(records);
        run(Arc::clone(&store), recorded).await;
        assert_eq!(store.counts().await.unwrap().delivered, 100);
        for id in ids {
            let detail = store.delivery(id).await.unwrap().unwrap();
            assert_eq!(detail.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
        }
        store.close().await.unwrap();
    }
}
