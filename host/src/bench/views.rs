//! How long the console's views take to be answered over a full store: each request that one makes, again and again.
//!
//! The store is filled before the gateway starts, with deliveries of every state, some lanes of destinations and very
//! many of devices, and an inbox. Nothing is due while it is measured: what is asked for is the walk, not the rest.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use pushgate_core::Instant;
use tokio::time;

use super::{
    CannotRun, Progress,
    child::Gateway,
    row::{Figure, Row},
    site::{Destination, Grouping, Site, configuration},
    spread::Spread,
};
use crate::{
    batches::uplink_batches,
    engine::{Entry, LaneKey, MessageMeta, Meta, Payload},
    store::{self, Accept, Answered, Attempt, DeliveryId, NewDelivery, NewItem, Progress as Moved, State, Store},
};

/// What a view's slowest answer is held against, in milliseconds.
const BOUND_MS: f64 = 200.0;

/// Deliveries of one commit (ours).
const GROUP: usize = 2_000;

/// Destinations that the deliveries are spread over (ours).
const DESTINATIONS: usize = 20;

/// The first device.
const FIRST_CID: u32 = 5_000_000;

/// What is measured, and over how much.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Deliveries in the store.
    pub(crate) deliveries: usize,
    /// Devices that have a message waiting, of those deliveries.
    pub(crate) devices: usize,
    /// Items in the inbox.
    pub(crate) items: usize,
    /// How often each view is asked for.
    pub(crate) rounds: usize,
    /// Where the store is made.
    pub(crate) store_dir: Option<PathBuf>,
}

/// Fills a store, starts a gateway on it and asks for each view in turn.
pub(crate) async fn run(settings: &Settings, progress: &Progress) -> Result<Vec<Row>, CannotRun> {
    let site = Site::new(settings.store_dir.as_deref())?;
    let destinations: Vec<_> = (0..DESTINATIONS)
        .map(|n| Destination::new(format!("to-{n:02}"), "http://127.0.0.1:9/".to_owned(), Grouping::Single))
        .collect();
    let config = site.write(&configuration(&destinations))?;
    let url = site.store("views");
    let store = store::open(&url).await.map_err(CannotRun::because)?;
    let filled = fill(&*store, settings, &destinations, progress).await;
    store.close().await.map_err(CannotRun::because)?;
    let filled = filled?;

    progress.stage("starting a gateway on it", 1);
    let mut gateway = Gateway::start(&config, &url, filled.pending).await?;
    let mut rows = Vec::new();
    for (name, path) in views(&filled, &destinations) {
        progress.stage(name, settings.rounds as u64);
        let mut micros = Vec::with_capacity(settings.rounds);
        let mut bytes = 0;
        for _ in 0..settings.rounds {
            let start = time::Instant::now();
            bytes = gateway.admin.view(&path).await?.len();
            micros.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
            progress.step();
        }
        let mut row = Row::new("admin", name);
        let Some(Spread { p50, p99, max, .. }) = Spread::of_micros(&mut micros) else { continue };
        row.figure(Figure::new("p50", p50, "ms"))
            .figure(Figure::new("p99", p99, "ms"))
            .figure(Figure::new("max", max, "ms").at_most(BOUND_MS))
            .with("path", path)
            .with("bytes", bytes)
            .with("deliveries", settings.deliveries)
            .with("devices", settings.devices);
        if max > BOUND_MS {
            row.problems.push(format!("took {max:.0} ms once, a view may take {BOUND_MS:.0} ms"));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What was put into the store.
struct Filled {
    pending: u64,
    /// A delivery in the middle.
    middle: DeliveryId,
    /// One that is dead, with attempts and answers.
    dead: DeliveryId,
    /// A device in the middle.
    cid: u32,
}

/// The requests that the console makes, one or more of each view.
fn views(filled: &Filled, destinations: &[Destination]) -> Vec<(&'static str, String)> {
    let Filled { middle, dead, cid, .. } = filled;
    let lane = destinations.first().map(Destination::lane).unwrap_or_default();
    let (since, digits) = (middle.made_at(), middle.to_string());
    let digits = digits.get(..9).unwrap_or_default();
    let list = |query: &str| format!("/api/deliveries?limit=50{query}");
    vec![
        ("page", "/".to_owned()),
        ("status", "/api/status".to_owned()),
        ("metrics", "/metrics".to_owned()),
        ("deliveries", list("")),
        ("deliveries_long", "/api/deliveries?limit=1000".to_owned()),
        ("deliveries_deep", list(&format!("&cursor={middle}"))),
        ("deliveries_dead", list("&state=dead")),
        ("deliveries_lane", list(&format!("&lane={lane}"))),
        ("deliveries_lane_dead", list(&format!("&lane={lane}&state=dead"))),
        ("deliveries_device", list(&format!("&lane=device:{cid}"))),
        ("deliveries_since", list(&format!("&since={since}&until={}", since + 60_000))),
        ("deliveries_before", list(&format!("&state=dropped&until={since}"))),
        ("deliveries_id", list(&format!("&id={digits}"))),
        ("delivery", format!("/api/deliveries/{dead}")),
        ("lanes", "/api/lanes?kind=destination".to_owned()),
        ("lanes_devices", "/api/lanes?kind=device&limit=100".to_owned()),
        ("lanes_deep", format!("/api/lanes?kind=device&limit=100&after=device:{cid}")),
        ("lanes_long", "/api/lanes?kind=device&limit=1000".to_owned()),
        ("lanes_begin", "/api/lanes?q=device:50000&limit=100".to_owned()),
        ("devices", "/api/devices?limit=100".to_owned()),
        ("inbox", "/api/inbox?last=50".to_owned()),
        ("inbox_kind", "/api/inbox?last=50&kind=report".to_owned()),
        ("inbox_deep", "/api/inbox?after=1&limit=50".to_owned()),
    ]
}

async fn fill(
    store: &dyn Store,
    settings: &Settings,
    destinations: &[Destination],
    progress: &Progress,
) -> Result<Filled, CannotRun> {
    progress.stage("filling the store", settings.deliveries as u64);
    let submission = super::body::batch(0, 1, 300);
    let batches = uplink_batches(submission.as_bytes()).map_err(CannotRun::because)?;
    let batch = Arc::new(batches.into_iter().next().ok_or_else(|| CannotRun::because("the submission is empty"))?);
    let meta = MessageMeta { from: 0, created: 0, flag: 2, push: String::new(), receipt: false };
    let message = Arc::new(Payload { meta: Meta::Message(meta), body: "a message".into() });
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_millis()).unwrap_or_default();
    // Due when nothing is measured any more.
    let due = Instant::from_millis(now + 6 * 3_600_000);

    let mut filled = Filled {
        pending: 0,
        middle: DeliveryId::new(),
        dead: DeliveryId::new(),
        cid: FIRST_CID + u32::try_from(settings.devices / 2).unwrap_or(0),
    };
    for first in (0..settings.deliveries).step_by(GROUP) {
        let mut rows: Vec<NewDelivery> = Vec::with_capacity(GROUP);
        let mut moved = Vec::with_capacity(GROUP);
        for n in first..(first + GROUP).min(settings.deliveries) {
            let id = DeliveryId::new();
            if n == settings.deliveries / 2 {
                filled.middle = id;
            }
            let to_device = n < settings.devices;
            let lane = match destinations.get(n % DESTINATIONS) {
                Some(to) if !to_device => LaneKey::Uplink(to.name.as_str().into()),
                _ => LaneKey::Device(FIRST_CID + u32::try_from(n).unwrap_or(0)),
            };
            let payload = if to_device { &message } else { &batch };
            rows.push(Entry::new(id, lane, due, Arc::clone(payload)).to_row(usize::from(to_device), due));
            let state = match n % 10 {
                _ if to_device => State::Pending,
                0 => State::Pending,
                1 | 2 => State::Dead,
                3 => State::Dropped,
                _ => State::Delivered,
            };
            match state {
                State::Pending => filled.pending += 1,
                _ => moved.push(ended(id, state, now)),
            }
            if state == State::Dead {
                filled.dead = id;
            }
        }
        let done = first + rows.len();
        let items = settings.items * done / settings.deliveries - settings.items * first / settings.deliveries;
        let accept = Accept {
            bodies: vec![batch.body.clone(), message.body.clone()],
            deliveries: rows,
            items: (0..items).map(|n| item(n, now)).collect(),
            ..Accept::default()
        };
        store.accept(accept).await.map_err(CannotRun::because)?;
        store.record(moved).await.map_err(CannotRun::because)?;
        progress.reach(done as u64);
    }
    Ok(filled)
}

fn ended(id: DeliveryId, state: State, now: u64) -> Moved {
    let delivered = state == State::Delivered;
    let attempt = Attempt {
        number: 1,
        planned: now,
        started: now,
        finished: now + 5,
        status: Some(if delivered { 200 } else { 503 }),
        class: if delivered { Attempt::DELIVERED } else { "status" }.to_owned(),
        detail: if delivered { "" } else { "the destination answered 503" }.to_owned(),
        answer: (!delivered).then(|| Answered::of(&[b'x'; 2_000])),
    };
    Moved {
        id,
        state,
        attempts: 1,
        phase: 1,
        planned: now,
        due: now,
        attempt: Some(attempt),
        finished_at: Some(now + 5),
    }
}

fn item(n: usize, now: u64) -> NewItem {
    NewItem {
        receiver: "ucloud".to_owned(),
        kind: if n.is_multiple_of(100) { "report" } else { "message" }.to_owned(),
        identity: [0; 16],
        received_at: now,
        item: r#"{"Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}"#.to_owned(),
    }
}
