//! What `GET /metrics` shows: counts since the start, and how things stand, in the OpenMetrics text that Prometheus
//! reads.
//!
//! Every series is bounded: labels are words of this program and lanes of the configuration. Devices share one.

use std::sync::{Mutex, PoisonError};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use pushgate_core::Instant;

use crate::{
    courier::Class,
    engine::{CircuitState, DropReason, LaneStatus},
    store::{Attempt, Counts, State},
};

/// Words for attempts that are no failure of a courier's, so that each series is there before its first event.
const OTHER_CLASSES: [&str; 10] =
    [Attempt::DELIVERED, Attempt::SENT, "status", "body", "code", "offline", "busy", "gone", "config", "internal"];

/// Seconds that a send may be late: from a millisecond, the clock's own step, to a minute.
const LATENESS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0];

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A lane was full.
    Queue,
    /// The store could not keep it.
    Store,
    /// Its device pushes more often than it may.
    Rate,
}

/// Counts what happens.
pub struct Metrics {
    registry: Registry,
    attempts: Family<ClassLabel, Counter>,
    finished: Family<StateLabel, Counter>,
    dropped: Family<DropLabel, Counter>,
    accepted: Counter,
    refused: Family<ReasonLabel, Counter>,
    lateness: Histogram,
    levels: Mutex<Levels>,
}

/// How things stand; set when somebody asks.
#[derive(Default)]
struct Levels {
    deliveries: Family<StateLabel, Gauge>,
    inbox: Gauge,
    devices: Gauge,
    pending: Family<LaneLabel, Gauge>,
    in_flight: Family<LaneLabel, Gauge>,
    paused: Family<LaneLabel, Gauge>,
    open: Family<LaneLabel, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabel {
    reason: DropReason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabel {
    lane: String,
}

impl EncodeLabelValue for State {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for DropReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for Refused {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Queue => "queue",
            Self::Store => "store",
            Self::Rate => "rate",
        }
        .encode(encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("pushgate");
        let attempts = Family::<ClassLabel, Counter>::default();
        let classes = Class::ALL.iter().map(|class| class.as_str()).chain(OTHER_CLASSES);
        for class in classes {
            drop(attempts.get_or_create(&ClassLabel { class }));
        }
        let finished = Family::<StateLabel, Counter>::default();
        for state in [State::Delivered, State::Dead, State::Dropped] {
            drop(finished.get_or_create(&StateLabel { state }));
        }
        let dropped = Family::<DropLabel, Counter>::default();
        for reason in DropReason::ALL {
            drop(dropped.get_or_create(&DropLabel { reason }));
        }
        let refused = Family::<ReasonLabel, Counter>::default();
        for reason in [Refused::Queue, Refused::Store, Refused::Rate] {
            drop(refused.get_or_create(&ReasonLabel { reason }));
        }
        let (accepted, lateness) = (Counter::default(), Histogram::new(LATENESS));
        registry.register("attempts", "Sends made, by what came of them", attempts.clone());
        registry.register("finished", "Deliveries that ended, by how", finished.clone());
        registry.register("dropped", "Device messages dropped, by what came of their last send", dropped.clone());
        registry.register("accepted", "Deliveries accepted", accepted.clone());
        registry.register("refused", "Requests not accepted though right, by what was missing", refused.clone());
        let help = "From when a send was due to when it began";
        registry.register_with_unit("send_lateness", help, Unit::Seconds, lateness.clone());
        let levels = Levels::default();
        registry.register("deliveries", "Deliveries in the store, by state", levels.deliveries.clone());
        registry.register("inbox_items", "Items in the inbox", levels.inbox.clone());
        registry.register("devices_connected", "Devices connected", levels.devices.clone());
        registry.register("lane_pending", "Deliveries not finished", levels.pending.clone());
        registry.register("lane_in_flight", "Requests whose answer is outstanding", levels.in_flight.clone());
        registry.register("lane_paused", "Whether an operator has paused the lane", levels.paused.clone());
        registry.register("lane_circuit_open", "Whether the lane only probes its destination", levels.open.clone());
        Self { registry, attempts, finished, dropped, accepted, refused, lateness, levels: Mutex::new(levels) }
    }
}

impl Metrics {
    /// Counts a send.
    pub fn attempt(&self, class: &'static str, planned: Instant, started: Instant) {
        self.attempts.get_or_create(&ClassLabel { class }).inc();
        let late = u32::try_from(started.since(planned)).unwrap_or(u32::MAX);
        self.lateness.observe(f64::from(late) / 1000.0);
    }

    /// Counts a delivery that has ended.
    pub fn finished(&self, state: State) {
        self.finished.get_or_create(&StateLabel { state }).inc();
    }

    /// Counts a device message that was dropped.
    pub fn dropped(&self, reason: DropReason) {
        self.dropped.get_or_create(&DropLabel { reason }).inc();
    }

    /// Counts deliveries that were accepted.
    pub fn accepted(&self, deliveries: usize) {
        self.accepted.inc_by(deliveries as u64);
    }

    /// Counts a request that was not.
    pub fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// The text for Prometheus. What the store counts is left out while it cannot say.
    pub fn text(&self, counts: Option<Counts>, lanes: &[LaneStatus], devices: usize) -> String {
        // Held to the end: another request's levels must not come between.
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.show(counts, lanes, devices);
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // a String takes everything
        text
    }
}

impl Levels {
    fn show(&self, counts: Option<Counts>, lanes: &[LaneStatus], devices: usize) {
        let level = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.deliveries.clear();
        if let Some(counts) = counts {
            let Counts { pending, delivered, dead, dropped, inbox } = counts;
            let each = State::ALL.into_iter().zip([pending, delivered, dead, dropped]);
            for (state, n) in each {
                self.deliveries.get_or_create(&StateLabel { state }).set(i64::try_from(n).unwrap_or(i64::MAX));
            }
            self.inbox.set(i64::try_from(inbox).unwrap_or(i64::MAX));
        }
        self.devices.set(level(devices));
        for family in [&self.pending, &self.in_flight, &self.paused, &self.open] {
            family.clear();
        }
        for status in lanes {
            // There may be a million devices: they are one series.
            let lane = if status.lane.starts_with("device:") { "device" } else { &status.lane };
            let label = LaneLabel { lane: lane.to_owned() };
            self.pending.get_or_create(&label).inc_by(level(status.pending));
            self.in_flight.get_or_create(&label).inc_by(level(status.in_flight));
            self.paused.get_or_create(&label).inc_by(i64::from(status.paused));
            self.open.get_or_create(&label).inc_by(i64::from(status.circuit == CircuitState::Open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str, pending: usize) -> LaneStatus {
        LaneStatus {
            lane: name.to_owned(),
            pending,
            queued: 0,
            in_flight: 1,
            paused: false,
            circuit: CircuitState::Open,
            configured: true,
            destination: None,
            last_error: None,
        }
    }

    #[test]
    fn every_failure_has_its_own_series_from_the_start() {
        let text = Metrics::default().text(None, &[], 0);
        for class in ["dns", "refused", "tls", "timeout", "status", "body", "oversized", "blocked", "closed"] {
            assert!(text.contains(&format!("pushgate_attempts_total{{class=\"{class}\"}} 0\n")), "{class}: {text}");
        }
    }

    #[test]
    fn what_happened_and_how_things_stand_is_told() {
        let metrics = Metrics::default();
        metrics.accepted(3);
        metrics.refused(Refused::Queue);
        metrics.attempt("dns", Instant::from_millis(1000), Instant::from_millis(1004));
        metrics.finished(State::Dead);
        metrics.refused(Refused::Rate);
        metrics.dropped(DropReason::Offline);
        let counts = Counts { pending: 5, delivered: 4, dead: 3, dropped: 2, inbox: 1 };
        let lanes = [lane("device:1", 2), lane("device:2", 3), lane("uplink:acme", 7)];
        let text = metrics.text(Some(counts), &lanes, 9);
        for line in [
            "pushgate_accepted_total 3",
            r#"pushgate_refused_total{reason="queue"} 1"#,
            r#"pushgate_refused_total{reason="rate"} 1"#,
            r#"pushgate_dropped_total{reason="offline"} 1"#,
            r#"pushgate_dropped_total{reason="unanswered"} 0"#,
            r#"pushgate_attempts_total{class="dns"} 1"#,
            r#"pushgate_finished_total{state="dead"} 1"#,
            r#"pushgate_send_lateness_seconds_bucket{le="0.002"} 0"#,
            r#"pushgate_send_lateness_seconds_bucket{le="0.005"} 1"#,
            r#"pushgate_deliveries{state="delivered"} 4"#,
            "pushgate_inbox_items 1",
            "pushgate_devices_connected 9",
            r#"pushgate_lane_pending{lane="device"} 5"#,
            r#"pushgate_lane_pending{lane="uplink:acme"} 7"#,
            r#"pushgate_lane_circuit_open{lane="uplink:acme"} 1"#,
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        let text = metrics.text(Some(counts), &[], 0);
        assert!(!text.contains("uplink:acme"), "a lane that is gone is not shown: {text}");
    }
}
