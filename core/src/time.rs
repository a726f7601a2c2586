//! A point in time, as the state machines see it.
//!
//! The core has no clock. Whoever drives a machine says what time it is, in milliseconds since a point of its own
//! choosing: a server uses the unix epoch, so that saved state keeps its meaning; a device may count from its start.

/// A point in time: milliseconds since a point that the caller chose and keeps.
///
/// Arithmetic saturates: a deadline past the end of time is the end of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The end of time: a deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Makes an instant from milliseconds since the caller's point zero.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Makes an instant from whole seconds since the caller's point zero.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the caller's point zero.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The instant `millis` milliseconds later.
    #[must_use]
    // On a device a call is shorter than an addition that stops at the end of time.
    #[cfg_attr(target_os = "none", inline(never))]
    pub const fn plus(self, millis: u32) -> Self {
        Self(self.0.saturating_add(millis as u64))
    }

    /// Milliseconds from `earlier` to here; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_is_not_passed() {
        assert_eq!(Instant::NEVER.plus(1), Instant::NEVER);
        assert_eq!(Instant::from_secs(u64::MAX), Instant::NEVER);
        assert_eq!(Instant::from_millis(5).since(Instant::from_millis(9)), 0);
        assert_eq!(Instant::from_secs(2).plus(7).as_millis(), 2007);
    }
}
