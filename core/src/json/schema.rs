//! The members of an object, declared once as data; reading and writing objects by that declaration.
//!
//! `object!` takes a struct whose fields name their JSON members and makes of it the struct itself, the [`Schema`] that
//! the table-driven reader walks along, the fast reader's part and the writers'. Readers and writers know no payload by
//! name.

use crate::{ErrorKind, Text};

use super::{
    chunks::Whole,
    memory::{Kept, Memory},
    room::Room,
    slice::Slice,
    table::{Result, Table, Visit},
    write::{Out, Writer},
};

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
    /// No members: of an element that is no object.
    pub(crate) const NONE: &'static Self = &Self::of(&[]);

    /// An object whose members must all be there.
    pub(crate) const fn of(members: &'static [Member]) -> Self {
        assert!(members.len() < u32::BITS as usize, "a member needs a bit");
        Self { members, required: (1 << members.len()) - 1, whole: false, alone: None, id: 0 }
    }

    /// An object whose members must be there as `required` says of each.
    pub(crate) const fn with_required(members: &'static [Member], mut required: &[bool]) -> Self {
        assert!(members.len() == required.len() && required.len() < u32::BITS as usize, "a member needs a bit");
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

/// Values a reader may keep at a time: the members of a body and of the largest object in it.
pub(crate) const SLOTS: usize = 16;

/// The values of an object, as the table-driven reader has kept them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'s, 'm> {
    memory: &'m [u8],
    slots: &'s [u64; SLOTS],
    base: usize,
    given: u32,
    elements: u32,
}

impl<'s, 'm> Values<'s, 'm> {
    pub(crate) fn new(memory: &'m [u8], slots: &'s [u64; SLOTS], base: u8, given: u32, elements: u32) -> Self {
        Self { memory, slots, base: usize::from(base), given, elements }
    }

    /// The same values, their texts where they stand in the document itself.
    pub(crate) fn over<'d>(self, document: &'d [u8]) -> Values<'s, 'd> {
        Values { memory: document, slots: self.slots, base: self.base, given: self.given, elements: self.elements }
    }

    /// Whether member `index` is there and not `null`.
    #[inline(never)]
    pub(crate) fn given(&self, index: usize) -> bool {
        self.given & 1 << index != 0
    }

    #[inline(never)]
    pub(crate) fn number(&self, index: usize) -> u64 {
        self.slots.get(self.base + index).copied().unwrap_or_default()
    }

    #[inline(never)]
    pub(crate) fn text(&self, index: usize) -> Text<'m> {
        Kept::of(self.number(index)).text(self.memory)
    }

    pub(crate) fn raw(&self, index: usize) -> &'m [u8] {
        Kept::of(self.number(index)).bytes(self.memory)
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

    /// Levels of objects and arrays in the value; [`MAX_LEVELS`](super::write::MAX_LEVELS) at most.
    const LEVELS: usize = 0;

    /// What every value of the type begins with in JSON, as far as [`write_plain`](Self::write_plain) leaves it to its
    /// key.
    const BEGINNING: &'static str = "";

    /// The value as the table-driven writer takes it.
    fn out(&self) -> Out<'_>;

    /// Writes the value behind its beginning if there is room to spare; `None` leaves it to the table-driven writer.
    #[inline]
    fn write_plain<'b>(&self, _: Room<'b>) -> Option<Room<'b>> {
        None
    }

    /// Writes the value.
    fn write(&self, writer: &mut Writer<'_>) {
        writer.value(self.out());
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
    write_value(object.out(), buf)
}

fn write_value<'b>(out: Out<'_>, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    let mut writer = Writer::new(buf);
    writer.value(out);
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

    fn out(&self) -> Out<'_> {
        Out::Text(*self)
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

    fn out(&self) -> Out<'_> {
        Out::Unsigned(*self)
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

    fn out(&self) -> Out<'_> {
        Out::Unsigned(u64::from(*self))
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

    fn out(&self) -> Out<'_> {
        Out::Signed(*self)
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

    const LEVELS: usize = T::LEVELS;
    const BEGINNING: &'static str = T::BEGINNING;

    fn out(&self) -> Out<'_> {
        self.as_ref().map_or(Out::Absent, T::out)
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

/// Declares an object: its struct, its table of members, and how each is read and written.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident $(<$lt:lifetime>)? {
            $( $(#[$field_meta:meta])* $key:literal $field:ident: $Type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $Name $(<$lt>)? {
            $(
                $(#[$field_meta])*
                #[cfg_attr(
                    feature = "serde",
                    serde(rename = $key, skip_serializing_if = "crate::json::schema::absent")
                )]
                pub $field: $Type,
            )*
        }

        object!(@impl $Name $(<$lt>)? { $( $key $field: $Type, )* });
    };
    (@impl $Name:ident { $( $key:literal $field:ident: $Type:ty, )* }) => {
        object!(@object 'a, $Name, { $( $key $field: $Type, )* });
    };
    (@impl $Name:ident <$lt:lifetime> { $( $key:literal $field:ident: $Type:ty, )* }) => {
        object!(@object $lt, $Name<$lt>, { $( $key $field: $Type, )* });
    };
    (@object $lt:lifetime, $Name:ty, { $( $key:literal $field:ident: $Type:ty, )* }) => {
        impl<$lt> crate::json::schema::Object<$lt> for $Name {
            const SCHEMA: &'static crate::json::schema::Schema = &crate::json::schema::Schema::with_required(
                &[$( crate::json::schema::Member::new($key, <$Type as crate::json::schema::Value<'_>>::KIND), )*],
                &[$( <$Type as crate::json::schema::Value<'_>>::REQUIRED, )*],
            );

            #[inline]
            fn read_plain_into(&mut self, slice: &mut crate::json::slice::Slice<$lt>) -> Option<()> {
                use crate::json::schema::Value;
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                let required = const { <Self as crate::json::schema::Object<'_>>::SCHEMA.required };
                let mut inside = slice.deeper();
                let mut seen = 0u32;
                'in_order: {
                    $(
                        let comes = if seen == 0 {
                            inside.take_literal(concat!("{\"", $key, "\":"))
                        } else {
                            inside.take_literal(concat!(",\"", $key, "\":"))
                        };
                        if comes {
                            self.$field = Value::read_plain(&mut inside)?;
                            seen |= 1 << Place::$field as u32;
                        } else if <$Type as Value<'_>>::REQUIRED {
                            break 'in_order;
                        }
                    )*
                    if seen & required == required && inside.take_literal("}") {
                        *slice = inside.shallower();
                        return Some(());
                    }
                }
                *slice = crate::json::schema::read_by_name(self, inside, seen)?;
                Some(())
            }

            fn take_key(slice: &mut crate::json::slice::Slice<$lt>) -> Option<usize> {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                $(
                    if slice.take_literal(concat!("\"", $key, "\":")) {
                        return Some(Place::$field as usize);
                    }
                )*
                None
            }

            fn read_plain_member(&mut self, index: usize, slice: &mut crate::json::slice::Slice<$lt>) -> Option<()> {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                $(
                    if index == Place::$field as usize {
                        self.$field = crate::json::schema::Value::read_plain_called(slice)?;
                        return Some(());
                    }
                )*
                None
            }

            fn taken(values: &crate::json::schema::Values<'_, $lt>) -> Self {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                const MEMBERS: usize = [$($key),*].len();
                // One after the other into its place: the stack then has room for one value and not for all twice.
                let mut object = <Self as crate::json::schema::Value<'_>>::empty();
                $( object.$field = crate::json::schema::Value::of(values, Place::$field as usize, MEMBERS); )*
                object
            }
        }

        impl<$lt> crate::json::write::Outs for $Name {
            fn keys(&self) -> &'static [&'static str] {
                // The names alone, so that who only writes does not carry what reading needs.
                const { &[$($key),*] }
            }

            fn value(&self, index: usize) -> crate::json::write::Out<'_> {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                #[derive(Clone, Copy)]
                enum Place { $($field,)* }
                $(
                    if index == Place::$field as usize {
                        return crate::json::schema::Value::out(&self.$field);
                    }
                )*
                crate::json::write::Out::End
            }
        }

        impl<$lt> crate::json::schema::Value<$lt> for $Name {
            const KIND: crate::json::schema::Kind =
                crate::json::schema::Kind::Object(<Self as crate::json::schema::Object<'_>>::SCHEMA);

            fn empty() -> Self {
                Self { $( $field: crate::json::schema::Value::empty(), )* }
            }

            fn of(values: &crate::json::schema::Values<'_, $lt>, index: usize, members: usize) -> Self {
                crate::json::schema::Object::taken(&values.object(index, members))
            }

            fn alone(values: &crate::json::schema::Values<'_, $lt>) -> Self {
                crate::json::schema::Object::taken(values)
            }

            fn read_plain(slice: &mut crate::json::slice::Slice<$lt>) -> Option<Self> {
                let mut object = Self::empty();
                crate::json::schema::Object::read_plain_into(&mut object, slice)?;
                Some(object)
            }

            const LEVELS: usize = {
                let mut inside = 0;
                $(
                    if inside < <$Type as crate::json::schema::Value<'_>>::LEVELS {
                        inside = <$Type as crate::json::schema::Value<'_>>::LEVELS;
                    }
                )*
                assert!(inside < crate::json::write::MAX_LEVELS, "the writer keeps track of so many levels only");
                inside + 1
            };

            fn out(&self) -> crate::json::write::Out<'_> {
                // Looked at here, so that an object with too many levels does not compile.
                const {
                    let _ = <Self as crate::json::schema::Value<'_>>::LEVELS;
                }
                crate::json::write::Out::Within(self)
            }

            #[inline]
            fn write_plain<'b>(&self, room: crate::json::room::Room<'b>) -> Option<crate::json::room::Room<'b>> {
                use crate::json::{room::Key, schema::Value};
                let mut before = b'{';
                $(
                    let room = if Value::absent(&self.$field) {
                        room
                    } else {
                        let key = const { &Key::new(concat!(",\"", $key, "\":"), <$Type as Value<'_>>::BEGINNING) };
                        let room = room.key(key, before)?;
                        before = b',';
                        Value::write_plain(&self.$field, room)?
                    };
                )*
                let room = if before == b'{' { room.byte(before)? } else { room };
                room.byte(b'}')
            }
        }
    };
}
pub(crate) use object;

/// Makes an object the whole of a document.
macro_rules! payload {
    ($Name:ident $(, $most:expr)?) => {
        impl<'a> crate::json::Whole<'a> for $Name<'a> {
            const KIND: crate::json::schema::Kind = <Self as crate::json::schema::Value<'_>>::KIND;
            $( const MOST_ELEMENTS: u32 = $most; )?

            fn whole(_: &'static crate::json::schema::Schema, values: &crate::json::schema::Values<'_, 'a>) -> Self {
                crate::json::schema::Object::taken(values)
            }
        }

        impl<'a> crate::json::Payload<'a> for $Name<'a> {}
    };
}
pub(crate) use payload;

/// Declares an open enumeration of integers: the named values and whatever else came, kept.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $( $(#[$arm_meta:meta])* $Arm:ident = $code:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $Name {
            $( $(#[$arm_meta])* $Arm, )*
            /// A value the page does not list, kept as it came.
            Unknown(i64),
        }

        impl From<i64> for $Name {
            fn from(code: i64) -> Self {
                match code {
                    $( $code => Self::$Arm, )*
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$Name> for i64 {
            fn from(value: $Name) -> Self {
                match value {
                    $( $Name::$Arm => $code, )*
                    $Name::Unknown(code) => code,
                }
            }
        }

        impl<'a> crate::json::schema::Value<'a> for $Name {
            const KIND: crate::json::schema::Kind = <i64 as crate::json::schema::Value<'_>>::KIND;

            fn empty() -> Self {
                Self::Unknown(-1)
            }

            fn of(values: &crate::json::schema::Values<'_, 'a>, index: usize, members: usize) -> Self {
                Self::from(<i64 as crate::json::schema::Value<'_>>::of(values, index, members))
            }

            #[inline(always)]
            fn read_plain(slice: &mut crate::json::slice::Slice<'a>) -> Option<Self> {
                slice.signed().map(Self::from)
            }

            fn out(&self) -> crate::json::write::Out<'_> {
                crate::json::write::Out::Signed(i64::from(*self))
            }

            #[inline(always)]
            fn write_plain<'b>(&self, room: crate::json::room::Room<'b>) -> Option<crate::json::room::Room<'b>> {
                room.signed(i64::from(*self))
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(i64::from(*self))
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <i64 as serde::Deserialize>::deserialize(deserializer).map(Self::from)
            }
        }
    };
}
pub(crate) use open_enum;
