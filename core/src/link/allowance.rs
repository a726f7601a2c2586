//! How many lines a peer may send unasked.

use crate::Instant;

/// Seconds whose lines may come at once (ours): a device that was held up catches up.
const BURST_SECS: u32 = 5;

/// So many a second, and what was not used for [`BURST_SECS`] besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    per_second: u32,
    /// Thousandths of a line: so much may come at `at`.
    left: u64,
    at: Instant,
}

impl Allowance {
    /// Begins with a full burst. 0 a second = no limit.
    pub(super) const fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: Self::most(per_second), at: now }
    }

    /// A full burst.
    const fn most(per_second: u32) -> u64 {
        (per_second as u64).saturating_mul(BURST_SECS as u64 * 1000)
    }

    /// Takes a line out of it, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let grown = now.since(self.at).saturating_mul(u64::from(self.per_second));
        self.left = self.left.saturating_add(grown).min(Self::most(self.per_second));
        self.at = self.at.max(now);
        let Some(left) = self.left.checked_sub(1000) else { return false };
        self.left = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let mut allowance = Allowance::new(10, Instant::from_millis(0));
        let mut at = |millis: u64| (0..100).filter(|_| allowance.take(Instant::from_millis(millis))).count();
        assert_eq!((at(0), at(99), at(100), at(1100), at(0)), (50, 0, 1, 10, 0));
        assert_eq!(at(u64::MAX), 50);
        let mut none = Allowance::new(0, Instant::from_millis(0));
        assert!((0..1000).all(|_| none.take(Instant::from_millis(0))));
    }
}
