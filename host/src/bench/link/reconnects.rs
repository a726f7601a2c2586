//! How long it takes until every device is back after the gateway was killed, and whether anything accepted is lost.
//!
//! The gateway is killed with a message accepted for every device and acknowledged by none, and started again on the
//! same port. The devices come back by themselves, each after waits of its own that double. What was accepted must then
//! be delivered, or still pending: whatever else became of it is lost.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{Bare, Bench, CannotRun, Figure, Fleet, Row, fixed_port, fleet::Answering};
use crate::bench::admin::Counts;

/// How long devices may take to learn that they are alone, and to be back (ours).
const GONE_WITHIN: Duration = Duration::from_secs(30);
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// How long the last acknowledgement may take then (ours): what nobody acknowledges is dropped well before.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    const STORE: &str = "reconnects";
    let devices = bench.settings.devices as u64;
    let bare_back = bare(bench).await?;

    let link = fixed_port()?;
    let mut gateway = bench.gateway(STORE, link).await?;
    let fleet = bench.fleet(link).await?;
    fleet.answer(Answering::Never);
    bench.push_to_all(gateway.public).await?;
    let before = gateway.admin.counts().await?;
    gateway.kill();
    all_gone(&fleet).await?;

    fleet.answer(Answering::Always);
    bench.progress.stage("reconnects", devices);
    let start = Instant::now();
    let (started, back) = tokio::join!(bench.gateway(STORE, link), back(&fleet, bench, start));
    let (mut gateway, back) = (started?, back?);
    let see = |counts: Counts| bench.progress.reach(counts.delivered);
    let counts = gateway.admin.wait(ACKNOWLEDGED_WITHIN, see, |counts| counts.pending == 0).await?;
    let settled = start.elapsed();
    let (mut messages, mut receivers) = (HashSet::new(), HashSet::new());
    for copy in fleet.take_copies() {
        messages.insert(copy.id);
        receivers.insert(copy.device);
    }

    let mut row = Row::new("link", "reconnects");
    row.figure(Figure::new("all_back_after", back.as_secs_f64(), "s").at_most(10.0))
        .figure(Figure::new("ready_after", gateway.ready_after.as_secs_f64(), "s"))
        .figure(Figure::new("all_acknowledged_after", settled.as_secs_f64(), "s"))
        .figure(Figure::new("bare_all_back_after", bare_back.as_secs_f64(), "s"));
    row.expect("messages accepted and pending when it was killed", before.pending, devices)
        .expect("accepted messages that are delivered or pending now", counts.delivered + counts.pending, devices)
        .expect("accepted messages that ended otherwise", counts.dropped + counts.dead, 0)
        .expect("messages that devices got, by id", messages.len() as u64, devices)
        .expect("devices that got one", receivers.len() as u64, devices)
        .expect("devices that the gateway counts", gateway.admin.devices().await?, devices);
    row.with("devices", devices).with("accepted", before.pending);
    Ok(row)
}

async fn bare(bench: &Bench) -> Result<Duration, CannotRun> {
    let link = fixed_port()?;
    let bare = Bare::start(link).await?;
    let fleet = bench.fleet(link).await?;
    bare.process.kill();
    all_gone(&fleet).await?;
    bench.progress.stage("reconnects: bare loops", bench.settings.devices as u64);
    let start = Instant::now();
    let _bare = Bare::start(link).await?;
    back(&fleet, bench, start).await
}

async fn all_gone(fleet: &Fleet) -> Result<(), CannotRun> {
    if fleet.until_welcome(0, GONE_WITHIN).await {
        return Ok(());
    }
    let still = fleet.welcome();
    Err(CannotRun(format!("{still} devices had not learnt within {GONE_WITHIN:?} that their peer was killed")))
}

/// The time from `start` until every device is welcome again.
async fn back(fleet: &Fleet, bench: &Bench, start: Instant) -> Result<Duration, CannotRun> {
    let devices = bench.settings.devices;
    if fleet.until_welcome(devices, BACK_WITHIN).await {
        return Ok(start.elapsed());
    }
    let welcome = fleet.welcome();
    Err(CannotRun(format!("of {devices} devices only {welcome} were back within {BACK_WITHIN:?}")))
}
