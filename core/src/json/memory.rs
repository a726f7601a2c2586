//! Where the texts of a document are kept while it is read: in the document itself, or in a buffer of the caller's.

use crate::Text;

/// What a reader keeps its texts in.
#[derive(Debug)]
pub(crate) enum Memory<'m> {
    /// The whole document: nothing is copied.
    Document(&'m [u8]),
    /// A buffer, for a document that comes in chunks, and how much of it is in use.
    Buffer(&'m mut [u8], usize),
}

impl<'m> Memory<'m> {
    pub(super) fn into_bytes(self) -> &'m [u8] {
        match self {
            Self::Document(bytes) => bytes,
            Self::Buffer(bytes, _) => bytes,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Document(bytes) => bytes,
            Self::Buffer(bytes, _) => bytes,
        }
    }

    pub(super) fn byte(&self, place: usize) -> u8 {
        self.bytes().get(place).copied().unwrap_or_default()
    }

    /// How much of the buffer is in use; `None` for a document.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Document(_) => None,
            Self::Buffer(_, len) => Some(*len),
        }
    }

    /// Copies `bytes` to the buffer; an error is the buffer's length and how many of them did fit.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), (usize, usize)> {
        let Self::Buffer(buf, len) = self else { return Ok(()) };
        let before = *len;
        for byte in bytes {
            let Some(room) = buf.get_mut(*len) else { return Err((buf.len(), len.wrapping_sub(before))) };
            *room = *byte;
            *len = len.wrapping_add(1);
        }
        Ok(())
    }

    /// Gives up all that was kept after the first `len` bytes.
    pub(super) fn truncate(&mut self, to: usize) {
        if let Self::Buffer(_, len) = self {
            *len = to.min(*len);
        }
    }
}

/// Where a text or a value stands in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it is a text with escapes.
    pub(super) escaped: bool,
}

impl Kept {
    /// The place as one number: 32 bits of where it begins, 31 of its length, and whether it has escapes.
    // A few shifts, which cost less than to hand the place over.
    #[inline(always)]
    pub(super) fn slot(self) -> u64 {
        let start = u32::try_from(self.start).unwrap_or(u32::MAX);
        let len = u32::try_from(self.end.wrapping_sub(self.start)).unwrap_or(u32::MAX) & u32::MAX >> 1;
        u64::from(start) << 32 | u64::from(len << 1) | u64::from(self.escaped)
    }

    #[inline(always)]
    pub(super) fn of(slot: u64) -> Self {
        let start = usize::try_from(slot >> 32).unwrap_or_default();
        let len = usize::try_from(slot & u64::from(u32::MAX)).unwrap_or_default() >> 1;
        Self { start, end: start.wrapping_add(len), escaped: slot & 1 == 1 }
    }

    /// The text that stands here: its bytes were found to be UTF-8 when they were read.
    #[inline(always)]
    pub(super) fn text(self, memory: &[u8]) -> Text<'_> {
        text_of(self.slot(), memory)
    }
}

/// The text that stands at a [`slot`](Kept::slot): in registers, which costs less than a [`Kept`] in memory.
#[inline(never)]
pub(super) fn text_of(slot: u64, memory: &[u8]) -> Text<'_> {
    Text::from_utf8_json(bytes_of(slot, memory), Kept::of(slot).escaped)
}

/// The bytes that stand at a [`slot`](Kept::slot).
#[inline(never)]
pub(super) fn bytes_of(slot: u64, memory: &[u8]) -> &[u8] {
    let kept = Kept::of(slot);
    memory.get(kept.start..kept.end).unwrap_or_default()
}
