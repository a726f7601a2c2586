//! Fills a store before a gateway starts on it, many deliveries in a commit.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use pushgate_core::Instant;

use super::{CannotRun, Progress, body};
use crate::{
    batches::uplink_batches,
    engine::{Entry, LaneKey, Payload},
    store::{self, Accept, Accepted, Answer, DeliveryId, Store},
};

/// Deliveries of one commit (ours).
const GROUP: usize = 4_000;

/// Commits asked for before the first is answered: enough that the store never waits for the next.
const AHEAD: usize = 3;

/// What is put into a store.
#[derive(Debug)]
pub(super) struct Preload<'a> {
    /// Names of uplink destinations, which get deliveries in turn.
    pub(super) destinations: &'a [String],
    pub(super) deliveries: usize,
    /// Of each body. Every delivery has its own.
    pub(super) bytes: usize,
    pub(super) due: Due,
}

/// When the first send of what is put in is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// As soon as a gateway starts.
    Now,
    /// Spread over an hour that begins in two: timers to be kept, as those of retries are, and nothing to be sent while
    /// anything is measured.
    Later,
}

impl Due {
    fn of(self, place: usize, all: usize) -> Instant {
        const HOUR_MS: u64 = 3_600_000;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or_default();
        match self {
            Self::Now => Instant::from_millis(now),
            Self::Later => {
                let (place, all) = (place as u64, all.max(1) as u64);
                Instant::from_millis(now + 2 * HOUR_MS + HOUR_MS * place / all)
            }
        }
    }
}

impl Preload<'_> {
    /// Opens the store at `url`, fills it and closes it.
    pub(super) async fn run(self, url: &str, progress: &Progress) -> Result<(), CannotRun> {
        let store = store::open(url).await.map_err(CannotRun::because)?;
        progress.stage("filling the store", self.deliveries as u64);
        let filled = self.fill(&*store, progress).await;
        let closed = store.close().await.map_err(CannotRun::because);
        filled.and(closed)
    }

    async fn fill(&self, store: &dyn Store, progress: &Progress) -> Result<(), CannotRun> {
        let payload = Arc::new(stored(&body::batch(0, 1, self.bytes))?);
        let lanes: Vec<_> = self.destinations.iter().map(|name| LaneKey::Uplink(name.as_str().into())).collect();
        let mut asked: VecDeque<(usize, Answer<Accepted>)> = VecDeque::new();
        let (mut put, mut done) = (0, 0);
        loop {
            while put < self.deliveries && asked.len() < AHEAD {
                let group = GROUP.min(self.deliveries - put);
                let accept = self.group(put, group, &lanes, &payload);
                let mut answer = store.accept(accept);
                // Asked for now, answered later.
                if let Some(accepted) = poll_once(&mut answer).await {
                    answer = Box::pin(std::future::ready(accepted));
                }
                asked.push_back((group, answer));
                put += group;
            }
            let Some((group, answer)) = asked.pop_front() else { return Ok(()) };
            answer.await.map_err(CannotRun::because)?;
            done += group;
            progress.reach(done as u64);
        }
    }

    fn group(&self, first: usize, group: usize, lanes: &[LaneKey], payload: &Arc<Payload>) -> Accept {
        let deliveries = (first..first + group).zip(lanes.iter().cycle().skip(first % lanes.len().max(1)));
        let deliveries = deliveries.enumerate().map(|(index, (place, lane))| {
            let due = self.due.of(place, self.deliveries);
            Entry::new(DeliveryId::new(), lane.clone(), due, Arc::clone(payload)).to_row(index, due)
        });
        Accept { bodies: vec![payload.body.clone(); group], deliveries: deliveries.collect(), ..Accept::default() }
    }
}

/// What the gateway stores of a submission.
fn stored(submission: &str) -> Result<Payload, CannotRun> {
    let batches = uplink_batches(submission.as_bytes()).map_err(CannotRun::because)?;
    batches.into_iter().next().ok_or_else(|| CannotRun::because("the submission makes no request"))
}

async fn poll_once<T>(answer: &mut Answer<T>) -> Option<Result<T, store::StoreError>> {
    std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
        std::task::Poll::Ready(result) => std::task::Poll::Ready(Some(result)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_lane_gets_its_share_and_what_is_due_later_is() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("x.db").display());
        let names = ["a", "b", "c"].map(str::to_owned);
        let progress = Progress::on_stderr();
        for (due, deliveries) in [(Due::Now, 10), (Due::Later, 20)] {
            let preload = Preload { destinations: &names, deliveries, bytes: 300, due };
            preload.run(&url, &progress).await.unwrap();
        }
        let store = store::open(&url).await.unwrap();
        let pending = store.pending(None, 1000).await.unwrap();
        let now = Due::Now.of(0, 1).as_millis();
        let later = pending.iter().filter(|pending| pending.due > now + 3_600_000).count();
        let on_a = pending.iter().filter(|pending| &*pending.lane == "uplink:a").count();
        assert_eq!((pending.len(), later, on_a), (30, 20, 4 + 7));
        store.close().await.unwrap();
    }
}
