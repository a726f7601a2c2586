//! What the table-driven reader has understood of an object: numbers, and where its texts stand.

use crate::Text;

use super::memory::{bytes_of, text_of};

/// Values a reader may keep at a time: the members of a body and of the largest object in it.
pub(crate) const SLOTS: usize = 16;

/// The values of an object, as the table-driven reader has kept them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'s, 'm> {
    memory: &'m [u8],
    slots: &'s [u64],
    base: usize,
    given: u32,
    elements: u32,
}

impl<'s, 'm> Values<'s, 'm> {
    pub(crate) fn new(memory: &'m [u8], slots: &'s [u64], base: u8, given: u32, elements: u32) -> Self {
        Self { memory, slots, base: usize::from(base), given, elements }
    }

    /// The same values, their texts where they stand in the document itself.
    pub(crate) fn over<'d>(self, document: &'d [u8]) -> Values<'s, 'd> {
        Values { memory: document, slots: self.slots, base: self.base, given: self.given, elements: self.elements }
    }

    /// Whether member `index` is there and not `null`.
    pub(crate) fn given(&self, index: usize) -> bool {
        self.given & 1 << index != 0
    }

    /// The first member that is there and not `null`; 32 when none is.
    pub(crate) fn first(&self) -> u32 {
        self.given.trailing_zeros()
    }

    #[inline(never)]
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.slots.get(self.base + index).copied().unwrap_or_default()
    }

    #[inline(never)]
    pub(crate) fn text(&self, index: usize) -> Text<'m> {
        text_of(self.number(index), self.memory)
    }

    pub(crate) fn raw(&self, index: usize) -> &'m [u8] {
        bytes_of(self.number(index), self.memory)
    }

    /// The values of the object that is member `index` of one with `members`.
    pub(crate) fn object(&self, index: usize, members: usize) -> Self {
        let given = u32::try_from(self.number(index)).unwrap_or_default();
        Self { base: self.base + members, given, ..*self }
    }

    /// Elements of the array that was read last.
    pub(crate) fn elements(&self) -> u32 {
        self.elements
    }
}
