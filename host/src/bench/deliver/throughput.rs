//! Deliveries a second, each a request of its own: from a gateway's start on a full store until the store has every one
//! of them as delivered. Beside it a bare client that makes the same posts to the same receiver and keeps nothing.

use std::time::Instant;

use super::{Bench, CannotRun, DELIVERED_WITHIN, Destination, Due, Grouping, Preload, Row};
use crate::bench::{
    Figure,
    admin::Counts,
    bare::Posts,
    body,
    load::count,
    receiver::{Conduct, Receiver},
    site::{self, Local},
    spread::median,
};

/// Sends under way at a time to each destination: the default.
const CONCURRENCY: usize = 8;

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let settings = &bench.settings;
    let rounds = settings.rounds.max(1);
    let round = settings.deliveries.div_ceil(rounds as usize);
    // Both ends of every send are here, those that the receiver has not yet seen closed too.
    site::descriptors(4 * settings.lanes * CONCURRENCY)?;
    let receiver = Receiver::start(|_| Conduct::Accept).await?;
    let names = bench.names("d");
    let destinations: Vec<_> = (0..)
        .zip(&names)
        .map(|(place, name)| Destination {
            concurrency: CONCURRENCY,
            ..Destination::new(name, receiver.url(place), Grouping::Single)
        })
        .collect();

    let mut row = Row::new("deliver", "throughput");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let store = bench.site.store("throughput");
        let preload = Preload { destinations: &names, deliveries: round, bytes: settings.bytes, due: Due::Now };
        preload.run(&store, &bench.progress).await?;

        bench.progress.stage("throughput: the gateway", round as u64);
        let before = receiver.requests();
        let start = Instant::now();
        let mut local = Local::start(&store, &destinations).await?;
        let see = |counts: Counts| bench.progress.reach((round as u64).saturating_sub(counts.pending));
        let counts = local.admin.wait(DELIVERED_WITHIN, see, |counts| counts.pending == 0).await;
        let elapsed = start.elapsed();
        local.stop().await;
        row.expect("deliveries not recorded as delivered", counts?.undelivered(), 0).expect(
            "requests that the receiver got",
            receiver.requests() - before,
            round as u64,
        );
        ours.push(count(round) / elapsed.as_secs_f64());
        bench.site.remove("throughput");

        bench.progress.stage("throughput: the bare client", 1);
        let posts = Posts {
            urls: destinations.iter().map(|destination| destination.url.clone()).collect(),
            body: body::batch(0, 1, settings.bytes).into(),
            all: round,
            concurrency: CONCURRENCY,
        };
        bare.push(count(round) / posts.run().await?.as_secs_f64());
    }

    let (rate, bare_rate) = (median(ours), median(bare));
    row.figure(Figure::new("delivered_per_second", rate, "deliveries/s"))
        .figure(Figure::new("bare_client_per_second", bare_rate, "req/s"))
        .figure(Figure::new("ratio", rate / bare_rate, "").at_least(0.35));
    row.with("deliveries", round * rounds as usize)
        .with("lanes", destinations.len())
        .with("bytes", settings.bytes)
        .with("rounds", rounds);
    Ok(row)
}
