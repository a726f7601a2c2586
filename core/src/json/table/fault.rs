//! What is wrong with a document: noted in a byte where it is found, told in full in one place.

use crate::{Error, ErrorKind, Expected, Field};

use super::{
    super::{MAX_DEPTH, schema::Kind},
    Shape, Table,
};

/// What is wrong. The rest of what an error says is in the table by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    End,
    Byte,
    ControlCharacter,
    BadEscape,
    LoneSurrogate,
    InvalidUtf8,
    TooDeep,
    TrailingBytes,
    WrongType,
    Missing,
    Duplicate,
    Range,
    TooMany,
    TooFew,
    Alone,
    /// By the schema's own check.
    Refused,
    /// The buffer is full.
    Full,
}

/// Why reading stops: the table keeps the fault, so that no function has to hand it on.
#[derive(Debug)]
pub(super) struct Stop;

pub(super) type Reading<T> = Result<T, Stop>;

impl Table {
    #[inline(never)]
    pub(super) fn unexpected<T>(&mut self, found: u8, expected: Expected) -> Reading<T> {
        self.found = found;
        self.expected = expected;
        self.fail(Fault::Byte)
    }

    /// Fails at the first byte of the value or key being read.
    pub(super) fn fail_at_mark<T>(&mut self, fault: Fault) -> Reading<T> {
        self.offset = self.mark;
        self.fail(fault)
    }

    /// Fails at this byte, or [`back`](Self::back) before it.
    pub(super) fn fail<T>(&mut self, fault: Fault) -> Reading<T> {
        self.fault = Some(fault);
        Err(Stop)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn error(&self) -> Error {
        let at = self.offset.wrapping_sub(usize::from(self.back));
        let mut error = Error::new(ErrorKind::UnexpectedEnd, Field::BODY, at);
        let (kind, path) = error.parts_mut();
        for frame in self.outer.iter().take(usize::from(self.open)).flatten() {
            frame.extend(path);
        }
        self.top.extend(path);
        self.tell(kind);
        error
    }

    /// Tells what is wrong, in full.
    // Called with the place, so that each arm writes what it has to where it goes, and no more.
    #[inline(never)]
    fn tell(&self, kind: &mut ErrorKind) {
        let expected = self.expected;
        *kind = match self.fault {
            None | Some(Fault::End) => ErrorKind::UnexpectedEnd,
            Some(Fault::Byte) => ErrorKind::UnexpectedByte { found: self.found, expected },
            Some(Fault::ControlCharacter) => ErrorKind::ControlCharacter,
            Some(Fault::BadEscape) => ErrorKind::BadEscape,
            Some(Fault::LoneSurrogate) => ErrorKind::LoneSurrogate,
            Some(Fault::InvalidUtf8) => ErrorKind::InvalidUtf8,
            Some(Fault::TooDeep) => ErrorKind::TooDeep { limit: MAX_DEPTH },
            Some(Fault::TrailingBytes) => ErrorKind::TrailingBytes,
            Some(Fault::WrongType) => ErrorKind::WrongType { expected },
            Some(Fault::Missing) => ErrorKind::Missing,
            Some(Fault::Duplicate) => ErrorKind::Duplicate,
            Some(Fault::Range) => match self.kind {
                Kind::Integer(range) | Kind::Digits(&(range, _)) => range.error(),
                _ => ErrorKind::UnexpectedEnd,
            },
            Some(Fault::TooMany) => match self.top.shape {
                Shape::Items(items) => ErrorKind::TooMany { limit: items.most },
                _ => ErrorKind::TooMany { limit: self.most_elements },
            },
            Some(Fault::TooFew) => ErrorKind::TooFew { least: 1 },
            Some(Fault::Alone) => match self.top.shape {
                Shape::Object(schema) => ErrorKind::Malformed(schema.alone.unwrap_or_default()),
                _ => ErrorKind::UnexpectedEnd,
            },
            Some(Fault::Refused) => *self.refused,
            Some(Fault::Full) => ErrorKind::BufferFull { needed: self.mark.saturating_add(1), capacity: self.mark },
        };
    }
}
