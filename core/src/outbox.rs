//! The sender of a device: a fixed number of payloads, each sent by its schedule until it is done.
//!
//! An [`Outbox`] is a [`Delivery`] for each of its slots, the payload beside it, and one [`poll`](Outbox::poll) for all.
//! It does no I/O, has no clock and no allocator: the memory is the caller's, as a `static` or on the stack.
//!
//! **Ask [`poll`](Outbox::poll) what to do and do it, until it says [`WaitUntil`](Step::WaitUntil) or
//! [`Idle`](Step::Idle). To ask is free: a poll too many changes nothing. Answer each [`Send`](Step::Send) with
//! [`sent`](Outbox::sent) or [`failed`](Outbox::failed), and each [`Done`](Step::Done) with
//! [`remove`](Outbox::remove), before the next poll.**
//!
//! 1. [`push`](Outbox::push) writes a payload into a free slot; its first send is due at once.
//! 2. [`Send`](Step::Send): put the bytes on the wire, then call [`sent`](Outbox::sent); when they could not go out,
//!    [`failed`](Outbox::failed). The most urgent goes first: first sends in the order in which they were accepted,
//!    then retries in the order in which they fell due.
//! 3. An answer goes, as a [`Verdict`], to [`answered`](Outbox::answered). There may be as many requests without an
//!    answer as there are slots; to have one at a time, do not poll while it is out, or not before its
//!    [`deadline`](Outbox::deadline).
//! 4. [`Done`](Step::Done): read the outcome, then [`remove`](Outbox::remove) frees the slot.
//!
//! ```
//! use pushgate_core::outbox::{Outbox, PushError, Step};
//! use pushgate_core::{Instant, Schedule, Verdict, delivery::Outcome};
//!
//! let mut outbox: Outbox<2, 64> = Outbox::new();
//! let mut now = Instant::from_secs(0);
//! for text in [&b"23.5"[..], b"door open"] {
//!     outbox.push(&Schedule::UPLINK, now, |slot| {
//!         let slot = slot.get_mut(..text.len()).ok_or("longer than a slot")?;
//!         slot.copy_from_slice(text);
//!         Ok::<_, &str>(text.len())
//!     })?;
//! }
//!
//! // A network that loses the first two sends.
//! let mut wire = Vec::new();
//! let mut delivered = 0;
//! loop {
//!     match outbox.poll(now) {
//!         Step::Send { ticket, payload, .. } => {
//!             wire.push((now.as_millis(), payload.to_vec()));
//!             match wire.len() {
//!                 1 | 2 => outbox.failed(ticket, now)?,
//!                 _ => {
//!                     outbox.sent(ticket, now)?;
//!                     outbox.answered(ticket, Verdict::Delivered, now)?;
//!                 }
//!             }
//!         }
//!         Step::Done { ticket, outcome } => {
//!             delivered += i32::from(outcome == Outcome::Delivered);
//!             outbox.remove(ticket)?;
//!         }
//!         Step::WaitUntil(later) => now = later,
//!         Step::Idle => break,
//!     }
//! }
//! assert_eq!(delivered, 2);
//! let expected = [(0, "23.5"), (0, "door open"), (1000, "23.5"), (1000, "door open")];
//! assert!(wire.iter().map(|(at, text)| (*at, &text[..])).eq(expected.map(|(at, text)| (at, text.as_bytes()))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! `Outbox<SLOTS, BYTES>` takes [`SLOTS × (BYTES + SLOT_OVERHEAD) + 16`](SLOT_OVERHEAD) bytes at most, which is what
//! `size_of` says: 2224 bytes for 4 payloads of 512 on a 32-bit device. A new one is zeros alone, so a `static` one
//! takes no flash. A poll looks at every slot once; it is made for tens of slots, not for thousands.
//!
//! # A full outbox
//!
//! A push is then refused, and nothing is dropped that the caller did not drop. A device that would rather lose the
//! oldest: `while let (true, Some(oldest)) = (outbox.is_full(), outbox.oldest()) { outbox.remove(oldest)?; }`.
//!
//! # Late calls
//!
//! A [`Ticket`] is given to one delivery and to no other, so news of a delivery that is gone is refused as [`Gone`] and
//! reaches no other one. Among the sends of one delivery, answers carry no number: under
//! [`Anchor::Failure`](crate::schedule::Anchor::Failure) drop the request of a send as soon as its
//! [`deadline`](Outbox::deadline) has passed, as [`delivery`](crate::delivery) says. What that page says of time that
//! leaps or runs backwards holds here too.
//!
//! # Crashes
//!
//! [`saved`](Outbox::saved) gives each delivery as plain numbers with its payload, to be kept in flash, and
//! [`resume`](Outbox::resume) takes them back: see [`Record`].

mod saved;
#[cfg(test)]
mod tests;

pub use saved::{Kept, NotARecord, Record, ResumeError};

use core::fmt;

use crate::{
    Blame, Delivery, Instant, Schedule, Verdict,
    delivery::Outcome,
    json::{MAX_INTEGER_LEN, decimal},
};

/// The bytes of RAM that a slot takes beside its payload: 40 on a 32-bit device, 48 on a 64-bit host.
pub const SLOT_OVERHEAD: usize = size_of::<Slot>();

/// A fixed number of deliveries with their payloads: at most `SLOTS` at a time, of at most `BYTES` each.
///
/// `SLOTS` is at least 1, and `BYTES` at most 65535; anything else does not compile.
#[derive(Clone, Debug)]
pub struct Outbox<const SLOTS: usize, const BYTES: usize> {
    slots: [Slot; SLOTS],
    /// The number of the latest ticket.
    last: u64,
    /// Whether a ticket was given to anything but what was resumed.
    pushed: bool,
    payloads: [[u8; BYTES]; SLOTS],
}

/// A delivery, and what has to be known of its payload. A slot that was never used is zeros, as far as its memory is used.
#[derive(Clone, Copy, Debug)]
struct Slot {
    delivery: Delivery,
    number: u64,
    /// `None`: the slot is free.
    schedule: Option<&'static Schedule<'static>>,
    len: u16,
}

// The sizes that the documentation speaks of.
const _: () = assert!(SLOT_OVERHEAD <= if cfg!(target_pointer_width = "32") { 40 } else { 48 });
const _: () = assert!(size_of::<Outbox<4, 512>>() <= 4 * (512 + SLOT_OVERHEAD) + 16);
const _: () = assert!(size_of::<Outbox<7, 65_535>>() <= 7 * (65_535 + SLOT_OVERHEAD) + 16);

/// Names one delivery of an outbox, for as long as it lives and after: no other delivery is given the same.
///
/// It keeps its meaning over [`resume`](Outbox::resume), so it may name the delivery in the device's own storage. The
/// number of what was removed before a restart may be given again after it: a key for the receiver to know copies by
/// (`Idempotency-Key`) needs the device, and a count of its starts kept with the payload, beside the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(u64);

impl Ticket {
    /// The number of the delivery, counted from 1 in the order in which deliveries were accepted.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing happens until it is done"]
pub enum Step<'o> {
    /// Send it, then call [`Outbox::sent`] or [`Outbox::failed`].
    Send {
        /// Which delivery this is.
        ticket: Ticket,
        /// Which send of it this is, counted from 1.
        attempt: u8,
        /// What was pushed.
        payload: &'o [u8],
    },
    /// A delivery has ended: take note, then call [`Outbox::remove`], and its slot is free.
    Done {
        /// Which delivery this is.
        ticket: Ticket,
        /// How it ended.
        outcome: Outcome,
    },
    /// Nothing to do before this instant, which is later than now, unless something is pushed or an answer comes.
    WaitUntil(Instant),
    /// Nothing to do: the outbox is empty.
    Idle,
}

impl<const SLOTS: usize, const BYTES: usize> Outbox<SLOTS, BYTES> {
    /// Makes an empty outbox.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(SLOTS > 0, "an outbox has at least one slot");
            assert!(BYTES <= u16::MAX as usize, "a slot of an outbox has at most 65535 bytes");
        }
        Self { slots: [Slot::FREE; SLOTS], last: 0, pushed: false, payloads: [[0; BYTES]; SLOTS] }
    }

    /// Accepts a payload: `write` writes it into a slot of `BYTES` bytes and says how many it wrote. Its first send is
    /// due at once.
    ///
    /// What the slot holds before is not defined (an older payload, mostly), and nobody sees what is beyond the length
    /// that `write` says.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] when no slot is free; `write` is then not called. [`PushError::Payload`] with what `write`
    /// said. [`PushError::TooLong`] when it claims more bytes than there are. The outbox is then as it was before.
    pub fn push<E>(
        &mut self,
        schedule: &'static Schedule<'static>,
        now: Instant,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Ticket, PushError<E>> {
        let Some((slot, payload)) = free(&mut self.slots, &mut self.payloads) else {
            return Err(PushError::Full { slots: SLOTS });
        };
        let written = write(payload).map_err(PushError::Payload)?;
        let len = length(written, BYTES).ok_or(PushError::TooLong { len: written, capacity: BYTES })?;
        // It never gets there: 2^64 pushes.
        self.last = self.last.saturating_add(1);
        self.pushed = true;
        *slot = Slot { delivery: Delivery::new(now), number: self.last, schedule: Some(schedule), len };
        Ok(Ticket(self.last))
    }

    /// Says what to do now: first what has ended, then the most urgent send that is due.
    ///
    /// The answer changes when another method is called, and when the instant it waits for has passed; not by polling.
    pub fn poll(&mut self, now: Instant) -> Step<'_> {
        let Some((Rank { turn, at, number }, index)) = most_urgent(&mut self.slots, now) else {
            return Step::Idle;
        };
        let Some((slot, payload)) = self.slots.iter().zip(&self.payloads).nth(index) else {
            return Step::Idle;
        };
        let ticket = Ticket(number);
        if let Some(outcome) = slot.delivery.outcome() {
            return Step::Done { ticket, outcome };
        }
        if turn == Turn::Wait {
            return Step::WaitUntil(at);
        }
        let payload = payload.get(..usize::from(slot.len)).unwrap_or_default();
        Step::Send { ticket, attempt: slot.delivery.attempts().saturating_add(1), payload }
    }

    /// Notes that a send went out at `now`: over HTTP, when the request starts, for the time for its answer starts
    /// here. See [`Delivery::sent`].
    ///
    /// # Errors
    ///
    /// [`Gone`] when the delivery was removed; nothing changes.
    pub fn sent(&mut self, ticket: Ticket, now: Instant) -> Result<(), Gone> {
        let (delivery, schedule) = find(&mut self.slots, ticket)?;
        delivery.sent(schedule, now);
        Ok(())
    }

    /// Notes that a send could not go out, or that its connection was lost before an answer came. See
    /// [`Delivery::failed`].
    ///
    /// # Errors
    ///
    /// [`Gone`] when the delivery was removed; nothing changes.
    pub fn failed(&mut self, ticket: Ticket, now: Instant) -> Result<(), Gone> {
        let (delivery, schedule) = find(&mut self.slots, ticket)?;
        delivery.failed(schedule, now);
        Ok(())
    }

    /// Notes what the answer to a send means. See [`Delivery::answered`].
    ///
    /// # Errors
    ///
    /// [`Gone`] when the delivery was removed; nothing changes. An answer that comes so late is nothing unusual.
    pub fn answered(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) -> Result<(), Gone> {
        let (delivery, schedule) = find(&mut self.slots, ticket)?;
        delivery.answered(schedule, now, verdict);
        Ok(())
    }

    /// Brings the next send of every delivery forward to `now`, as when the network is back. See [`Delivery::wake`].
    pub fn wake(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if let Some(schedule) = slot.schedule {
                slot.delivery.wake(schedule, now);
            }
        }
    }

    /// Takes a delivery out, whether it has ended or not, and frees its slot. How it ended is given here once; `None`
    /// is a delivery that had not.
    ///
    /// # Errors
    ///
    /// [`Gone`] when it was removed before; nothing changes.
    pub fn remove(&mut self, ticket: Ticket) -> Result<Option<Outcome>, Gone> {
        let slot = self.slots.iter_mut().find(|slot| slot.is(ticket)).ok_or(Gone(()))?;
        let outcome = slot.delivery.outcome();
        slot.schedule = None;
        Ok(outcome)
    }

    /// The delivery that was accepted first, whether it has ended or not; `None` when there is none.
    #[must_use]
    pub fn oldest(&self) -> Option<Ticket> {
        self.slots.iter().filter(|slot| slot.schedule.is_some()).map(|slot| Ticket(slot.number)).min()
    }

    /// Until when a delivery stays as it is if nothing happens: for one that was sent, when its answer comes too late
    /// or its next send falls due. `None` when it has ended or was removed. See [`Delivery::deadline`].
    #[must_use]
    pub fn deadline(&self, ticket: Ticket) -> Option<Instant> {
        self.slots.iter().find(|slot| slot.is(ticket))?.delivery.deadline()
    }

    /// How many deliveries there are, those that have ended and are not removed included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.schedule.is_some()).count()
    }

    /// Whether there is no delivery.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no free slot.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == SLOTS
    }
}

impl<const SLOTS: usize, const BYTES: usize> Default for Outbox<SLOTS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot {
    const FREE: Self = Self { delivery: Delivery::new(Instant::from_millis(0)), number: 0, schedule: None, len: 0 };

    fn is(&self, ticket: Ticket) -> bool {
        self.schedule.is_some() && self.number == ticket.0
    }
}

/// The first free slot, and the memory of its payload.
fn free<'o, const BYTES: usize>(
    slots: &'o mut [Slot],
    payloads: &'o mut [[u8; BYTES]],
) -> Option<(&'o mut Slot, &'o mut [u8; BYTES])> {
    slots.iter_mut().zip(payloads).find(|(slot, _)| slot.schedule.is_none())
}

/// A length as it is kept; `None` when it is more than the slot has.
fn length(len: usize, capacity: usize) -> Option<u16> {
    if len > capacity {
        return None;
    }
    u16::try_from(len).ok()
}

fn payload<'o, const BYTES: usize>(slots: &[Slot], payloads: &'o [[u8; BYTES]], at: usize) -> &'o [u8] {
    // Both are there, and the length was checked when it was kept: nothing is left out.
    let len = slots.get(at).map_or(0, |slot| usize::from(slot.len));
    payloads.get(at).and_then(|payload| payload.get(..len)).unwrap_or_default()
}

fn find(slots: &mut [Slot], ticket: Ticket) -> Result<(&mut Delivery, &'static Schedule<'static>), Gone> {
    let slot = slots.iter_mut().find(|slot| slot.is(ticket)).ok_or(Gone(()))?;
    Ok((&mut slot.delivery, slot.schedule.ok_or(Gone(()))?))
}

/// What is first in line, and in which slot. Not generic, so that a device with two outboxes has it once.
fn most_urgent(slots: &mut [Slot], now: Instant) -> Option<(Rank, usize)> {
    let mut least: Option<(Rank, usize)> = None;
    for (index, slot) in slots.iter_mut().enumerate() {
        let Some(schedule) = slot.schedule else { continue };
        slot.delivery.settle(schedule, now);
        let rank = Rank::of(slot, now);
        if least.is_none_or(|(least, _)| rank < least) {
            least = Some((rank, index));
        }
    }
    least
}

/// The place in line: what is less comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    turn: Turn,
    at: Instant,
    number: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It takes no time, and gives a slot back.
    Done,
    FirstSend,
    Retry,
    Wait,
}

impl Rank {
    fn of(slot: &Slot, now: Instant) -> Self {
        let zero = Instant::from_millis(0);
        let (turn, at) = match slot.delivery.deadline() {
            None => (Turn::Done, zero),
            Some(later) if !slot.delivery.is_due(now) => (Turn::Wait, later),
            // In the order of acceptance even if the clock was set back between two pushes.
            Some(_) if slot.delivery.attempts() == 0 => (Turn::FirstSend, zero),
            Some(due) => (Turn::Retry, due),
        };
        Self { turn, at, number: slot.number }
    }
}

/// Why a payload was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PushError<E> {
    /// Every slot is taken.
    Full {
        /// How many slots there are.
        slots: usize,
    },
    /// More bytes were claimed to be written than a slot has.
    TooLong {
        /// Bytes claimed.
        len: usize,
        /// Bytes of a slot.
        capacity: usize,
    },
    /// The payload could not be written.
    Payload(E),
}

impl<E> PushError<E> {
    /// Who has to act for the next try to succeed; `None` when only the writer's own error knows.
    #[must_use]
    pub const fn blame(&self) -> Option<Blame> {
        match self {
            Self::Full { .. } | Self::TooLong { .. } => Some(Blame::Capacity),
            Self::Payload(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for PushError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { slots } => full(f, *slots),
            Self::TooLong { len, capacity } => too_long(f, *len, *capacity),
            Self::Payload(error) => {
                f.write_str("payload: ")?;
                error.fmt(f)
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for PushError<E> {}

fn full(f: &mut fmt::Formatter<'_>, slots: usize) -> fmt::Result {
    f.write_str("outbox: all of its slots are taken, ")?;
    number(f, slots)?;
    f.write_str("; push again when one is done, remove the oldest, or give it more slots")
}

fn too_long(f: &mut fmt::Formatter<'_>, len: usize, capacity: usize) -> fmt::Result {
    f.write_str("payload: has ")?;
    number(f, len)?;
    f.write_str(" bytes, a slot of the outbox has ")?;
    number(f, capacity)?;
    f.write_str("; make it shorter, or give the slots more bytes")
}

fn number(f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
    f.write_str(decimal(number as u64, &mut [0; MAX_INTEGER_LEN]))
}

/// The delivery of this ticket is not in the outbox: it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gone(());

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ticket: its delivery was removed; nothing is left to do for it")
    }
}

impl core::error::Error for Gone {}
