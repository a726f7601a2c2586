//! The one task that owns every pending delivery: it is told what happened, looks at the clock, and starts sends.
//!
//! It never waits for anything but its commands and its timers. What it decides it decides in memory; the store is
//! written behind it by the recorder, and read by the sends themselves, which need their bodies.

use std::{collections::HashMap, mem, sync::Arc};

use pushgate_core::{Delivery, Instant, delivery::Action};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Command, Entry, Event, LaneKey, Parts, Question, Start,
    depth::Depths,
    errand::{Errand, Fate, Part},
    lane::{Lane, Next},
    lanes::Lanes,
    listing::{self, DeviceLevels},
    loader::Loader,
    payload::Payload,
    recorder::{Backlog, Records},
    table::{Pending, Slot, Step, Table},
    timers::Timers,
};
use crate::config::Config;
use told::{Traces, Troubles};

mod device;
mod outcome;
mod told;

pub(super) use device::FromStore;

/// Commands obeyed before the clock is looked at again.
const COMMANDS_AT_ONCE: usize = 256;

/// Bytes of payloads kept at hand for all lanes, and for one (ours); the store has every payload. A lane that is behind
/// must not take the place of one that is not.
const KEPT: usize = 32 << 20;
const KEPT_BY_LANE: usize = 1 << 20;

/// Runs until it has been drained.
pub(super) async fn run(
    parts: Parts,
    depths: Depths,
    commands: mpsc::UnboundedSender<Command>,
    mut received: mpsc::UnboundedReceiver<Command>,
    events: broadcast::Sender<Event>,
    backlog: Backlog,
) {
    let (records, recorder) = Records::start(Arc::clone(&parts.store), commands.clone(), backlog, &parts.workers);
    let (clock, now) = (parts.clock, parts.clock.now());
    let mut scheduler = Scheduler {
        loader: Loader::start(Arc::clone(&parts.store), &parts.workers),
        lanes: Lanes::new(Arc::clone(&parts.metrics)),
        parts,
        depths,
        commands,
        events,
        records,
        table: Table::default(),
        held: HashMap::new(),
        traces: Traces::default(),
        troubles: Troubles::default(),
        timers: Timers::new(now),
        lane_timers: Timers::new(now),
        touched: Vec::new(),
        kept: 0,
        in_flight: 0,
        questions: Vec::new(),
        draining: None,
    };
    scheduler.lanes.enter_configured(&scheduler.parts.config);
    let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
    while !scheduler.is_drained() {
        let next = scheduler.next_timer();
        tokio::select! {
            received = received.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                if received == 0 {
                    break;
                }
                batch.drain(..).for_each(|command| scheduler.obey(command));
            }
            () = clock.sleep_until(next) => {}
        }
        scheduler.ring();
        scheduler.pump_touched();
        scheduler.answer_questions();
    }
    let drained = scheduler.draining.take();
    drop(scheduler);
    // The last record's sender is gone: the recorder ends once all is written.
    let _ = recorder.await;
    for answer in drained.into_iter().flatten() {
        let _ = answer.send(());
    }
}

struct Scheduler {
    parts: Parts,
    depths: Depths,
    loader: Loader,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<Event>,
    records: Records,
    table: Table,
    lanes: Lanes,
    /// Where the machines of deliveries start from whose lane has no terms yet.
    held: HashMap<Slot, Start>,
    traces: Traces,
    troubles: Troubles,
    timers: Timers,
    lane_timers: Timers,
    /// Lanes that may have something to send.
    touched: Vec<u32>,
    /// Bytes of payloads kept at hand.
    kept: usize,
    in_flight: usize,
    /// What has been asked since the lanes were last looked after.
    questions: Vec<Question>,
    draining: Option<Vec<oneshot::Sender<()>>>,
}

impl Scheduler {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            Command::Sent(sent) => self.sent(sent),
            Command::Loaded(loaded) => self.loaded(loaded),
            Command::Ack { cid, id } => self.acknowledge(cid, id),
            Command::Connected { cid } => self.connected(cid),
            Command::Remove(id) => {
                if let Some(slot) = self.table.find(id) {
                    drop(self.forget(slot));
                }
            }
            Command::Has { id, answer } => {
                let _ = answer.send(self.table.find(id).is_some());
            }
            Command::Pause { lane, paused } => {
                let number = self.lanes.enter(&lane, &self.parts.config);
                if let Some(lane) = self.lanes.get_mut(number) {
                    lane.set_paused(paused);
                }
                self.touched.push(number);
            }
            Command::Ask(question) => self.questions.push(question),
            Command::Reload(config) => self.reload(config),
            Command::Tell(answer) => {
                let _ = answer.send(());
            }
            Command::CaughtUp => self.touched = self.lanes.numbers(),
            #[cfg(test)]
            Command::Stumble => panic!("it stumbled, as told"),
            Command::Drain(answer) => self.draining.get_or_insert_default().push(answer),
        }
    }

    fn is_drained(&self) -> bool {
        self.draining.is_some() && self.in_flight == 0
    }

    fn next_timer(&self) -> Instant {
        let next = [self.timers.next(), self.lane_timers.next()];
        next.into_iter().flatten().min().unwrap_or(Instant::NEVER)
    }

    /// Does what the timers that have run out are for.
    fn ring(&mut self) {
        let now = self.parts.clock.now();
        while let Some((tick, slot)) = self.timers.ring(now) {
            // Others were set for what a delivery waited for earlier, or for an earlier delivery in this slot.
            let counts = |pending: &Pending| {
                pending.step == Step::Waiting
                    && pending.delivery.deadline().is_some_and(|at| self.timers.tick(at) == tick)
            };
            if self.table.get(slot).is_some_and(counts) {
                self.advance(slot, None);
            }
        }
        while let Some((_, number)) = self.lane_timers.ring(now) {
            if let Some(lane) = self.lanes.get_mut(number) {
                lane.disarm(now);
                self.touched.push(number);
                self.end_wait(number, now);
            }
        }
        if self.timers.is_old(now) {
            self.renew_timers(now);
        }
    }

    fn renew_timers(&mut self, now: Instant) {
        self.timers = Timers::new(now);
        self.lane_timers = Timers::new(now);
        for slot in self.table.slots() {
            if let Some(pending) = self.table.get(slot)
                && pending.step == Step::Waiting
                && let Some(at) = pending.delivery.deadline()
            {
                self.timers.set(at, slot);
            }
        }
        for number in self.lanes.numbers() {
            if let Some(lane) = self.lanes.get_mut(number) {
                lane.disarm(Instant::NEVER);
            }
            self.touched.push(number);
            self.end_wait(number, now);
        }
    }

    fn add(&mut self, Entry { id, lane: key, start, meta, payload, trace }: Entry) {
        if let LaneKey::Device(cid) = key {
            // On a connection whose news is still on its way here, what waits for it goes first.
            self.wake(cid);
        }
        let now = self.parts.clock.now();
        let number = self.lanes.enter(&key, &self.parts.config);
        let Some(lane) = self.lanes.get_mut(number) else { return };
        if lane.terms.is_none() && lane.members.is_empty() {
            tracing::warn!(lane = %key, "deliveries wait: the configuration has no such destination any more");
        }
        let pending = Pending::new(id, number, Delivery::new(Instant::NEVER), meta.nature());
        let terms = lane.terms.clone();
        let Some(slot) = self.table.insert(pending, &mut lane.members) else {
            // It is here already; it has been counted twice.
            return self.depths.release(&key);
        };
        if let (Start::New(_), Some(lane)) = (start, self.lanes.get(number))
            && payload.is_some()
        {
            lane.counts.accepted();
        }
        if let Some(payload) = payload {
            self.keep(slot, payload);
        }
        self.traces.keep(slot, trace);
        match terms {
            Some(terms) => {
                if let Some(pending) = self.table.get_mut(slot) {
                    pending.delivery = start.delivery(&terms.schedule(pending.nature.flag()), now);
                }
                self.advance(slot, None);
            }
            None => drop(self.held.insert(slot, start)),
        }
        self.touched.push(number);
    }

    /// Asks a delivery's machine what to do, and sees to it. `armed` is the instant that a timer is set for already.
    fn advance(&mut self, slot: Slot, armed: Option<Instant>) {
        let now = self.parts.clock.now();
        let Some(pending) = self.table.get_mut(slot).filter(|pending| pending.step == Step::Waiting) else { return };
        let number = pending.lane;
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let Some(terms) = &lane.terms else { return };
        let schedule = terms.schedule(pending.nature.flag());
        match pending.delivery.poll(&schedule, now) {
            Action::Send { attempt, .. } => {
                lane.queue(slot, attempt, &mut self.table);
                self.touched.push(number);
            }
            Action::WaitUntil(at) => {
                if armed != Some(at) {
                    self.timers.set(at, slot);
                }
            }
            Action::Done(outcome) => self.finish(slot, outcome, None),
        }
    }

    /// Starts what the lanes that something has happened to may send now.
    fn pump_touched(&mut self) {
        while let Some(number) = self.touched.pop() {
            self.pump(number);
            self.lanes.settle(number, &self.parts.config.limits);
        }
    }

    /// Answers what operators have asked, once everything before it has had its effect.
    fn answer_questions(&mut self) {
        let (now, limits) = (self.parts.clock.now(), &self.parts.config.limits);
        let status = |lane: &Lane| lane.status(&self.table, limits, now);
        for question in self.questions.drain(..) {
            match question {
                Question::Lanes { filter, answer } => {
                    let mut lanes = self.lanes.walk(&filter);
                    let page: Vec<_> = lanes.by_ref().take(filter.limit.min(listing::AT_ONCE)).collect();
                    let next = lanes.next().and_then(|_| page.last()).map(|last| last.key.clone());
                    let _ = answer.send((page.into_iter().map(status).collect(), next));
                }
                Question::Lane { key, answer } => {
                    let lane = self.lanes.find(&key).and_then(|number| self.lanes.get(number));
                    let _ = answer.send(lane.map(status));
                }
                Question::Devices(answer) => {
                    let noted = self.lanes.noted().map(status).collect();
                    let _ = answer.send(DeviceLevels { noted, ..self.lanes.device_levels() });
                }
            }
        }
    }

    fn pump(&mut self, number: u32) {
        loop {
            let now = self.parts.clock.now();
            if self.draining.is_some() || self.records.are_behind() {
                return;
            }
            let Some(lane) = self.lanes.get_mut(number) else { return };
            match lane.next(now, &self.table) {
                Next::Send(group) => self.begin(number, &group, now),
                Next::NotBefore(at) => {
                    if lane.arm(at) {
                        self.lane_timers.set(at, number);
                    }
                    return;
                }
                Next::Idle => return,
            }
        }
    }

    /// Puts deliveries on the wire, those whose machines still want that.
    fn begin(&mut self, number: u32, group: &[Slot], now: Instant) {
        let Some(terms) = self.lanes.get(number).and_then(|lane| lane.terms.clone()) else { return };
        let mut parts = Vec::with_capacity(group.len());
        for &slot in group {
            let Some(pending) = self.table.get_mut(slot) else { continue };
            pending.step = Step::Waiting;
            let schedule = terms.schedule(pending.nature.flag());
            let Action::Send { attempt, planned } = pending.delivery.poll(&schedule, now) else {
                self.advance(slot, None);
                continue;
            };
            // A first send that waited for others was due when that wait was over.
            let lingered = if attempt == 1 { planned.plus(terms.linger_ms).min(now) } else { planned };
            pending.step = Step::InFlight;
            let payload = pending.payload.clone();
            parts.push(Part { slot, id: pending.id, number: attempt, planned: lingered, payload, fate: Fate::Sent });
        }
        if parts.is_empty() {
            return;
        }
        if terms.route.is_none() {
            return self.send_to_device(number, parts, now);
        }
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.begin(now);
        }
        self.in_flight += 1;
        let errand = Errand::new(self.commands.clone(), number, terms, now, parts);
        tokio::spawn(errand.run(self.parts.clock, self.loader.clone(), Arc::clone(&self.parts.courier)));
    }

    fn reload(&mut self, config: Arc<Config>) {
        self.parts.config = config;
        self.parts.metrics.obey(&self.parts.config);
        let now = self.parts.clock.now();
        self.lanes.enter_configured(&self.parts.config);
        for number in self.lanes.numbers() {
            let terms = self.lanes.terms(number, &self.parts.config);
            let Some(lane) = self.lanes.get_mut(number) else { continue };
            lane.counts = self.parts.metrics.lane(&lane.key);
            let in_new_order = terms.as_ref().is_some_and(|terms| lane.queues_otherwise(terms));
            if in_new_order {
                lane.clear_queue();
            }
            lane.set_terms(terms.clone());
            self.touched.push(number);
            let members: Vec<_> = self.table.members(lane.members).collect();
            for slot in &members {
                let Some(pending) = self.table.get_mut(*slot) else { continue };
                if in_new_order && pending.step == Step::Queued {
                    pending.step = Step::Waiting;
                }
                let was = pending.delivery.deadline();
                match (self.held.remove(slot), &terms) {
                    (Some(start), None) => drop(self.held.insert(*slot, start)),
                    (Some(start), Some(terms)) => {
                        pending.delivery = start.delivery(&terms.schedule(pending.nature.flag()), now);
                        self.advance(*slot, None);
                    }
                    (None, None) if pending.step == Step::Waiting => {
                        let saved = Start::Saved(pending.delivery.save());
                        self.held.insert(*slot, saved);
                    }
                    (None, _) => self.advance(*slot, was),
                }
            }
        }
    }

    /// Keeps a payload at hand, if there is room.
    fn keep(&mut self, slot: Slot, payload: Arc<Payload>) {
        let Some(pending) = self.table.get_mut(slot) else { return };
        let Some(lane) = self.lanes.get_mut(pending.lane) else { return };
        let bytes = payload.body.len();
        if lane.kept + bytes > KEPT_BY_LANE || self.kept + bytes > KEPT {
            return;
        }
        lane.kept += bytes;
        self.kept += bytes;
        pending.payload = Some(payload);
    }

    /// Keeps a payload at hand no longer: what waits for a retry leaves its room to what is new.
    fn let_go(&mut self, slot: Slot) {
        let Some(pending) = self.table.get_mut(slot) else { return };
        let Some(payload) = mem::take(&mut pending.payload) else { return };
        self.kept = self.kept.saturating_sub(payload.body.len());
        if let Some(lane) = self.lanes.get_mut(pending.lane) {
            lane.kept = lane.kept.saturating_sub(payload.body.len());
        }
    }
}
