//! What a gateway keeps in memory of each pending delivery, and how long it takes to take them up after it was killed.
//!
//! The gateway is a child process. What is pending waits for its time, as after a failed send, so each delivery has a
//! timer, as one between two attempts has.

use std::time::Duration;

use tokio::time::{self, Instant};

use super::{Bench, CannotRun, Row};
use crate::bench::{Figure, child::Gateway, load::count, site::configuration};

const MIB: f64 = 1_048_576.0;

/// How long a gateway that is ready may go on taking up what is pending (ours).
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn run(bench: &mut Bench) -> Result<Row, CannotRun> {
    let store = bench.waiting_store().await?;
    let pending = bench.settings.pending;
    let config = bench.site.write(&configuration(&bench.waiting_destinations()))?;

    bench.progress.stage("memory", 3);
    let mut gateway = Gateway::start(&config, &bench.site.store("empty"), 0).await?;
    let empty = settled(&mut gateway, 0).await?;
    gateway.kill();
    bench.site.remove("empty");
    bench.progress.step();

    let mut gateway = Gateway::start(&config, &store, pending as u64).await?;
    let full = settled(&mut gateway, pending as u64).await?;
    gateway.kill();
    bench.progress.step();

    let start = Instant::now();
    let mut gateway = Gateway::start(&config, &store, pending as u64).await?;
    let ready = gateway.ready_after;
    // Being ready is not enough where the lanes come to hold everything.
    let reopened = if taken_up(&mut gateway, pending as u64).await? { start.elapsed() } else { ready };
    let counts = gateway.admin.counts().await?;
    gateway.kill();

    let mut row = Row::new("deliver", "memory");
    let each = (full - empty) / count(pending.max(1));
    row.figure(Figure::new("bytes_per_pending", each, "B").at_most(100.0))
        .figure(Figure::new("reopened_after", reopened.as_secs_f64(), "s").at_most(2.0))
        .figure(Figure::new("ready_after", ready.as_secs_f64(), "s"))
        .figure(Figure::new("empty", empty / MIB, "MiB"))
        .figure(Figure::new("full", full / MIB, "MiB"));
    row.expect("pending deliveries after the kill", counts.pending, pending as u64);
    row.with("pending", pending).with("lanes", bench.settings.lanes).with("bytes", bench.settings.bytes);
    Ok(row)
}

/// The memory of a gateway, in bytes, once it has taken up everything.
async fn settled(gateway: &mut Gateway, pending: u64) -> Result<f64, CannotRun> {
    taken_up(gateway, pending).await?;
    gateway.process.settled_memory().await
}

/// Whether the lanes come to hold everything that is pending. An engine may well leave what is due late in the store.
async fn taken_up(gateway: &mut Gateway, pending: u64) -> Result<bool, CannotRun> {
    let (end, mut last) = (Instant::now() + TAKEN_UP_WITHIN, None);
    loop {
        let on_lanes = gateway.admin.on_lanes().await?;
        if on_lanes == pending {
            return Ok(true);
        }
        // It is done when a second brings nothing.
        let now = Instant::now();
        match last {
            Some((count, since)) if count == on_lanes && now - since >= Duration::from_secs(1) => return Ok(false),
            Some((count, _)) if count == on_lanes => {}
            _ => last = Some((on_lanes, now)),
        }
        if now >= end {
            return Ok(false);
        }
        time::sleep(Duration::from_millis(10)).await;
    }
}
