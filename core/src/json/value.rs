//! What a member's value is read into and written from, and the values every protocol has: texts, integers, options.
//!
//! Readers and writers know no payload by name: all they ask of one is in [`Value`] and [`Object`].

use crate::Text;

use super::{
    chunks::Whole,
    memory::Memory,
    room::Room,
    schema::{Kind, Range, SIGNED, Schema},
    slice::Slice,
    table::{Result, Table, Visit},
    values::Values,
    write::Writer,
};

/// What a member's or element's value is read into and written from.
pub(crate) trait Value<'a>: Sized {
    /// Whether the member must be there.
    const REQUIRED: bool = true;

    /// What it is to be.
    const KIND: Kind;

    /// What a field holds before its member is read.
    fn empty() -> Self;

    /// Takes the value of member `index`, one of `members`, of which it is known to be there.
    fn of(values: &Values<'_, 'a>, index: usize, members: usize) -> Self;

    /// Takes the value that is a whole document.
    fn alone(values: &Values<'_, 'a>) -> Self {
        Self::of(values, 0, 0)
    }

    /// Takes the value of member `index`, if it is there.
    fn of_optional(values: &Values<'_, 'a>, index: usize, members: usize) -> Option<Self> {
        if values.given(index) { Some(Self::of(values, index, members)) } else { None }
    }

    /// Reads the value that comes next; `None` when it breaks a rule, which is left to the table-driven reader to name.
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self>;

    /// As [`read_plain`](Self::read_plain), once for all places that need not be the fastest.
    #[inline(never)]
    fn read_plain_called(slice: &mut Slice<'a>) -> Option<Self> {
        slice.past_space();
        Self::read_plain(slice)
    }

    /// What every value of the type begins with in JSON, as far as [`write_plain`](Self::write_plain) leaves it to its
    /// key.
    const BEGINNING: &'static str = "";

    /// Writes the value, by the small writer.
    fn write(&self, writer: &mut Writer<'_>);

    /// Writes the value behind its beginning if there is room to spare; `None` leaves it to the small writer.
    #[inline]
    fn write_plain<'b>(&self, _: Room<'b>) -> Option<Room<'b>> {
        None
    }

    /// Whether the member is left out on output.
    #[inline(always)]
    fn absent(&self) -> bool {
        false
    }
}

/// An object whose members are declared.
pub(crate) trait Object<'a> {
    /// Its members.
    const SCHEMA: &'static Schema;

    /// Reads the whole object, fastest where its members stand in documented order. `None` when it breaks a rule, with
    /// whatever is in the fields by then.
    fn read_plain_into(&mut self, slice: &mut Slice<'a>) -> Option<()>;

    /// Takes the key of a member with its colon, if one comes next without escapes and spaces.
    fn take_key(slice: &mut Slice<'a>) -> Option<usize>;

    /// Reads the value of member `index`, which comes next, into its field.
    fn read_plain_member(&mut self, index: usize, slice: &mut Slice<'a>) -> Option<()>;

    /// Takes the values of its members.
    fn taken(values: &Values<'_, 'a>) -> Self;
}

/// Reads what is left of an object, inside of it, from the first member on that is not where its page has it.
#[inline(never)]
pub(crate) fn read_by_name<'a, O: Object<'a>>(object: &mut O, inside: Slice<'a>, seen: u32) -> Option<Slice<'a>> {
    inside.members_left(O::SCHEMA, seen, O::take_key, &mut |index, slice| object.read_plain_member(index, slice))
}

/// Writes one object of many, fast where there is room to spare.
#[inline]
pub(crate) fn write_item<'a, O: Object<'a> + Value<'a>>(object: &O, writer: &mut Writer<'_>) {
    writer.fast_or(|room| object.write_plain(room), |writer| object.write(writer));
}

/// Reads a document that is one payload and nothing else.
pub(crate) fn read_document<'a, P: Whole<'a>>(document: &'a [u8], most_elements: u32) -> Result<P> {
    read_by_table(document, P::KIND, most_elements, &mut |_, _| {}, P::whole)
}

/// Reads a document by its schema alone; `take` makes of its values what is returned.
pub(crate) fn read_by_table<'a, T>(
    document: &'a [u8],
    kind: Kind,
    most_elements: u32,
    visit: &mut Visit<'_>,
    take: impl FnOnce(&'static Schema, &Values<'_, 'a>) -> T,
) -> Result<T> {
    let mut table = Table::new(kind, most_elements);
    walk(&mut table, document, visit)?;
    let (schema, values) = table.values(document);
    Ok(take(schema, &values))
}

fn walk(table: &mut Table, document: &[u8], visit: &mut Visit<'_>) -> Result<()> {
    table.feed(document, &mut Memory::Document(document), visit)?;
    table.finish()
}

/// Writes a document that is one object.
pub(crate) fn write_document<'a, 'b, T: Value<'a>>(object: &T, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    let mut writer = Writer::new(buf);
    object.write(&mut writer);
    writer.finish()
}

impl<'a> Value<'a> for Text<'a> {
    const KIND: Kind = Kind::Text;

    fn empty() -> Self {
        Text::default()
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        values.text(index)
    }

    #[inline(never)]
    fn of_optional(values: &Values<'_, 'a>, index: usize, _: usize) -> Option<Self> {
        if values.given(index) { Some(values.text(index)) } else { None }
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        slice.string()
    }

    const BEGINNING: &'static str = "\"";

    fn write(&self, writer: &mut Writer<'_>) {
        writer.text(*self);
    }

    #[inline(always)]
    fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
        room.text(*self)
    }
}

impl<'a> Value<'a> for u64 {
    const KIND: Kind = Kind::Integer(&Range::to(u64::MAX));

    fn empty() -> Self {
        0
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        values.number(index)
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        slice.unsigned()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.unsigned(*self);
    }

    #[inline(always)]
    fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
        room.unsigned(*self)
    }
}

impl<'a> Value<'a> for u32 {
    const KIND: Kind = Kind::Integer(&Range::to(u32::MAX as u64));

    fn empty() -> Self {
        0
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        Self::try_from(values.number(index)).unwrap_or_default()
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        Self::try_from(slice.unsigned()?).ok()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.unsigned(u64::from(*self));
    }

    #[inline(always)]
    fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
        room.unsigned(u64::from(*self))
    }
}

impl<'a> Value<'a> for i64 {
    const KIND: Kind = Kind::Integer(SIGNED);

    fn empty() -> Self {
        0
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        values.number(index).cast_signed()
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        slice.signed()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.signed(*self);
    }

    #[inline(always)]
    fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
        room.signed(*self)
    }
}

impl<'a, T: Value<'a>> Value<'a> for Option<T> {
    const REQUIRED: bool = false;
    const KIND: Kind = T::KIND;

    fn empty() -> Self {
        None
    }

    fn of(values: &Values<'_, 'a>, index: usize, members: usize) -> Self {
        T::of_optional(values, index, members)
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        if slice.take_null() { Some(None) } else { T::read_plain(slice).map(Some) }
    }

    const BEGINNING: &'static str = T::BEGINNING;

    fn write(&self, writer: &mut Writer<'_>) {
        if let Some(value) = self {
            value.write(writer);
        }
    }

    #[inline(always)]
    fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
        match self {
            Some(value) => value.write_plain(room),
            None => Some(room),
        }
    }

    #[inline(always)]
    fn absent(&self) -> bool {
        self.is_none()
    }
}

/// Whether serde leaves the member out.
#[cfg(feature = "serde")]
pub(crate) fn absent<'a, T: Value<'a>>(value: &T) -> bool {
    value.absent()
}
