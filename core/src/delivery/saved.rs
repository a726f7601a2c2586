//! A delivery at rest: plain numbers for a store's columns, or a few bytes for flash.

use super::{Delivery, Stage, ZERO};
use crate::{Instant, schedule::Schedule};
use core::fmt;

/// A delivery at rest, to be kept in a store or in flash and [resumed](Delivery::resume).
///
/// Its instants are the caller's milliseconds, so they keep their meaning only as long as the caller's point zero
/// does. A device whose clock starts anew with it may resume all the same: no wait grows longer than its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Saved {
    /// Where the delivery stood.
    pub phase: Phase,
    /// How many sends had gone out.
    pub attempts: u8,
    /// When the next send is due, or until when an answer counts, in milliseconds; 0 when it is done.
    pub at: u64,
    /// The place of the next send on the grid, in milliseconds: later than `at` when that send was brought forward;
    /// 0 unless one is due.
    pub grid: u64,
}

/// Where a delivery stands, as a number that is never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Phase {
    /// The next send is due, now or later.
    Due = 1,
    /// A send is without its answer, and the next wait starts only when it has failed.
    Outstanding = 2,
    /// The last send of a grid is out, and an answer may still come.
    Closing = 3,
    /// Done: the receiver has it.
    Delivered = 4,
    /// Done: no send is left.
    Exhausted = 5,
    /// Done: the receiver will never take it.
    GivenUp = 6,
}

impl Phase {
    /// The number of this phase, from 1 to 6: neither erased (255) nor zeroed memory is a phase.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The phase of a number.
    ///
    /// # Errors
    ///
    /// [`UnknownPhase`] when no phase has it.
    pub const fn from_code(code: u8) -> Result<Self, UnknownPhase> {
        Ok(match code {
            1 => Self::Due,
            2 => Self::Outstanding,
            3 => Self::Closing,
            4 => Self::Delivered,
            5 => Self::Exhausted,
            6 => Self::GivenUp,
            _ => return Err(UnknownPhase(code)),
        })
    }
}

/// The number stored for a phase is no phase: the record was erased, damaged or written by a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnknownPhase(
    /// The number found.
    pub u8,
);

impl fmt::Display for UnknownPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("phase: must be from 1 to 6; the saved delivery is damaged or of a later version, start it anew")
    }
}

impl core::error::Error for UnknownPhase {}

impl Saved {
    /// The bytes of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 18;

    /// Packs it for flash: phase, attempts, then both instants with their lowest byte first.
    ///
    /// There is no checksum: a record that can be half written needs one around it.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = self.at.to_le_bytes();
        let [g0, g1, g2, g3, g4, g5, g6, g7] = self.grid.to_le_bytes();
        let (phase, attempts) = (self.phase.code(), self.attempts);
        [phase, attempts, a0, a1, a2, a3, a4, a5, a6, a7, g0, g1, g2, g3, g4, g5, g6, g7]
    }

    /// Unpacks what [`to_bytes`](Self::to_bytes) made. Any bytes are safe to try.
    ///
    /// # Errors
    ///
    /// [`UnknownPhase`] when the first byte is no phase, as in erased or zeroed flash.
    pub const fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, UnknownPhase> {
        let [phase, attempts, a0, a1, a2, a3, a4, a5, a6, a7, g0, g1, g2, g3, g4, g5, g6, g7] = *bytes;
        let phase = match Phase::from_code(phase) {
            Ok(phase) => phase,
            Err(unknown) => return Err(unknown),
        };
        Ok(Self {
            phase,
            attempts,
            at: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            grid: u64::from_le_bytes([g0, g1, g2, g3, g4, g5, g6, g7]),
        })
    }
}

impl Delivery {
    /// Puts the delivery to rest as plain numbers; the delivery itself goes on.
    #[must_use]
    pub const fn save(&self) -> Saved {
        Saved {
            phase: self.stage.phase(),
            attempts: self.attempts,
            at: self.at.as_millis(),
            grid: self.grid.as_millis(),
        }
    }

    /// Goes on from where [`save`](Self::save) left off.
    ///
    /// What was saved as [`Phase::Outstanding`] lost its answer with the process that waited for it: that send has
    /// failed, at its deadline or now, whichever is earlier. A send that fell due meanwhile is due at once, and the
    /// ones after it keep their waits: there is no burst. An instant further ahead than the schedule can have put it
    /// (another clock, a clock set back) is brought back to the furthest it can be.
    #[must_use]
    pub fn resume(saved: Saved, schedule: &Schedule<'_>, now: Instant) -> Self {
        let Saved { phase, attempts, at, grid } = saved;
        let (at, grid) = (Instant::from_millis(at), Instant::from_millis(grid));
        let mut delivery = Self { at: ZERO, grid: ZERO, attempts, stage: Stage::of(phase) };
        match phase {
            Phase::Due => {
                let ahead = schedule.planned(attempts.saturating_add(1)).unwrap_or(0);
                let furthest = Instant::from_millis(now.as_millis().saturating_add(ahead));
                (delivery.at, delivery.grid) = (at.min(furthest), grid.min(furthest));
            }
            Phase::Outstanding => delivery.fail(schedule, at.min(now)),
            Phase::Closing => delivery.at = at.min(now.plus(schedule.answer_within())),
            Phase::Delivered | Phase::Exhausted | Phase::GivenUp => {}
        }
        delivery.settle(schedule, now);
        delivery
    }
}

impl Stage {
    const fn phase(self) -> Phase {
        match self {
            Self::Due => Phase::Due,
            Self::Outstanding => Phase::Outstanding,
            Self::Closing => Phase::Closing,
            Self::Delivered => Phase::Delivered,
            Self::Exhausted => Phase::Exhausted,
            Self::GivenUp => Phase::GivenUp,
        }
    }

    const fn of(phase: Phase) -> Self {
        match phase {
            Phase::Due => Self::Due,
            Phase::Outstanding => Self::Outstanding,
            Phase::Closing => Self::Closing,
            Phase::Delivered => Self::Delivered,
            Phase::Exhausted => Self::Exhausted,
            Phase::GivenUp => Self::GivenUp,
        }
    }
}
