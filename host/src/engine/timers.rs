//! The timers of all pending deliveries, eight bytes each.

use std::{cmp::Reverse, collections::BinaryHeap};

use pushgate_core::Instant;

/// Ticks are milliseconds since `epoch`: 32 bits of them last for 49 days, and nothing is set further ahead than a
/// schedule's longest wait, a day.
const RENEW_AFTER: u32 = 1 << 31;

/// Timers that ring once each, for a number. One that is not needed any more is left to ring: who hears it looks
/// whether it is the one that counts.
pub(super) struct Timers {
    epoch: Instant,
    /// The tick, and for what number.
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self { epoch: now, heap: BinaryHeap::new() }
    }

    /// Sets a timer for `number`.
    pub(super) fn set(&mut self, at: Instant, number: u32) {
        self.heap.push(Reverse((self.tick(at), number)));
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<Instant> {
        let Reverse((tick, _)) = self.heap.peek()?;
        Some(self.epoch.plus(*tick))
    }

    /// Takes one that has rung by `now`: for what number, and in which tick.
    pub(super) fn ring(&mut self, now: Instant) -> Option<(u32, u32)> {
        let Reverse((tick, number)) = *self.heap.peek()?;
        if self.epoch.plus(tick) > now {
            return None;
        }
        self.heap.pop();
        Some((tick, number))
    }

    /// The tick of an instant, to compare with the one that has rung.
    pub(super) fn tick(&self, at: Instant) -> u32 {
        u32::try_from(at.since(self.epoch)).unwrap_or(u32::MAX)
    }

    /// Says whether ticks run out: then all timers are to be set anew, in [`Timers::new`].
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.tick(now) >= RENEW_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_ring_in_order_and_not_before_their_time() {
        let start = Instant::from_secs(1_700_000_000);
        let mut timers = Timers::new(start);
        for (number, after) in [(1, 3000), (2, 1000), (3, 2000), (4, 0)] {
            timers.set(start.plus(after), number);
        }
        assert_eq!(timers.next(), Some(start));
        assert_eq!(timers.ring(start.plus(999)), Some((0, 4)));
        assert_eq!(timers.ring(start.plus(999)), None);
        assert_eq!(timers.ring(start.plus(2500)), Some((1000, 2)));
        assert_eq!(timers.ring(start.plus(2500)), Some((2000, 3)));
        assert_eq!(timers.ring(start.plus(2500)), None);
        timers.set(start, 5);
        assert_eq!(timers.ring(start.plus(2500)), Some((0, 5)), "one that is late already");
    }

    #[test]
    fn an_instant_out_of_reach_waits_for_new_timers() {
        let start = Instant::from_secs(1);
        let mut timers = Timers::new(start);
        timers.set(Instant::NEVER, 1);
        assert_eq!(timers.ring(start.plus(RENEW_AFTER)), None);
        assert!(!timers.is_old(start.plus(RENEW_AFTER - 1)) && timers.is_old(start.plus(RENEW_AFTER)));
    }
}
