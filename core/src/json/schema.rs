//! The members of an object, declared once as data; reading and writing objects by that declaration.
//!
//! `object!` takes a struct whose fields name their JSON members and makes of it the struct itself, the table of its
//! members in documented order, the reader's and the writer's part. Readers and writers know no payload by name.

use crate::{Error, ErrorKind, Expected, Text};

use super::{
    cursor::{Cursor, Integer, Result},
    room::Room,
    skip::skip,
    slice::Slice,
    write::{Out, Writer},
};

/// A member as the page of its protocol lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    /// An optional member may be absent or `null`.
    pub(crate) required: bool,
}

/// What a member's or element's value is read into and written from.
pub(crate) trait Value<'a>: Sized {
    /// Whether the member must be there.
    const REQUIRED: bool = true;

    /// What a field holds before its member is read.
    fn empty() -> Self;

    /// Reads the value that begins at the cursor.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self>;

    /// Reads the value that comes next; `None` when it breaks a rule, which is left to [`read`](Self::read) to name.
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
    /// The members in documented order.
    const MEMBERS: &'static [Member];

    /// Reads the whole object, fastest where its members stand in documented order. `None` when it breaks a rule, with
    /// whatever is in the fields by then.
    fn read_plain_into(&mut self, slice: &mut Slice<'a>) -> Option<()>;

    /// Takes the key of a member with its colon, if one comes next without escapes and spaces.
    fn take_key(slice: &mut Slice<'a>) -> Option<usize>;

    /// Reads the value of member `index`, which comes next, into its field.
    fn read_plain_member(&mut self, index: usize, slice: &mut Slice<'a>) -> Option<()>;

    /// Reads the value of member `index` into its field.
    fn read_member(&mut self, index: usize, cursor: &mut Cursor<'a>) -> Result<()>;
}

/// Reads an object into `object`, whose fields hold their empty values.
#[inline]
pub(crate) fn read_into<'a, O: Object<'a> + Value<'a>>(object: &mut O, cursor: &mut Cursor<'a>) -> Result<()> {
    if let Some(mut slice) = cursor.slice() {
        if object.read_plain_into(&mut slice).is_some() {
            cursor.go_on_after(&slice);
            return Ok(());
        }
        *object = O::empty();
    }
    read_by_table(object, cursor)
}

/// Reads what is left of an object, inside of it, from the first member on that is not where its page has it.
#[inline(never)]
pub(crate) fn read_by_name<'a, O: Object<'a>>(object: &mut O, inside: Slice<'a>, seen: u32) -> Option<Slice<'a>> {
    inside.members_left(O::MEMBERS, seen, O::take_key, &mut |index, slice| object.read_plain_member(index, slice))
}

#[cold]
#[inline(never)]
fn read_by_table<'a, O: Object<'a>>(object: &mut O, cursor: &mut Cursor<'a>) -> Result<()> {
    read_members(cursor, O::MEMBERS, &mut |index, cursor| object.read_member(index, cursor))
}

/// Writes one object of many, fast where there is room to spare.
#[inline]
pub(crate) fn write_item<'a, O: Object<'a> + Value<'a>>(object: &O, writer: &mut Writer<'_>) {
    writer.fast_or(|room| object.write_plain(room), |writer| object.write(writer));
}

/// Reads a document that is one object and nothing else.
pub(crate) fn read_document<'a, T: Value<'a>>(document: &'a [u8]) -> Result<T> {
    let mut cursor = Cursor::over_document(document);
    let object = T::read(&mut cursor)?;
    cursor.end()?;
    Ok(object)
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

/// Reads an object, giving each declared member that is there and not `null` to `read`.
///
/// Unknown members are stepped over; a repeated or missing one is an error.
pub(crate) fn read_members<'a>(
    cursor: &mut Cursor<'a>,
    members: &'static [Member],
    read: &mut dyn FnMut(usize, &mut Cursor<'a>) -> Result<()>,
) -> Result<()> {
    let outer = cursor.field;
    let mut seen = 0u32;
    let mut given = 0u32;
    let mut next = 0;
    cursor.open(b'{', Expected::Object)?;
    if !cursor.take_if(b'}') {
        loop {
            cursor.peek();
            let key_at = cursor.offset();
            let key = cursor.key()?;
            if let Some((index, member)) = find(members, key, next) {
                cursor.field = outer.member(member.name);
                if seen & 1 << index != 0 {
                    return Err(cursor.error(ErrorKind::Duplicate, key_at));
                }
                seen |= 1 << index;
                if cursor.peek() == Some(b'n') {
                    let value_at = cursor.offset();
                    cursor.literal()?;
                    if member.required {
                        return Err(cursor.error(ErrorKind::Missing, value_at));
                    }
                } else {
                    given |= 1 << index;
                    read(index, cursor)?;
                }
                cursor.field = outer;
                next = index + 1;
            } else {
                skip(cursor)?;
            }
            if cursor.take_if(b',') {
                continue;
            }
            if cursor.peek() == Some(b'}') {
                cursor.take_if(b'}');
                break;
            }
            return Err(cursor.unexpected(Expected::CommaOrBrace));
        }
    }
    cursor.shallower();
    for (index, member) in members.iter().enumerate() {
        if member.required && given & 1 << index == 0 {
            return Err(Error::new(ErrorKind::Missing, outer.member(member.name), cursor.offset().saturating_sub(1)));
        }
    }
    Ok(())
}

/// The member called `key`: most senders keep the documented order, so the one after the last is tried first.
fn find(members: &'static [Member], key: Text<'_>, next: usize) -> Option<(usize, Member)> {
    if let Some(&member) = members.get(next)
        && key == member.name
    {
        return Some((next, member));
    }
    members.iter().copied().enumerate().find(|(_, member)| key == member.name)
}

/// Reads an array, giving each element's place to `read`.
pub(crate) fn read_elements<'a>(
    cursor: &mut Cursor<'a>,
    read: &mut dyn FnMut(u32, &mut Cursor<'a>) -> Result<()>,
) -> Result<u32> {
    let outer = cursor.field;
    cursor.open(b'[', Expected::Array)?;
    let mut index = 0u32;
    if !cursor.take_if(b']') {
        loop {
            cursor.peek();
            if index >= cursor.most_elements {
                return Err(cursor.error(ErrorKind::TooMany { limit: cursor.most_elements }, cursor.offset()));
            }
            cursor.field = outer.element(index);
            read(index, cursor)?;
            cursor.field = outer;
            index += 1;
            if cursor.take_if(b',') {
                continue;
            }
            if cursor.take_if(b']') {
                break;
            }
            return Err(cursor.unexpected(Expected::CommaOrBracket));
        }
    }
    cursor.shallower();
    Ok(index)
}

/// Finds member `name` of the object at the cursor, which stays where it is, and returns the place of its value.
///
/// For payloads whose other members can only be understood once this one is known. The bytes of the object are
/// checked as far as the member.
pub(crate) fn find_member<'a>(cursor: &Cursor<'a>, name: &'static str) -> Result<Option<Cursor<'a>>> {
    let mut cursor = cursor.clone();
    cursor.open(b'{', Expected::Object)?;
    if cursor.take_if(b'}') {
        return Ok(None);
    }
    loop {
        if cursor.key()? == name {
            cursor.field = cursor.field.member(name);
            return Ok(Some(cursor));
        }
        skip(&mut cursor)?;
        if !cursor.take_if(b',') {
            cursor.take(b'}', Expected::CommaOrBrace)?;
            return Ok(None);
        }
    }
}

impl<'a> Value<'a> for Text<'a> {
    fn empty() -> Self {
        Text::default()
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        cursor.string()
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
    fn empty() -> Self {
        0
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        ranged(cursor, 0, Self::MAX, |integer| integer.unsigned(Self::MAX))
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
    fn empty() -> Self {
        0
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        ranged(cursor, 0, u64::from(Self::MAX), |integer| Self::try_from(integer.unsigned(u64::MAX)?).ok())
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
    fn empty() -> Self {
        0
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        ranged(cursor, Self::MIN, Self::MAX.unsigned_abs(), Integer::signed)
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

/// Reads an integer that `narrow` must accept.
pub(crate) fn ranged<'a, T>(
    cursor: &mut Cursor<'a>,
    min: i64,
    max: u64,
    narrow: impl FnOnce(Integer) -> Option<T>,
) -> Result<T> {
    cursor.peek();
    let start = cursor.offset();
    narrow(cursor.integer()?).ok_or_else(|| cursor.error(ErrorKind::OutOfRange { min, max }, start))
}

impl<'a, T: Value<'a>> Value<'a> for Option<T> {
    const REQUIRED: bool = false;

    fn empty() -> Self {
        None
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        T::read(cursor).map(Some)
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
            const MEMBERS: &'static [crate::json::schema::Member] = &[
                $( crate::json::schema::Member {
                    name: $key,
                    required: <$Type as crate::json::schema::Value<'_>>::REQUIRED,
                }, )*
            ];

            #[inline]
            fn read_plain_into(&mut self, slice: &mut crate::json::slice::Slice<$lt>) -> Option<()> {
                use crate::json::{schema::Value, slice};
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                let required = const { slice::required(<Self as crate::json::schema::Object<'_>>::MEMBERS) };
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

            fn read_member(
                &mut self,
                index: usize,
                cursor: &mut crate::json::cursor::Cursor<$lt>,
            ) -> crate::json::cursor::Result<()> {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                #[derive(Clone, Copy)]
                enum Place { $($field,)* }
                $(
                    if index == Place::$field as usize {
                        self.$field = crate::json::schema::Value::read(cursor)?;
                    }
                )*
                Ok(())
            }
        }

        impl<$lt> crate::json::write::Values for $Name {
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
            fn empty() -> Self {
                Self { $( $field: crate::json::schema::Value::empty(), )* }
            }

            fn read(cursor: &mut crate::json::cursor::Cursor<$lt>) -> crate::json::cursor::Result<Self> {
                let mut object = Self::empty();
                crate::json::schema::read_into(&mut object, cursor)?;
                Ok(object)
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
                crate::json::write::Out::Object(<Self as crate::json::schema::Object<'_>>::MEMBERS, self)
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
            fn empty() -> Self {
                Self::Unknown(-1)
            }

            fn read(cursor: &mut crate::json::cursor::Cursor<'a>) -> crate::json::cursor::Result<Self> {
                i64::read(cursor).map(Self::from)
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
