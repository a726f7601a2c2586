//! What the embedded store does in a second, by itself: no network, no engine.
//!
//! `cargo bench -p pushgate --bench store [-- NAME…]` prints a table; without names it measures everything. The file
//! is on the disk of `$TMPDIR`, and every commit is synced. Compare runs of one machine: a disk's `fsync` decides as
//! much as the code does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pushgate::store::{
    Accept, Attempt, DeliveryFilter, DeliveryId, Keep, MAX_PAGE, MAX_SCAN, NewDelivery, Progress, Retention, State,
    Store, open,
};
use tokio::task::JoinSet;

const LANES: usize = 64;
const IN_FLIGHT: usize = 64;
const BODY: usize = 1024;
const SINGLES: usize = 200_000;
const MANY: usize = 1_000_000;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    println!("{:<44} {:>12} {:>12} {:>12}", "what", "each", "cpu", "a second");
    if wanted("accept") || wanted("record") {
        accept_and_record().await;
    }
    if wanted("retry") {
        retry().await;
    }
    if wanted("million") {
        a_million_pending().await;
    }
}

struct Place {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(&format!("sqlite:{}", directory.path().join("x.db").display())).await.expect("a store");
        Self { directory, store }
    }

    fn size(&self) -> u64 {
        let files = std::fs::read_dir(self.directory.path()).expect("its directory");
        files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |about| about.len())).sum()
    }
}

async fn accept_and_record() {
    let place = Place::new().await;
    let started = Start::now();
    let mut callers = JoinSet::new();
    for caller in 0..IN_FLIGHT {
        let store = Arc::clone(&place.store);
        callers.spawn(async move {
            let body = Bytes::from(vec![b'x'; BODY]);
            let mut ids = Vec::new();
            for n in 0..SINGLES / IN_FLIGHT {
                let delivery = delivery((caller + n) % LANES);
                ids.push(delivery.id);
                let accept = Accept { bodies: vec![body.clone()], deliveries: vec![delivery], ..Accept::default() };
                store.accept(accept).await.expect("room");
            }
            ids
        });
    }
    let mut ids: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    row("accept, 64 in flight, 1 KiB", ids.len(), &started);
    ids.sort_unstable();

    for (batch, share) in [(64, 4), (512, 4), (64, 2), (512, 1)] {
        let some = ids.split_off(ids.len() - ids.len() / share);
        let started = Start::now();
        for batch in some.chunks(batch) {
            let batch = batch.iter().map(|id| progress(*id, State::Delivered, 1)).collect();
            place.store.record(batch).await.expect("room");
        }
        row(&format!("record delivered, {batch} at once"), some.len(), &started);
    }
    println!("{:<44} {:>9} KiB", "files", place.size() >> 10);
    place.store.close().await.expect("closed");
}

async fn retry() {
    let place = Place::new().await;
    let mut ids = fill(&place, SINGLES).await;
    for number in 1..=3 {
        let started = Start::now();
        for batch in ids.chunks(512) {
            let batch = batch.iter().map(|id| progress(*id, State::Pending, number)).collect();
            place.store.record(batch).await.expect("room");
        }
        row(&format!("record retry {number}, 512 at once"), ids.len(), &started);
    }
    ids.truncate(0);
    println!("{:<44} {:>9} KiB", "files", place.size() >> 10);
    place.store.close().await.expect("closed");
}

async fn a_million_pending() {
    let place = Place::new().await;
    let started = Start::now();
    let ids = fill(&place, MANY).await;
    row("accept, 500 a request, shared body", ids.len(), &started);
    println!("{:<44} {:>9} KiB", "files", place.size() >> 10);

    let started = Start::now();
    let mut after = None;
    let mut seen = 0;
    loop {
        let page = place.store.pending(after, MAX_SCAN).await.expect("a page");
        seen += page.len();
        after = page.last().map(|pending| pending.id);
        if page.len() < MAX_SCAN {
            break;
        }
    }
    assert_eq!(seen, MANY);
    row("pending, MAX_SCAN a page", seen, &started);

    let started = Start::now();
    for wanted in ids[..100_000].chunks(64) {
        let contents = place.store.contents(wanted.to_vec()).await.expect("contents");
        assert!(contents.iter().all(Option::is_some));
    }
    row("contents, 64 at once, in order", 100_000, &started);
    let scattered: Vec<_> = (0..100_000).map(|n| ids[n * 7_919 % ids.len()]).collect();
    let started = Start::now();
    for wanted in scattered.chunks(64) {
        place.store.contents(wanted.to_vec()).await.expect("contents");
    }
    row("contents, 64 at once, scattered", 100_000, &started);

    let started = Start::now();
    for batch in ids[..200_000].chunks(512) {
        let batch = batch.iter().map(|id| progress(*id, State::Delivered, 1)).collect();
        place.store.record(batch).await.expect("room");
    }
    row("record delivered, 512 at once, of a million", 200_000, &started);
    pages(&*place.store, &ids).await;

    let started = Start::now();
    let keep = Keep { for_ms: u64::MAX, at_most: 0 };
    let retention = Retention { now: 1_700_000_001_000, deliveries: keep, dead: keep, inbox: keep, limit: 256 };
    let mut gone = 0;
    while gone < 200_000 {
        gone += place.store.prune(retention).await.expect("room").deliveries;
    }
    row("prune, 256 at once", gone, &started);
    place.store.close().await.expect("closed");
}

async fn pages(store: &dyn Store, ids: &[DeliveryId]) {
    let lane = || Some("destination:7".to_owned());
    let filters = [
        ("all", None, None),
        ("pending", Some(State::Pending), None),
        ("delivered", Some(State::Delivered), None),
        ("lane", None, lane()),
        ("lane, pending", Some(State::Pending), lane()),
        ("lane, delivered", Some(State::Delivered), lane()),
    ];
    for (name, state, lane) in filters {
        let mut worst = Duration::ZERO;
        for cursor in [None, Some(ids[ids.len() / 2]), Some(ids[ids.len() / 10])] {
            let filter =
                DeliveryFilter { state, lane: lane.clone(), limit: MAX_PAGE, cursor, ..DeliveryFilter::default() };
            let started = Instant::now();
            store.deliveries(filter).await.expect("a page");
            worst = worst.max(started.elapsed());
        }
        println!("{:<44} {:>9.1} ms", format!("page of {MAX_PAGE}, worst of 3: {name}"), worst.as_secs_f64() * 1e3);
    }
}

async fn fill(place: &Place, count: usize) -> Vec<DeliveryId> {
    let body = Bytes::from(vec![b'x'; BODY]);
    let mut ids = Vec::with_capacity(count);
    for n in 0..count / 500 {
        let deliveries: Vec<_> = (0..500).map(|m| delivery((n + m) % LANES)).collect();
        ids.extend(deliveries.iter().map(|delivery| delivery.id));
        let accept = Accept { bodies: vec![body.clone()], deliveries, ..Accept::default() };
        place.store.accept(accept).await.expect("room");
    }
    ids
}

fn delivery(lane: usize) -> NewDelivery {
    let id = DeliveryId::new();
    NewDelivery { id, lane: format!("destination:{lane}"), meta: String::new(), body: 0, created_at: 1_700_000_000_000 }
}

fn progress(id: DeliveryId, state: State, number: u8) -> Progress {
    let now = 1_700_000_000_050;
    let attempt = Attempt {
        answer: None,
        number,
        planned: now,
        started: now,
        finished: now + 20,
        status: Some(200),
        class: if state == State::Delivered { Attempt::DELIVERED } else { "status" }.to_owned(),
        detail: String::new(),
    };
    let finished_at = (state != State::Pending).then_some(now);
    Progress { id, state, attempts: number, phase: 1, planned: now, due: now, attempt: Some(attempt), finished_at }
}

fn row(what: &str, count: usize, started: &Start) {
    let each = started.at.elapsed().as_secs_f64() / count as f64;
    let work = (cpu_seconds() - started.cpu) / count as f64;
    println!("{what:<44} {:>9.2} µs {:>9.2} µs {:>12.0}", each * 1e6, work * 1e6, 1.0 / each);
}

struct Start {
    at: Instant,
    cpu: f64,
}

impl Start {
    fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu_seconds() }
    }
}

/// Returns the processor's time that the process took so far, where the system tells: on Linux, in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
