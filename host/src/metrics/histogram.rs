//! Distributions that are counted without a lock: a counter for each bucket, and the sum.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where buckets end, in the whole numbers that are observed.
#[derive(Debug)]
pub(super) struct Scale {
    /// The last number of each bucket, growing; what is greater falls into one more.
    pub(super) bounds: &'static [u64],
    /// How many of these numbers make one of the unit that is shown.
    pub(super) of_unit: f64,
}

impl Scale {
    /// How late a send begins: from a millisecond, the clock's own step, to a minute.
    pub(super) const LATENESS: Self = Self::millis(&[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 60_000]);
    /// How long an answer takes: no protocol waits longer than a few seconds, a destination's own settings may.
    pub(super) const ANSWER: Self =
        Self::millis(&[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000]);
    /// How long a delivery takes: at once, after some retries, or when the device comes back.
    pub(super) const DELIVERY: Self =
        Self::millis(&[10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000]);
    /// How long the store takes to commit, in microseconds: from memory to a disk that is in trouble.
    pub(super) const COMMIT: Self = Self {
        bounds: &[
            100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
            5_000_000, 10_000_000,
        ],
        of_unit: 1e6,
    };
    /// How long a request is served, in microseconds.
    pub(super) const REQUEST: Self = Self {
        bounds: &[
            500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000,
            10_000_000,
        ],
        of_unit: 1e6,
    };
    /// How much goes together.
    pub(super) const COUNT: Self =
        Self { bounds: &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000], of_unit: 1.0 };

    const fn millis(bounds: &'static [u64]) -> Self {
        Self { bounds, of_unit: 1e3 }
    }

    #[expect(clippy::cast_precision_loss, reason = "what is shown is a mean: its last digits are noise")]
    fn shown(&self, number: u64) -> f64 {
        number as f64 / self.of_unit
    }
}

/// A distribution.
#[derive(Debug)]
pub(super) struct Histogram {
    scale: Scale,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one.
    pub(super) fn new(scale: Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a number.
    pub(super) fn observe(&self, number: u64) {
        let bucket = self.scale.bounds.partition_point(|bound| *bound < number);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(number, Relaxed);
    }

    /// The buckets as they are shown, each with its end and its own count, and the sum.
    pub(super) fn shown(&self) -> (Vec<(f64, u64)>, f64) {
        let ends = self.scale.bounds.iter().map(|bound| self.scale.shown(*bound)).chain([f64::INFINITY]);
        let buckets = ends.zip(self.counts.iter().map(|count| count.load(Relaxed))).collect();
        (buckets, self.scale.shown(self.sum.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_falls_into_the_bucket_that_ends_with_it_or_after_it() {
        let histogram = Histogram::new(Scale::LATENESS);
        for late in [0, 1, 2, 3, 60_000, 60_001] {
            histogram.observe(late);
        }
        let (buckets, sum) = histogram.shown();
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.001, 2), (0.002, 1), (0.005, 1), (60.0, 1), (f64::INFINITY, 1)]);
        assert!((sum - 120.007).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_ends_of_buckets_grow() {
        for scale in [Scale::LATENESS, Scale::ANSWER, Scale::DELIVERY, Scale::COMMIT, Scale::REQUEST, Scale::COUNT] {
            assert!(scale.bounds.is_sorted_by(|a, b| a < b), "{scale:?}");
        }
    }
}
