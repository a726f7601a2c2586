//! From a device's push to the receiver's acknowledgement, at a fixed rate.
//!
//! The pushing device asks for a receipt, which the gateway sends once it has the receiver's acknowledgement: so what
//! is measured ends with the gateway's knowing, and one line later. The times of the pushes are fixed beforehand, and
//! what the load itself comes late counts too.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::time;

use super::{Bare, Bench, CannotRun, Figure, Fleet, Pushed, Pushes, Row, anywhere, fleet::Receipt, micros, roster};
use crate::bench::{
    admin::Counts,
    load::{Pace, count},
    spread::Spread,
};

/// How long the last receipts may take (ours).
const RECEIPTS_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether they are there (ours).
const LOOKED_EVERY: Duration = Duration::from_millis(20);

/// What the rounds came to.
#[derive(Debug, Default)]
struct Sides {
    /// From a push to its receipt, in microseconds.
    ours: Vec<u32>,
    /// From a push to its answer.
    answered: Vec<u32>,
    bare: Vec<u32>,
    pushes: usize,
    /// Receipts of no push, or of one that had its receipt.
    strange: u64,
    lost: u64,
    seconds: f64,
}

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let settings = &bench.settings;
    let mut gateway = bench.gateway("push", anywhere()).await?;
    let bare = Bare::start(anywhere()).await?;
    let mut sides = Sides::default();
    for _ in 0..settings.rounds {
        sides.bare_round(bench, &bare).await?;
        sides.round(bench, gateway.public, gateway.link).await?;
    }
    let all = sides.pushes as u64;
    let reached = |counts: Counts| counts.delivered >= all;
    let counts = gateway.admin.wait(RECEIPTS_WITHIN, |_| {}, reached).await?;

    let mut row = Row::new("link", "push");
    let spread = |micros: &mut Vec<u32>| Spread::of_micros(micros).unwrap_or_default();
    let receipts = sides.ours.len() as u64;
    let (ours, bare) = (spread(&mut sides.ours), spread(&mut sides.bare));
    row.figure(Figure::new("p99", ours.p99, "ms").at_most(20.0))
        .figure(Figure::new("p50", ours.p50, "ms"))
        .figure(Figure::new("max", ours.max, "ms"));
    spread(&mut sides.answered).tell(&mut row, ["answered_p50", "answered_p90", "answered_p99", "answered_max"]);
    row.figure(Figure::new("bare_p50", bare.p50, "ms"))
        .figure(Figure::new("bare_p99", bare.p99, "ms"))
        .figure(Figure::new("bare_max", bare.max, "ms"))
        .figure(Figure::new("pushes_per_second", count(sides.pushes) / sides.seconds.max(1e-9), "pushes/s"));
    row.expect("pushes with a receipt", receipts, all)
        .expect("receipts of no push, or a second time", sides.strange, 0)
        .expect("deliveries that the gateway counts as delivered", counts.delivered, all)
        .expect("undelivered", counts.undelivered(), 0)
        .expect("connections lost", sides.lost, 0);
    row.with("devices", settings.devices)
        .with("wanted_per_second", settings.rate)
        .with("seconds", settings.time.as_secs_f64())
        .with("rounds", settings.rounds)
        .with("pushes", sides.pushes);
    Ok(row)
}

impl Sides {
    async fn round(&mut self, bench: &Bench, public: SocketAddr, link: SocketAddr) -> Result<(), CannotRun> {
        let fleet = bench.fleet(link).await?;
        let (roster, host, devices) = (bench.roster.clone(), public.to_string(), bench.settings.devices);
        // Each device is pushed to in turn, by the one across.
        let request = move |number| roster.client_push(&host, number + devices / 2, number);
        let load = load(bench, public).run(request);
        let pushed = bench.progress.during("push", bench.settings.time / bench.settings.rounds, load).await?;
        let end = time::Instant::now() + RECEIPTS_WITHIN;
        while fleet.receipts() < pushed.len() && time::Instant::now() < end {
            time::sleep(LOOKED_EVERY).await;
        }
        self.lost += fleet.lost();
        self.pushes += pushed.len();
        self.answered.extend(pushed.iter().map(|pushed| micros(pushed.planned, pushed.answered)));
        self.seconds += span(&pushed);
        self.join(&pushed, &fleet.take_receipts());
        Ok(())
    }

    /// Finds the push of each receipt.
    fn join(&mut self, pushed: &[Pushed], receipts: &[Receipt]) {
        let mut planned: HashMap<_, _> =
            pushed.iter().filter_map(|pushed| Some((pushed.id()?, pushed.planned))).collect();
        for receipt in receipts {
            match planned.remove(&receipt.push) {
                Some(planned) => self.ours.push(micros(planned, receipt.at)),
                None => self.strange += 1,
            }
        }
    }

    async fn bare_round(&mut self, bench: &Bench, bare: &Bare) -> Result<(), CannotRun> {
        let _fleet: Fleet = bench.fleet(bare.link).await?;
        let (host, devices) = (bare.public.to_string(), bench.settings.devices);
        let load = load(bench, bare.public).run(move |number| Bare::push(&host, roster::cid(number % devices), 1));
        let time = bench.settings.time / bench.settings.rounds;
        let pushed = bench.progress.during("push: bare loops", time, load).await?;
        self.bare.extend(pushed.iter().map(|pushed| micros(pushed.planned, pushed.answered)));
        Ok(())
    }
}

fn load(bench: &Bench, address: SocketAddr) -> Pushes {
    let settings = &bench.settings;
    let pace = Pace::PerSecond(settings.rate);
    Pushes { address, all: bench.pushes(settings.rounds), in_flight: settings.in_flight, pace }
}

/// Seconds from the first push's time to the last answer.
fn span(pushed: &[Pushed]) -> f64 {
    let first = pushed.iter().map(|pushed| pushed.planned).min();
    let last = pushed.iter().map(|pushed| pushed.answered).max();
    first.zip(last).map_or(0.0, |(first, last)| (last - first).as_secs_f64())
}
