//! One tick a second for all who watch the console: how the gateway stands, and what the second brought.
//!
//! A tick is made once, however many watch it, and not at all while nobody does. Who does not read gets the newest tick
//! when it reads on, and not those before it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time,
};

use super::state::Shared;
use crate::{
    engine::{LaneLevels, LaneStatus},
    metrics::Point,
    store::{Counts, InboxEnd, InboxFilter},
};

/// How many may watch (ours): each holds a connection of the admin listener.
const MOST: usize = 16;

/// How long the store may take to say how it stands, before what it said last is shown again (ours).
const STORE_WITHIN: Duration = Duration::from_millis(500);

/// Who watches, and what they are shown.
#[derive(Debug)]
pub(super) struct Live {
    news: watch::Sender<News>,
    places: Arc<Semaphore>,
    /// What the store last said.
    stored: Mutex<(Counts, u64)>,
}

/// What there is to show.
#[derive(Clone, Debug)]
enum News {
    /// A tick, as it goes out.
    Tick(Bytes),
    /// Nothing more: the gateway stops.
    End,
}

/// Somebody who watches. Dropping it makes room for another.
pub(super) struct Watcher {
    news: watch::Receiver<News>,
    first: Option<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// How the gateway stands, and what the second that has ended brought.
#[derive(Debug, Serialize)]
struct Tick<'t> {
    time: u64,
    version: &'static str,
    counts: Shown,
    counts_at: u64,
    inbox_last: u64,
    devices_at: u64,
    point: Point,
    lanes: Vec<&'t LaneStatus>,
}

#[derive(Debug, Serialize)]
struct Shown {
    pending: u64,
    delivered: u64,
    dead: u64,
    dropped: u64,
    inbox: u64,
    devices: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            news: watch::Sender::new(News::Tick(Bytes::new())),
            places: Arc::new(Semaphore::new(MOST)),
            stored: Mutex::default(),
        }
    }
}

impl Shared {
    /// Takes a place to watch from; `None` when all are taken.
    pub(super) async fn watch(&self) -> Option<Watcher> {
        let place = Arc::clone(&self.live.places).try_acquire_owned().ok()?;
        let mut news = self.live.news.subscribe();
        let first = match &*news.borrow_and_update() {
            News::Tick(_) => None,
            News::End => Some(Bytes::new()),
        };
        let first = match first {
            Some(nothing) => nothing,
            None => tick(self).await,
        };
        Some(Watcher { news, first: Some(first), _place: place })
    }
}

impl Watcher {
    /// What is to be shown next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let ended = matches!(*self.news.borrow(), News::End);
            if ended || self.news.changed().await.is_err() {
                return None;
            }
            if let News::Tick(tick) = &*self.news.borrow_and_update() {
                return Some(tick.clone());
            }
        }
    }
}

/// Ends each second and shows it, until the gateway stops; then tells those who watch.
pub(crate) async fn run(shared: Shared, mut stopping: watch::Receiver<bool>) {
    let mut seconds = shared.metrics.seconds();
    let showing = async {
        while seconds.changed().await.is_ok() {
            if shared.live.news.receiver_count() > 0 {
                shared.live.news.send_replace(News::Tick(tick(&shared).await));
            }
        }
    };
    tokio::select! {
        () = showing => {}
        () = shared.metrics.run(shared.clock) => {}
        // A sender that is gone has stopped as well.
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    shared.live.news.send_replace(News::End);
}

async fn tick(shared: &Shared) -> Bytes {
    let ask = async {
        let newest = InboxFilter { limit: 1, end: InboxEnd::Newest, ..InboxFilter::default() };
        let (counts, page) = tokio::join!(shared.store.counts(), shared.store.inbox(newest));
        Some((counts.ok()?, page.ok()?.items.last().map_or(0, |item| item.cursor)))
    };
    let asked = time::timeout(STORE_WITHIN, ask).await.ok().flatten();
    let (counts, inbox_last) = {
        let mut stored = shared.live.stored.lock().unwrap_or_else(PoisonError::into_inner);
        *stored = asked.unwrap_or(*stored);
        *stored
    };
    let LaneLevels { destinations, devices } = shared.engine.levels().await;
    let shown = destinations.iter().chain(&devices.noted);
    let Counts { pending, delivered, dead, dropped, inbox } = counts;
    let tick = Tick {
        time: shared.clock.millis(),
        version: env!("CARGO_PKG_VERSION"),
        counts: Shown { pending, delivered, dead, dropped, inbox, devices: shared.registry.len() },
        counts_at: shared.metrics.changes(),
        inbox_last,
        devices_at: shared.metrics.link.changes(),
        point: shared.metrics.newest(),
        lanes: shown.collect(),
    };
    // Numbers and texts: nothing of it cannot be written.
    let json = serde_json::to_string(&tick).unwrap_or_default();
    Bytes::from(format!("event: tick\ndata: {json}\n\n"))
}
