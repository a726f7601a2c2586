//! Where in the tree of a document the table-driven reader is.

use crate::Field;

use super::super::{
    MAX_DEPTH,
    schema::{Items, Kind, Schema},
};

/// Frames that the innermost may be in: three levels are known here, a webhook's receivers being the third.
pub(super) const OUTER: usize = 3;

/// No member, or none that is known; not inside of an element.
pub(super) const NONE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Frame {
    /// The member being read, by its place in the schema; 0 inside of an element.
    pub(super) current: u8,
    /// The first of its members' slots.
    pub(super) base: u8,
    pub(super) shape: Shape,
    /// Members that have come.
    pub(super) seen: u32,
    /// Members that are there and not `null`; the number of elements so far.
    pub(super) given: u32,
    /// Where its first byte stands in memory, when it is kept there; else where what it holds begins.
    pub(super) start: usize,
}

/// Numbered from 1, so that no reader at all, a `None`, is memory of zeros, and takes no flash as a static.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Shape {
    Document = 1,
    Object(&'static Schema),
    /// An array whose elements are given to the caller.
    Items(&'static Items),
    /// An array that is kept as it came.
    List(&'static Kind),
}

impl Frame {
    /// Before its first member or element.
    pub(super) const OPENED: Self = Self { current: NONE, ..Self::DOCUMENT };

    pub(super) const DOCUMENT: Self = Self { shape: Shape::Document, current: 0, base: 0, seen: 0, given: 0, start: 0 };

    /// Adds what is being read in it to the path of what it is in.
    #[inline(never)]
    pub(super) fn extend(&self, path: &mut Field) {
        if self.current == NONE {
            return;
        }
        match self.shape {
            Shape::Object(schema) => {
                if let Some(member) = schema.members.get(usize::from(self.current)) {
                    *path = path.member(member.name);
                }
            }
            Shape::Document => {}
            Shape::Items(_) | Shape::List(_) => *path = path.element(self.given),
        }
    }
}

/// The brackets open inside a value that is not known here: one bit a level, 1 for an object.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Levels {
    pub(super) open: u8,
    pub(super) bits: u32,
}

const _: () = assert!(MAX_DEPTH <= u32::BITS, "a level needs a bit");

impl Levels {
    pub(super) const NONE: Self = Self { open: 0, bits: 0 };

    pub(super) fn push(&mut self, object: bool) {
        self.bits = self.bits << 1 | u32::from(object);
        self.open += 1;
    }

    pub(super) fn pop(&mut self) {
        self.bits >>= 1;
        self.open = self.open.saturating_sub(1);
    }

    pub(super) fn in_object(self) -> bool {
        self.bits & 1 == 1
    }
}
