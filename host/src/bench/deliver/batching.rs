//! Items a second through one destination with the default batch settings: from the first submission, over HTTP, until
//! the store has the last as delivered. The receiver counts the items it gets.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time;

use super::{Bench, CannotRun, DELIVERED_WITHIN, Destination, Grouping, Row};
use crate::bench::{
    Figure,
    admin::Counts,
    body,
    load::{Load, Pace, Until, count},
    receiver::{Conduct, Receiver},
    site::Local,
};

/// How often the bar moves while the load goes on (ours).
const SHOWN_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn run(bench: &Bench) -> Result<Row, CannotRun> {
    let settings = &bench.settings;
    let each = settings.items_per_submission.max(1);
    let submissions = settings.items.div_ceil(each);
    let items = submissions * each;

    let received = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&received);
    let receiver = Receiver::start(move |body| {
        counter.fetch_add(u64::from(body::numbers(body, |_| {})), Ordering::Relaxed);
        Conduct::Accept
    })
    .await?;
    let destination = Destination::new("batching", receiver.url(""), Grouping::Default);
    let mut local = Local::start(&bench.site.store("batching"), std::slice::from_ref(&destination)).await?;

    bench.progress.stage("batching", submissions as u64);
    let request = local.admin.submission(&destination.name, &body::batch(0, each, settings.bytes));
    let load = Load {
        address: local.admin.address,
        in_flight: settings.in_flight,
        until: Until::Sent(submissions as u64),
        pace: Pace::Unbound,
    };
    let start = Instant::now();
    let mut load = pin!(load.run(move |_| request.clone()));
    let see = |counts: Counts| bench.progress.reach(counts.delivered);
    let loaded = loop {
        tokio::select! {
            loaded = &mut load => break loaded?,
            () = time::sleep(SHOWN_EVERY) => see(local.admin.counts().await?),
        }
    };
    let counts = local.admin.wait(DELIVERED_WITHIN, see, |counts| counts.pending == 0).await;
    let elapsed = start.elapsed();
    local.stop().await;
    bench.site.remove("batching");

    let (requests, accepted) = (receiver.requests(), loaded.elapsed.as_secs_f64());
    let mut row = Row::new("deliver", "batching");
    row.figure(Figure::new("items_per_second", count(items) / elapsed.as_secs_f64(), "items/s").at_least(100_000.0))
        .figure(Figure::new("items_per_request", count(items) / (requests.max(1) as f64), "items"))
        .figure(Figure::new("submissions_per_second", count(submissions) / accepted, "req/s"));
    row.expect("submissions not recorded as delivered", counts?.undelivered(), 0)
        .expect("submissions accepted", loaded.accepted(), submissions as u64)
        .expect("items that the receiver got", received.load(Ordering::Relaxed), items as u64);
    row.with("items", items)
        .with("items_per_submission", each)
        .with("bytes", settings.bytes)
        .with("in_flight", settings.in_flight);
    Ok(row)
}
