//! What is counted of each lane: what it took, sent and ended, and how long that took.
//!
//! A lane of the configuration has a series of its own, all devices share one, and what the configuration no longer has
//! shares another: whatever a caller names, the series are as many as the configuration has lanes, and two.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use pushgate_core::Instant;

use super::{
    histogram::{Histogram, Scale},
    page::{Family, Page},
    pulse::Pulse,
};
use crate::{
    config::Config,
    engine::LaneKey,
    store::{Attempt, State},
};

/// What comes of a request over HTTP, beside the classes of a courier.
const ANSWERED: [&str; 5] = [Attempt::DELIVERED, "status", "body", "code", "config"];

/// What comes of a message for a device.
const OF_DEVICES: [&str; 3] = [Attempt::SENT, "offline", "busy"];

/// What either may come to; the last is also where a word goes that nobody has told of here.
const OF_BOTH: [&str; 2] = ["gone", "internal"];

/// How a delivery ends.
const ENDS: [State; 3] = [State::Delivered, State::Dead, State::Dropped];

/// Knows the lanes that are counted by name.
#[derive(Debug)]
pub(super) struct Lanes {
    pulse: Arc<Pulse>,
    named: RwLock<BTreeMap<Box<str>, Arc<LaneCounts>>>,
    device: Arc<LaneCounts>,
    other: Arc<LaneCounts>,
}

/// Counts what happens on a lane. Whoever works on the lane keeps it at hand, so that counting is an addition or two.
#[derive(Debug)]
pub struct LaneCounts {
    pulse: Arc<Pulse>,
    accepted: AtomicU64,
    requests: AtomicU64,
    classes: Box<[&'static str]>,
    attempts: Box<[AtomicU64]>,
    finished: [AtomicU64; ENDS.len()],
    circuit_opened: AtomicU64,
    lateness: Histogram,
    answer: Histogram,
    delivery: Histogram,
}

impl Lanes {
    /// The name under which all devices are counted.
    pub(super) const DEVICE: &str = "device";

    /// The name under which everything is counted that the configuration no longer has.
    pub(super) const OTHER: &str = "other";

    pub(super) fn new(pulse: &Arc<Pulse>) -> Self {
        let counts = |over| Arc::new(LaneCounts::new(pulse, over));
        Self {
            pulse: Arc::clone(pulse),
            named: RwLock::default(),
            device: counts(Over::Link),
            other: counts(Over::Either),
        }
    }

    /// Counts the lanes of `config` by name from now on, and no others.
    pub(super) fn obey(&self, config: &Config) {
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *named);
        for lane in lanes_of(config) {
            let name = lane.to_string().into_boxed_str();
            let counts = before.remove(&name).unwrap_or_else(|| Arc::new(LaneCounts::new(&self.pulse, Over::Http)));
            named.insert(name, counts);
        }
    }

    /// Where to count what happens on `lane`.
    pub(super) fn of(&self, lane: &LaneKey) -> Arc<LaneCounts> {
        if matches!(lane, LaneKey::Device(_)) {
            return Arc::clone(&self.device);
        }
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(named.get(&*lane.to_string()).unwrap_or(&self.other))
    }

    /// The name under which a lane is counted, and shown.
    pub(super) fn shown_as<'l>(&self, lane: &'l str) -> &'l str {
        if lane.starts_with("device:") {
            return Self::DEVICE;
        }
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        if named.contains_key(lane) { lane } else { Self::OTHER }
    }

    /// Every name that is shown.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        self.all().into_iter().map(|(name, _)| name).collect()
    }

    fn all(&self) -> Vec<(Box<str>, Arc<LaneCounts>)> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let named = named.iter().map(|(name, counts)| (name.clone(), Arc::clone(counts)));
        let shared = [(Self::DEVICE.into(), Arc::clone(&self.device)), (Self::OTHER.into(), Arc::clone(&self.other))];
        named.chain(shared).collect()
    }

    pub(super) fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        let lanes = self.all();
        let lanes = || lanes.iter().map(|(name, counts)| (("lane", &**name), &**counts));
        let accepted = Family::new("accepted", "Deliveries accepted");
        page.counters(accepted, lanes().map(|(lane, counts)| ([lane], counts.accepted.load(Relaxed))))?;
        let requests = Family::new("requests", "Requests made over HTTP, each of one delivery or of several");
        page.counters(requests, lanes().map(|(lane, counts)| ([lane], counts.requests.load(Relaxed))))?;
        let attempts =
            Family::new("attempts", "Sends of deliveries, by what came of them; a request of several counts each");
        let by_class = lanes().flat_map(|(lane, counts)| {
            let counted = counts.classes.iter().zip(&counts.attempts);
            counted.map(move |(class, count)| ([lane, ("class", *class)], count.load(Relaxed)))
        });
        page.counters(attempts, by_class)?;
        let finished = Family::new("finished", "Deliveries that ended, by how");
        let by_state = lanes().flat_map(|(lane, counts)| {
            let counted = ENDS.iter().zip(&counts.finished);
            counted.map(move |(state, count)| ([lane, ("state", state.as_str())], count.load(Relaxed)))
        });
        page.counters(finished, by_state)?;
        let opened = Family::new(
            "circuit_opened",
            "Times that a lane stopped beginning deliveries, its destination taking none",
        );
        page.counters(opened, lanes().map(|(lane, counts)| ([lane], counts.circuit_opened.load(Relaxed))))?;
        let late = Family::seconds("send_lateness", "From when a send was due to when it began");
        page.histograms(late, lanes().map(|(lane, counts)| ([lane], &counts.lateness)))?;
        let answer =
            Family::seconds("answer", "From the beginning of a send to its answer, or the device's acknowledgement");
        page.histograms(answer, lanes().map(|(lane, counts)| ([lane], &counts.answer)))?;
        let delivery = Family::seconds("delivery", "From when a delivery was accepted to when it was delivered");
        page.histograms(delivery, lanes().map(|(lane, counts)| ([lane], &counts.delivery)))
    }
}

/// What a lane's sends travel over.
#[derive(Clone, Copy)]
enum Over {
    Http,
    Link,
    Either,
}

impl LaneCounts {
    fn new(pulse: &Arc<Pulse>, over: Over) -> Self {
        let http = || ANSWERED.into_iter().chain(crate::courier::Class::ALL.map(crate::courier::Class::as_str));
        let classes: Box<[_]> = match over {
            Over::Http => http().chain(OF_BOTH).collect(),
            Over::Link => OF_DEVICES.into_iter().chain(OF_BOTH).collect(),
            Over::Either => http().chain(OF_DEVICES).chain(OF_BOTH).collect(),
        };
        Self {
            pulse: Arc::clone(pulse),
            accepted: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            attempts: classes.iter().map(|_| AtomicU64::new(0)).collect(),
            classes,
            finished: Default::default(),
            circuit_opened: AtomicU64::new(0),
            lateness: Histogram::new(Scale::LATENESS),
            answer: Histogram::new(Scale::ANSWER),
            delivery: Histogram::new(Scale::DELIVERY),
        }
    }

    /// Counts a delivery that was accepted.
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
        self.pulse.accepted();
    }

    /// Counts a request over HTTP.
    pub(crate) fn requested(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts how long an answer, or an acknowledgement, took.
    pub(crate) fn answered(&self, sent: Instant, now: Instant) {
        self.answer.observe(now.since(sent));
    }

    /// Counts a send, by the word for what came of it.
    pub(crate) fn attempt(&self, class: &str, planned: Instant, started: Instant) {
        let known = self.classes.iter().position(|known| *known == class);
        let place = known.unwrap_or(self.classes.len() - 1);
        if let Some(count) = self.attempts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        let late = started.since(planned);
        self.lateness.observe(late);
        self.pulse.attempt(class, late);
    }

    /// Counts a delivery that has ended, `age` milliseconds after it was accepted.
    pub(crate) fn finished(&self, state: State, age: u64) {
        if let Some(end) = ENDS.iter().position(|end| *end == state)
            && let Some(count) = self.finished.get(end)
        {
            count.fetch_add(1, Relaxed);
        }
        if state == State::Delivered {
            self.delivery.observe(age);
        }
        self.pulse.finished(state);
    }

    /// Counts that the lane stopped beginning deliveries.
    pub(crate) fn circuit_opened(&self) {
        self.circuit_opened.fetch_add(1, Relaxed);
    }
}

/// Every lane that a configuration has, but those of devices.
fn lanes_of(config: &Config) -> Vec<LaneKey> {
    let uplink = config.uplink.destinations.iter().map(|to| LaneKey::Uplink(to.name.as_str().into()));
    let tencent = config.tencent.destinations.iter().map(|to| LaneKey::Tencent(to.name.as_str().into()));
    let webhooks = config.lingyang.apps().iter().filter(|app| app.webhook().is_some());
    let webhooks = webhooks.map(|app| LaneKey::Webhook(app.id().into()));
    let forwards = config.uplink.receivers.iter().filter(|receiver| receiver.forward.is_some());
    let forwards = forwards.map(|receiver| LaneKey::Forward(receiver.name.as_str().into()));
    uplink.chain(tencent).chain(webhooks).chain(forwards).collect()
}
