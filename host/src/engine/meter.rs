//! How fast a lane sends: its sends of the last ten seconds, second by second.

use pushgate_core::Instant;

/// Seconds that the mean is taken of.
const SECONDS: u64 = 10;

/// Counts sends, a place for each second and one for the second that runs. A million lanes have one: it is small.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The second that runs, since the unix epoch.
    second: u32,
    sends: [u16; PLACES],
}

const PLACES: usize = 11;

impl Meter {
    /// Counts a send.
    pub(super) fn count(&mut self, now: Instant) {
        let now = second(now);
        let passed = now.saturating_sub(self.second) as usize;
        for gone in 0..passed.min(PLACES) {
            if let Some(sends) = self.sends.get_mut(place(now.saturating_sub(u32::try_from(gone).unwrap_or(0)))) {
                *sends = 0;
            }
        }
        self.second = self.second.max(now);
        if let Some(sends) = self.sends.get_mut(place(self.second)) {
            *sends = sends.saturating_add(1);
        }
    }

    /// The mean of the ten seconds that ended last.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let now = u64::from(second(now));
        let counted = u64::from(self.second);
        let ended = (now.saturating_sub(SECONDS)..now)
            .filter(|second| (counted.saturating_sub(SECONDS)..=counted).contains(second));
        let sends: u32 = ended
            .filter_map(|second| self.sends.get(place(u32::try_from(second).ok()?)))
            .map(|sends| u32::from(*sends))
            .sum();
        f64::from(sends) / 10.0
    }
}

fn second(now: Instant) -> u32 {
    u32::try_from(now.as_millis() / 1000).unwrap_or(u32::MAX)
}

fn place(second: u32) -> usize {
    second as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_mean_of_ten_whole_seconds_and_nothing_older() {
        let at = |ms: u64| Instant::from_millis(1_700_000_000_000 + ms);
        let mut meter = Meter::default();
        assert!(meter.per_second(at(0)).abs() < 1e-9);
        for tenth in 0..200 {
            meter.count(at(tenth * 100));
        }
        for (now, expected) in
            [(19_999, 10.0), (20_000, 10.0), (24_000, 6.0), (29_999, 1.0), (30_000, 0.0), (99_000, 0.0)]
        {
            let rate = meter.per_second(at(now));
            assert!((rate - expected).abs() < 1e-9, "{now}: {rate}");
        }
        meter.count(at(26_000));
        let rate = meter.per_second(at(27_000));
        assert!((rate - 3.1).abs() < 1e-9, "what is old is forgotten, what is not is kept: {rate}");
    }
}
