//! What went wrong, where, and whose turn it is to mend it.
//!
//! Every reader and writer fails with an [`Error`]: what is wrong ([`ErrorKind`]), in which member ([`Field`]), at
//! which byte. It is `Copy`, holds no text of the input, and says in one line what the other side must change.

use core::fmt;

/// What went wrong, in which member, at which byte of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Error {
    kind: ErrorKind,
    field: Field,
    offset: usize,
}

impl Error {
    /// Makes an error of `kind` for `field`, found at byte `offset` of the input.
    #[must_use]
    pub const fn new(kind: ErrorKind, field: Field, offset: usize) -> Self {
        Self { kind, field, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The member it is wrong with.
    #[must_use]
    pub const fn field(&self) -> Field {
        self.field
    }

    /// The byte of the input where it shows, counted from 0: the offending byte of bad JSON; the first byte of a value
    /// that breaks a rule; the first byte of a repeated key; the closing bracket of what lacks a member. For a writer,
    /// the number of bytes written before it.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong and where, to be put together in place: an error is too large to be handed on in parts.
    pub(crate) fn parts_mut(&mut self) -> (&mut ErrorKind, &mut Field) {
        (&mut self.kind, &mut self.field)
    }

    /// Who has to act for the next try to succeed.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self.kind {
            ErrorKind::BufferFull { .. } => Blame::Capacity,
            ErrorKind::NotSendable(_) => Blame::Configuration,
            _ => Blame::Peer,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.field.fmt(f)?;
        f.write_str(": ")?;
        self.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        f.write_str(" (byte ")?;
        decimal(f, self.offset as u64)?;
        f.write_str(")")
    }
}

impl core::error::Error for Error {}

/// Who has to act for the next try to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Blame {
    /// The caller: it asked for something the protocol does not allow.
    Configuration,
    /// The peer: its data breaks a rule.
    Peer,
    /// Us: a buffer is too small for data that is right.
    Capacity,
}

/// What is wrong. Each arm carries the limit it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends where more of the value must come.
    UnexpectedEnd,
    /// A byte that RFC 8259 does not allow at this place.
    UnexpectedByte {
        /// The byte found.
        found: u8,
        /// What may stand there.
        expected: Expected,
    },
    /// A control character (U+0000 to U+001F) stands in a string without an escape.
    ControlCharacter,
    /// `\` is followed by something that is no escape.
    BadEscape,
    /// Half of a surrogate pair without the other half.
    LoneSurrogate,
    /// The bytes of a string are not UTF-8.
    InvalidUtf8,
    /// Arrays and objects are nested deeper than the limit.
    TooDeep {
        /// Levels allowed.
        limit: u32,
    },
    /// Bytes follow the end of the document.
    TrailingBytes,
    /// The value is of another JSON type than the member's.
    WrongType {
        /// The type the member has.
        expected: Expected,
    },
    /// A required member is absent or `null`.
    Missing,
    /// A member stands twice in one object.
    Duplicate,
    /// A number is outside its range.
    OutOfRange {
        /// The least value allowed.
        min: i64,
        /// The greatest value allowed.
        max: u64,
    },
    /// A text is longer than its limit.
    TooLong {
        /// The greatest length allowed.
        limit: u32,
        /// What the limit counts.
        unit: Unit,
    },
    /// An array holds more elements than its limit.
    TooMany {
        /// Elements allowed.
        limit: u32,
    },
    /// An array holds fewer elements than it must.
    TooFew {
        /// Elements needed.
        least: u32,
    },
    /// The text is not standard base64 with padding.
    NotBase64,
    /// The value is none of the few this member may have.
    NotOneOf(&'static str),
    /// The text is not what the member must hold; the words say what that is.
    Malformed(&'static str),
    /// The buffer cannot hold what is to be written.
    BufferFull {
        /// Bytes needed, so far as known.
        needed: usize,
        /// Bytes there are.
        capacity: usize,
    },
    /// A value that may be read but never sent; the words say why.
    NotSendable(&'static str),
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnexpectedEnd => f.write_str("the input ends too early"),
            Self::UnexpectedByte { found, expected } => {
                f.write_str("expected ")?;
                f.write_str(expected.as_str())?;
                f.write_str(", found ")?;
                byte(f, found)
            }
            Self::ControlCharacter => f.write_str("a control character in a string must be escaped"),
            Self::BadEscape => f.write_str("no such escape in JSON"),
            Self::LoneSurrogate => f.write_str("half of a surrogate pair stands alone"),
            Self::InvalidUtf8 => f.write_str("not UTF-8"),
            Self::TooDeep { limit } => limited(f, "nested deeper than ", u64::from(limit), " levels"),
            Self::TrailingBytes => f.write_str("bytes follow the end of the document"),
            Self::WrongType { expected } => {
                f.write_str("must be ")?;
                f.write_str(expected.as_str())
            }
            Self::Missing => f.write_str("required, but missing"),
            Self::Duplicate => f.write_str("stands twice"),
            Self::OutOfRange { min, max } => {
                f.write_str("must be from ")?;
                if min < 0 {
                    f.write_str("-")?;
                }
                decimal(f, min.unsigned_abs())?;
                limited(f, " to ", max, "")
            }
            Self::TooLong { limit, unit } => {
                limited(f, "longer than ", u64::from(limit), " ")?;
                f.write_str(unit.as_str())
            }
            Self::TooMany { limit } => limited(f, "holds more than ", u64::from(limit), " elements"),
            Self::TooFew { least } => limited(f, "holds fewer than ", u64::from(least), " elements"),
            Self::NotBase64 => f.write_str("must be standard base64 with padding"),
            Self::NotOneOf(values) => {
                f.write_str("must be ")?;
                f.write_str(values)
            }
            Self::Malformed(what) | Self::NotSendable(what) => f.write_str(what),
            Self::BufferFull { needed, capacity } => {
                limited(f, "needs ", needed as u64, " bytes")?;
                limited(f, ", the buffer has ", capacity as u64, "")
            }
        }
    }
}

/// A JSON type or token that a place asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Expected {
    /// Any value.
    Value,
    /// `{`.
    Object,
    /// `[`.
    Array,
    /// An object or an array.
    ObjectOrArray,
    /// A string.
    String,
    /// A number without fraction or exponent.
    Integer,
    /// A string that holds nothing but an integer, or an integer.
    IntegerOrDigits,
    /// The opening quote of a key.
    Key,
    /// `:`.
    Colon,
    /// `,` or `]`.
    CommaOrBracket,
    /// `,` or `}`.
    CommaOrBrace,
    /// A decimal digit.
    Digit,
    /// `true`, `false` or `null`, spelled out.
    Literal,
}

impl Expected {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "a value",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::ObjectOrArray => "an object or an array",
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::IntegerOrDigits => "an integer, or a string of its digits",
            Self::Key => "a key in double quotes",
            Self::Colon => "`:`",
            Self::CommaOrBracket => "`,` or `]`",
            Self::CommaOrBrace => "`,` or `}`",
            Self::Digit => "a digit",
            Self::Literal => "`true`, `false` or `null`",
        }
    }
}

/// What a limit on length counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Unicode characters.
    Characters,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Characters => "characters",
        }
    }
}

/// The path of a member, such as `payload.clients[4]`, `Data[2].Phone` or `MsgType`.
///
/// No payload of these protocols nests its members deeper than two names with an index each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Field {
    outer: Segment,
    inner: Segment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Segment {
    name: &'static str,
    index: u32,
}

impl Segment {
    const NONE: Self = Self { name: "", index: Self::NO_INDEX };
    const NO_INDEX: u32 = u32::MAX;

    fn fmt(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if self.index != Self::NO_INDEX {
            limited(f, "[", u64::from(self.index), "]")?;
        }
        Ok(())
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self::NONE
    }
}

impl Field {
    /// The document itself.
    pub const BODY: Self = Self { outer: Segment::NONE, inner: Segment::NONE };

    /// A member of the document itself.
    #[must_use]
    pub const fn top(name: &'static str) -> Self {
        Self { outer: Segment { name, index: Segment::NO_INDEX }, inner: Segment::NONE }
    }

    /// The member `name` of what this path names. A third name replaces the second.
    #[must_use]
    pub const fn member(mut self, name: &'static str) -> Self {
        let segment = Segment { name, index: Segment::NO_INDEX };
        if self.outer.name.is_empty() && self.outer.index == Segment::NO_INDEX {
            self.outer = segment;
        } else {
            self.inner = segment;
        }
        self
    }

    /// Element `index` of the array this path names, counted from 0.
    #[must_use]
    pub const fn element(mut self, index: u32) -> Self {
        if self.inner.name.is_empty() {
            self.outer.index = index;
        } else {
            self.inner.index = index;
        }
        self
    }

    /// The last name of the path; empty for the document itself and for an element of it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        if self.inner.name.is_empty() { self.outer.name } else { self.inner.name }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::BODY {
            return f.write_str("body");
        }
        self.outer.fmt(f)?;
        if self.inner != Segment::NONE {
            f.write_str(".")?;
            self.inner.fmt(f)?;
        }
        Ok(())
    }
}

/// Writes `before`, `n` in decimal and `after`, without the formatting machinery a device would have to carry.
fn limited(f: &mut fmt::Formatter<'_>, before: &str, n: u64, after: &str) -> fmt::Result {
    f.write_str(before)?;
    decimal(f, n)?;
    f.write_str(after)
}

fn decimal(f: &mut fmt::Formatter<'_>, n: u64) -> fmt::Result {
    let mut digits = [0; crate::json::MAX_INTEGER_LEN];
    f.write_str(crate::json::decimal(n, &mut digits))
}

fn byte(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    const HEX: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
    if byte.is_ascii_graphic() {
        let shown = [byte];
        f.write_str("`")?;
        f.write_str(core::str::from_utf8(&shown).unwrap_or("?"))?;
        return f.write_str("`");
    }
    f.write_str("byte 0x")?;
    for nibble in [byte >> 4, byte & 15] {
        f.write_str(HEX.get(usize::from(nibble)).copied().unwrap_or("?"))?;
    }
    Ok(())
}
