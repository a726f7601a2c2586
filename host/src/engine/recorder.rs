//! Writes what became of deliveries to the store, in order, many in one commit.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time};

use crate::store::{Progress, Store, StoreError};

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
        let mut rest = std::mem::take(&mut batch);
        while !rest.is_empty() {
            rest = match write(&store, rest).await {
                Ok(()) => Vec::new(),
                Err((error, _)) if error.kind() == crate::store::ErrorKind::Closed => return,
                Err((error, failed)) => {
                    tracing::error!(%error, records = failed.len(), "cannot record what became of deliveries; trying on");
                    time::sleep(PAUSE).await;
                    failed
                }
            };
        }
    }
}

/// Writes records that may share a commit, and gives back those that were not written.
async fn write(store: &Arc<dyn Store>, records: Vec<Progress>) -> Result<(), (StoreError, Vec<Progress>)> {
    let mut failed = Vec::new();
    let mut why = None;
    let mut written = JoinSet::new();
    for (index, record) in records.iter().enumerate() {
        let record = store.record(record.clone());
        written.spawn(async move { (index, record.await) });
    }
    while let Some(result) = written.join_next().await {
        match result {
            Ok((_, Ok(_))) => {}
            Ok((index, Err(error))) => {
                failed.push(index);
                why = Some(error);
            }
            Err(panic) => tracing::error!(%panic, "the store failed on a record"),
        }
    }
    failed.sort_unstable();
    match why {
        None => Ok(()),
        Some(error) => Err((error, failed.into_iter().filter_map(|index| records.get(index).cloned()).collect())),
    }
}
