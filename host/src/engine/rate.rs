//! A destination's rate limit: the excess waits.

use pushgate_core::Instant;

/// Lets a number of sends a second begin, evenly spaced, with a tenth of a second's worth at once.
///
/// The next free place is kept in microseconds, so that rates over a thousand a second stay exact.
#[derive(Debug)]
pub(super) struct Rate {
    spacing_us: u64,
    burst_us: u64,
    next_us: u64,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { spacing_us: 1_000_000 / u64::from(per_second.max(1)), burst_us: 100_000, next_us: 0 }
    }

    /// Says whether this is the limit of `per_second`.
    pub(super) fn is_of(&self, per_second: u32) -> bool {
        self.spacing_us == Self::new(per_second).spacing_us
    }

    /// When a send may begin, if that is not now.
    pub(super) fn not_before(&mut self, now: Instant) -> Option<Instant> {
        let now_us = now.as_millis().saturating_mul(1000);
        self.next_us = self.next_us.max(now_us.saturating_sub(self.burst_us));
        let wait_us = self.next_us.saturating_sub(now_us);
        (wait_us > 0).then(|| Instant::from_millis(self.next_us.div_ceil(1000)))
    }

    /// Takes a place.
    pub(super) fn take(&mut self, now: Instant) {
        self.not_before(now);
        self.next_us = self.next_us.saturating_add(self.spacing_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_begins_in_a_second() {
        for per_second in [1, 10, 1000, 5000] {
            let mut rate = Rate::new(per_second);
            let (mut begun, start) = (0, Instant::from_secs(1_700_000_000));
            let mut now = start;
            while now.since(start) < 10_000 {
                match rate.not_before(now) {
                    None => {
                        rate.take(now);
                        begun += 1;
                    }
                    Some(later) => now = later,
                }
            }
            let burst = per_second / 10 + 1;
            assert!((per_second * 10..=per_second * 10 + burst).contains(&begun), "{per_second}/s: {begun} in 10 s");
        }
    }
}
