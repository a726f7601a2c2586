//! How long a device waits before it connects again.

/// The first wait after a lost connection, in milliseconds (the device link; ours). Each further one in a row is twice
/// as long, up to [`LONGEST_WAIT`].
pub const FIRST_WAIT: u32 = 500;

/// The longest wait before connecting again, in milliseconds (the device link; ours).
pub const LONGEST_WAIT: u32 = 30_000;

/// The waits between tries to connect, each twice the one before and cut by chance to between half of it and all of it,
/// so that devices that lost one gateway together do not come back to the next in step.
///
/// Begin anew only after a connection that lasted, as long as the next wait at the least: one that is welcome and lost at
/// once, again and again, is no success. A [`Device`](super::Device) sees to that itself.
///
/// ```
/// use pushgate_core::link::Backoff;
///
/// let mut backoff = Backoff::new();
/// let random = 0x9e37_79b9; // from the device's own source; a bad one costs nobody but the gateway
/// assert!((250..=500).contains(&backoff.next_wait(random)));
/// assert!((500..=1000).contains(&backoff.next_wait(random)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    most: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Zeros, for a place where one begins later.
    pub(super) const NONE: Self = Self { most: 0 };

    /// Begins with [`FIRST_WAIT`].
    #[must_use]
    pub const fn new() -> Self {
        Self { most: FIRST_WAIT }
    }

    /// The longest that the next wait may be, in milliseconds.
    pub(super) const fn most(&self) -> u32 {
        self.most
    }

    /// The next wait in milliseconds; `random` is any number, a new one each time.
    #[must_use]
    pub const fn next_wait(&mut self, random: u32) -> u32 {
        let most = self.most;
        self.most = if most < LONGEST_WAIT / 2 { most * 2 } else { LONGEST_WAIT };
        let half = most >> 1;
        // The high half of a product spreads a number over a range without a division.
        let share = (random as u64).wrapping_mul((most - half + 1) as u64) >> 32;
        // At most `most`, so it fits.
        half + share as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_spread_over_their_upper_half() {
        let (mut low, mut high) = (Backoff::new(), Backoff::new());
        let waits: [(u32, u32); 9] = core::array::from_fn(|_| (low.next_wait(0), high.next_wait(u32::MAX)));
        let highest = waits.map(|(_, high)| high);
        assert_eq!(highest, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(waits.map(|(low, _)| low), highest.map(|most| most / 2));
    }
}
