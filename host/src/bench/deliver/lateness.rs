//! How late retries start, while very much else is pending.
//!
//! The receiver refuses each delivery three times and takes it the fourth: the page's whole schedule, "a retry will be
//! attempted every 1 second … after 3 accumulated retries", and a destination that is well enough to be sent to. So
//! a third as many submissions a second as retries are wanted keep that many retries due each second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{broadcast, oneshot},
    task::JoinHandle,
};

use super::{Bench, CannotRun, Destination, Grouping, Row};
use crate::{
    bench::{
        Figure,
        admin::{AdminPort, Counts},
        body,
        load::{Load, Pace, Until, count},
        receiver::{Conduct, Receiver},
        site::Local,
        spread::Spread,
    },
    engine::{Event, EventKind},
};

/// Retries of a delivery, 1 s apart: the default and the page's.
const RETRIES: u32 = 3;

/// From the first retry to the last, and as long from the first submission until retries come at their full rate.
const SCHEDULE: Duration = Duration::from_secs(RETRIES as u64);

/// How long the last deliveries may take beyond their schedule (ours).
const GRACE: Duration = Duration::from_secs(60);

pub(super) async fn run(bench: &mut Bench) -> Result<Row, CannotRun> {
    let store = bench.waiting_store().await?;
    let settings = &bench.settings;
    let receiver = Receiver::start(refusing()).await?;
    let retried = Destination { concurrency: 64, ..Destination::new("retried", receiver.url(""), Grouping::Single) };
    let mut destinations = bench.waiting_destinations();
    destinations.push(retried.clone());
    bench.progress.stage("lateness: starting", 1);
    let mut local = Local::start(&store, &destinations).await?;
    for waiting in bench.waiting_destinations() {
        // It has nothing to send for hours; should it believe otherwise, what it finishes is found below.
        local.admin.pause(&waiting.lane()).await?;
    }
    let before = local.admin.counts().await?;
    let retries = Retries::collect(local.gateway.events(), retried.lane());

    let admin = AdminPort::new(local.admin.address, local.admin.address.to_string(), None);
    let load = Load {
        address: local.admin.address,
        in_flight: settings.in_flight,
        until: Until::Elapsed(settings.time),
        pace: Pace::PerSecond(settings.retries_per_second / f64::from(RETRIES)),
    };
    let bytes = settings.bytes;
    let load = load.run(move |number| admin.submission("retried", &body::batch(number, 1, bytes)));
    let loaded = bench.progress.during("lateness", settings.time, load).await?;
    // When there is no more undelivered than before, every one was taken.
    let taken = |counts: Counts| counts.undelivered() <= before.undelivered();
    let counts = local.admin.wait(SCHEDULE + GRACE, |_| {}, taken).await;
    let retries = retries.stop().await?;
    local.stop().await;
    let counts = counts?;

    let mut row = Row::new("deliver", "lateness");
    let mut late = retries.late.iter().map(|(_, late)| *late).collect::<Vec<_>>();
    let spread = Spread::of_millis(&mut late).unwrap_or_default();
    row.figure(Figure::new("p99", spread.p99, "ms").at_most(10.0))
        .figure(Figure::new("p50", spread.p50, "ms"))
        .figure(Figure::new("max", spread.max, "ms"))
        .figure(Figure::new("retries_per_second", retries.per_second(settings.time), "retries/s"));
    row.expect("undelivered, as before the load", counts.undelivered(), before.undelivered())
        .expect("retries told", late.len() as u64, loaded.accepted() * u64::from(RETRIES))
        .expect("events missed, and retries with them", retries.missed, 0)
        .expect("deliveries that still wait", counts.pending, settings.pending as u64);
    row.with("pending", settings.pending)
        .with("seconds", settings.time.as_secs_f64())
        .with("wanted_per_second", settings.retries_per_second)
        .with("retries", late.len());
    Ok(row)
}

/// Refuses what has one number until its last retry.
fn refusing() -> impl Fn(&[u8]) -> Conduct + Send + Sync + 'static {
    let seen: Mutex<HashMap<u64, u32>> = Mutex::default();
    move |body| {
        let mut conduct = Conduct::Refuse;
        body::numbers(body, |number| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let times = seen.entry(number).or_default();
            *times += 1;
            if *times > RETRIES {
                conduct = Conduct::Accept;
            }
        });
        conduct
    }
}

/// The retries that were told, each with the time it was planned for and its lateness, in milliseconds.
#[derive(Debug, Default)]
struct Retries {
    late: Vec<(u64, u32)>,
    /// Events that came faster than they were read.
    missed: u64,
}

impl Retries {
    fn collect(events: broadcast::Receiver<Event>, lane: String) -> Collecting {
        let (stop, stopped) = oneshot::channel();
        let collecting = tokio::spawn(Self::listen(events, lane, stopped));
        Collecting { stop, collecting }
    }

    async fn listen(mut events: broadcast::Receiver<Event>, lane: String, mut stopped: oneshot::Receiver<()>) -> Self {
        let mut retries = Self::default();
        loop {
            let event = tokio::select! {
                biased;
                event = events.recv() => event,
                _ = &mut stopped => return retries,
            };
            match event {
                Ok(event) if event.lane == lane => retries.note(&event.kind),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(missed)) => retries.missed += missed,
                Err(broadcast::error::RecvError::Closed) => return retries,
            }
        }
    }

    fn note(&mut self, kind: &EventKind) {
        if let EventKind::Attempt { number, planned, started, .. } = kind
            && *number >= 2
        {
            let late = u32::try_from(started.saturating_sub(*planned)).unwrap_or(u32::MAX);
            self.late.push((*planned, late));
        }
    }

    /// How many were due in a second, while they came at their full rate.
    fn per_second(&self, loaded: Duration) -> f64 {
        let Some(first) = self.late.iter().map(|(planned, _)| *planned).min() else { return 0.0 };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        // The first retry is due a second after the first submission; from the third on they overlap.
        let rising = millis(SCHEDULE - Duration::from_secs(1));
        let (from, to) = (first + rising, first + millis(loaded));
        if to <= from {
            return 0.0;
        }
        let due = self.late.iter().filter(|(planned, _)| (from..to).contains(planned)).count();
        count(due) * 1000.0 / (to - from) as f64
    }
}

struct Collecting {
    stop: oneshot::Sender<()>,
    collecting: JoinHandle<Retries>,
}

impl Collecting {
    async fn stop(self) -> Result<Retries, CannotRun> {
        // Everything has been told: it ends when it has read that.
        let _ = self.stop.send(());
        self.collecting.await.map_err(CannotRun::because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_taken_at_its_last_retry() {
        let refuse = refusing();
        let conducts = [7, 8, 7, 7, 7].map(|number| refuse(body::batch(number, 1, 200).as_bytes()));
        use Conduct::{Accept, Refuse};
        assert_eq!(conducts, [Refuse, Refuse, Refuse, Refuse, Accept]);
    }

    #[test]
    fn the_rate_is_that_of_the_time_when_all_retries_overlap() {
        // One delivery every 10 ms for 5 s, so 100 a second with 3 retries each.
        let mut retries = Retries::default();
        for submitted in (0..5_000_u64).step_by(10) {
            retries.late.extend([1_000, 2_000, 3_000].map(|wait| (submitted + wait, 0)));
        }
        assert_eq!(retries.per_second(Duration::from_secs(5)), 300.0);
        assert_eq!(Retries::default().per_second(Duration::from_secs(5)), 0.0);
    }
}
