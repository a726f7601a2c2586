//! The second that runs: what happens now, until the next tick takes it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::{Attempt, State};

/// Milliseconds that are told apart one by one.
const EXACT: u64 = 16;

/// Parts of each doubling beyond: what is told is at most an eighth too much.
const PARTS: u64 = 8;

/// Doublings beyond, the last of them open: some two minutes.
const DOUBLINGS: u64 = 13;

#[expect(clippy::cast_possible_truncation, reason = "some hundred")]
const BUCKETS: usize = (EXACT + PARTS * DOUBLINGS) as usize;

/// Counts what happens in a second.
#[derive(Debug)]
pub(super) struct Pulse {
    accepted: AtomicU64,
    sends: AtomicU64,
    failed: AtomicU64,
    delivered: AtomicU64,
    dead: AtomicU64,
    dropped: AtomicU64,
    lateness: [AtomicU64; BUCKETS],
    latest: AtomicU64,
    /// Grows with whatever changes what a list of deliveries shows; never starts anew.
    changes: AtomicU64,
}

/// What happened in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) accepted: u64,
    pub(super) sends: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) dead: u64,
    pub(super) dropped: u64,
    /// How late sends began, in milliseconds; `None` when there was none.
    pub(super) late: Option<Late>,
}

/// How late the sends of a span began, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

impl Default for Pulse {
    fn default() -> Self {
        let none = AtomicU64::default;
        Self {
            accepted: none(),
            sends: none(),
            failed: none(),
            delivered: none(),
            dead: none(),
            dropped: none(),
            lateness: std::array::from_fn(|_| none()),
            latest: none(),
            changes: none(),
        }
    }
}

impl Pulse {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
        self.changed();
    }

    pub(super) fn attempt(&self, class: &str, late: u64) {
        self.sends.fetch_add(1, Relaxed);
        if class != Attempt::DELIVERED && class != Attempt::SENT {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(bucket) = self.lateness.get(bucket(late)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.latest.fetch_max(late, Relaxed);
        self.changed();
    }

    pub(super) fn finished(&self, state: State) {
        let count = match state {
            State::Delivered => &self.delivered,
            State::Dead => &self.dead,
            State::Dropped => &self.dropped,
            State::Pending => return,
        };
        count.fetch_add(1, Relaxed);
        self.changed();
    }

    /// Notes that what is stored is not what it was.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    /// A number that grows with every change.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Ends the second, and begins the next. What happens meanwhile is counted in one of them.
    pub(super) fn take(&self) -> Second {
        let take = |count: &AtomicU64| count.swap(0, Relaxed);
        let buckets: Vec<u64> = self.lateness.iter().map(take).collect();
        let max = take(&self.latest);
        let count = buckets.iter().sum::<u64>();
        let rank = |rank: u64| {
            let mut seen = 0;
            let bucket = buckets.iter().position(|in_it| {
                seen += in_it;
                seen >= rank
            });
            bucket.map_or(max, |bucket| end_of(bucket).min(max))
        };
        let late =
            (count > 0).then(|| Late { p50: rank(count.div_ceil(2)), p99: rank((count * 99).div_ceil(100)), max });
        Second {
            accepted: take(&self.accepted),
            sends: take(&self.sends),
            delivered: take(&self.delivered),
            failed: take(&self.failed),
            dead: take(&self.dead),
            dropped: take(&self.dropped),
            late,
        }
    }
}

/// The bucket of a lateness in milliseconds.
fn bucket(late: u64) -> usize {
    let place = if late < EXACT {
        late
    } else {
        let doubling = u64::from(late.ilog2()) - u64::from(EXACT.ilog2());
        let part = (late >> doubling) - EXACT;
        EXACT + doubling * PARTS + part * PARTS / EXACT
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// The greatest lateness of a bucket.
fn end_of(bucket: usize) -> u64 {
    let place = bucket as u64;
    match place.checked_sub(EXACT) {
        None => place,
        Some(_) if bucket == BUCKETS - 1 => u64::MAX,
        Some(beyond) => {
            let (doubling, part) = (beyond / PARTS, beyond % PARTS);
            ((EXACT + (part + 1) * EXACT / PARTS) << doubling) - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_lateness_is_never_less_and_at_most_an_eighth_more() {
        for late in (0..4096).chain((4096..100_000).step_by(37)) {
            let told = end_of(bucket(late));
            assert!(told >= late && told <= late + late / 8, "{late}: {told}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_second_is_told_once() {
        let pulse = Pulse::default();
        assert_eq!(pulse.take(), Second::default());
        for late in 0..100 {
            pulse.attempt("sent", late % 10);
        }
        pulse.attempt("dns", 900);
        pulse.accepted();
        for state in State::ALL {
            pulse.finished(state);
        }
        let late = Some(Late { p50: 5, p99: 9, max: 900 });
        let second = Second { accepted: 1, sends: 101, delivered: 1, failed: 1, dead: 1, dropped: 1, late };
        assert_eq!(pulse.take(), second);
        assert_eq!(pulse.take(), Second::default());
        assert_eq!(pulse.changes(), 101 + 1 + 3, "a delivery that is pending has not moved");
    }
}
