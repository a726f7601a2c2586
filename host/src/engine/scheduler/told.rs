//! What the log and a trace are told of sends and deliveries: every one at debug, at info what an operator may have to
//! act on, seldom.

use std::collections::HashMap;

use super::Scheduler;
use crate::{
    engine::{LaneKey, table::Slot},
    store::{Attempt, DeliveryId, State},
    telemetry::{
        DELIVERY,
        seldom::SeldomBy,
        trace::{Kind, TraceContext},
    },
};

/// Pending deliveries whose sends are traced at the most (ours): 2 MiB. Those beyond go untraced.
const MOST_TRACED: usize = 64 * 1024;

/// What the sends of pending deliveries belong below, in a trace.
#[derive(Debug, Default)]
pub(super) struct Traces(HashMap<Slot, TraceContext>);

impl Traces {
    pub(super) fn keep(&mut self, slot: Slot, trace: Option<TraceContext>) {
        if let Some(trace) = trace
            && self.0.len() < MOST_TRACED
        {
            self.0.insert(slot, trace);
        }
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }
}

/// What may be logged of deliveries that end badly: devices' lanes are told together.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    ended: SeldomBy<(Option<LaneKey>, &'static str)>,
}

/// How a delivery ended.
pub(super) struct Ended<'e> {
    pub(super) delivery: DeliveryId,
    pub(super) lane: &'e LaneKey,
    pub(super) state: State,
    pub(super) attempts: u8,
    /// What came of its last send, in one word and for people, where that is known.
    pub(super) last: Option<(&'e str, &'e str)>,
}

impl Scheduler {
    /// Tells of a send that is over, or of a message that is on its way over a link.
    pub(super) fn tell_attempt(&self, slot: Slot, attempt: &Attempt, outcome: Went) {
        let Some(pending) = self.table.get(slot) else { return };
        let Some(lane) = self.lanes.get(pending.lane).map(|lane| &lane.key) else { return };
        let Attempt { number, planned, started, finished, status, ref class, ref detail, answer: _ } = *attempt;
        let (late_ms, took_ms) = (started.saturating_sub(planned), finished.saturating_sub(started));
        let (delivery, class, detail) = (pending.id, &**class, &**detail);
        tracing::debug!(
            target: DELIVERY,
            %delivery, %lane, number, class, status, late_ms, took_ms, detail, "attempt"
        );
        let Some(trace) = self.traces.0.get(&slot) else { return };
        let span = self.parts.tracer.past(*trace, "attempt", Kind::Client, started, finished);
        span.with("pushgate.delivery", &*delivery.to_string())
            .with("pushgate.lane", &*lane.to_string())
            .with("pushgate.attempt", u64::from(number))
            .with("pushgate.class", class)
            .with("pushgate.late_ms", late_ms)
            .with_some("http.response.status_code", status.map(u64::from))
            .with_error((outcome == Went::Wrong).then_some(detail))
            .record();
    }

    /// Tells how a delivery ended: at debug in any case; seldom, if it has not arrived, for everybody.
    pub(super) fn tell_ended(&self, ended: &Ended<'_>) {
        let Ended { delivery, lane, state, attempts, last } = *ended;
        let (class, detail) = last.unzip();
        tracing::debug!(target: DELIVERY, %delivery, %lane, state = state.as_str(), attempts, class, "finished");
        if state == State::Delivered {
            return;
        }
        let Some(leave) = self.troubles.ended.leave((lane.configured(), state.as_str())) else { return };
        let left_out = leave.left_out;
        if state == State::Dead {
            tracing::warn!(
                left_out, %delivery, %lane, attempts, class, detail,
                "a delivery is dead; when its destination is well, replay it: pushgate deliveries replay"
            );
        } else {
            tracing::info!(left_out, %delivery, %lane, attempts, class, "a message was dropped, as its flag asks");
        }
    }
}

/// How a send went, for its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// Delivered, or on its way over a link.
    Well,
    /// Not.
    Wrong,
}
