//! A lane's circuit: a destination that takes nothing is not begun with again and again, it is probed.
//!
//! Exhausting schedules against a dead destination would turn a whole backlog into dead letters, one schedule after the
//! other. So after a number of them in a row the circuit opens: deliveries already begun run their schedules to the end,
//! as the protocols have it, but no new one begins, except a probe every so often. The first delivery that arrives
//! closes it again, and the backlog goes out.

use pushgate_core::Instant;

use super::listing::CircuitState;
use crate::store::DeliveryId;

/// When a circuit opens, and how often it probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    /// Schedules exhausted in a row; 0 = it never opens.
    pub(super) after: u32,
    /// Milliseconds between probes.
    pub(super) probe_every: u32,
}

/// Where a circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// Deliveries flow; so many in a row have exhausted their schedules.
    Closed { exhausted: u32 },
    /// Nothing new begins but the next probe, at this instant.
    Open { probe_at: Instant },
    /// Nothing new begins before this delivery has ended.
    Probing(DeliveryId),
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { exhausted: 0 }
    }
}

/// What may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Whatever is due.
    All,
    /// One delivery by itself: a probe.
    One,
    /// Nothing before this instant.
    NotBefore(Instant),
    /// Nothing before the probe has ended.
    None,
}

impl Circuit {
    /// Says what may begin now.
    pub(super) fn leave(&self, now: Instant) -> Leave {
        match *self {
            Self::Closed { .. } => Leave::All,
            Self::Open { probe_at } if probe_at <= now => Leave::One,
            Self::Open { probe_at } => Leave::NotBefore(probe_at),
            Self::Probing(_) => Leave::None,
        }
    }

    /// Notes that a delivery has begun on an open circuit.
    pub(super) fn probe(&mut self, id: DeliveryId) {
        if matches!(self, Self::Open { .. }) {
            *self = Self::Probing(id);
        }
    }

    /// Notes that a delivery has arrived.
    pub(super) fn delivered(&mut self) {
        *self = Self::default();
    }

    /// Notes that a delivery has exhausted its schedule, and says whether that opened the circuit.
    pub(super) fn exhausted(&mut self, id: DeliveryId, breaker: Breaker, now: Instant) -> bool {
        if breaker.after == 0 {
            // Nothing to count: a device's lane is forgotten once its messages have been dropped.
            return false;
        }
        let open = Self::Open { probe_at: now.plus(breaker.probe_every) };
        match self {
            Self::Closed { exhausted } => {
                *exhausted = exhausted.saturating_add(1);
                if *exhausted < breaker.after {
                    return false;
                }
                *self = open;
                true
            }
            Self::Probing(probe) if *probe == id => {
                *self = open;
                false
            }
            // It began before the circuit opened.
            Self::Open { .. } | Self::Probing(_) => false,
        }
    }

    /// Notes that a delivery was taken away, by an operator for one.
    pub(super) fn gone(&mut self, id: DeliveryId, now: Instant) {
        if *self == Self::Probing(id) {
            *self = Self::Open { probe_at: now };
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    /// Says where it stands, for an operator.
    pub(super) fn state(&self) -> CircuitState {
        match self {
            Self::Closed { .. } => CircuitState::Closed,
            Self::Open { .. } => CircuitState::Open,
            Self::Probing(_) => CircuitState::Probing,
        }
    }

    /// When the next probe may begin, while it is open and none is under way.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match *self {
            Self::Open { probe_at } => Some(probe_at),
            Self::Closed { .. } | Self::Probing(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker = Breaker { after: 2, probe_every: 1000 };

    #[test]
    fn it_opens_after_a_run_of_failures_probes_one_at_a_time_and_closes_on_success() {
        let [a, b] = [DeliveryId::new(), DeliveryId::new()];
        let now = Instant::from_secs(100);
        let mut circuit = Circuit::default();
        assert!(!circuit.exhausted(a, BREAKER, now));
        circuit.delivered();
        assert!(!circuit.exhausted(a, BREAKER, now), "a success between them begins the run anew");
        assert!(circuit.exhausted(b, BREAKER, now));
        assert_eq!(circuit.leave(now.plus(999)), Leave::NotBefore(now.plus(1000)));
        assert_eq!(circuit.leave(now.plus(1000)), Leave::One);
        circuit.probe(a);
        assert_eq!(circuit.leave(now.plus(5000)), Leave::None);
        assert_eq!((circuit.state(), circuit.probe_at()), (CircuitState::Probing, None));
        assert!(!circuit.exhausted(b, BREAKER, now.plus(1500)), "a straggler is no probe");
        assert_eq!(circuit.leave(now.plus(5000)), Leave::None);
        assert!(!circuit.exhausted(a, BREAKER, now.plus(2000)));
        assert_eq!(circuit.leave(now.plus(2000)), Leave::NotBefore(now.plus(3000)));
        assert_eq!((circuit.state(), circuit.probe_at()), (CircuitState::Open, Some(now.plus(3000))));
        circuit.delivered();
        assert_eq!((circuit.leave(now), circuit.is_open()), (Leave::All, false));
    }

    #[test]
    fn a_probe_that_is_taken_away_leaves_its_place_to_the_next() {
        let (id, now) = (DeliveryId::new(), Instant::from_secs(100));
        let mut circuit = Circuit::Open { probe_at: now };
        circuit.probe(id);
        circuit.gone(DeliveryId::new(), now);
        assert_eq!(circuit.leave(now), Leave::None);
        circuit.gone(id, now);
        assert_eq!(circuit.leave(now), Leave::One);
    }

    #[test]
    fn with_0_it_never_opens() {
        let mut circuit = Circuit::default();
        for _ in 0..1000 {
            assert!(!circuit.exhausted(DeliveryId::new(), Breaker { after: 0, ..BREAKER }, Instant::from_secs(1)));
        }
        assert_eq!(circuit, Circuit::default(), "nothing keeps the lane from being forgotten");
    }
}
