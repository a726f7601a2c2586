//! What is wrong with a document: noted in a byte where it is found, told in full in one place.

use crate::{Error, ErrorKind, Expected, Field};

use super::{super::MAX_DEPTH, Flat, Kind, Schema};

/// What is wrong with the byte that comes next. The rest of what an error says is known by then.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Unexpected,
    WrongType,
    End,
    ControlCharacter,
    BadEscape,
    LoneSurrogate,
    InvalidUtf8,
    TooDeep,
    TrailingBytes,
    Missing,
    Duplicate,
    Range,
    Alone,
    /// By the schema's own check.
    Refused,
}

/// Why reading stops: the reader keeps the fault, so that no function has to hand it on.
#[derive(Debug)]
pub(super) struct Stop;

pub(super) type Reading<T> = Result<T, Stop>;

impl Flat<'_, '_> {
    /// Fails because of the byte that comes next.
    #[inline(never)]
    pub(super) fn unexpected(&mut self, expected: Expected) -> Reading<()> {
        self.expected = expected;
        self.fail(self.at, Fault::Unexpected)
    }

    #[inline(never)]
    pub(super) fn wrong_type(&mut self, expected: Expected) -> Reading<()> {
        self.expected = expected;
        self.fail_at(self.mark, Fault::WrongType)
    }

    /// Fails at byte `at` because of the one that comes next; when none does, because of that.
    #[inline(never)]
    pub(super) fn fail(&mut self, at: usize, fault: Fault) -> Reading<()> {
        if self.at >= self.document.len() { self.fail_at(self.at, Fault::End) } else { self.fail_at(at, fault) }
    }

    pub(super) fn fail_at(&mut self, at: usize, fault: Fault) -> Reading<()> {
        self.at = at;
        self.fault = fault;
        Err(Stop)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn error(&self) -> Error {
        let name = |schema: &Schema, bits: u32| {
            schema.members.get(bits.trailing_zeros() as usize).map_or("", |member| member.name)
        };
        let current = name(self.schema, self.current >> self.base);
        let field = match name(self.root, self.outer) {
            "" => Field::top(current),
            outer => Field::top(outer).member(current),
        };
        Error::new(self.error_kind(), field, self.at)
    }

    #[inline(never)]
    fn error_kind(&self) -> ErrorKind {
        let expected = self.expected;
        if let Some(refused) = self.refused {
            return *refused;
        }
        match self.fault {
            Fault::Unexpected => ErrorKind::UnexpectedByte { found: self.peek(), expected },
            Fault::WrongType => ErrorKind::WrongType { expected },
            Fault::TooDeep => ErrorKind::TooDeep { limit: MAX_DEPTH },
            Fault::Range => match self.kind {
                Kind::Integer(range) | Kind::Digits(&(range, _)) => range.error(),
                _ => ErrorKind::UnexpectedEnd,
            },
            Fault::Alone => ErrorKind::Malformed(self.root.alone.unwrap_or_default()),
            Fault::Refused | Fault::End => ErrorKind::UnexpectedEnd,
            Fault::ControlCharacter => ErrorKind::ControlCharacter,
            Fault::BadEscape => ErrorKind::BadEscape,
            Fault::LoneSurrogate => ErrorKind::LoneSurrogate,
            Fault::InvalidUtf8 => ErrorKind::InvalidUtf8,
            Fault::TrailingBytes => ErrorKind::TrailingBytes,
            Fault::Missing => ErrorKind::Missing,
            Fault::Duplicate => ErrorKind::Duplicate,
        }
    }
}
