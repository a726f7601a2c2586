//! The one task that owns every pending delivery: it is told what happened, looks at the clock, and starts sends.
//!
//! It never waits for anything but its commands and its timers. What it decides it decides in memory; the store is
//! written behind it by the recorder, and read by the sends themselves, which need their bodies.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use pushgate_core::{
    Delivery, Instant, Schedule, Verdict,
    delivery::{Action, Outcome},
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Command, DeviceMessage, Entry, Event, EventKind, LaneKey, Parts, Start,
    errand::{Errand, Sent},
    lane::{Lane, Next, Paused},
    line, recorder,
    route::Terms,
};
use crate::{
    config::Config,
    link::Link,
    store::{Attempt, DeliveryId, Progress, State},
};

/// Runs until it has been drained or every engine handle is gone.
pub(super) async fn run(
    parts: Parts,
    commands: mpsc::UnboundedSender<Command>,
    mut received: mpsc::UnboundedReceiver<Command>,
    events: broadcast::Sender<Event>,
) {
    let (records, recorded) = mpsc::unbounded_channel();
    let recorder = tokio::spawn(recorder::run(Arc::clone(&parts.store), recorded));
    let clock = parts.clock;
    let mut scheduler = Scheduler {
        parts,
        commands,
        events,
        records,
        entries: HashMap::new(),
        lanes: HashMap::new(),
        timers: BinaryHeap::new(),
        in_flight: 0,
        draining: None,
    };
    while !scheduler.is_drained() {
        let next = scheduler.timers.peek().map_or(Instant::NEVER, |Reverse((at, _))| *at);
        tokio::select! {
            command = received.recv() => match command {
                Some(command) => scheduler.obey(command),
                None => break,
            },
            () = clock.sleep_until(next) => scheduler.ring(),
        }
    }
    let drained = scheduler.draining.take();
    drop(scheduler);
    // The last record's sender is gone: the recorder ends once all is written.
    let _ = recorder.await;
    for answer in drained.into_iter().flatten() {
        let _ = answer.send(());
    }
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Delivery(DeliveryId),
    Lane(LaneKey),
}

/// A pending delivery.
struct Pending {
    lane: LaneKey,
    delivery: Delivery,
    /// Where the machine is to start from, until its lane's schedule is known.
    held: Option<Start>,
    message: Option<Arc<DeviceMessage>>,
    /// The timer that counts; an older one in the heap is stale.
    armed: Option<Instant>,
    step: Step,
}

/// Where a delivery is between its machine's word and the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its timer decides.
    Waiting,
    /// Due, in its lane's queue.
    Queued,
    /// On the wire.
    InFlight,
}

struct Scheduler {
    parts: Parts,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<Event>,
    records: mpsc::UnboundedSender<Progress>,
    entries: HashMap<DeliveryId, Pending>,
    lanes: HashMap<LaneKey, Lane>,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    in_flight: usize,
    draining: Option<Vec<oneshot::Sender<()>>>,
}

impl Scheduler {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            Command::Sent(sent) => self.sent(sent),
            Command::Ack { cid, id } => self.acknowledge(cid, id),
            Command::Connected { cid } => self.wake(cid),
            Command::Remove(id) => drop(self.forget(id)),
            Command::Pause { lane, paused } => self.pause(&lane, paused),
            Command::Lanes(answer) => {
                let mut lanes: Vec<_> = self.lanes.iter().map(|(key, lane)| lane.status(key)).collect();
                lanes.sort_unstable_by(|a, b| a.lane.cmp(&b.lane));
                let _ = answer.send(lanes);
            }
            Command::Reload(config) => self.reload(config),
            Command::Drain(answer) => self.draining.get_or_insert_default().push(answer),
        }
    }

    fn is_drained(&self) -> bool {
        self.draining.is_some() && self.in_flight == 0
    }

    /// Does what the timers that have run out are for.
    fn ring(&mut self) {
        let now = self.parts.clock.now();
        while let Some(Reverse((at, _))) = self.timers.peek()
            && *at <= now
        {
            let Some(Reverse((at, timer))) = self.timers.pop() else { return };
            match timer {
                Timer::Lane(key) => {
                    if let Some(lane) = self.lanes.get_mut(&key) {
                        lane.disarm(at);
                    }
                    self.pump(&key);
                }
                Timer::Delivery(id) => {
                    if let Some(entry) = self.entries.get_mut(&id)
                        && entry.armed == Some(at)
                    {
                        entry.armed = None;
                        self.advance(id);
                    }
                }
            }
        }
    }

    fn add(&mut self, Entry { id, lane: key, start, message }: Entry) {
        if let LaneKey::Device(cid) = key {
            // On a connection whose news is still on its way here, what waits for it goes first.
            self.wake(cid);
        }
        let config = &self.parts.config;
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(Terms::of(&key, config)));
        if lane.terms.is_none() && lane.members.is_empty() {
            tracing::warn!(lane = %key, "deliveries wait: the configuration has no such destination any more");
        }
        lane.members.insert(id);
        let entry = Pending {
            lane: key,
            delivery: Delivery::new(Instant::NEVER),
            held: Some(start),
            message,
            armed: None,
            step: Step::Waiting,
        };
        self.entries.insert(id, entry);
        self.advance(id);
    }

    /// Asks a delivery's machine what to do, and sees to it.
    fn advance(&mut self, id: DeliveryId) {
        let now = self.parts.clock.now();
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.step == Step::Waiting) else { return };
        let Some(lane) = self.lanes.get_mut(&entry.lane) else { return };
        let Some(terms) = lane.terms.clone() else { return };
        let schedule = entry.schedule(&terms);
        match entry.run(&schedule, now).poll(&schedule, now) {
            Action::Send { attempt, .. } => {
                entry.step = Step::Queued;
                lane.queue(id, attempt);
                let key = entry.lane.clone();
                self.pump(&key);
            }
            Action::WaitUntil(at) => {
                if entry.armed != Some(at) {
                    entry.armed = Some(at);
                    self.timers.push(Reverse((at, Timer::Delivery(id))));
                }
            }
            Action::Done(outcome) => self.finish(id, outcome, None),
        }
    }

    /// Starts what a lane may send now.
    fn pump(&mut self, key: &LaneKey) {
        loop {
            let now = self.parts.clock.now();
            if self.draining.is_some() {
                return;
            }
            let Some(lane) = self.lanes.get_mut(key) else { return };
            match lane.next(now) {
                Next::Send(id) => self.begin(id, now),
                Next::NotBefore(at) => {
                    if lane.arm(at) {
                        self.timers.push(Reverse((at, Timer::Lane(key.clone()))));
                    }
                    return;
                }
                Next::Idle => return,
            }
        }
    }

    /// Puts a delivery on the wire, if its machine still wants that.
    fn begin(&mut self, id: DeliveryId, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(lane) = self.lanes.get_mut(&entry.lane) else { return };
        let Some(terms) = lane.terms.clone() else { return };
        entry.step = Step::Waiting;
        let schedule = entry.schedule(&terms);
        let delivery = entry.run(&schedule, now);
        let Action::Send { attempt: number, planned } = delivery.poll(&schedule, now) else { return self.advance(id) };
        let Some(route) = &terms.route else {
            return self.send_to_device(id, &schedule, number, planned, now);
        };
        delivery.sent(&schedule, now);
        entry.step = Step::InFlight;
        entry.armed = None;
        lane.begin(now);
        self.in_flight += 1;
        let lane = entry.lane.clone();
        let errand = Errand::new(self.commands.clone(), id, lane, number, (planned, now));
        let (store, courier) = (Arc::clone(&self.parts.store), self.parts.courier.clone());
        let (route, timeout) = (route.clone(), terms.timeout());
        tokio::spawn(errand.run(self.parts.clock, store, courier, route, timeout));
    }

    /// Hands a message to its device's link; a device that is not connected counts as no answer.
    fn send_to_device(&mut self, id: DeliveryId, schedule: &Schedule<'_>, number: u8, planned: Instant, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (LaneKey::Device(cid), Some(message)) = (&entry.lane, &entry.message) else { return };
        let link = line::message(message, id).map_or(Link::Absent, |line| self.parts.registry.send(*cid, line.into()));
        let delivery = &mut entry.delivery;
        let (class, detail) = match link {
            Link::Sent => {
                delivery.sent(schedule, now);
                (Attempt::SENT, "on its way over the link")
            }
            Link::Absent => {
                delivery.failed(schedule, now);
                ("offline", "the device is not connected")
            }
            Link::Busy => {
                delivery.failed(schedule, now);
                ("busy", "the device does not read its link")
            }
        };
        let attempt = Attempt {
            number,
            planned: planned.as_millis(),
            started: now.as_millis(),
            finished: now.as_millis(),
            status: None,
            class: class.to_owned(),
            detail: detail.to_owned(),
        };
        self.announce_attempt(id, &attempt, class);
        self.record(id, Some(attempt));
        self.advance(id);
    }

    /// Takes in what a send over HTTP came to.
    fn sent(&mut self, Sent { id, lane: key, number, planned, started, report }: Sent) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.end();
        }
        let now = self.parts.clock.now();
        let attempt = Attempt {
            number,
            planned: planned.as_millis(),
            started: started.as_millis(),
            finished: now.as_millis(),
            status: report.status,
            class: report.class.to_owned(),
            detail: report.detail,
        };
        self.announce_attempt(id, &attempt, report.class);
        self.settle(id, report.verdict, attempt, now);
        self.pump(&key);
        self.sweep(&key);
    }

    fn settle(&mut self, id: DeliveryId, verdict: Verdict, attempt: Attempt, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.step = Step::Waiting;
        let terms = self.lanes.get(&entry.lane).and_then(|lane| lane.terms.clone());
        let Some(terms) = terms else {
            // The destination was taken out of the configuration meanwhile: hold what is not delivered.
            if verdict == Verdict::Delivered {
                return self.finish(id, Outcome::Delivered, Some(attempt));
            }
            self.record(id, Some(attempt));
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.held = Some(Start::Saved(entry.delivery.save()));
            }
            return;
        };
        let schedule = terms.schedule(None);
        // The courier has kept the time: an answer it took is in time, also when the store was slow to give the body.
        let at = if verdict == Verdict::TryAgain { now } else { Instant::from_millis(attempt.started) };
        entry.delivery.answered(&schedule, at, verdict);
        match entry.delivery.outcome() {
            Some(outcome) => self.finish(id, outcome, Some(attempt)),
            None => {
                self.record(id, Some(attempt));
                self.advance(id);
            }
        }
    }

    fn acknowledge(&mut self, cid: u32, id: DeliveryId) {
        let now = self.parts.clock.now();
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.lane == LaneKey::Device(cid)) else { return };
        let terms = Terms::device();
        let schedule = entry.schedule(&terms);
        let delivery = entry.run(&schedule, now);
        delivery.answered(&schedule, now, Verdict::Delivered);
        if let Some(outcome) = delivery.outcome() {
            self.finish(id, outcome, None);
        }
    }

    /// A device has connected: everything it may still be sent goes out at once, oldest first. A connection counts
    /// once, and not at all when it is gone already: that would use up a send.
    fn wake(&mut self, cid: u32) {
        if !self.parts.registry.greet(cid) {
            return;
        }
        let now = self.parts.clock.now();
        let Some(lane) = self.lanes.get(&LaneKey::Device(cid)) else { return };
        let Some(terms) = lane.terms.clone() else { return };
        for id in lane.members.clone() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let schedule = entry.schedule(&terms);
            entry.run(&schedule, now).wake(&schedule, now);
            self.advance(id);
        }
    }

    fn pause(&mut self, key: &LaneKey, paused: Paused) {
        let config = &self.parts.config;
        self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(Terms::of(key, config))).set_paused(paused);
        self.pump(key);
        self.sweep(key);
    }

    fn reload(&mut self, config: Arc<Config>) {
        self.parts.config = config;
        let keys: Vec<_> = self.lanes.keys().cloned().collect();
        for key in keys {
            let terms = Terms::of(&key, &self.parts.config);
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.set_terms(terms);
            for id in lane.members.clone() {
                self.advance(id);
            }
            self.pump(&key);
            self.sweep(&key);
        }
    }

    /// Ends a delivery: the store learns its outcome, a waiting sender gets its receipt, memory forgets it.
    fn finish(&mut self, id: DeliveryId, outcome: Outcome, attempt: Option<Attempt>) {
        let now = self.parts.clock.now();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let state = match (outcome, &entry.lane) {
            (Outcome::Delivered, _) => State::Delivered,
            (_, LaneKey::Device(_)) => State::Dropped,
            _ => State::Dead,
        };
        let attempts = entry.delivery.attempts();
        self.record_as(id, state, attempt, Some(now));
        self.announce(id, EventKind::Finished { state, at: now.as_millis(), attempts });
        let Some(entry) = self.forget(id) else { return };
        if let (LaneKey::Device(cid), Some(message)) = (&entry.lane, &entry.message)
            && message.meta.receipt
            && let Some(line) = line::receipt(&message.meta.push, *cid, state)
        {
            // Only a sender that is connected gets one.
            self.parts.registry.send(message.meta.from, line.into());
        }
    }

    /// Takes a delivery out of memory.
    fn forget(&mut self, id: DeliveryId) -> Option<Pending> {
        let entry = self.entries.remove(&id)?;
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.members.remove(&id);
        }
        self.sweep(&entry.lane);
        Some(entry)
    }

    /// Forgets a lane that has nothing to do: a gateway meets more devices than it has messages for.
    fn sweep(&mut self, key: &LaneKey) {
        if self.lanes.get(key).is_some_and(Lane::is_idle) {
            self.lanes.remove(key);
        }
    }

    fn record(&self, id: DeliveryId, attempt: Option<Attempt>) {
        self.record_as(id, State::Pending, attempt, None);
    }

    fn record_as(&self, id: DeliveryId, state: State, attempt: Option<Attempt>, finished: Option<Instant>) {
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.held.is_none()) else { return };
        let saved = entry.delivery.save();
        // The recorder outlives every sender of its channel.
        let _ = self.records.send(Progress {
            id,
            state,
            attempts: saved.attempts,
            phase: saved.phase.code(),
            planned: saved.grid,
            due: saved.at,
            attempt,
            finished_at: finished.map(Instant::as_millis),
        });
    }

    fn announce_attempt(&self, id: DeliveryId, attempt: &Attempt, class: &'static str) {
        if self.events.receiver_count() > 0 {
            let Attempt { number, planned, started, finished, status, .. } = *attempt;
            let detail = attempt.detail.clone();
            self.announce(id, EventKind::Attempt { number, planned, started, finished, class, status, detail });
        }
    }

    fn announce(&self, id: DeliveryId, kind: EventKind) {
        if let Some(entry) = self.entries.get(&id).filter(|_| self.events.receiver_count() > 0) {
            // Nobody listening is no fault.
            let _ = self.events.send(Event { id, lane: entry.lane.to_string(), kind });
        }
    }
}

impl Pending {
    fn schedule<'t>(&self, terms: &'t Terms) -> Schedule<'t> {
        terms.schedule(self.message.as_ref().map(|message| message.meta.flag()))
    }

    /// The delivery's machine, set going if it is held.
    fn run(&mut self, schedule: &Schedule<'_>, now: Instant) -> &mut Delivery {
        if let Some(start) = self.held.take() {
            self.delivery = start.delivery(schedule, now);
        }
        &mut self.delivery
    }
}
