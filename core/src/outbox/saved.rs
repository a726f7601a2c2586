//! An outbox at rest: for each delivery a few bytes and its payload, in flash.

use core::fmt;

use super::{Outbox, Slot, Ticket, free, full, length, payload, too_long};
use crate::{
    Delivery, Instant, Schedule,
    delivery::{self, Phase},
};

/// A delivery of an outbox at rest, but for its payload and its schedule.
///
/// Keep it beside the payload, with a word of the caller's own for the schedule if there is more than one, under the
/// [`number`](Self::number). The payload never changes; the record does with each call that moves the delivery. To
/// save after [`push`](Outbox::push), each [`sent`](Outbox::sent) and [`failed`](Outbox::failed), and to erase before
/// [`remove`](Outbox::remove), loses nothing and sends at least once: [`delivery`](crate::delivery) says what a crash
/// between two of them repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Record {
    /// The number of its [`Ticket`], from 1 to [`MAX_NUMBER`](Self::MAX_NUMBER).
    pub number: u64,
    /// The length of its payload in bytes.
    pub len: u16,
    /// Where the delivery stood.
    pub delivery: delivery::Saved,
}

impl Record {
    /// The bytes of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 28;

    /// The greatest number that is taken back, ours: what stands above it is damaged, for no outbox gets so far.
    pub const MAX_NUMBER: u64 = u64::MAX >> 1;

    /// Packs it for flash: number and length, both with their lowest byte first, then the delivery's bytes.
    ///
    /// There is no checksum: what can be half written or worn needs one around record and payload.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        // The lengths add up, so that each is there.
        if let Some((number, rest)) = bytes.split_first_chunk_mut()
            && let Some((len, rest)) = rest.split_first_chunk_mut()
            && let Some((delivery, _)) = rest.split_first_chunk_mut()
        {
            *number = self.number.to_le_bytes();
            *len = self.len.to_le_bytes();
            *delivery = self.delivery.to_bytes();
        }
        bytes
    }

    /// Unpacks what [`to_bytes`](Self::to_bytes) made. Any bytes are safe to try.
    ///
    /// # Errors
    ///
    /// [`NotARecord`] when no outbox can have saved it, as erased or zeroed flash.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, NotARecord> {
        let [n0, n1, n2, n3, n4, n5, n6, n7, l0, l1, delivery @ ..] = bytes;
        let number = u64::from_le_bytes([*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7]);
        let delivery = delivery::Saved::from_bytes(delivery).map_err(|_| NotARecord(()))?;
        Self { number, len: u16::from_le_bytes([*l0, *l1]), delivery }.checked()
    }

    /// The ticket of the delivery.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        Ticket(self.number)
    }

    fn checked(self) -> Result<Self, NotARecord> {
        let unsent = matches!(self.delivery.phase, Phase::Outstanding | Phase::Closing) && self.delivery.attempts == 0;
        if self.number == 0 || self.number > Self::MAX_NUMBER || unsent {
            return Err(NotARecord(()));
        }
        Ok(self)
    }
}

const _: () = assert!(Record::LEN == size_of::<u64>() + size_of::<u16>() + delivery::Saved::LEN);

/// One delivery of an outbox, to be saved.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Kept<'o> {
    /// Its state as plain numbers.
    pub record: Record,
    /// The schedule it was pushed with.
    pub schedule: &'static Schedule<'static>,
    /// What was pushed.
    pub payload: &'o [u8],
}

impl<const SLOTS: usize, const BYTES: usize> Outbox<SLOTS, BYTES> {
    /// Puts every delivery to rest, slot by slot; the outbox itself goes on.
    pub fn saved(&self) -> impl Iterator<Item = Kept<'_>> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let schedule = slot.schedule?;
            Some(Kept { record: slot.record(), schedule, payload: payload(&self.slots, &self.payloads, at) })
        })
    }

    /// Puts one delivery to rest; `None` when it was removed. The outbox itself goes on.
    #[must_use]
    pub fn save(&self, ticket: Ticket) -> Option<Kept<'_>> {
        self.saved().find(|kept| kept.record.number == ticket.0)
    }

    /// Takes back a delivery that was saved, in any order, before the first [`push`](Self::push). `read` fills the
    /// bytes it is given, exactly as many as the payload has. The ticket is the one it had.
    ///
    /// What was waiting for its answer has failed, what fell due meanwhile is due at once, and no wait grows longer
    /// than its schedule, even if the clock began anew: see [`Delivery::resume`]. What had ended is
    /// [`Done`](super::Step::Done) once more. New tickets count on from the greatest number resumed.
    ///
    /// # Errors
    ///
    /// [`ResumeError`], and the outbox is as it was before.
    pub fn resume<E>(
        &mut self,
        record: Record,
        schedule: &'static Schedule<'static>,
        now: Instant,
        read: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Ticket, ResumeError<E>> {
        let record = record.checked().map_err(|_| ResumeError::Damaged)?;
        let len = usize::from(record.len);
        let capacity = BYTES;
        let Some(kept) = length(len, capacity) else {
            return Err(ResumeError::TooLong { len, capacity });
        };
        let known = self.slots.iter().any(|slot| slot.is(record.ticket()));
        // A ticket that is still held for one that is gone must not come to life for another.
        if known || (self.pushed && record.number <= self.last) {
            return Err(ResumeError::NumberInUse);
        }
        let Some((slot, payload)) = free(&mut self.slots, &mut self.payloads) else {
            return Err(ResumeError::Full { slots: SLOTS });
        };
        let payload = payload.get_mut(..len).ok_or(ResumeError::TooLong { len, capacity })?;
        read(payload).map_err(ResumeError::Payload)?;
        let delivery = Delivery::resume(record.delivery, schedule, now);
        *slot = Slot { delivery, number: record.number, schedule: Some(schedule), len: kept };
        self.last = self.last.max(record.number);
        Ok(record.ticket())
    }
}

impl Slot {
    fn record(&self) -> Record {
        Record { number: self.number, len: self.len, delivery: self.delivery.save() }
    }
}

/// The bytes are no record of an outbox: the flash was erased, damaged or written by a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NotARecord(());

impl fmt::Display for NotARecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DAMAGED)
    }
}

impl core::error::Error for NotARecord {}

/// Why a saved delivery was not taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResumeError<E> {
    /// Every slot is taken.
    Full {
        /// How many slots there are.
        slots: usize,
    },
    /// The payload is longer than a slot.
    TooLong {
        /// Bytes of the payload.
        len: usize,
        /// Bytes of a slot.
        capacity: usize,
    },
    /// No outbox can have saved it.
    Damaged,
    /// The number is in the outbox already, or may have been given to another delivery by a push before.
    NumberInUse,
    /// The payload could not be read.
    Payload(E),
}

impl<E: fmt::Display> fmt::Display for ResumeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { slots } => full(f, *slots),
            Self::TooLong { len, capacity } => too_long(f, *len, *capacity),
            Self::Damaged => f.write_str(DAMAGED),
            Self::NumberInUse => f.write_str("number: in use; resume each record once, before the first push"),
            Self::Payload(error) => {
                f.write_str("payload: ")?;
                error.fmt(f)
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ResumeError<E> {}

const DAMAGED: &str = "record: no outbox saved it; it is damaged or of a later version, erase it";
