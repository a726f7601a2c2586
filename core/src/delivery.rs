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
    /// When the next send is due, or until when an answer counts; 0 when it is done.
    at: Instant,
    /// The place of the next send on the grid: later than `at` when that send was brought forward; 0 unless one is due.
    grid: Instant,
    attempts: u8,
    stage: Stage,
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

/// Where a delivery stands: [`Phase`], but for its numbers. The first is zero, so that an outbox of nothing is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Stage {
    /// The next send is due, now or later.
    Due,
    /// A send is without its answer; after `at` it has failed.
    Outstanding,
    /// The last send of a grid is out; an answer before `at` still counts.
    Closing,
    Delivered,
    Exhausted,
    GivenUp,
}

// A server holds a million of these.
const _: () = assert!(size_of::<Delivery>() <= 24);

impl Delivery {
    /// Makes a delivery whose first send is due at once; `now` is the present.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { at: now, grid: now, attempts: 0, stage: Stage::Due }
    }

    /// Says what to do now.
    ///
    /// The answer changes when a method that takes a verdict or news is called, and when [`deadline`](Self::deadline)
    /// passes; not by polling.
    pub fn poll(&mut self, schedule: &Schedule<'_>, now: Instant) -> Action {
        self.settle(schedule, now);
        match self.outcome() {
            Some(outcome) => Action::Done(outcome),
            None if self.is_due(now) => Action::Send { attempt: self.attempts.saturating_add(1), planned: self.at },
            None => Action::WaitUntil(self.at),
        }
    }

    /// Notes that a send went out at `now`. Each call counts one send, up to the last of the schedule.
    ///
    /// The time for its answer starts here, so over HTTP call it when the request starts. Under [`Anchor::Send`] the
    /// first call starts the grid.
    pub fn sent(&mut self, schedule: &Schedule<'_>, now: Instant) {
        self.settle(schedule, now);
        if self.is_done() || self.attempts >= schedule.sends() {
            return;
        }
        // The first send makes its place on the grid, and so does one that was not due.
        let place = if self.attempts > 0 && self.stage == Stage::Due { self.grid } else { now };
        self.attempts = self.attempts.saturating_add(1);
        let within = now.plus(schedule.answer_within());
        match (schedule.anchor(), schedule.wait_after(self.attempts)) {
            (Anchor::Failure, _) => self.enter(Stage::Outstanding, within),
            (Anchor::Send, None) => self.enter(Stage::Closing, within),
            (Anchor::Send, Some(wait)) => {
                let next = place.plus(wait);
                self.enter(Stage::Due, if next > now { next } else { now.plus(wait) });
            }
        }
    }

    /// Notes that a send failed without an answer: it could not go out (connection refused, device not connected), or
    /// its connection was lost before an answer came.
    ///
    /// When a send is due, it counts as that send, in place of [`sent`](Self::sent). Otherwise it is the end of the
    /// outstanding one; under [`Anchor::Send`], where no send is outstanding, it then changes nothing.
    pub fn failed(&mut self, schedule: &Schedule<'_>, now: Instant) {
        if self.is_due(now) {
            self.sent(schedule, now);
        }
        if self.stage == Stage::Outstanding {
            self.fail(schedule, self.at.min(now));
        }
        self.settle(schedule, now);
    }

    /// Notes what the answer to a send means.
    ///
    /// [`Verdict::Delivered`] and [`Verdict::GiveUp`] end the delivery whichever send they answer.
    /// [`Verdict::TryAgain`] makes the outstanding send fail; under [`Anchor::Send`] it changes nothing. An answer at
    /// or after the last deadline comes too late: [`outcome`](Self::outcome) is then [`Outcome::Exhausted`] although
    /// the verdict was another, for whoever wants to report it.
    pub fn answered(&mut self, schedule: &Schedule<'_>, now: Instant, verdict: Verdict) {
        self.settle(schedule, now);
        if self.is_done() {
            return;
        }
        match verdict {
            Verdict::Delivered => self.enter(Stage::Delivered, ZERO),
            Verdict::GiveUp => self.enter(Stage::GivenUp, ZERO),
            Verdict::TryAgain if self.stage == Stage::Outstanding => self.fail(schedule, now),
            Verdict::TryAgain => {}
        }
    }

    /// Brings the next send forward to `now`; the sends after it stay where they were on the grid.
    ///
    /// For a device that connected: "under flag 2 a device that connects while sends remain gets the message at once,
    /// and the remaining schedule still holds" (Lingyang page, "Delivery marks"). Under [`Anchor::Failure`] it cuts
    /// short the wait for a retry. Nothing changes while a send is due or outstanding, and when none remains.
    pub fn wake(&mut self, schedule: &Schedule<'_>, now: Instant) {
        self.settle(schedule, now);
        if self.stage == Stage::Due {
            self.at = self.at.min(now);
        }
    }

    /// The instant at which [`poll`](Self::poll) next says something new by itself: the present or past when a send
    /// is due, `None` when done. It changes with every call that moves the delivery.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Due | Stage::Outstanding | Stage::Closing => Some(self.at),
            Stage::Delivered | Stage::Exhausted | Stage::GivenUp => None,
        }
    }

    /// How many sends went out so far, those that failed at once included.
    #[must_use]
    pub const fn attempts(&self) -> u8 {
        self.attempts
    }

    /// How it ended, as of the last call; `None` before.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Due | Stage::Outstanding | Stage::Closing => None,
            Stage::Delivered => Some(Outcome::Delivered),
            Stage::Exhausted => Some(Outcome::Exhausted),
            Stage::GivenUp => Some(Outcome::GivenUp),
        }
    }

    fn is_done(&self) -> bool {
        self.stage >= Stage::Delivered
    }

    /// Whether a send is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.stage == Stage::Due && self.at <= now
    }

    /// Applies the deadlines that have passed. After it, nothing but a due send is left in the past.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn settle(&mut self, schedule: &Schedule<'_>, now: Instant) {
        match self.stage {
            Stage::Outstanding if self.at <= now => self.fail(schedule, self.at),
            Stage::Closing if self.at <= now => self.enter(Stage::Exhausted, ZERO),
            Stage::Due if self.attempts >= schedule.sends() => self.enter(Stage::Exhausted, ZERO),
            _ => {}
        }
    }

    /// Goes on after the last send failed at `failed`.
    fn fail(&mut self, schedule: &Schedule<'_>, failed: Instant) {
        match schedule.wait_after(self.attempts) {
            Some(wait) => self.enter(Stage::Due, failed.plus(wait)),
            None => self.enter(Stage::Exhausted, ZERO),
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn enter(&mut self, stage: Stage, at: Instant) {
        self.stage = stage;
        self.at = at;
        self.grid = if stage == Stage::Due { at } else { ZERO };
    }
}

const ZERO: Instant = Instant::from_millis(0);
