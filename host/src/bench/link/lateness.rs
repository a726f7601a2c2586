//! How late messages that nobody acknowledges are sent again.
//!
//! Lingyang page, "Delivery marks": "t = 0, 1, 3, 6, 11 s". Messages are pushed evenly, so that their resends are spread
//! too. What is reported is the gateway's own account of every attempt, planned against begun, read from its store
//! when it is gone; and beside it what the devices saw, who know nothing of plans: how much later after the first copy
//! each further one came than it should.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use pushgate_core::{Schedule, lingyang::Flag};
use tokio::time::{self, Instant};

use super::{Bare, Bench, CannotRun, Figure, Pushes, Roster, Row, anywhere, fleet, fleet::Answering, micros, roster};
use crate::{
    bench::{admin::Counts, load::Pace, spread::Spread},
    store::{self, DeliveryId},
};

/// When a message is sent, and for how long after the last time an acknowledgement is waited for.
const SCHEDULE: Schedule<'static> = Flag::UntilAnswered.schedule();

/// How long the last messages may take beyond their schedule (ours).
const GRACE: Duration = Duration::from_secs(30);

/// How often it is looked how many copies came (ours).
const LOOKED_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let messages = bench.pushes(1);
    let copies = messages * usize::from(SCHEDULE.sends());
    let bare = bare(bench, copies).await?;

    let mut gateway = bench.gateway("lateness", anywhere()).await?;
    let (host, devices) = (gateway.public.to_string(), bench.settings.devices);
    let request = move |number| Roster::server_push(&host, [number % devices]);
    let (seen, lost) = silence(bench, "lateness", gateway.link, gateway.public, copies, request).await?;
    let all = messages as u64;
    let patience = Duration::from_millis(u64::from(SCHEDULE.answer_within())) + GRACE;
    bench.progress.stage("lateness: giving up", all);
    let see = |counts: Counts| bench.progress.reach(counts.dropped);
    let counts = gateway.admin.wait(patience, see, |counts| counts.pending == 0 && counts.dropped >= all).await?;
    gateway.kill();
    let mut late = attempts(&bench.site.store("lateness"), &seen).await?;

    let mut row = Row::new("link", "lateness");
    let resends = late.len();
    let spread = Spread::of_millis(&mut late).unwrap_or_default();
    row.figure(Figure::new("p99", spread.p99, "ms").at_most(20.0))
        .figure(Figure::new("p50", spread.p50, "ms"))
        .figure(Figure::new("max", spread.max, "ms"));
    let (mut at_device, mut at_bare) = (seen.late(), bare.late());
    let at_device = Spread::of_micros(&mut at_device).unwrap_or_default();
    let at_bare = Spread::of_micros(&mut at_bare).unwrap_or_default();
    row.figure(Figure::new("at_device_p50", at_device.p50, "ms"))
        .figure(Figure::new("at_device_p99", at_device.p99, "ms"))
        .figure(Figure::new("at_device_max", at_device.max, "ms"))
        .figure(Figure::new("bare_at_device_p50", at_bare.p50, "ms"))
        .figure(Figure::new("bare_at_device_p99", at_bare.p99, "ms"))
        .figure(Figure::new("bare_at_device_max", at_bare.max, "ms"));
    row.expect("copies that devices got", seen.copies(), copies as u64)
        .expect("resends in the store", resends as u64, (copies - messages) as u64)
        .expect("deliveries that the gateway dropped at the end", counts.dropped, all)
        .expect("deliveries that are delivered, though nobody acknowledged", counts.delivered, 0)
        .expect("connections lost", lost, 0);
    row.with("devices", devices)
        .with("messages", messages)
        .with("wanted_per_second", bench.settings.rate)
        .with("resends", resends);
    Ok(row)
}

async fn bare(bench: &Bench, copies: usize) -> Result<Seen, CannotRun> {
    let bare = Bare::start(anywhere()).await?;
    let (host, devices) = (bare.public.to_string(), bench.settings.devices);
    let request = move |number| Bare::resend(&host, roster::cid(number % devices));
    let (seen, _) = silence(bench, "lateness: bare loops", bare.link, bare.public, copies, request).await?;
    Ok(seen)
}

/// Pushes to devices that keep silent until all `copies` came, and returns what they saw and how many connections were
/// lost.
async fn silence(
    bench: &Bench,
    stage: &str,
    link: SocketAddr,
    address: SocketAddr,
    copies: usize,
    request: impl Fn(usize) -> Bytes + Send + Sync + 'static,
) -> Result<(Seen, u64), CannotRun> {
    let settings = &bench.settings;
    let fleet = bench.fleet(link).await?;
    fleet.answer(Answering::Never);
    let pace = Pace::PerSecond(settings.rate);
    let pushes = Pushes { address, all: bench.pushes(1), in_flight: settings.in_flight, pace };
    let rest = Duration::from_millis(SCHEDULE.waits().iter().copied().map(u64::from).sum());
    let all_seen = async {
        pushes.run(request).await?;
        let end = Instant::now() + rest + GRACE;
        while fleet.copies() < copies && Instant::now() < end {
            time::sleep(LOOKED_EVERY).await;
        }
        Ok::<_, CannotRun>(())
    };
    bench.progress.during(stage, settings.time + rest, all_seen).await?;
    Ok((Seen::of(&fleet.take_copies()), fleet.lost()))
}

/// When the copies of each message came, in their order.
#[derive(Debug)]
struct Seen(HashMap<u128, Vec<Instant>>);

impl Seen {
    fn of(copies: &[fleet::Copy]) -> Self {
        let mut seen: HashMap<_, Vec<_>> = HashMap::new();
        for copy in copies {
            seen.entry(copy.id).or_default().push(copy.at);
        }
        Self(seen)
    }

    fn copies(&self) -> u64 {
        self.0.values().map(|copies| copies.len() as u64).sum()
    }

    /// How late each copy after the first came, in microseconds.
    fn late(&self) -> Vec<u32> {
        let mut late = Vec::new();
        for copies in self.0.values() {
            let Some((first, rest)) = copies.split_first() else { continue };
            let mut due = *first;
            for (copy, wait) in rest.iter().zip(SCHEDULE.waits()) {
                due += Duration::from_millis(u64::from(*wait));
                late.push(micros(due, *copy));
            }
        }
        late
    }
}

/// By how many milliseconds each resend of these messages began late, by the store's account.
async fn attempts(url: &str, seen: &Seen) -> Result<Vec<u32>, CannotRun> {
    let store = store::open(url).await.map_err(CannotRun::because)?;
    let mut late = Vec::new();
    for id in seen.0.keys() {
        let delivery = store.delivery(DeliveryId::from_bytes(id.to_be_bytes())).await.map_err(CannotRun::because)?;
        let resends = delivery.iter().flat_map(|delivery| &delivery.attempts).filter(|attempt| attempt.number >= 2);
        late.extend(
            resends.map(|attempt| u32::try_from(attempt.started.saturating_sub(attempt.planned)).unwrap_or(u32::MAX)),
        );
    }
    store.close().await.map_err(CannotRun::because)?;
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_held_against_the_pages_times() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let copies = [(1, 0), (2, 500), (1, 1_000), (2, 1_507), (1, 3_002), (1, 6_000), (1, 11_009)];
        let copies = copies.map(|(id, millis)| fleet::Copy { device: 0, id, at: at(millis) });
        let seen = Seen::of(&copies);
        let mut late = seen.late();
        late.sort_unstable();
        assert_eq!((late, seen.copies()), (vec![0, 0, 2_000, 7_000, 9_000], 7));
    }
}
