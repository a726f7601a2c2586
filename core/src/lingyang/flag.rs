//! The two small codes of a push: how hard to try, and whether to call back.

use crate::{
    json::{
        schema::{Kind, Range},
        slice::Slice,
        value::Value,
        values::Values,
        write::Writer,
    },
    schedule::Schedule,
};

/// A message's delivery mark: "2 or 3; absent = 2; anything else 400" (the Lingyang page, from the seed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Flag {
    /// 2: sent up to 5 times until the receiver answers, then dropped.
    #[default]
    UntilAnswered,
    /// 3: sent once, then dropped whether or not it arrived.
    Once,
}

impl Flag {
    /// The flag's number in JSON.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::UntilAnswered => 2,
            Self::Once => 3,
        }
    }

    /// The flag with number `code`, when there is one.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            2 => Some(Self::UntilAnswered),
            3 => Some(Self::Once),
            _ => None,
        }
    }

    /// When a message with this flag is sent.
    #[must_use]
    pub const fn schedule(self) -> Schedule<'static> {
        match self {
            Self::UntilAnswered => Schedule::FLAG_2,
            Self::Once => Schedule::FLAG_3,
        }
    }
}

/// Whether the sender of a client push wants to know: "0 or 1, required" (the Lingyang page).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Callback {
    /// 0: no.
    #[default]
    No,
    /// 1: the message goes to the app's webhook too, and each receiver's outcome back to the sender.
    Yes,
}

macro_rules! code {
    ($Name:ident, $min:literal to $max:literal, $values:literal, $( $code:literal => $Arm:ident ),*) => {
        impl<'a> Value<'a> for $Name {
            const KIND: Kind = Kind::Integer(&Range { min: $min, max: $max, one_of: Some($values) });

            fn empty() -> Self {
                Self::default()
            }

            fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
                match values.number(index) {
                    $( $code => Self::$Arm, )*
                    _ => Self::default(),
                }
            }

            #[inline(always)]
            fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
                match slice.unsigned()? {
                    $( $code => Some(Self::$Arm), )*
                    _ => None,
                }
            }

            fn write(&self, writer: &mut Writer<'_>) {
                writer.unsigned(match self {
                    $( Self::$Arm => $code, )*
                });
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u32(match self {
                    $( Self::$Arm => $code, )*
                })
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match <u32 as serde::Deserialize>::deserialize(deserializer)? {
                    $( $code => Ok(Self::$Arm), )*
                    _ => Err(serde::de::Error::custom(concat!("must be ", $values))),
                }
            }
        }
    };
}
code!(Flag, 2 to 3, "2 or 3", 2 => UntilAnswered, 3 => Once);
code!(Callback, 0 to 1, "0 or 1", 0 => No, 1 => Yes);
