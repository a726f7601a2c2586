//! One delivery, from its first send to its outcome: the machine behind every retry.
//!
//! A batch for a customer's URL, a webhook and a message for a device are all a [`Delivery`] run by a
//! [`Schedule`]. The machine does no I/O and has no clock: it is told the time and what happened, and says what to do.
//!
//! **Nothing moves but by what happened: a send went out, an answer came, a device connected, a deadline passed. To
//! ask is free: a [`poll`](Delivery::poll) too many changes nothing. So after anything happened, poll until it says
//! [`WaitUntil`](Action::WaitUntil) or [`Done`](Action::Done), and answer each [`Send`](Action::Send) with exactly one
//! [`sent`](Delivery::sent) or [`failed`](Delivery::failed) before the next poll.**
//!
//! 1. [`Delivery::new`] makes a delivery whose first send is due at once.
//! 2. [`poll`](Delivery::poll) says [`Send`](Action::Send): put the bytes on the wire. When they went out, call
//!    [`sent`](Delivery::sent); when they could not (connection refused, device not connected),
//!    [`failed`](Delivery::failed). Poll again.
//! 3. It says [`WaitUntil`](Action::WaitUntil): do so. An answer that comes meanwhile goes, as a [`Verdict`], to
//!    [`answered`](Delivery::answered); a device that connects is a [`wake`](Delivery::wake). Poll again.
//! 4. It says [`Done`](Action::Done): nothing changes any more, whatever is called.
//!
//! ```
//! use pushgate_core::delivery::{Action, Delivery, Outcome};
//! use pushgate_core::{Instant, Verdict, schedule::Schedule};
//!
//! // An uplink receiver that refuses a batch twice. The time is virtual: waiting is an assignment.
//! let mut answers = [Verdict::TryAgain, Verdict::TryAgain, Verdict::Delivered].into_iter();
//! let mut now = Instant::from_secs(0);
//! let mut delivery = Delivery::new(now);
//! let outcome = loop {
//!     match delivery.poll(&Schedule::UPLINK, now) {
//!         Action::Send { .. } => {
//!             delivery.sent(&Schedule::UPLINK, now);
//!             if let Some(verdict) = answers.next() {
//!                 delivery.answered(&Schedule::UPLINK, now, verdict);
//!             }
//!         }
//!         Action::WaitUntil(later) => now = later,
//!         Action::Done(outcome) => break outcome,
//!     }
//! };
//! assert_eq!((outcome, delivery.attempts(), now), (Outcome::Delivered, 3, Instant::from_secs(2)));
//! ```
//!
//! # Crashes
//!
//! [`save`](Delivery::save) after each call that moved the delivery and [`resume`](Delivery::resume) after a crash. A
//! crash between a send and the save that follows it repeats that send: at least once, as the receivers expect. Where
//! a send too many is worse than one too few, save ahead: call [`sent`](Delivery::sent) on a copy, save the copy, then
//! send.
//!
//! # Late calls
//!
//! Answers carry no number. So under [`Anchor::Failure`] drop the request of a send as soon as its deadline has passed
//! and [`poll`](Delivery::poll) moves on: bad news of an old send would be taken for the next one's.
//!
//! A deadline counts from when it passed, not from the poll that noticed. On the grid of [`Anchor::Send`] a late send
//! does not shift the ones after it, unless the next one's moment has passed too: then the wait counts from the late
//! send, so that what was missed never goes out in a burst. Time is expected not to run backwards; where it does,
//! waits grow by as much and nothing else changes.

mod saved;
#[cfg(test)]
mod tests;

pub use saved::{Phase, Saved, UnknownPhase};

use crate::schedule::{Anchor, Schedule};
use crate::{Instant, Verdict};

/// One delivery: how often it was sent, and what is to happen when.
///
/// It holds no schedule, so that a million of them stay small; every method must be given the same one. (A schedule
/// that changed between calls, as when settings are reloaded, is obeyed from then on; one that is now too short ends
/// the delivery.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Delivery {
    state: State,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing happens until it is done"]
pub enum Action {
    /// Send it, then call [`Delivery::sent`] or [`Delivery::failed`].
    Send {
        /// Which send this is, counted from 1.
        attempt: u8,
        /// When it fell due: now or earlier.
        planned: Instant,
    },
    /// Nothing to do before this instant, which is always later than now, unless an answer comes or a device connects.
    WaitUntil(Instant),
    /// The end. It is never taken back.
    Done(Outcome),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// No send is left and no answer came: a dead letter, or a device message that its flag drops.
    Exhausted,
    /// The receiver will never take it.
    GivenUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The next send is due at `at`. Its place on the grid is `grid`: later than `at` when it was brought forward.
    Due { attempts: u8, at: Instant, grid: Instant },
    /// A send is without its answer; at `until` it has failed.
    Outstanding { attempts: u8, until: Instant },
    /// The last send of a grid is out; an answer before `until` still counts.
    Closing { attempts: u8, until: Instant },
    /// Nothing changes any more.
    Done { attempts: u8, outcome: Outcome },
}

// A server holds a million of these.
const _: () = assert!(size_of::<Delivery>() <= 24);

impl Delivery {
    /// Makes a delivery whose first send is due at once; `now` is the present.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { state: State::Due { attempts: 0, at: now, grid: now } }
    }

    /// Says what to do now.
    ///
    /// The answer changes when a method that takes a verdict or news is called, and when [`deadline`](Self::deadline)
    /// passes; not by polling.
    pub fn poll(&mut self, schedule: &Schedule<'_>, now: Instant) -> Action {
        self.state = self.state.settled(schedule, now);
        match self.state {
            State::Due { attempts, at, .. } if at <= now => {
                Action::Send { attempt: attempts.saturating_add(1), planned: at }
            }
            State::Due { at: until, .. } | State::Outstanding { until, .. } | State::Closing { until, .. } => {
                Action::WaitUntil(until)
            }
            State::Done { outcome, .. } => Action::Done(outcome),
        }
    }

    /// Notes that a send went out at `now`. Each call counts one send, up to the last of the schedule.
    ///
    /// The time for its answer starts here, so over HTTP call it when the request starts. Under [`Anchor::Send`] the
    /// first call starts the grid.
    pub fn sent(&mut self, schedule: &Schedule<'_>, now: Instant) {
        self.state = self.state.settled(schedule, now);
        let attempts = self.attempts();
        if self.outcome().is_some() || attempts >= schedule.sends() {
            return;
        }
        let attempts = attempts.saturating_add(1);
        self.state = match schedule.anchor() {
            Anchor::Failure => State::Outstanding { attempts, until: now.plus(schedule.answer_within()) },
            Anchor::Send => State::after_send(schedule, attempts, self.state.place(now), now),
        };
    }

    /// Notes that a send failed without an answer: it could not go out (connection refused, device not connected), or
    /// its connection was lost before an answer came.
    ///
    /// When a send is due, it counts as that send, in place of [`sent`](Self::sent). Otherwise it is the end of the
    /// outstanding one; under [`Anchor::Send`], where no send is outstanding, it then changes nothing.
    pub fn failed(&mut self, schedule: &Schedule<'_>, now: Instant) {
        if let State::Due { at, .. } = self.state
            && at <= now
        {
            self.sent(schedule, now);
        }
        if let State::Outstanding { attempts, until } = self.state {
            self.state = State::after_failure(schedule, attempts, until.min(now));
        }
        self.state = self.state.settled(schedule, now);
    }

    /// Notes what the answer to a send means.
    ///
    /// [`Verdict::Delivered`] and [`Verdict::GiveUp`] end the delivery whichever send they answer.
    /// [`Verdict::TryAgain`] makes the outstanding send fail; under [`Anchor::Send`] it changes nothing. An answer at
    /// or after the last deadline comes too late: [`outcome`](Self::outcome) is then [`Outcome::Exhausted`] although
    /// the verdict was another, for whoever wants to report it.
    pub fn answered(&mut self, schedule: &Schedule<'_>, now: Instant, verdict: Verdict) {
        self.state = self.state.settled(schedule, now);
        self.state = match (self.state, verdict) {
            (State::Done { .. }, _) => self.state,
            (_, Verdict::Delivered) => State::Done { attempts: self.attempts(), outcome: Outcome::Delivered },
            (_, Verdict::GiveUp) => State::Done { attempts: self.attempts(), outcome: Outcome::GivenUp },
            (State::Outstanding { attempts, .. }, Verdict::TryAgain) => State::after_failure(schedule, attempts, now),
            (_, Verdict::TryAgain) => self.state,
        };
    }

    /// Brings the next send forward to `now`; the sends after it stay where they were on the grid.
    ///
    /// For a device that connected: "under flag 2 a device that connects while sends remain gets the message at once,
    /// and the remaining schedule still holds" (Lingyang page, "Delivery marks"). Under [`Anchor::Failure`] it cuts
    /// short the wait for a retry. Nothing changes while a send is due or outstanding, and when none remains.
    pub fn wake(&mut self, schedule: &Schedule<'_>, now: Instant) {
        self.state = match self.state.settled(schedule, now) {
            State::Due { attempts, at, grid } => State::Due { attempts, at: at.min(now), grid },
            other => other,
        };
    }

    /// The instant at which [`poll`](Self::poll) next says something new by itself: the present or past when a send
    /// is due, `None` when done. It changes with every call that moves the delivery.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Due { at: until, .. } | State::Outstanding { until, .. } | State::Closing { until, .. } => {
                Some(until)
            }
            State::Done { .. } => None,
        }
    }

    /// How many sends went out so far, those that failed at once included.
    #[must_use]
    pub const fn attempts(&self) -> u8 {
        match self.state {
            State::Due { attempts, .. }
            | State::Outstanding { attempts, .. }
            | State::Closing { attempts, .. }
            | State::Done { attempts, .. } => attempts,
        }
    }

    /// How it ended, as of the last call; `None` before.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Done { outcome, .. } => Some(outcome),
            _ => None,
        }
    }
}

impl State {
    /// Applies the deadlines that have passed. After it, nothing but a due send is left in the past.
    fn settled(self, schedule: &Schedule<'_>, now: Instant) -> Self {
        match self {
            Self::Outstanding { attempts, until } if until <= now => Self::after_failure(schedule, attempts, until),
            Self::Closing { attempts, until } if until <= now => Self::exhausted(attempts),
            Self::Due { attempts, .. } if attempts >= schedule.sends() => Self::exhausted(attempts),
            _ => self,
        }
    }

    /// What follows when send number `attempts` failed at `failed`.
    fn after_failure(schedule: &Schedule<'_>, attempts: u8, failed: Instant) -> Self {
        let Some(wait) = schedule.wait_after(attempts) else {
            return Self::exhausted(attempts);
        };
        let at = failed.plus(wait);
        Self::Due { attempts, at, grid: at }
    }

    /// What follows on a grid when send number `attempts`, whose place was `place`, went out at `now`.
    fn after_send(schedule: &Schedule<'_>, attempts: u8, place: Instant, now: Instant) -> Self {
        let Some(wait) = schedule.wait_after(attempts) else {
            return Self::Closing { attempts, until: now.plus(schedule.answer_within()) };
        };
        let next = place.plus(wait);
        let at = if next > now { next } else { now.plus(wait) };
        Self::Due { attempts, at, grid: at }
    }

    /// The place on the grid of a send that goes out at `now`: the first one makes its own.
    fn place(self, now: Instant) -> Instant {
        match self {
            Self::Due { attempts: 1.., grid, .. } => grid,
            _ => now,
        }
    }

    const fn exhausted(attempts: u8) -> Self {
        Self::Done { attempts, outcome: Outcome::Exhausted }
    }
}
