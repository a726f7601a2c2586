//! How measurements are spread: percentiles of all of them, not estimates.

use super::row::{Figure, Row};

/// Percentiles, in the unit of what was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Sorts microseconds and returns their percentiles in milliseconds; nothing for nothing.
    pub(super) fn of_micros(micros: &mut [u32]) -> Option<Self> {
        Self::of(micros, 1000.0)
    }

    /// Sorts milliseconds and returns their percentiles; nothing for nothing.
    pub(super) fn of_millis(millis: &mut [u32]) -> Option<Self> {
        Self::of(millis, 1.0)
    }

    fn of(samples: &mut [u32], per_unit: f64) -> Option<Self> {
        samples.sort_unstable();
        let max = f64::from(*samples.last()?) / per_unit;
        // Nearest rank: the smallest sample that so many percent do not exceed.
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100);
            samples.get(rank.saturating_sub(1)).map_or(max, |sample| f64::from(*sample) / per_unit)
        };
        Some(Self { p50: at(50), p90: at(90), p99: at(99), max })
    }

    /// Adds the percentiles to a row as latencies under these names.
    pub(super) fn tell(self, row: &mut Row, [p50, p90, p99, max]: [&'static str; 4]) {
        for (name, value) in [(p50, self.p50), (p90, self.p90), (p99, self.p99), (max, self.max)] {
            row.figure(Figure::new(name, value, "ms"));
        }
    }
}

/// The middle of some figures, the lower one of two; 0 of none.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_at_the_nearest_rank() {
        let mut hundred: Vec<u32> = (1..=100).rev().map(|n| n * 1000).collect();
        assert_eq!(Spread::of_micros(&mut hundred), Some(Spread { p50: 50.0, p90: 90.0, p99: 99.0, max: 100.0 }));
        assert_eq!(Spread::of_millis(&mut [7]), Some(Spread { p50: 7.0, p90: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(Spread::of_millis(&mut []), None);
    }

    #[test]
    fn a_median_ignores_the_odd_round() {
        assert_eq!(median(vec![3.0, 900.0, 2.0]), 3.0);
        assert_eq!(median(vec![4.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
