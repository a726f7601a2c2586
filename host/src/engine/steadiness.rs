//! Whether a device's connections hold: one that comes and goes ten times a second must not use up the five sends of
//! every message that waits for it.
//!
//! "Under flag 2 a device that connects while sends remain gets the message at once, and the remaining schedule still
//! holds" (the Lingyang page, "Delivery marks"): each connection takes a send from what waits. A connection that breaks
//! a moment later takes it along for nothing, so that a flapping link would burn a whole schedule in half a second. So
//! (ours) a device is served at once when it connects, and at once again when it comes back; from the third connection
//! in a row, each within [`HOLDS`] of the one before, it is sent nothing until one has held for as long, or for
//! [`AT_MOST`]; a message's last send is kept back from the second connection on, and for [`LAST_AT_MOST`]. The lane
//! waits as a whole, so that nothing overtakes anything. What fell due meanwhile is one send when the wait is over,
//! whatever its schedule has missed.

use pushgate_core::Instant;

/// Milliseconds after which a connection counts as one that holds (ours).
pub(super) const HOLDS: u32 = 1000;

/// Milliseconds that a device which flaps on waits for its messages (ours). Then one send of each is risked.
const AT_MOST: u32 = 8000;

/// The same where that would be a message's last send (ours): as long as flag 2 goes on, 11 s and 5 s.
const LAST_AT_MOST: u32 = 16_000;

/// What is known of a device's connections while something waits for it.
#[derive(Debug, Default)]
pub(super) struct Steadiness {
    /// When the newest connection came.
    newest: Option<Instant>,
    /// Connections before it that followed each other within [`HOLDS`].
    hasty: u8,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    until: Instant,
    most: u32,
}

/// How a connection follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// After one that held, or after none.
    Calm,
    /// Soon after one that was calm: a link that broke and came back.
    Again,
    /// Soon after one that came soon itself.
    Flapping,
}

impl Steadiness {
    /// Notes a connection that came at `now`.
    pub(super) fn connected(&mut self, now: Instant) -> Arrival {
        let soon = self.newest.is_some_and(|newest| now.since(newest) < u64::from(HOLDS));
        self.newest = Some(now);
        self.hasty = if soon { self.hasty.saturating_add(1) } else { 0 };
        match self.hasty {
            0 => Arrival::Calm,
            1 => Arrival::Again,
            _ => Arrival::Flapping,
        }
    }

    /// Waits for the newest connection to hold, and returns until when nothing is sent.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let (since, most) = self.wait.map_or((now, AT_MOST), |wait| (wait.since, wait.most));
        let until = now.plus(HOLDS).min(since.plus(most));
        self.wait = Some(Wait { since, until, most });
        until
    }

    /// Waits on for the sake of a last send, if no connection holds by `now`, and returns until when.
    pub(super) fn wait_on(&mut self, now: Instant) -> Option<Instant> {
        let holds = self.newest?.plus(HOLDS);
        let wait = self.wait.as_mut().filter(|wait| holds > now && wait.since.plus(LAST_AT_MOST) > now)?;
        wait.most = LAST_AT_MOST;
        wait.until = holds.min(wait.since.plus(LAST_AT_MOST));
        Some(wait.until)
    }

    /// Until when nothing is sent.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.wait.map(|wait| wait.until)
    }

    /// Ends the wait.
    pub(super) fn end_wait(&mut self) {
        self.wait = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_connection_is_calm_unless_it_follows_another_within_a_second() {
        let mut steadiness = Steadiness::default();
        for (at, arrival) in [
            (0, Arrival::Calm),
            (1000, Arrival::Calm),
            (1999, Arrival::Again),
            (2998, Arrival::Flapping),
            (3100, Arrival::Flapping),
            (4100, Arrival::Calm),
            (4100, Arrival::Again),
        ] {
            assert_eq!(steadiness.connected(ms(at)), arrival, "at {at} ms");
        }
    }

    #[test]
    fn a_wait_ends_a_second_after_the_newest_connection_and_after_eight_at_the_most() {
        let mut steadiness = Steadiness::default();
        for at in (0..7000).step_by(100) {
            assert_eq!(steadiness.wait(ms(at)), ms(at + 1000));
        }
        assert_eq!(steadiness.wait(ms(7400)), ms(8000), "eight seconds since the wait began");
        steadiness.end_wait();
        assert_eq!((steadiness.waits_until(), steadiness.wait_on(ms(8000))), (None, None));
        assert_eq!(steadiness.wait(ms(8100)), ms(9100), "another wait");
    }

    #[test]
    fn a_last_send_is_kept_back_for_sixteen_seconds_at_the_most() {
        let mut steadiness = Steadiness::default();
        for at in (0..=7900).step_by(100) {
            steadiness.connected(ms(at));
            steadiness.wait(ms(at));
        }
        assert_eq!(steadiness.wait_on(ms(8000)), Some(ms(8900)), "a second after the newest connection");
        assert_eq!(steadiness.wait_on(ms(8900)), None, "it holds");
        steadiness.connected(ms(15_500));
        assert_eq!(steadiness.wait(ms(15_500)), ms(16_000));
        assert_eq!(steadiness.wait_on(ms(16_000)), None);
    }
}
