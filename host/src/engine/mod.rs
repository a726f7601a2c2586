//! What goes out, and when: one engine for every kind of delivery.
//!
//! A batch for a customer's URL, a batch of events, a webhook, a forwarded batch and a message for a device are all
//! deliveries on a lane, run by the delivery machine of `pushgate-core`. One task owns all of them (`scheduler.rs`): it
//! keeps the timers in memory, so that a retry goes out when it is due and not when a table is next looked at, and it
//! never waits: sends run in tasks of their own, and what came of them is written to the store by the recorder (`recorder.rs`).
//!
//! The store is only for durability: [`Engine::start`] takes up what it says is pending, each schedule where it stood.

mod circuit;
mod depth;
mod errand;
mod key;
mod lane;
mod lanes;
mod line;
mod listing;
mod loader;
mod meter;
mod payload;
mod rate;
mod recorder;
mod route;
mod scheduler;
mod steadiness;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod unsendable;

use std::{collections::HashMap, sync::Arc, time::Duration};

use pushgate_core::{
    Delivery, Instant, Schedule,
    delivery::{Phase, Saved},
};
use serde::Serialize;
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time,
};

use depth::Depths;
pub use depth::{QueueFull, Reservation};
pub use key::{LaneKey, NotALane};
pub(crate) use listing::cids_that_begin;
pub use listing::{CircuitState, DeviceLevels, LaneFilter, LaneKind, LaneLevels, LanePage, LaneStatus, MAX_LANES};
pub use payload::{DropReason, Items, MessageMeta, Meta, Payload};
use recorder::Backlog;
pub use route::{Plan, PlanAnchor};

use unsendable::Unsendable;

use crate::{
    clock::Clock,
    config::{Config, Limits},
    courier::Courier,
    link::Registry,
    metrics::Metrics,
    shown,
    store::{DeliveryId, MAX_SCAN, NewDelivery, Paused, Pending, State, Store, StoreError},
    telemetry::trace::{TraceContext, Tracer},
    workers::{Worker, Workers},
};

/// Events that a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 4096;

/// Decides when what goes out, and sees to it. A cheap handle on the task that does.
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::UnboundedSender<Command>,
    depths: Depths,
    events: broadcast::Sender<Event>,
    backlog: Backlog,
}

/// What the engine works with.
pub struct Parts {
    /// The gateway's clock.
    pub clock: Clock,
    /// Where deliveries are kept.
    pub store: Arc<dyn Store>,
    /// How bodies go out over HTTP.
    pub courier: Arc<dyn Courier>,
    /// Which device is connected.
    pub registry: Registry,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where spans of sends go.
    pub tracer: Tracer,
    /// Where lanes lead.
    pub config: Arc<Config>,
    /// What watches the engine's tasks.
    pub workers: Workers,
}

/// A delivery on its way into the engine.
#[derive(Clone, Debug)]
pub struct Entry {
    id: DeliveryId,
    lane: LaneKey,
    start: Start,
    meta: Meta,
    payload: Option<Arc<Payload>>,
    trace: Option<TraceContext>,
}

impl Entry {
    /// A delivery just accepted, due at once.
    #[must_use]
    pub fn new(id: DeliveryId, lane: LaneKey, now: Instant, payload: Arc<Payload>) -> Self {
        Self { id, lane, start: Start::New(now), meta: payload.meta.clone(), payload: Some(payload), trace: None }
    }

    /// Has the spans of its sends belong below `trace`.
    pub fn trace(&mut self, trace: TraceContext) {
        self.trace = Some(trace);
    }

    /// The row the store keeps of it; `body` is its body's place among those of the request.
    #[must_use]
    pub fn to_row(&self, body: usize, created_at: Instant) -> NewDelivery {
        NewDelivery {
            id: self.id,
            lane: self.lane.to_string(),
            meta: self.meta.to_text(),
            body,
            created_at: created_at.as_millis(),
        }
    }

    /// The delivery's id.
    #[must_use]
    pub fn id(&self) -> DeliveryId {
        self.id
    }

    /// Its lane.
    #[must_use]
    pub fn lane(&self) -> &LaneKey {
        &self.lane
    }

    /// Takes up a delivery that the store has as pending; `None` when nothing here can send it.
    ///
    /// `lanes` are the names read so far: many deliveries share a few.
    fn resume<'p>(
        pending: &'p Pending,
        lanes: &mut HashMap<&'p str, LaneKey>,
        unsendable: &mut Unsendable,
    ) -> Option<Self> {
        let known = lanes.get(&*pending.lane).cloned();
        let Ok(lane) = known.map_or_else(|| pending.lane.parse::<LaneKey>(), Ok) else {
            unsendable.lane(pending);
            return None;
        };
        lanes.entry(&pending.lane).or_insert_with(|| lane.clone());
        let meta = Meta::read(&pending.meta).filter(|meta| {
            // A device takes messages and nothing else.
            matches!(meta, Meta::Message(_)) == matches!(lane, LaneKey::Device(_))
        });
        let Some(meta) = meta else {
            unsendable.meta(pending);
            return None;
        };
        let start = match Phase::from_code(pending.phase) {
            Ok(phase) => {
                Start::Saved(Saved { phase, attempts: pending.attempts, at: pending.due, grid: pending.planned })
            }
            // Nothing has been recorded since it was accepted.
            Err(_) => Start::New(Instant::from_millis(pending.due)),
        };
        Some(Self { id: pending.id, lane, start, meta, payload: None, trace: None })
    }
}

/// Where a delivery starts from.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Anew, its first send due at this instant.
    New(Instant),
    /// From where it was saved, once its lane's schedule is known.
    Saved(Saved),
}

impl Start {
    fn delivery(self, schedule: &Schedule<'_>, now: Instant) -> Delivery {
        match self {
            Self::New(due) => Delivery::new(due),
            Self::Saved(saved) => Delivery::resume(saved, schedule, now),
        }
    }
}

/// What has happened to a delivery.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The delivery.
    pub id: DeliveryId,
    /// Its lane.
    pub lane: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What may happen to a delivery.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "event")]
pub enum EventKind {
    /// A send is over: answered, failed, or on its way over a link.
    Attempt {
        /// Which send, counted from 1.
        number: u8,
        /// When it was due, in unix milliseconds.
        planned: u64,
        /// When it began, in unix milliseconds.
        started: u64,
        /// When its answer was known, in unix milliseconds.
        finished: u64,
        /// What came of it, in one word.
        class: &'static str,
        /// The HTTP status, if there was an answer over HTTP.
        status: Option<u16>,
        /// What came of it, for people.
        detail: String,
    },
    /// The delivery is finished.
    Finished {
        /// How.
        state: State,
        /// When, in unix milliseconds.
        at: u64,
        /// Sends made.
        attempts: u8,
    },
}

/// What the scheduler is told.
#[derive(Debug)]
enum Command {
    Add(Vec<Entry>),
    Sent(errand::Sent),
    Loaded(scheduler::FromStore),
    Ack {
        cid: u32,
        id: DeliveryId,
    },
    Connected {
        cid: u32,
    },
    Remove(DeliveryId),
    Has {
        id: DeliveryId,
        answer: oneshot::Sender<bool>,
    },
    Pause {
        lane: LaneKey,
        paused: Paused,
    },
    Ask(Question),
    Reload(Arc<Config>),
    /// Says when everything told before has been obeyed.
    Tell(oneshot::Sender<()>),
    /// The recorder has caught up.
    CaughtUp,
    #[cfg(test)]
    Stumble,
    Drain(oneshot::Sender<()>),
}

/// What an operator wants to know. Each is answered in a small part of a millisecond, however many lanes there are.
#[derive(Debug)]
enum Question {
    /// Some lanes, and whether there are more: the name of the last one then.
    Lanes {
        filter: LaneFilter,
        answer: oneshot::Sender<(Vec<LaneStatus>, Option<LaneKey>)>,
    },
    Lane {
        key: LaneKey,
        answer: oneshot::Sender<Option<LaneStatus>>,
    },
    Devices(oneshot::Sender<DeviceLevels>),
}

impl Engine {
    /// Starts the engine and takes up everything the store has as pending.
    ///
    /// # Errors
    ///
    /// What keeps the store from being read.
    pub async fn start(parts: Parts) -> Result<Self, StoreError> {
        parts.metrics.obey(&parts.config);
        let (commands, received) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let depths = Depths::default();
        let backlog = Backlog::counted_by(Arc::clone(&parts.metrics.store.records));
        let engine = Self {
            commands: commands.clone(),
            depths: depths.clone(),
            events: events.clone(),
            backlog: backlog.clone(),
        };
        let workers = parts.workers.clone();
        let store = Arc::clone(&parts.store);
        for lane in store.paused_lanes().await? {
            match lane.parse() {
                Ok(lane) => engine.set_paused(lane, Paused::Yes),
                Err(error) => {
                    tracing::warn!(lane = %shown::text(&lane), "forgetting that this is paused: {error}");
                    store.set_paused(lane, Paused::No).await?;
                }
            }
        }
        let scheduler = scheduler::run(parts, depths, commands, received, events, backlog);
        tokio::spawn(workers.watch(Worker::Scheduler, scheduler));
        let (mut after, mut taken_up) = (None, None::<oneshot::Receiver<()>>);
        let mut unsendable = Unsendable::default();
        loop {
            let page = store.pending(after, MAX_SCAN).await?;
            // A page is read while the one before it is taken up, and no further ahead: a million rows waiting to be
            // taken up would take more memory than they do afterwards.
            if let Some(taken_up) = taken_up.take() {
                let _: Result<(), _> = taken_up.await; // an engine that has been drained takes up nothing
            }
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            taken_up = Some(engine.take_up_page(&page, &mut unsendable));
        }
        unsendable.tell();
        Ok(engine)
    }

    /// Reserves places on lanes for deliveries that are about to be stored, one that is named twice counting twice.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when a lane has none left; then nothing is reserved.
    pub fn reserve(&self, lanes: Vec<LaneKey>, limits: &Limits) -> Result<Reservation, QueueFull> {
        self.depths.reserve(lanes, limits)
    }

    /// Takes up deliveries that the store has accepted, on the places reserved for them.
    pub fn add(&self, entries: Vec<Entry>, places: Vec<Reservation>) {
        places.into_iter().for_each(Reservation::keep);
        self.tell(Command::Add(entries));
    }

    /// Takes up deliveries that the store has as pending: at the start, or because an operator replays one. What it
    /// returns says when that is done.
    pub fn add_pending(&self, pending: &[Pending]) -> oneshot::Receiver<()> {
        let mut unsendable = Unsendable::default();
        let taken_up = self.take_up_page(pending, &mut unsendable);
        unsendable.tell();
        taken_up
    }

    fn take_up_page(&self, pending: &[Pending], unsendable: &mut Unsendable) -> oneshot::Receiver<()> {
        let mut lanes = HashMap::new();
        let resumed = pending.iter().filter_map(|pending| Entry::resume(pending, &mut lanes, unsendable));
        let entries: Vec<_> = resumed.collect();
        // They have been accepted: a full lane is no reason to lose them.
        entries.iter().for_each(|entry| self.depths.add(&entry.lane));
        self.tell(Command::Add(entries));
        let (done, obeyed) = oneshot::channel();
        self.tell(Command::Tell(done));
        obeyed
    }

    /// Takes up a delivery that the store has as pending, unless it is under way already, and says whether it took it
    /// up: whoever was told that a delivery is accepted, or replayed, must not wait for the next start because an
    /// answer on the way from the store was lost.
    ///
    /// # Errors
    ///
    /// What keeps the store from being read.
    pub async fn take_up(&self, id: DeliveryId, store: &dyn Store) -> Result<bool, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Has { id, answer });
        // An engine that has been drained takes up nothing.
        if answered.await.unwrap_or(true) {
            return Ok(false);
        }
        let found = store.pending(id.before(), 1).await?;
        match found.first().filter(|pending| pending.id == id) {
            Some(_) => drop(self.add_pending(&found)),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// A device has acknowledged a message. An id that is not one of its own is ignored.
    pub fn acknowledge(&self, cid: u32, id: DeliveryId) {
        self.tell(Command::Ack { cid, id });
    }

    /// A device has connected: what it still may be sent goes out at once.
    pub fn connected(&self, cid: u32) {
        self.tell(Command::Connected { cid });
    }

    /// Forgets a delivery that an operator has deleted.
    pub fn remove(&self, id: DeliveryId) {
        self.tell(Command::Remove(id));
    }

    /// Stops a lane's sends, or lets them go on.
    pub fn set_paused(&self, lane: LaneKey, paused: Paused) {
        self.tell(Command::Pause { lane, paused });
    }

    /// Lists lanes: destinations of the configuration, what has something to do, what is paused.
    pub async fn lanes(&self, mut filter: LaneFilter) -> LanePage {
        let mut left = filter.limit.clamp(1, MAX_LANES);
        let mut page = LanePage::default();
        loop {
            filter.limit = left;
            let ask = |answer| Question::Lanes { filter: filter.clone(), answer };
            let (lanes, next) = self.ask(ask).await.unwrap_or_default();
            left -= lanes.len().min(left);
            page.lanes.extend(lanes);
            match next {
                Some(last) if left > 0 => filter.after = Some(last),
                next => {
                    page.next = next.map(|last| last.to_string());
                    return page;
                }
            }
        }
    }

    /// Tells how one lane stands; `None` when it is not configured, has nothing to do and is not paused.
    pub async fn lane(&self, key: LaneKey) -> Option<LaneStatus> {
        self.ask(|answer| Question::Lane { key, answer }).await.flatten()
    }

    /// Tells how all lanes stand: each destination, and all devices as one.
    pub async fn levels(&self) -> LaneLevels {
        let mut destinations = Vec::new();
        let mut filter = LaneFilter { kind: LaneKind::Destination, limit: MAX_LANES, ..LaneFilter::default() };
        loop {
            let ask = |answer| Question::Lanes { filter: filter.clone(), answer };
            let (lanes, next) = self.ask(ask).await.unwrap_or_default();
            destinations.extend(lanes.into_iter().filter(|lane| lane.configured || lane.pending > 0));
            match next {
                Some(last) => filter.after = Some(last),
                None => break,
            }
        }
        let devices = self.ask(Question::Devices).await.unwrap_or_default();
        LaneLevels { destinations, devices }
    }

    /// Asks the scheduler; one that has been drained answers nothing.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Ask(question(answer)));
        answered.await.ok()
    }

    /// Obeys a new configuration from now on; what is under way is not touched.
    pub fn reload(&self, config: Arc<Config>) {
        self.tell(Command::Reload(config));
    }

    /// Starts no further send, and returns once those under way are over and recorded.
    pub async fn drain(&self) {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Drain(answer));
        let _ = answered.await;
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Says whether the scheduler answers within `within`.
    pub async fn answers(&self, within: Duration) -> bool {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Tell(answer));
        matches!(time::timeout(within, answered).await, Ok(Ok(())))
    }

    /// How many outcomes of sends wait for the store, if so many that nothing new is sent before it has caught up.
    #[must_use]
    pub fn backlog(&self) -> Option<usize> {
        self.backlog.excessive()
    }

    /// Has the scheduler panic.
    #[cfg(test)]
    pub(crate) fn stumble(&self) {
        self.tell(Command::Stumble);
    }

    fn tell(&self, command: Command) {
        // The scheduler ends only after a drain; what comes later stays in the store for the next start.
        let _ = self.commands.send(command);
    }
}
