//! How long it takes until one message to every device is acknowledged by every device.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{Bare, Bench, CannotRun, Figure, Row, anywhere};
use crate::bench::{admin::Counts, spread::median};

/// How long the last acknowledgement may take (ours).
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let (devices, rounds) = (bench.settings.devices, bench.settings.rounds);
    let mut gateway = bench.gateway("fan-out", anywhere()).await?;
    let bare = Bare::start(anywhere()).await?;
    let (mut ours, mut accepted, mut bare_seconds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut received, mut lost, mut all) = (0, 0, 0);
    for _ in 0..rounds {
        let fleet = bench.fleet(bare.link).await?;
        bench.progress.stage("fan-out: bare loops", 1);
        let start = Instant::now();
        bench.bare_push_to_all(bare.public).await?;
        bare_seconds.push(start.elapsed().as_secs_f64());
        drop(fleet);

        let fleet = bench.fleet(gateway.link).await?;
        bench.progress.stage("fan-out", devices as u64);
        let start = Instant::now();
        bench.push_to_all(gateway.public).await?;
        accepted.push(start.elapsed().as_secs_f64());
        let before = all;
        all += devices as u64;
        let see = |counts: Counts| bench.progress.reach(counts.delivered.saturating_sub(before));
        gateway.admin.wait(ACKNOWLEDGED_WITHIN, see, |counts| counts.delivered >= all).await?;
        ours.push(start.elapsed().as_secs_f64());
        received += fleet.take_copies().iter().map(|copy| (copy.device, copy.id)).collect::<HashSet<_>>().len() as u64;
        lost += fleet.lost();
    }
    let counts = gateway.admin.counts().await?;

    let mut row = Row::new("link", "fan-out");
    row.figure(Figure::new("all_acknowledged", median(ours), "s").at_most(2.0))
        .figure(Figure::new("all_accepted", median(accepted), "s"))
        .figure(Figure::new("bare_all_acknowledged", median(bare_seconds), "s"));
    row.expect("deliveries that the gateway counts as delivered", counts.delivered, all)
        .expect("undelivered", counts.undelivered(), 0)
        .expect("messages that devices got", received, all)
        .expect("connections lost", lost, 0);
    row.with("devices", devices).with("rounds", rounds).with("receivers_per_push", super::RECEIVERS);
    Ok(row)
}
