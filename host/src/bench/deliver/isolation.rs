//! How much a destination that hangs delays another: the same submissions a second to a healthy one, alone and beside as
//! many to one that takes connections and never answers.
//!
//! The time is that of the whole way, from the first byte of a submission to the receiver's having it, acceptance and
//! its flush to the disk included.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Bench, CannotRun, Destination, Grouping, Row};
use crate::bench::{
    Figure,
    admin::AdminPort,
    body,
    load::{Load, Loaded, Pace, Until},
    receiver::{Conduct, Receiver},
    site::Local,
    spread::Spread,
};

/// How long a gateway is loaded before anything counts (ours): its connections and the first pages of its store would
/// else be in the half that is alone.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long what was submitted may take to arrive before it is given up (ours).
const ARRIVED_WITHIN: Duration = Duration::from_secs(60);

/// How long the one that hangs is waited for: longer than it is loaded, so that its sends stay under way.
const HANGS_MS: u32 = 600_000;

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let settings = &bench.settings;
    let rounds = settings.rounds.max(1);
    let time = settings.time / rounds;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let (mut row, mut hanging) = (Row::new("deliver", "isolation"), 0);
    bench.progress.stage("isolation", 2 * u64::from(rounds));
    for _ in 0..rounds {
        let healthy = Arc::new(Arrivals::default());
        let arrivals = Arc::clone(&healthy);
        let receiver = Receiver::start(move |body| {
            arrivals.note(body);
            Conduct::Accept
        })
        .await?;
        let hung = Receiver::start(|_| Conduct::Hang).await?;
        let destinations = [
            Destination::new("healthy", receiver.url(""), Grouping::Single),
            Destination { timeout_ms: HANGS_MS, ..Destination::new("hanging", hung.url(""), Grouping::Single) },
        ];
        let local = Local::start(&bench.site.store("isolation"), &destinations).await?;
        let phase = Phase {
            admin: local.admin.address,
            in_flight: settings.in_flight,
            per_second: settings.submissions_per_second,
            time,
            bytes: settings.bytes,
        };

        let submitted = Phase { time: WARM_UP, ..phase }.submit("healthy", Some(&healthy)).await?;
        let first = healthy.settle(0, &submitted, &mut row, &mut Vec::new()).await;

        let submitted = phase.submit("healthy", Some(&healthy)).await?;
        let first = healthy.settle(first, &submitted, &mut row, &mut alone).await;
        bench.progress.step();

        let (submitted, beside_it) =
            tokio::try_join!(phase.submit("healthy", Some(&healthy)), phase.submit("hanging", None))?;
        healthy.settle(first, &submitted, &mut row, &mut beside).await;
        hanging += beside_it.accepted();
        if hung.requests() == 0 {
            row.problems.push("the destination that hangs was not sent to".to_owned());
        }
        // Its sends end with its connections, and nothing is left to be waited for.
        drop(hung);
        local.stop().await;
        bench.site.remove("isolation");
        bench.progress.step();
    }

    let (samples, alone) = (alone.len(), Spread::of_micros(&mut alone).unwrap_or_default());
    let beside = Spread::of_micros(&mut beside).unwrap_or_default();
    row.figure(Figure::new("ratio", beside.p99 / alone.p99.max(1e-3), "").at_most(2.0));
    alone.tell(&mut row, ["alone_p50", "alone_p90", "alone_p99", "alone_max"]);
    beside.tell(&mut row, ["beside_p50", "beside_p90", "beside_p99", "beside_max"]);
    row.with("submissions_per_second", settings.submissions_per_second)
        .with("seconds", settings.time.as_secs_f64())
        .with("rounds", rounds)
        .with("bytes", settings.bytes)
        .with("samples", samples)
        .with("submitted_to_the_hanging", hanging);
    Ok(row)
}

/// What both phases have in common.
#[derive(Clone, Copy)]
struct Phase {
    admin: SocketAddr,
    in_flight: usize,
    per_second: f64,
    time: Duration,
    bytes: usize,
}

impl Phase {
    /// Submits to a destination, and notes when if somebody wants to know.
    async fn submit(&self, destination: &'static str, arrivals: Option<&Arc<Arrivals>>) -> Result<Loaded, CannotRun> {
        let (admin, bytes) = (AdminPort::new(self.admin, self.admin.to_string(), None), self.bytes);
        let arrivals = arrivals.cloned();
        let load = Load {
            address: self.admin,
            in_flight: self.in_flight,
            until: Until::Elapsed(self.time),
            pace: Pace::PerSecond(self.per_second),
        };
        load.run(move |_| {
            let number = arrivals.as_ref().map_or(0, |arrivals| arrivals.depart());
            admin.submission(destination, &body::batch(number, 1, bytes))
        })
        .await
    }
}

/// When what was submitted left and arrived, by number.
#[derive(Debug, Default)]
struct Arrivals(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Arrivals {
    /// Notes that a submission begins, and returns its number.
    fn depart(&self) -> u64 {
        let mut all = self.all();
        all.push((Instant::now(), None));
        all.len() as u64 - 1
    }

    /// Notes that what has this number is there. A second copy is not its arrival.
    fn note(&self, body: &[u8]) {
        let now = Instant::now();
        body::numbers(body, |number| {
            let mut all = self.all();
            if let Some((_, arrived)) = usize::try_from(number).ok().and_then(|number| all.get_mut(number)) {
                arrived.get_or_insert(now);
            }
        });
    }

    /// Waits until everything from number `first` on has arrived, adds how long each took to `micros`, and returns the
    /// first number of what comes after it.
    async fn settle(&self, first: usize, submitted: &Loaded, row: &mut Row, micros: &mut Vec<u32>) -> usize {
        let end = Instant::now() + ARRIVED_WITHIN;
        loop {
            let took: Vec<_> = self.all().iter().skip(first).map(took).collect();
            if took.iter().all(Option::is_some) || Instant::now() >= end {
                row.expect("submissions that arrived", took.iter().flatten().count() as u64, submitted.accepted());
                micros.extend(took.iter().flatten());
                return first + took.len();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Instant, Option<Instant>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn took((left, arrived): &(Instant, Option<Instant>)) -> Option<u32> {
    arrived.map(|arrived| u32::try_from(arrived.saturating_duration_since(*left).as_micros()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_arrive_is_a_problem() {
        let arrivals = Arrivals::default();
        let body = body::batch(arrivals.depart(), 1, 200);
        let (mut row, mut micros) = (Row::new("deliver", "isolation"), Vec::new());
        arrivals.note(body.as_bytes());
        let first = arrivals.settle(0, &Loaded::of(1), &mut row, &mut micros).await;
        assert_eq!((first, micros.len(), row.problems.len()), (1, 1, 0));

        // Accepted, and never seen to leave for the receiver.
        arrivals.settle(first, &Loaded::of(1), &mut row, &mut micros).await;
        assert_eq!(row.problems, ["submissions that arrived: counted 0, expected 1"]);
    }
}
