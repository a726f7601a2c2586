//! The scheduler's side of devices: lines over links, acknowledgements, connections, receipts.

use std::sync::{Arc, LazyLock};

use pushgate_core::{
    Instant, Verdict,
    lingyang::{Cid, Flag},
    schedule::FLAG_ANSWER_WITHIN,
};

use super::{
    Scheduler,
    outcome::{attempt, pending_lane},
    told::Went,
};
use crate::{
    engine::{
        Command, LaneKey,
        errand::{self, Part},
        line,
        loader::Loaded,
        payload::{DropReason, Meta, Payload},
        route::Terms,
        steadiness::Arrival,
        table::{Pending, Slot, Step},
    },
    link::{Link, Registry},
    store::{Attempt, DeliveryId, State},
};

static DEVICE: LazyLock<Terms> = LazyLock::new(Terms::device);

/// Milliseconds that messages wait for room on a connection which takes none, in their order (ours): a device that is
/// given a thousand at once needs a moment. After them each send counts as unanswered.
const ROOM_WITHIN: u64 = 2000;

/// Milliseconds between two looks for room (ours).
const ROOM_EVERY: u32 = 20;

/// Messages that were not at hand, from the store.
#[derive(Debug)]
pub(in crate::engine) struct FromStore {
    lane: u32,
    parts: Vec<(Part, Option<Loaded>)>,
}

impl Scheduler {
    /// Hands messages to their device's link, in their order; those that are not at hand are fetched first, and those
    /// behind them wait.
    pub(super) fn send_to_device(&mut self, number: u32, parts: Vec<Part>, now: Instant) {
        let at_hand = parts.iter().all(|part| part.payload.is_some());
        if at_hand {
            for part in parts {
                if let Some(payload) = part.payload.clone() {
                    self.send_in_turn(number, &part, &payload, now);
                }
            }
            return;
        }
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.loading = true;
        }
        self.in_flight += 1;
        let (loader, commands) = (self.loader.clone(), self.commands.clone());
        tokio::spawn(async move {
            let missing = parts.iter().filter(|part| part.payload.is_none()).map(|part| part.id);
            let mut loaded = loader.load(missing.collect::<Vec<_>>()).await.into_iter();
            let parts = parts.into_iter().map(|part| {
                let from_store = if part.payload.is_none() { loaded.next() } else { None };
                (part, from_store)
            });
            // The scheduler is gone only when the gateway is.
            let _ = commands.send(Command::Loaded(FromStore { lane: number, parts: parts.collect() }));
        });
    }

    /// Takes in messages from the store, and sends them.
    pub(super) fn loaded(&mut self, FromStore { lane: number, parts }: FromStore) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.touched.push(number);
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.loading = false;
        }
        let now = self.parts.clock.now();
        for (part, loaded) in parts {
            // Acknowledged or deleted meanwhile.
            if self.table.still(part.slot, part.id).is_none() {
                continue;
            }
            let payload = match (&part.payload, loaded) {
                (Some(payload), _) => Arc::clone(payload),
                (None, Some(Ok(Some(payload)))) => {
                    let payload = Arc::new(payload);
                    self.keep(part.slot, Arc::clone(&payload));
                    payload
                }
                (None, Some(Err(error))) => {
                    self.postpone(&part, now, &error);
                    continue;
                }
                (None, Some(Ok(None)) | None) => {
                    let report = errand::gone();
                    self.unsent(&part, now, report.verdict, DropReason::Gone, &report.detail);
                    continue;
                }
            };
            self.send_in_turn(number, &part, &payload, now);
        }
    }

    /// Hands one message to its device's link, unless one before it still waits for room there.
    fn send_in_turn(&mut self, number: u32, part: &Part, payload: &Payload, now: Instant) {
        if self.lanes.get(number).is_some_and(|lane| lane.rests(now)) {
            return self.put_back(part.slot);
        }
        self.send_line(number, part, payload, now);
    }

    /// Leaves a message due: it goes out in its turn when the lane goes on.
    fn put_back(&mut self, slot: Slot) {
        if let Some(pending) = self.table.get_mut(slot) {
            pending.step = Step::Waiting;
            self.advance(slot, None);
        }
    }

    /// Hands one message to its device's link; a device that is not connected counts as no answer.
    fn send_line(&mut self, number: u32, part: &Part, payload: &Payload, now: Instant) {
        let Some(LaneKey::Device(cid)) = self.lanes.get(number).map(|lane| lane.key.clone()) else { return };
        let Some(line) = line::message(payload, part.id) else {
            let why = DropReason::Internal;
            return self.unsent(part, now, Verdict::GiveUp, why, "the message is none that a link can carry");
        };
        let link = self.parts.registry.send(cid, line.into());
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let full_since = lane.full_since.take();
        match link {
            Link::Sent => {
                lane.sent_line(now);
                let Some(pending) = self.table.get_mut(part.slot) else { return };
                pending.delivery.sent(&DEVICE.schedule(pending.nature.flag()), now);
                let once = pending.nature.flag() == Some(Flag::Once);
                let why = if once { DropReason::Once } else { DropReason::Unanswered };
                // An acknowledgement that has not come by then comes no more, or belongs to another send.
                if lane.timed_since.is_none_or(|since| now.since(since) > u64::from(FLAG_ANSWER_WITHIN)) {
                    lane.timed_since = Some(now);
                }
                self.tried(part, now, why, Attempt::SENT, "on its way over the link");
            }
            Link::Absent => {
                self.unsent(part, now, Verdict::TryAgain, DropReason::Offline, "the device is not connected");
            }
            Link::Busy => {
                let since = full_since.unwrap_or(now);
                lane.full_since = Some(since);
                if now.since(since) < ROOM_WITHIN {
                    lane.rest(now.plus(ROOM_EVERY));
                    return self.put_back(part.slot);
                }
                self.unsent(part, now, Verdict::TryAgain, DropReason::Busy, "the device does not read its link");
            }
        }
    }

    fn unsent(&mut self, part: &Part, now: Instant, verdict: Verdict, why: DropReason, detail: &str) {
        let Some(pending) = self.table.get_mut(part.slot) else { return };
        let schedule = DEVICE.schedule(pending.nature.flag());
        pending.delivery.failed(&schedule, now);
        pending.delivery.answered(&schedule, now, verdict);
        self.tried(part, now, why, why.as_str(), detail);
    }

    fn tried(&mut self, part: &Part, now: Instant, why: DropReason, class: &'static str, detail: &str) {
        let attempt = attempt(part, now, now, None, class, detail.to_owned());
        let Some(pending) = self.table.get_mut(part.slot) else { return };
        pending.step = Step::Waiting;
        pending.nature.tried(why);
        if let Some(lane) = self.table.get(part.slot).and_then(|pending| self.lanes.get(pending.lane)) {
            lane.counts.attempt(class, part.planned, now);
        }
        let lane = pending_lane(&self.lanes, part.slot, &self.table);
        self.announce_attempt(part.id, lane, &attempt, class);
        self.tell_attempt(part.slot, &attempt, if class == Attempt::SENT { Went::Well } else { Went::Wrong });
        self.record(part.slot, Some(attempt));
        self.advance(part.slot, None);
    }

    /// A device has acknowledged a message; one that is not its own is ignored.
    pub(super) fn acknowledge(&mut self, cid: u32, id: DeliveryId) {
        let now = self.parts.clock.now();
        let Some(slot) = self.table.find(id) else { return };
        let own = pending_lane(&self.lanes, slot, &self.table) == Some(&LaneKey::Device(cid));
        let Some(pending) = self.table.get_mut(slot).filter(|_| own) else { return };
        if let Some(lane) = self.lanes.get_mut(pending.lane)
            && let Some(since) = lane.timed_since.take()
        {
            lane.counts.answered(since, now);
        }
        pending.delivery.answered(&DEVICE.schedule(pending.nature.flag()), now, Verdict::Delivered);
        if let Some(outcome) = pending.delivery.outcome() {
            self.finish(slot, outcome, None);
        }
    }

    /// A device has connected: everything it may still be sent goes out at once, oldest first, unless its connections
    /// do not hold: see [`Steadiness`](crate::engine::steadiness::Steadiness).
    pub(super) fn connected(&mut self, cid: u32) {
        let Some(number) = self.lanes.find(&LaneKey::Device(cid)) else { return self.wake(cid) };
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let now = self.parts.clock.now();
        let waits = match lane.steadiness.connected(now) {
            Arrival::Calm => false,
            // The last send of a message is not risked on a link that has just broken.
            Arrival::Again => self.has_last_send(number),
            Arrival::Flapping => true,
        };
        if !waits {
            if let Some(lane) = self.lanes.get_mut(number) {
                lane.steadiness.end_wait();
            }
            return self.wake(cid);
        }
        if let Some(lane) = self.lanes.get_mut(number) {
            let until = lane.steadiness.wait(now);
            if lane.arm(until) {
                self.lane_timers.set(until, number);
            }
        }
    }

    /// Serves a connection that has not been served yet. A connection counts once, and not at all when it is gone
    /// already: that would use up a send.
    pub(super) fn wake(&mut self, cid: u32) {
        let number = self.lanes.find(&LaneKey::Device(cid));
        let lane = number.and_then(|number| self.lanes.get_mut(number));
        let waits = lane.as_ref().is_some_and(|lane| lane.steadiness.waits_until().is_some());
        if waits || !self.parts.registry.greet(cid) {
            return;
        }
        let Some(lane) = lane else { return };
        lane.full_since = None;
        let now = self.parts.clock.now();
        let members: Vec<Slot> = self.table.members(lane.members).collect();
        for slot in members {
            let Some(pending) = self.table.get_mut(slot) else { continue };
            let was = pending.delivery.deadline();
            pending.delivery.wake(&DEVICE.schedule(pending.nature.flag()), now);
            self.advance(slot, was);
        }
    }

    /// Serves a device whose wait is over, if it is; a wait that became longer gets its timer.
    pub(super) fn end_wait(&mut self, number: u32, now: Instant) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let (Some(until), &LaneKey::Device(cid)) = (lane.steadiness.waits_until(), &lane.key) else { return };
        let until = if until > now { Some(until) } else { self.longer_wait(number, now) };
        let Some(lane) = self.lanes.get_mut(number) else { return };
        match until {
            Some(until) if lane.arm(until) => self.lane_timers.set(until, number),
            Some(_) => {}
            None => {
                lane.steadiness.end_wait();
                self.wake(cid);
            }
        }
    }

    fn longer_wait(&mut self, number: u32, now: Instant) -> Option<Instant> {
        let at_stake = self.has_last_send(number);
        self.lanes.get_mut(number).filter(|_| at_stake)?.steadiness.wait_on(now)
    }

    /// Says whether a message to the device has been sent all but its last time.
    fn has_last_send(&self, number: u32) -> bool {
        let Some(lane) = self.lanes.get(number) else { return false };
        let mut members = self.table.members(lane.members).filter_map(|slot| self.table.get(slot));
        members.any(|pending| {
            let (made, most) = (pending.delivery.attempts(), DEVICE.schedule(pending.nature.flag()).sends());
            made > 0 && made.saturating_add(1) == most
        })
    }

    /// Tells the sender of a message what became of it, if it wants to know and is connected.
    pub(super) fn tell_sender(&self, lane: &LaneKey, pending: &Pending, state: State) {
        let &LaneKey::Device(cid) = lane else { return };
        if !pending.nature.wants_receipt() {
            return;
        }
        if let Some(payload) = &pending.payload {
            return tell(&self.parts.registry, cid, payload, state);
        }
        let (loader, registry, id) = (self.loader.clone(), self.parts.registry.clone(), pending.id);
        tokio::spawn(async move {
            if let Some(Ok(Some(payload))) = loader.load([id]).await.pop() {
                tell(&registry, cid, &payload, state);
            }
        });
    }
}

fn tell(registry: &Registry, cid: u32, payload: &Payload, state: State) {
    if let Meta::Message(message) = &payload.meta
        && let Some(to) = Cid::new(cid)
        && let Some(line) = line::receipt(&message.push, to, state)
    {
        // Only a sender that is connected gets one.
        registry.send(message.from, line.into());
    }
}
