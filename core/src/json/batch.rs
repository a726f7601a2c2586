//! Writing the one array that a batch's body is about, item by item, never past a limit.

use crate::{Error, ErrorKind, Field};

use super::{table::Result, write::Writer};

/// The body of a batch under way: all up to the last item, with room kept for the end.
#[derive(Debug)]
pub(crate) struct Batch<'b> {
    writer: Writer<'b>,
    array: Field,
    items: u32,
    limit: u32,
}

/// What ends the array and the object around it.
const END: &[u8] = b"]}";

impl<'b> Batch<'b> {
    /// Starts a body whose array is member `array` of the object, after the members that `before` writes.
    pub(crate) fn new(
        buf: &'b mut [u8],
        array: &'static str,
        limit: u32,
        before: impl FnOnce(&mut Writer<'_>),
    ) -> Self {
        let mut writer = Writer::new(buf);
        writer.open(b'{');
        before(&mut writer);
        writer.key(array);
        writer.open(b'[');
        Self { writer, array: Field::top(array), items: 0, limit }
    }

    pub(crate) const fn items(&self) -> u32 {
        self.items
    }

    /// Adds what `write` writes, or nothing when it may not be sent or leaves no room for the end.
    #[inline]
    pub(crate) fn push(
        &mut self,
        sendable: core::result::Result<(), NotSendable>,
        write: impl FnOnce(&mut Writer<'_>),
    ) -> Result<()> {
        let (start, items) = (self.writer.len(), self.items);
        if items >= self.limit {
            return Err(Error::new(ErrorKind::TooMany { limit: self.limit }, self.array, start));
        }
        self.append(write);
        let outcome = match sendable {
            Ok(()) => self.writer.check(END.len(), self.array.element(items)),
            Err(not) => Err(not.error(self.array.element(items), self.writer.len())),
        };
        if outcome.is_err() {
            self.writer.rewind(start);
            self.items = items;
        }
        outcome
    }

    /// Adds what `write` writes, without a limit and whether it fits or not: [`finish`](Self::finish) then tells how
    /// much all of it takes.
    #[inline]
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        if self.items > 0 {
            self.writer.byte(b',');
        }
        write(&mut self.writer);
        self.items = self.items.saturating_add(1);
    }

    /// Ends the body; `least` is how many items it must have.
    pub(crate) fn finish(mut self, least: u32) -> Result<&'b [u8]> {
        if self.items < least {
            return Err(Error::new(ErrorKind::TooFew { least }, self.array, self.writer.len()));
        }
        self.writer.raw(END);
        self.writer.finish_field(self.array)
    }
}

/// Why an item may be read but not sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotSendable {
    /// The member at fault; `None` for the item as a whole.
    pub(crate) member: Option<&'static str>,
    pub(crate) why: &'static str,
}

impl NotSendable {
    #[cold]
    fn error(self, item: Field, written: usize) -> Error {
        let field = self.member.map_or(item, |member| item.member(member));
        Error::new(ErrorKind::NotSendable(self.why), field, written)
    }
}
