//! Lets go of what has been finished for long enough, so that the store does not grow for ever.
//!
//! The store deletes a little at a time, between what it accepts; here is the one who asks it to, again and again while
//! there is more to do, and once a second while there is not.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time};

use crate::{
    clock::Clock,
    config::{self, Config},
    metrics::StoreCounts,
    store::{ErrorKind, Keep, Retention, Store},
};

/// How much of a kind goes at a time (ours): some milliseconds of the store's time, which who submits waits for.
const STEP: usize = 256;

/// How long to wait when there is nothing more to do (ours).
const IDLE: Duration = Duration::from_secs(1);

/// How long to wait after an error (ours): what is wrong with the store, those who submit find out first.
const AFTER_ERROR: Duration = Duration::from_secs(10);

/// Keeps the store within the configuration's bounds, as they are from time to time, until it is told to stop.
pub(crate) async fn keep(
    store: Arc<dyn Store>,
    clock: Clock,
    counts: Arc<StoreCounts>,
    mut config: watch::Receiver<Arc<Config>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let retention = bounds(&config.borrow_and_update().retention, clock.millis());
        let pruned = store.prune(retention).await;
        if let Ok(pruned) = pruned {
            counts.pruned(pruned);
        }
        let pause = match pruned {
            Ok(pruned) if pruned.more => Duration::ZERO,
            Ok(_) => IDLE,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%error, "cannot let go of what is old; trying again");
                AFTER_ERROR
            }
        };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            Ok(()) = config.changed() => {}
            () = time::sleep(pause) => {}
        }
    }
}

fn bounds(config: &config::Retention, now: u64) -> Retention {
    let keep = |seconds, at_most| Keep { for_ms: u64::from(seconds) * 1_000, at_most };
    Retention {
        now,
        deliveries: keep(config.deliveries_s, config.deliveries),
        dead: keep(config.dead_s, config.dead),
        inbox: keep(config.inbox_s, config.inbox),
        limit: STEP,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::{self, Accept, Attempt, Counts, DeliveryId, NewDelivery, NewItem, Progress, State};

    const BODY: usize = 1_024;
    const DEAD: u64 = 100;

    struct Running {
        directory: tempfile::TempDir,
        store: Arc<dyn Store>,
        clock: Clock,
        config: watch::Sender<Arc<Config>>,
        stop: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Running {
        async fn start(retention: config::Retention) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", directory.path().join("x.db").display());
            let store = store::open(&url).await.unwrap();
            let clock = Clock::start();
            let (config, receiver) = watch::channel(Arc::new(Config { retention, ..Config::default() }));
            let (stop, stopping) = watch::channel(false);
            let task = tokio::spawn(keep(Arc::clone(&store), clock, Arc::default(), receiver, stopping));
            Self { directory, store, clock, config, stop, task }
        }

        /// Accepts deliveries, each with a body of its own, and brings them to a state.
        async fn pass(&self, count: usize, state: State) {
            let ids: Vec<_> = (0..count).map(|_| DeliveryId::new()).collect();
            let now = self.clock.millis();
            let delivery = |(body, id): (usize, &DeliveryId)| NewDelivery {
                id: *id,
                lane: format!("device:{body}"),
                meta: String::new(),
                body,
                created_at: now,
            };
            let bodies = vec![vec![b'x'; BODY].into(); count];
            let deliveries = ids.iter().enumerate().map(delivery).collect();
            self.store.accept(Accept { bodies, deliveries, ..Accept::default() }).await.unwrap();
            let attempt = Attempt {
                answer: None,
                number: 1,
                planned: now,
                started: now,
                finished: now,
                status: None,
                class: "timeout".into(),
                detail: "no answer in time".into(),
            };
            let finished_at = (state != State::Pending).then_some(now);
            let progress = |id: &DeliveryId| Progress {
                id: *id,
                state,
                attempts: 1,
                phase: 0,
                planned: now,
                due: now,
                attempt: Some(attempt.clone()),
                finished_at,
            };
            self.store.record(ids.iter().map(progress).collect()).await.unwrap();
        }

        /// Waits until the counts are these, a minute of the wall clock at the most.
        async fn until(&self, wanted: impl Fn(&Counts) -> bool) {
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_secs(60) {
                if wanted(&self.store.counts().await.unwrap()) {
                    return;
                }
                time::sleep(IDLE).await;
            }
            panic!("still {:?}", self.store.counts().await.unwrap());
        }

        /// Stops everything, and returns the file's size.
        async fn stop(self) -> u64 {
            self.stop.send_replace(true);
            self.task.await.unwrap();
            self.store.close().await.unwrap();
            fs::metadata(self.directory.path().join("x.db")).unwrap().len()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn much_more_than_the_bound_passes_and_the_file_stays_small() {
        const ROUNDS: usize = 100;
        const EACH: usize = 500;
        let bounds = config::Retention { deliveries: 1_000, dead: DEAD, inbox: 10, ..config::Retention::default() };
        let running = Running::start(bounds).await;
        running.pass(50, State::Pending).await;
        running.pass(DEAD.try_into().unwrap(), State::Dead).await;
        for round in 0..ROUNDS {
            running.pass(EACH, if round % 2 == 0 { State::Delivered } else { State::Dropped }).await;
            let item = NewItem {
                receiver: "r".into(),
                kind: "message".into(),
                identity: (round as u128).to_be_bytes(),
                received_at: running.clock.millis(),
                item: "{}".into(),
            };
            running.store.accept(Accept { items: vec![item], ..Accept::default() }).await.unwrap();
            running.until(|counts| counts.delivered + counts.dropped <= 2_000).await;
        }
        running.until(|counts| counts.delivered + counts.dropped == 1_000 && counts.inbox == 10).await;
        let counts = running.store.counts().await.unwrap();
        assert_eq!((counts.pending, counts.dead), (50, DEAD), "neither is pushed out");

        // 50 MiB of bodies passed; 1.1 MiB are kept, 2 MiB were at times, 8 MiB of free pages may wait for the next.
        let size = running.stop().await;
        assert!(size < 12 << 20, "{size} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_bound_takes_effect_at_once_and_gives_room_back() {
        let running = Running::start(config::Retention::default()).await;
        for _ in 0..30 {
            running.pass(500, State::Delivered).await;
        }
        let fewer = config::Retention { deliveries: 10, ..config::Retention::default() };
        running.config.send_replace(Arc::new(Config { retention: fewer, ..Config::default() }));
        running.until(|counts| counts.delivered == 10).await;
        let nothing_old = bounds(&config::Retention::default(), 0);
        while running.store.prune(nothing_old).await.unwrap().more {}
        let size = running.stop().await;
        assert!(size < 12 << 20, "{size} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_goes_by_the_clock() {
        let running = Running::start(config::Retention::default()).await;
        running.pass(10, State::Delivered).await;
        running.pass(10, State::Dead).await;
        running.pass(10, State::Pending).await;
        time::advance(Duration::from_secs(604_800 - 10_000)).await;
        let before = running.store.counts().await.unwrap();
        assert_eq!((before.delivered, before.dead), (10, 10));
        time::advance(Duration::from_secs(20_000)).await;
        running.until(|counts| counts.delivered == 0).await;
        assert_eq!(running.store.counts().await.unwrap().dead, 10, "dead letters stay longer");
        time::advance(Duration::from_secs(2_592_000)).await;
        running.until(|counts| counts.dead == 0).await;
        assert_eq!(running.store.counts().await.unwrap().pending, 10);
        running.stop().await;
    }
}
