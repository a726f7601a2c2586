//! A place in a JSON document, and the tokens from there on.

use crate::{Error, ErrorKind, Expected, Field, Text};

use super::{MAX_DEPTH, slice::Slice};

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// A place in a JSON document: what reads the next token, and knows the member it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    /// The whole document, where it is known to be UTF-8.
    text: Option<&'a str>,
    pos: usize,
    depth: u32,
    /// The member being read: what an error names.
    pub(crate) field: Field,
    /// How many elements an array of receivers may have.
    pub(crate) most_elements: u32,
}

/// An integer as it stands in the document, before it is held against a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integer {
    pub(crate) negative: bool,
    /// `None` when it is past 64 bits.
    pub(crate) magnitude: Option<u64>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: None, pos: 0, depth: 0, field: Field::BODY, most_elements: u32::MAX }
    }

    /// A document that is worth looking at as a whole first: its objects may then be read fast.
    pub(crate) fn over_document(bytes: &'a [u8]) -> Self {
        Self { text: core::str::from_utf8(bytes).ok(), ..Self::new(bytes) }
    }

    /// This place for the fast reader.
    #[inline]
    pub(crate) fn slice(&self) -> Option<Slice<'a>> {
        let mut slice = Slice::within(self.text?.get(self.pos..)?, self.depth);
        slice.most_elements = self.most_elements;
        Some(slice)
    }

    /// Goes on where the fast reader has come to.
    #[inline]
    pub(crate) fn go_on_after(&mut self, slice: &Slice<'a>) {
        self.pos = self.bytes.len() - slice.rest().len();
    }

    pub(crate) fn offset(&self) -> usize {
        self.pos
    }

    /// The document from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.pos).unwrap_or_default()
    }

    #[cold]
    pub(crate) fn error(&self, kind: ErrorKind, offset: usize) -> Error {
        Error::new(kind, self.field, offset)
    }

    /// The error of finding the next byte where `expected` must stand.
    #[cold]
    pub(crate) fn unexpected(&self, expected: Expected) -> Error {
        match self.bytes.get(self.pos) {
            Some(&found) => self.error(ErrorKind::UnexpectedByte { found, expected }, self.pos),
            None => self.error(ErrorKind::UnexpectedEnd, self.pos),
        }
    }

    /// The next byte that is no white space, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.pos) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.pos += 1;
        }
        None
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn take_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.pos += 1;
        }
        found
    }

    /// Takes `byte`, which must come next.
    pub(crate) fn take(&mut self, byte: u8, expected: Expected) -> Result<()> {
        if self.take_if(byte) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Takes `{` or `[` as the start of a member's value: anything else is of the wrong type.
    pub(crate) fn open(&mut self, bracket: u8, expected: Expected) -> Result<()> {
        if self.peek() != Some(bracket) {
            return Err(self.wrong_type(expected));
        }
        self.deeper()?;
        self.pos += 1;
        Ok(())
    }

    /// Counts a level that the next byte opens.
    pub(crate) fn deeper(&mut self) -> Result<()> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(ErrorKind::TooDeep { limit: MAX_DEPTH }, self.pos));
        }
        self.depth += 1;
        Ok(())
    }

    /// Counts a level that has been closed.
    pub(crate) fn shallower(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Levels that may still be opened.
    pub(crate) fn depth_left(&self) -> u32 {
        MAX_DEPTH - self.depth
    }

    /// Checks that nothing but white space follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_some() {
            self.field = Field::BODY;
            return Err(self.error(ErrorKind::TrailingBytes, self.pos));
        }
        Ok(())
    }

    /// The error for a value that begins here and is of another type than `expected`.
    #[cold]
    pub(crate) fn wrong_type(&mut self, expected: Expected) -> Error {
        match self.peek() {
            Some(b'"' | b'{' | b'[' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9') => {
                self.error(ErrorKind::WrongType { expected }, self.pos)
            }
            _ => self.unexpected(expected),
        }
    }

    /// Reads a member's string.
    pub(crate) fn string(&mut self) -> Result<Text<'a>> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong_type(Expected::String));
        }
        self.quoted()
    }

    /// Reads a key and its colon.
    pub(crate) fn key(&mut self) -> Result<Text<'a>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected(Expected::Key));
        }
        let key = self.quoted()?;
        self.take(b':', Expected::Colon)?;
        Ok(key)
    }

    /// Reads `true`, `false` or `null`, which must be spelled out from here.
    pub(crate) fn literal(&mut self) -> Result<()> {
        let word: &[u8] = match self.peek() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => b"null",
        };
        for &byte in word {
            if self.bytes.get(self.pos) != Some(&byte) {
                return Err(self.unexpected(Expected::Literal));
            }
            self.pos += 1;
        }
        Ok(())
    }

    /// Reads a member's integer: a number with a fraction or an exponent, and `-0`, are of the wrong type.
    pub(crate) fn integer(&mut self) -> Result<Integer> {
        let Some(b'-' | b'0'..=b'9') = self.peek() else {
            return Err(self.wrong_type(Expected::Integer));
        };
        let start = self.pos;
        let digits = self.number()?;
        let negative = digits.first() == Some(&b'-');
        let digits = digits.get(usize::from(negative)..).unwrap_or_default();
        let whole = digits.iter().all(u8::is_ascii_digit);
        if !whole || negative && digits == b"0" {
            return Err(self.error(ErrorKind::WrongType { expected: Expected::Integer }, start));
        }
        Ok(Integer { negative, magnitude: magnitude(digits) })
    }

    /// Reads a number by the grammar of RFC 8259, section 6, and returns its bytes.
    pub(crate) fn number(&mut self) -> Result<&'a [u8]> {
        let start = self.pos;
        self.pos += usize::from(self.bytes.get(start) == Some(&b'-'));
        if self.bytes.get(self.pos) == Some(&b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.pos) == Some(&b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.pos) {
            self.pos += 1;
            self.pos += usize::from(matches!(self.bytes.get(self.pos), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.pos;
        while self.bytes.get(self.pos).is_some_and(u8::is_ascii_digit) {
            self.pos += 1;
        }
        if self.pos == start { Err(self.unexpected(Expected::Digit)) } else { Ok(()) }
    }

    /// Reads a string from its opening quote on.
    pub(crate) fn quoted(&mut self) -> Result<Text<'a>> {
        self.pos += 1;
        let start = self.pos;
        let mut escaped = false;
        let mut fault = None;
        loop {
            match self.bytes.get(self.pos) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    if let Err(error) = self.escape() {
                        fault = Some(error);
                        break;
                    }
                }
                Some(0..=0x1f) => {
                    fault = Some(self.error(ErrorKind::ControlCharacter, self.pos));
                    break;
                }
                Some(_) => self.pos += 1,
                None => {
                    fault = Some(self.error(ErrorKind::UnexpectedEnd, self.pos));
                    break;
                }
            }
        }
        // What comes first in the bytes is reported first, so bytes that are not UTF-8 win over a later fault.
        let end = fault.map_or(self.pos, |fault: Error| fault.offset().min(self.bytes.len()));
        let text = match core::str::from_utf8(self.bytes.get(start..end).unwrap_or_default()) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() && end == self.bytes.len() => "",
            Err(error) => return Err(self.error(ErrorKind::InvalidUtf8, start + error.valid_up_to())),
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.pos += 1;
        Ok(Text::from_json(text, escaped))
    }

    /// Checks an escape from its backslash on.
    fn escape(&mut self) -> Result<()> {
        let start = self.pos;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 2,
            Some(b'u') => {
                self.pos += 2;
                match self.code_unit()? {
                    0xd800..=0xdbff => {
                        for &byte in br"\u" {
                            match self.bytes.get(self.pos) {
                                Some(&next) if next == byte => self.pos += 1,
                                Some(_) => return Err(self.error(ErrorKind::LoneSurrogate, start)),
                                None => return Err(self.error(ErrorKind::UnexpectedEnd, self.pos)),
                            }
                        }
                        if !(0xdc00..=0xdfff).contains(&self.code_unit()?) {
                            return Err(self.error(ErrorKind::LoneSurrogate, start));
                        }
                    }
                    0xdc00..=0xdfff => return Err(self.error(ErrorKind::LoneSurrogate, start)),
                    _ => {}
                }
            }
            Some(_) => return Err(self.error(ErrorKind::BadEscape, start)),
            None => return Err(self.error(ErrorKind::UnexpectedEnd, start + 1)),
        }
        Ok(())
    }

    fn code_unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(&byte) = self.bytes.get(self.pos) else {
                return Err(self.error(ErrorKind::UnexpectedEnd, self.pos));
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.error(ErrorKind::BadEscape, self.pos));
            };
            unit = unit << 4 | digit;
            self.pos += 1;
        }
        Ok(unit)
    }
}

impl Integer {
    /// The value as an unsigned number up to `max`; `None` outside of that.
    pub(crate) fn unsigned(self, max: u64) -> Option<u64> {
        self.magnitude.filter(|&magnitude| !self.negative && magnitude <= max)
    }

    /// The value as a signed number; `None` outside of its range.
    pub(crate) fn signed(self) -> Option<i64> {
        let magnitude = self.magnitude?;
        if self.negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }
}

/// The value of decimal digits; `None` past 64 bits.
fn magnitude(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0'))))
}
