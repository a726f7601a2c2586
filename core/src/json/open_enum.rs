//! Declaring codes: integers, and words, of which some have names, and any other is kept.

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

        impl<'a> crate::json::value::Value<'a> for $Name {
            const KIND: crate::json::schema::Kind = <i64 as crate::json::value::Value<'_>>::KIND;

            fn empty() -> Self {
                Self::Unknown(-1)
            }

            fn of(values: &crate::json::values::Values<'_, 'a>, index: usize, members: usize) -> Self {
                Self::from(<i64 as crate::json::value::Value<'_>>::of(values, index, members))
            }

            #[inline(always)]
            fn read_plain(slice: &mut crate::json::slice::Slice<'a>) -> Option<Self> {
                slice.signed().map(Self::from)
            }

            fn write(&self, writer: &mut crate::json::write::Writer<'_>) {
                writer.signed(i64::from(*self));
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

/// Declares an open enumeration of words: the named ones and whatever else came, kept.
macro_rules! open_words {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $( $(#[$arm_meta:meta])* $Arm:ident = $word:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Name<'a> {
            $( $(#[$arm_meta])* $Arm, )*
            /// Another word, kept as it came.
            Unknown(crate::Text<'a>),
        }

        impl<'a> $Name<'a> {
            /// Its word.
            #[must_use]
            pub fn text(self) -> crate::Text<'a> {
                match self {
                    $( Self::$Arm => crate::Text::from($word), )*
                    Self::Unknown(text) => text,
                }
            }
        }

        impl<'a> From<crate::Text<'a>> for $Name<'a> {
            fn from(text: crate::Text<'a>) -> Self {
                match text {
                    $( text if text.is($word) => Self::$Arm, )*
                    text => Self::Unknown(text),
                }
            }
        }

        impl<'a> crate::json::value::Value<'a> for $Name<'a> {
            const KIND: crate::json::schema::Kind = crate::json::schema::Kind::Text;

            fn empty() -> Self {
                Self::Unknown(crate::Text::default())
            }

            fn of(values: &crate::json::values::Values<'_, 'a>, index: usize, _: usize) -> Self {
                Self::from(values.text(index))
            }

            fn read_plain(slice: &mut crate::json::slice::Slice<'a>) -> Option<Self> {
                slice.string().map(Self::from)
            }

            fn write(&self, writer: &mut crate::json::write::Writer<'_>) {
                writer.text(self.text());
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $Name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.text().serialize(serializer)
            }
        }
    };
}
pub(crate) use open_words;
