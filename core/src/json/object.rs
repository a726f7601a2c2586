//! Declaring payloads: a struct whose fields name their JSON members becomes the struct itself, its schema, and its part
//! of both readers and both writers.

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
                    serde(rename = $key, skip_serializing_if = "crate::json::value::absent")
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
        impl<$lt> crate::json::value::Object<$lt> for $Name {
            const SCHEMA: &'static crate::json::schema::Schema = &crate::json::schema::Schema::with_required(
                &[$( crate::json::schema::Member::new($key, <$Type as crate::json::value::Value<'_>>::KIND), )*],
                &[$( <$Type as crate::json::value::Value<'_>>::REQUIRED, )*],
            );

            #[inline]
            fn read_plain_into(&mut self, slice: &mut crate::json::slice::Slice<$lt>) -> Option<()> {
                use crate::json::value::Value;
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                let required = const { <Self as crate::json::value::Object<'_>>::SCHEMA.required };
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
                *slice = crate::json::value::read_by_name(self, inside, seen)?;
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
                        self.$field = crate::json::value::Value::read_plain_called(slice)?;
                        return Some(());
                    }
                )*
                None
            }

            fn taken(values: &crate::json::values::Values<'_, $lt>) -> Self {
                #[allow(non_camel_case_types, reason = "the fields' own names, so that each has a number")]
                enum Place { $($field,)* }
                const MEMBERS: usize = [$($key),*].len();
                // One after the other into its place: the stack then has room for one value and not for all twice.
                let mut object = <Self as crate::json::value::Value<'_>>::empty();
                $( object.$field = crate::json::value::Value::of(values, Place::$field as usize, MEMBERS); )*
                object
            }
        }

        impl<$lt> crate::json::value::Value<$lt> for $Name {
            const KIND: crate::json::schema::Kind =
                crate::json::schema::Kind::Object(<Self as crate::json::value::Object<'_>>::SCHEMA);

            fn empty() -> Self {
                Self { $( $field: crate::json::value::Value::empty(), )* }
            }

            fn of(values: &crate::json::values::Values<'_, $lt>, index: usize, members: usize) -> Self {
                crate::json::value::Object::taken(&values.object(index, members))
            }

            fn alone(values: &crate::json::values::Values<'_, $lt>) -> Self {
                crate::json::value::Object::taken(values)
            }

            fn read_plain(slice: &mut crate::json::slice::Slice<$lt>) -> Option<Self> {
                let mut object = Self::empty();
                crate::json::value::Object::read_plain_into(&mut object, slice)?;
                Some(object)
            }

            fn write(&self, writer: &mut crate::json::write::Writer<'_>) {
                writer.open(b'{');
                $(
                    if !crate::json::value::Value::absent(&self.$field) {
                        writer.key($key);
                        crate::json::value::Value::write(&self.$field, writer);
                    }
                )*
                writer.close(b'}');
            }

            #[inline]
            fn write_plain<'b>(&self, room: crate::json::room::Room<'b>) -> Option<crate::json::room::Room<'b>> {
                use crate::json::{room::Key, value::Value};
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
            const KIND: crate::json::schema::Kind = <Self as crate::json::value::Value<'_>>::KIND;
            $( const MOST_ELEMENTS: u32 = $most; )?

            fn whole(_: &'static crate::json::schema::Schema, values: &crate::json::values::Values<'_, 'a>) -> Self {
                crate::json::value::Object::taken(values)
            }
        }

        impl<'a> crate::json::Payload<'a> for $Name<'a> {}
    };
}
pub(crate) use payload;
