//! What became of sends and deliveries: told to machines, lanes, the store and whoever listens.

use pushgate_core::{Instant, Verdict, delivery::Outcome};

use super::{
    Scheduler,
    told::{Ended, Went},
};
use crate::{
    courier::Report,
    engine::{
        Event, EventKind, LaneKey, Start,
        errand::{self, Fate, Part, Sent},
        lanes::Lanes,
        payload::Nature,
        route::Terms,
        table::{Pending, Slot, Step, Table},
    },
    store::{Answered, Attempt, DeliveryId, MAX_DETAIL, Progress, State, StoreError},
    telemetry::seldom::seldom,
};

/// Milliseconds that a lane leaves a store alone that could not give it a body (ours).
const STORE_REST: u32 = 200;

impl Scheduler {
    /// Takes in what a request over HTTP came to.
    pub(super) fn sent(&mut self, Sent { lane: number, terms, started, parts, report }: Sent) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(number) {
            lane.end();
        }
        self.touched.push(number);
        let now = self.parts.clock.now();
        let mut asked = false;
        for part in parts {
            let Some(pending) = self.table.still(part.slot, part.id) else { continue };
            pending.step = Step::Waiting;
            match part.fate {
                Fate::LeftOut => self.advance(part.slot, None),
                Fate::NotFetched(ref error) => self.postpone(&part, now, error),
                Fate::Gone => self.settle(&part, &terms, started, now, &errand::gone()),
                Fate::Sent => {
                    asked = true;
                    self.settle(&part, &terms, started, now, &report);
                }
            }
        }
        if asked && let Some(lane) = self.lanes.get_mut(number) {
            lane.counts.requested();
            if report.status.is_some() {
                lane.counts.answered(started, now);
            }
            lane.fails((report.verdict != Verdict::Delivered).then(|| cut(report.detail)), now);
        }
    }

    /// Puts off a send that the store had no body for. That is no fault of the receiver's: it costs no attempt.
    pub(super) fn postpone(&mut self, part: &Part, now: Instant, error: &StoreError) {
        seldom!(error, %error, delivery = %part.id, "cannot read what is to be sent; trying on");
        let Some(pending) = self.table.get_mut(part.slot) else { return };
        pending.step = Step::Waiting;
        if let Some(lane) = self.lanes.get_mut(pending.lane) {
            lane.rest(now.plus(STORE_REST));
            // A probe that never went out has shown nothing: the next one takes its place.
            lane.circuit.gone(part.id, now);
        }
        self.advance(part.slot, None);
    }

    fn settle(&mut self, part: &Part, terms: &Terms, started: Instant, now: Instant, report: &Report) {
        let slot = part.slot;
        let Some(pending) = self.table.get_mut(slot) else { return };
        let schedule = terms.schedule(pending.nature.flag());
        pending.delivery.sent(&schedule, started);
        // The courier has kept the time: an answer it took is in time, also when the store was slow to give the body.
        let at = if report.verdict == Verdict::TryAgain { now } else { started };
        pending.delivery.answered(&schedule, at, report.verdict);
        let outcome = pending.delivery.outcome();
        let attempt = Attempt {
            answer: report.answer.as_deref().map(Answered::of),
            ..attempt(part, started, now, report.status, report.class, report.detail.clone())
        };
        if let Some(lane) = self.table.get(slot).and_then(|pending| self.lanes.get(pending.lane)) {
            lane.counts.attempt(report.class, part.planned, started);
        }
        self.announce_attempt(part.id, pending_lane(&self.lanes, part.slot, &self.table), &attempt, report.class);
        self.tell_attempt(slot, &attempt, if report.verdict == Verdict::Delivered { Went::Well } else { Went::Wrong });
        if let Some(outcome) = outcome {
            return self.finish(slot, outcome, Some(attempt));
        }
        self.let_go(slot);
        self.record(slot, Some(attempt));
        let Some(pending) = self.table.get(slot) else { return };
        if self.lanes.get(pending.lane).is_some_and(|lane| lane.terms.is_none()) {
            // The destination was taken out of the configuration meanwhile: hold what is not delivered.
            self.held.insert(slot, Start::Saved(pending.delivery.save()));
        } else {
            self.advance(slot, None);
        }
    }

    /// Ends a delivery: the store learns its outcome, a waiting sender gets its receipt, memory forgets it.
    pub(super) fn finish(&mut self, slot: Slot, outcome: Outcome, attempt: Option<Attempt>) {
        let now = self.parts.clock.now();
        let Some(pending) = self.table.get(slot) else { return };
        let (id, attempts, number, nature) = (pending.id, pending.delivery.attempts(), pending.lane, pending.nature);
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let is_device = matches!(lane.key, LaneKey::Device(_));
        let state = match outcome {
            Outcome::Delivered => State::Delivered,
            _ if is_device => State::Dropped,
            _ => State::Dead,
        };
        match (outcome, &lane.terms) {
            (Outcome::Delivered, _) => {
                if lane.circuit.is_open() {
                    tracing::info!(lane = %lane.key, "its destination takes deliveries again");
                }
                lane.circuit.delivered();
            }
            (Outcome::Exhausted, Some(terms)) if lane.circuit.exhausted(id, terms.breaker, now) => {
                tracing::warn!(
                    lane = %lane.key,
                    "its destination takes nothing: nothing new begins but a probe every {} ms",
                    terms.breaker.probe_every
                );
                lane.counts.circuit_opened();
            }
            _ => {}
        }
        let name = lane.key.clone();
        lane.counts.finished(state, now.as_millis().saturating_sub(id.made_at()));
        if let (State::Dropped, Nature::Message { why, .. }) = (state, nature) {
            self.parts.metrics.dropped(why);
        }
        let last = attempt.as_ref().map(|attempt| (&*attempt.class, &*attempt.detail));
        let dropped = match nature {
            Nature::Message { why, .. } if state == State::Dropped => Some((why.as_str(), "")),
            _ => None,
        };
        self.tell_ended(&Ended { delivery: id, lane: &name, state, attempts, last: last.or(dropped) });
        self.record_as(slot, state, attempt, Some(now));
        self.announce(id, &name, EventKind::Finished { state, at: now.as_millis(), attempts });
        if let Some(pending) = self.forget(slot) {
            self.tell_sender(&name, &pending, state);
        }
    }

    /// Takes a delivery out of memory.
    pub(super) fn forget(&mut self, slot: Slot) -> Option<Pending> {
        self.held.remove(&slot);
        self.traces.forget(slot);
        let number = self.table.get(slot)?.lane;
        let lane = self.lanes.get_mut(number)?;
        let pending = self.table.remove(slot, &mut lane.members)?;
        if pending.step == Step::Queued {
            lane.unqueue(slot, pending.nature.items());
        }
        if let Some(payload) = &pending.payload {
            lane.kept = lane.kept.saturating_sub(payload.body.len());
            self.kept = self.kept.saturating_sub(payload.body.len());
        }
        lane.circuit.gone(pending.id, self.parts.clock.now());
        self.depths.release(&lane.key);
        self.touched.push(number);
        Some(pending)
    }

    pub(super) fn record(&self, slot: Slot, attempt: Option<Attempt>) {
        self.record_as(slot, State::Pending, attempt, None);
    }

    fn record_as(&self, slot: Slot, state: State, attempt: Option<Attempt>, finished: Option<Instant>) {
        let Some(pending) = self.table.get(slot) else { return };
        let saved = pending.delivery.save();
        self.records.put(Progress {
            id: pending.id,
            state,
            attempts: saved.attempts,
            phase: saved.phase.code(),
            planned: saved.grid,
            due: saved.at,
            attempt,
            finished_at: finished.map(Instant::as_millis),
        });
    }

    pub(super) fn announce_attempt(
        &self,
        id: DeliveryId,
        lane: Option<&LaneKey>,
        attempt: &Attempt,
        class: &'static str,
    ) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let Attempt { number, planned, started, finished, status, .. } = *attempt;
        let detail = attempt.detail.clone();
        if let Some(lane) = lane {
            self.announce(id, lane, EventKind::Attempt { number, planned, started, finished, class, status, detail });
        }
    }

    fn announce(&self, id: DeliveryId, lane: &LaneKey, kind: EventKind) {
        if self.events.receiver_count() > 0 {
            // Nobody listening is no fault.
            let _ = self.events.send(Event { id, lane: lane.to_string(), kind });
        }
    }
}

pub(super) fn pending_lane<'l>(lanes: &'l Lanes, slot: Slot, table: &Table) -> Option<&'l LaneKey> {
    Some(&lanes.get(table.get(slot)?.lane)?.key)
}

/// What the store keeps of a send.
pub(super) fn attempt(
    part: &Part,
    started: Instant,
    finished: Instant,
    status: Option<u16>,
    class: &'static str,
    detail: String,
) -> Attempt {
    Attempt {
        number: part.number,
        planned: part.planned.as_millis(),
        started: started.as_millis(),
        finished: finished.as_millis(),
        status,
        class: class.to_owned(),
        detail: cut(detail),
        answer: None,
    }
}

/// Shortens what a peer made long, before many of them wait for the store.
fn cut(mut detail: String) -> String {
    if detail.len() > MAX_DETAIL {
        let end = (0..=MAX_DETAIL).rev().find(|end| detail.is_char_boundary(*end));
        detail.truncate(end.unwrap_or(0));
        detail.shrink_to_fit();
    }
    detail
}
