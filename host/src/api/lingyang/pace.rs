//! How often each device pushes: the excess is refused, so that one device cannot take the gateway from the others.
//!
//! The page sets no limit; it is ours, as `limits.device_pushes`. A device is kept in mind only while what it has
//! pushed counts: for a second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use pushgate_core::{Instant, lingyang::Cid};

/// Devices kept in mind before those that count no more are looked for.
const SWEEP_FROM: usize = 1024;

/// The pace of every device that has pushed within the last second.
#[derive(Debug, Default)]
pub(super) struct Pace {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// For each device: when all of its pushes so far would have been due, evenly spaced, in microseconds.
    due: HashMap<u32, u64>,
    sweep_at: usize,
}

impl Pace {
    /// Takes a place for a push at `now` of a device that may make `most` in a second, and as many at once; with 0 it
    /// may make any number.
    ///
    /// # Errors
    ///
    /// After how many milliseconds, at least 1, there will be a place.
    pub(super) fn take(&self, cid: Cid, most: u32, now: Instant) -> Result<(), u64> {
        /// What may be made at once is a second's worth.
        const BURST_US: u64 = 1_000_000;
        if most == 0 {
            return Ok(());
        }
        let spacing = BURST_US / u64::from(most);
        let now = now.as_millis().saturating_mul(1000);
        // Every change is one insertion: a panic elsewhere leaves the table right.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let due = table.due.get(&cid.value()).map_or(now, |due| now.max(*due));
        let after = due.saturating_add(spacing);
        let ahead = after.saturating_sub(now);
        if ahead > BURST_US {
            return Err((ahead - BURST_US).div_ceil(1000));
        }
        table.due.insert(cid.value(), after);
        table.sweep(now);
        Ok(())
    }
}

impl Table {
    /// Forgets the devices that may push as if they never had. The price is spread over the pushes since the last time.
    fn sweep(&mut self, now: u64) {
        if self.due.len() < self.sweep_at.max(SWEEP_FROM) {
            return;
        }
        self.due.retain(|_, due| *due > now);
        self.due.shrink_to(self.due.len().saturating_mul(2));
        self.sweep_at = self.due.len().saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(number: u32) -> Cid {
        Cid::new(number).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn a_device_may_make_a_seconds_worth_at_once_and_then_as_many_as_the_limit() {
        for most in [1, 3, 100, 999, 1_000_000] {
            let pace = Pace::default();
            let taken = |from: u64, to: u64| {
                let tries = (from..to).flat_map(|millis| [millis; 3]);
                tries.filter(|millis| pace.take(cid(7), most, at(*millis)).is_ok()).count()
            };
            let most = usize::try_from(most).unwrap();
            let burst = (0..most + 10).filter(|_| pace.take(cid(7), most.try_into().unwrap(), at(0)).is_ok()).count();
            assert_eq!(burst, most);
            if most < 1000 {
                let found = taken(0, 10_000);
                assert!((most * 10 - 1..=most * 10 + 1).contains(&found), "{most}/s: {found} in the 10 s after");
            }
        }
    }

    #[test]
    fn who_is_refused_hears_how_long_and_is_taken_then() {
        let pace = Pace::default();
        assert_eq!([0, 0, 0].map(|_| pace.take(cid(7), 2, at(0))), [Ok(()), Ok(()), Err(500)]);
        assert_eq!(pace.take(cid(8), 2, at(0)), Ok(()), "another device is another matter");
        assert_eq!(pace.take(cid(7), 2, at(499)), Err(1));
        assert_eq!(pace.take(cid(7), 2, at(500)), Ok(()));
        assert_eq!(pace.take(cid(7), 2, at(500)), Err(500), "a refusal costs nothing, a place does");
        for _ in 0..10_000 {
            assert_eq!(pace.take(cid(9), 0, at(0)), Ok(()), "0 is no limit");
        }
    }

    #[test]
    fn only_devices_that_pushed_within_the_last_second_are_kept_in_mind() {
        let pace = Pace::default();
        // Two hundred devices a millisecond, each new.
        for number in 1..=1_000_000 {
            pace.take(cid(number), 1, at(u64::from(number / 200))).unwrap();
        }
        let table = pace.table.lock().unwrap();
        assert!(table.due.len() <= 2 * 200_000 + 1, "{}", table.due.len());
        assert!(table.due.capacity() <= 8 * 200_000, "{}", table.due.capacity());
        drop(table);
        for number in 1..=500_000 {
            pace.take(cid(number), 1000, at(3_600_000 + u64::from(number))).unwrap();
        }
        let table = pace.table.lock().unwrap();
        assert!(table.due.len() <= SWEEP_FROM && table.due.capacity() <= 4 * SWEEP_FROM, "{}", table.due.capacity());
    }
}
