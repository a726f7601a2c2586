//! Signs of life, which both ends ask for in the same way.
//!
//! An end that has heard nothing for a heartbeat pings; one that has heard nothing for
//! [`SILENT_HEARTBEATS`](super::SILENT_HEARTBEATS) takes the other for gone. So a link on which lines go to and fro
//! carries no pings, and an idle one carries one a heartbeat, from whichever end waits less.

use crate::Instant;

use super::SILENT_HEARTBEATS;

#[derive(Clone, Copy, Debug)]
pub(super) struct Heart {
    heard: Instant,
    /// When the next ping is due, unless something is heard.
    beat: Instant,
    /// Milliseconds between two signs of life.
    every: u32,
    /// The number of the next ping.
    ping: u32,
}

/// The longest heartbeat in seconds, twelve days: so many of them in milliseconds, as silence may last, are a u32.
const MOST_SECS: u32 = 1 << 20;
const _: () = assert!(MOST_SECS as u64 * 1000 * SILENT_HEARTBEATS as u64 <= u32::MAX as u64);

/// What the heart asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing before this instant.
    WaitUntil(Instant),
    /// A ping with this number.
    Ping(u64),
    /// An end: the other side is gone.
    Silent,
}

impl Heart {
    /// Zeros, for a place where one begins later.
    pub(super) const STILL: Self =
        Self { heard: Instant::from_millis(0), beat: Instant::from_millis(0), every: 0, ping: 0 };

    /// Begins with something heard at `now`. A heartbeat of 0 s is taken for one of 1 s.
    pub(super) const fn new(heartbeat_secs: u32, now: Instant) -> Self {
        let every = match heartbeat_secs {
            0 => 1000,
            1..MOST_SECS => heartbeat_secs * 1000,
            _ => MOST_SECS * 1000,
        };
        Self { heard: now, beat: now.plus(every), every, ping: 1 }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.beat = now.plus(self.every);
    }

    pub(super) fn at(&self, now: Instant) -> Beat {
        let silent = self.heard.plus(self.every * SILENT_HEARTBEATS);
        if now >= silent {
            Beat::Silent
        } else if now >= self.beat {
            Beat::Ping(self.ping.into())
        } else {
            Beat::WaitUntil(self.beat.min(silent))
        }
    }

    /// Notes that the ping has gone out. The next one keeps to the grid of what was heard last, unless its moment has
    /// passed too.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.ping = self.ping.saturating_add(1);
        let next = self.beat.plus(self.every);
        self.beat = if next > now { next } else { now.plus(self.every) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn silence_is_asked_about_at_each_heartbeat_and_ends_at_the_third() {
        let mut heart = Heart::new(30, at(0));
        assert_eq!(heart.at(at(29_999)), Beat::WaitUntil(at(30_000)));
        assert_eq!(heart.at(at(30_000)), Beat::Ping(1));
        assert_eq!(heart.at(at(30_700)), Beat::Ping(1), "until it has gone out");
        heart.pinged(at(30_700));
        assert_eq!(heart.at(at(30_700)), Beat::WaitUntil(at(60_000)));
        heart.pinged(at(60_000));
        assert_eq!(heart.at(at(89_999)), Beat::WaitUntil(at(90_000)));
        assert_eq!(heart.at(at(90_000)), Beat::Silent);
    }

    #[test]
    fn whatever_is_heard_puts_it_all_off() {
        let mut heart = Heart::new(1, at(0));
        heart.pinged(at(1000));
        heart.heard(at(2500));
        assert_eq!(heart.at(at(3499)), Beat::WaitUntil(at(3500)));
        assert_eq!(heart.at(at(3500)), Beat::Ping(2));
        assert_eq!(heart.at(at(5500)), Beat::Silent);
    }

    #[test]
    fn a_clock_at_its_end_stops_nothing() {
        let mut heart = Heart::new(u32::MAX, Instant::NEVER);
        heart.pinged(Instant::NEVER);
        assert_eq!(heart.at(Instant::NEVER), Beat::Silent);
    }
}
