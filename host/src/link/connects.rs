//! How often a device may connect.

use std::collections::HashMap;

/// Connections a device may open at once (ours): a network that comes and goes.
const BURST: u64 = 10;

/// Milliseconds after which it may open one more (ours).
const EVERY_MS: u64 = 1_000;

/// Devices that are remembered at least (ours), before those that have been quiet are looked for.
const REMEMBERED: usize = 1_024;

/// When each device that has connected lately may do so again.
///
/// A device is a moment: the one up to which its connections are paid for. Moments that have passed are as good as
/// none, so what is kept is bounded by the devices that connect within the ten seconds of a burst.
#[derive(Debug, Default)]
pub(super) struct Connects {
    paid_until: HashMap<u32, u64>,
    /// How many there may be before those that have passed are forgotten.
    most: usize,
}

impl Connects {
    /// Says whether the device may connect at `now`, in milliseconds, and notes that it does.
    pub(super) fn allow(&mut self, cid: u32, now: u64) -> bool {
        if self.paid_until.len() >= self.most.max(REMEMBERED) {
            self.paid_until.retain(|_, until| *until > now);
            self.most = self.paid_until.len().saturating_mul(2);
        }
        let until = self.paid_until.entry(cid).or_insert(now);
        let next = (*until).max(now).saturating_add(EVERY_MS);
        if next > now.saturating_add(BURST * EVERY_MS) {
            return false;
        }
        *until = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fine_and_then_one_a_second() {
        let mut connects = Connects::default();
        let mut at = |now| (0..100).filter(|_| connects.allow(7, now)).count();
        assert_eq!((at(0), at(999), at(1000), at(5500), at(100_000)), (10, 0, 1, 4, 10));
    }

    #[test]
    fn what_is_kept_is_who_came_lately() {
        let mut connects = Connects::default();
        for cid in 0..100_000 {
            assert!(connects.allow(cid, u64::from(cid)));
        }
        assert!(connects.paid_until.len() <= 4 * REMEMBERED, "{}", connects.paid_until.len());
    }
}
