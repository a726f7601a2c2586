//! The gateway's one clock: unix milliseconds that never jump.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushgate_core::Instant;
use tokio::time;

/// Tells the time as milliseconds since the unix epoch.
///
/// For schedules the wall clock is read once, at the start; from then on the time runs with the runtime's own clock. So
/// a step of the wall clock moves no schedule, and a test that pauses the runtime's clock pauses this one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: time::Instant,
    started_ms: u64,
}

impl Clock {
    /// Starts the clock at the wall clock's time.
    #[must_use]
    pub fn start() -> Self {
        let started_ms = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
        Self { started: time::Instant::now(), started_ms }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Instant {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Instant::from_millis(self.started_ms.saturating_add(elapsed))
    }

    /// The present, in unix milliseconds.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.now().as_millis()
    }

    /// The present, in unix nanoseconds: for what is measured and not scheduled.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.started_ms.saturating_mul(1_000_000).saturating_add(elapsed)
    }

    /// The wall clock's present, in unix seconds: what is signed, and what an expiry is held against. Unlike schedules
    /// these follow the wall clock when it is set, and after the machine was suspended.
    #[must_use]
    pub fn unix_secs(&self) -> u64 {
        since_epoch().as_secs()
    }

    /// Returns once `instant` has come.
    pub async fn sleep_until(&self, instant: Instant) {
        time::sleep_until(self.runtime(instant)).await;
    }

    /// `instant` by the runtime's clock; one that is out of its reach, as far off as anybody waits.
    #[must_use]
    pub fn runtime(&self, instant: Instant) -> time::Instant {
        /// Longer than any process runs.
        const FAR: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
        let wait = Duration::from_millis(instant.as_millis().saturating_sub(self.started_ms));
        self.started + wait.min(FAR)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_runs_with_the_runtime_and_sleeps_to_the_millisecond() {
        let clock = Clock::start();
        let start = clock.now();
        clock.sleep_until(start.plus(1234)).await;
        assert_eq!(clock.now().since(start), 1234);
        clock.sleep_until(start).await;
        assert_eq!(clock.now().since(start), 1234);
    }
}
