//! The scheduler's side of devices: lines over links, acknowledgements, connections, receipts.

use std::sync::{Arc, LazyLock};

use pushgate_core::{Instant, Verdict, lingyang::Cid};

use super::{
    Scheduler,
    outcome::{attempt, pending_lane},
};
use crate::{
    engine::{
        Command, LaneKey,
        errand::{self, Part},
        line,
        loader::Loaded,
        payload::{Meta, Nature, Payload},
        route::Terms,
        table::{Pending, Slot, Step},
    },
    link::{Link, Registry},
    store::{Attempt, DeliveryId, State},
};

static DEVICE: LazyLock<Terms> = LazyLock::new(Terms::device);

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
                    self.send_line(number, &part, &payload, now);
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
                    self.unsent(&part, now, report.verdict, report.class, &report.detail);
                    continue;
                }
            };
            self.send_line(number, &part, &payload, now);
        }
    }

    /// Hands one message to its device's link; a device that is not connected counts as no answer.
    fn send_line(&mut self, number: u32, part: &Part, payload: &Payload, now: Instant) {
        let Some(LaneKey::Device(cid)) = self.lanes.get(number).map(|lane| lane.key.clone()) else { return };
        let Some(line) = line::message(payload, part.id) else {
            return self.unsent(part, now, Verdict::GiveUp, "internal", "the message is none that a link can carry");
        };
        match self.parts.registry.send(cid, line.into()) {
            Link::Sent => {
                let Some(pending) = self.table.get_mut(part.slot) else { return };
                pending.delivery.sent(&DEVICE.schedule(pending.nature.flag()), now);
                self.tried(part, now, Attempt::SENT, "on its way over the link");
            }
            Link::Absent => self.unsent(part, now, Verdict::TryAgain, "offline", "the device is not connected"),
            Link::Busy => self.unsent(part, now, Verdict::TryAgain, "busy", "the device does not read its link"),
        }
    }

    fn unsent(&mut self, part: &Part, now: Instant, verdict: Verdict, class: &'static str, detail: &str) {
        let Some(pending) = self.table.get_mut(part.slot) else { return };
        let schedule = DEVICE.schedule(pending.nature.flag());
        pending.delivery.failed(&schedule, now);
        pending.delivery.answered(&schedule, now, verdict);
        self.tried(part, now, class, detail);
    }

    fn tried(&mut self, part: &Part, now: Instant, class: &'static str, detail: &str) {
        let attempt = attempt(part, now, now, None, class, detail.to_owned());
        let Some(pending) = self.table.get_mut(part.slot) else { return };
        pending.step = Step::Waiting;
        self.parts.metrics.attempt(class, part.planned, now);
        let lane = pending_lane(&self.lanes, part.slot, &self.table);
        self.announce_attempt(part.id, lane, &attempt, class);
        self.record(part.slot, Some(attempt));
        self.advance(part.slot, None);
    }

    /// A device has acknowledged a message; one that is not its own is ignored.
    pub(super) fn acknowledge(&mut self, cid: u32, id: DeliveryId) {
        let now = self.parts.clock.now();
        let Some(slot) = self.table.find(id) else { return };
        let own = pending_lane(&self.lanes, slot, &self.table) == Some(&LaneKey::Device(cid));
        let Some(pending) = self.table.get_mut(slot).filter(|_| own) else { return };
        pending.delivery.answered(&DEVICE.schedule(pending.nature.flag()), now, Verdict::Delivered);
        if let Some(outcome) = pending.delivery.outcome() {
            self.finish(slot, outcome, None);
        }
    }

    /// A device has connected: everything it may still be sent goes out at once, oldest first. A connection counts
    /// once, and not at all when it is gone already: that would use up a send.
    pub(super) fn wake(&mut self, cid: u32) {
        if !self.parts.registry.greet(cid) {
            return;
        }
        let number = self.lanes.find(&LaneKey::Device(cid));
        let Some(lane) = number.and_then(|number| self.lanes.get(number)) else { return };
        let now = self.parts.clock.now();
        let members: Vec<Slot> = self.table.members(lane.members).collect();
        for slot in members {
            let Some(pending) = self.table.get_mut(slot) else { continue };
            let was = pending.delivery.deadline();
            pending.delivery.wake(&DEVICE.schedule(pending.nature.flag()), now);
            self.advance(slot, was);
        }
    }

    /// Tells the sender of a message what became of it, if it wants to know and is connected.
    pub(super) fn tell_sender(&self, lane: &LaneKey, pending: &Pending, state: State) {
        let (&LaneKey::Device(cid), Nature::Message { receipt: true, .. }) = (lane, pending.nature) else { return };
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
