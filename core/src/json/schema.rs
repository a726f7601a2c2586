//! What a payload is, as data: its members by name, what each may be, which of them must be there.
//!
//! The table-driven reader walks along it; [`object!`](super::object) makes it, with all else that reads and writes a
//! payload, from one declaration.

use crate::{ErrorKind, Text};

use super::values::{SLOTS, Values};

/// An object as the page of its protocol lists it.
#[derive(Debug)]
pub(crate) struct Schema {
    /// In documented order.
    pub(crate) members: &'static [Member],
    /// A bit for each member that must be there; an optional one may be absent or `null`.
    pub(crate) required: u32,
    /// Whether the object is kept as it came, after its members.
    pub(crate) whole: bool,
    /// Why no more than one of the members may be there, where that is so.
    pub(crate) alone: Option<&'static str>,
    /// What tells it from the other schemas of its protocol's items.
    pub(crate) id: u8,
}

/// A member as the page of its protocol lists it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a value is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Anything, stepped over.
    Any,
    /// Anything, kept as it came.
    Raw,
    Text,
    /// A text that is held against a rule of its own.
    Checked(fn(Text<'_>) -> Option<&'static ErrorKind>),
    Integer(&'static Range),
    /// An integer, or a text of its digits.
    Digits(&'static (&'static Range, fn(Text<'_>) -> Option<i64>)),
    Object(&'static Schema),
    /// An object that one of its members says the schema of.
    Union(&'static Union),
    /// An array that is kept as it came, with as many elements as there may be receivers.
    List(&'static Kind),
    /// An array whose elements are given to the caller.
    Items(&'static Items),
    /// The one or the other.
    Body(&'static (&'static Items, &'static Union)),
}

/// The integers a value may be.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) min: i64,
    pub(crate) max: u64,
    /// What to say of another one, where that is not the range.
    pub(crate) one_of: Option<&'static str>,
}

impl Range {
    pub(crate) const fn to(max: u64) -> Self {
        Self { min: 0, max, one_of: None }
    }

    /// The integer as it is kept, a negative one as the unsigned one of the same bits; `None` outside of the range.
    pub(crate) fn take(&self, negative: bool, magnitude: u64) -> Option<u64> {
        if negative {
            (self.min < 0 && magnitude <= self.min.unsigned_abs()).then_some(magnitude.wrapping_neg())
        } else {
            (magnitude <= self.max && (self.min <= 0 || magnitude >= self.min.unsigned_abs())).then_some(magnitude)
        }
    }

    pub(crate) fn error(&self) -> ErrorKind {
        match self.one_of {
            Some(values) => ErrorKind::NotOneOf(values),
            None => ErrorKind::OutOfRange { min: self.min, max: self.max },
        }
    }
}

/// Any number of 64 bits with a sign.
pub(crate) const SIGNED: &Range = &Range { min: i64::MIN, max: i64::MAX as u64, one_of: None };

/// An array whose elements are given to the caller one at a time.
#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) kind: Kind,
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// An object that one of its members says the schema of.
#[derive(Debug)]
pub(crate) struct Union {
    /// Its schema until that is known, in which that member is required.
    pub(crate) pending: &'static Schema,
    /// That member, by its place in the pending schema.
    pub(crate) by: u8,
    /// Tells the schema by that member's value.
    pub(crate) choose: fn(&Values<'_, '_>) -> &'static Schema,
}

impl Schema {
    /// How many members there are.
    #[expect(clippy::cast_possible_truncation, reason = "fewer than SLOTS, as is asserted where a schema is made")]
    pub(crate) const fn len(&self) -> u8 {
        self.members.len() as u8
    }

    /// No members: of an element that is no object.
    pub(crate) const NONE: &'static Self = &Self::of(&[]);

    /// An object whose members must all be there.
    pub(crate) const fn of(members: &'static [Member]) -> Self {
        assert!(members.len() < SLOTS, "the table-driven reader keeps no more values at a time");
        Self { members, required: (1 << members.len()) - 1, whole: false, alone: None, id: 0 }
    }

    /// An object whose members must be there as `required` says of each.
    pub(crate) const fn with_required(members: &'static [Member], mut required: &[bool]) -> Self {
        assert!(members.len() == required.len(), "each member is required or not");
        assert!(members.len() < SLOTS, "the table-driven reader keeps no more values at a time");
        let (mut bits, mut bit) = (0, 1u32);
        while let [must, rest @ ..] = required {
            if *must {
                bits |= bit;
            }
            bit = bit.wrapping_shl(1);
            required = rest;
        }
        Self { members, required: bits, whole: false, alone: None, id: 0 }
    }

    /// The same, of an object that is kept as it came.
    pub(crate) const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The same, told from others by `id`.
    pub(crate) const fn with_id(&self, id: u8) -> Self {
        Self { members: self.members, required: self.required, whole: self.whole, alone: self.alone, id }
    }
}

impl Member {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}
