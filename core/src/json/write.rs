//! Writing JSON into the caller's buffer: the small writer.
//!
//! A payload writes its members one after the other by calls of the few functions here, so that an object more costs a
//! device's image some instructions a member and nothing else. It writes all that is sent one by one; what is sent in
//! batches has a fast writer in `room.rs`, which leaves to this one what does not fit.

use crate::{Error, ErrorKind, Field, Text};

use super::{room::Room, table::Result, value::Value, write_compact};

/// Writes JSON into a buffer of the caller's, counting on when it is full.
///
/// A full buffer does not stop the count, so that the error at the end tells exactly how many bytes it takes.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// Where the next member of the object being written goes: before it comes a comma or not.
    first: bool,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0, first: true }
    }

    /// Bytes written so far, those past the buffer's end included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes back all that was written after `len`.
    pub(crate) fn rewind(&mut self, len: usize) {
        self.len = len;
    }

    /// Whether all that was written for `field` fits, with `reserve` bytes to come.
    pub(crate) fn check(&self, reserve: usize, field: Field) -> Result<()> {
        let needed = self.len.saturating_add(reserve);
        let capacity = self.buf.len();
        if needed > capacity {
            return Err(Error::new(ErrorKind::BufferFull { needed, capacity }, field, capacity));
        }
        Ok(())
    }

    /// Ends the writing.
    pub(crate) fn finish(self) -> Result<&'b [u8]> {
        self.finish_field(Field::BODY)
    }

    /// Ends the writing, the last of which was for `field`.
    pub(crate) fn finish_field(self, field: Field) -> Result<&'b [u8]> {
        let (needed, capacity) = (self.len, self.buf.len());
        match self.written() {
            Some(written) => Ok(written),
            None => Err(Error::new(ErrorKind::BufferFull { needed, capacity }, field, capacity)),
        }
    }

    /// What has been written, unless the buffer was full: for who has an error of its own for that.
    pub(crate) fn written(self) -> Option<&'b [u8]> {
        self.buf.get(..self.len)
    }

    /// Writes a byte. Nothing here copies more than one at a time: a device has room for the loop, and what is long and
    /// often sent is not written here.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn byte(&mut self, byte: u8) {
        if let Some(place) = self.buf.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    /// Writes by the fast writer if all of it and a little more has room, or else by `careful`.
    #[inline]
    pub(crate) fn fast_or(&mut self, fast: impl FnOnce(Room<'_>) -> Option<Room<'_>>, careful: impl FnOnce(&mut Self)) {
        let room = self.buf.get_mut(self.len..).map(Room::new);
        match room.and_then(fast).map(|room| room.len()) {
            Some(left) => self.len = self.buf.len().saturating_sub(left),
            None => careful(self),
        }
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        let start = self.len;
        loop {
            let (tenth, digit) = divide_by_ten(value);
            self.byte(b'0' + digit);
            value = tenth;
            if value == 0 {
                break;
            }
        }
        // The last digit came first. Digits past the end need no order.
        let mut digits = self.buf.get_mut(start..self.len).unwrap_or_default();
        while let [first, between @ .., last] = digits {
            core::mem::swap(first, last);
            digits = between;
        }
    }

    pub(crate) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.byte(b'-');
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Writes a JSON string. Only what RFC 8259 demands is escaped.
    #[inline(never)]
    pub(crate) fn text(&mut self, text: Text<'_>) {
        self.byte(b'"');
        match text.plain() {
            Some(plain) => plain.iter().for_each(|&byte| self.escaped(byte)),
            None => text.chars().for_each(|char| match u8::try_from(char) {
                Ok(ascii @ ..0x80) => self.escaped(ascii),
                _ => self.char(char),
            }),
        }
        self.byte(b'"');
    }

    /// Writes a byte of a text.
    #[cfg_attr(target_os = "none", inline(never))]
    fn escaped(&mut self, byte: u8) {
        let Some(letter) = short_escape(byte) else { return self.byte(byte) };
        self.byte(b'\\');
        self.byte(letter);
        if letter == b'u' {
            self.raw(b"00");
            self.byte(b'0' + (byte >> 4));
            self.byte(hex(byte & 15));
        }
    }

    /// Writes a text's bytes, without quotes and escapes.
    pub(crate) fn unescaped(&mut self, text: Text<'_>) {
        text.chars().for_each(|char| self.char(char));
    }

    /// Writes a character in UTF-8.
    #[inline(never)]
    fn char(&mut self, char: char) {
        let code = u32::from(char);
        let (first, mut shift) = match code {
            ..0x80 => (0, 0),
            0x80..0x800 => (0xc0, 6),
            0x800..0x10000 => (0xe0, 12),
            _ => (0xf0, 18),
        };
        self.byte(low_byte(first | code >> shift));
        while shift > 0 {
            shift -= 6;
            self.byte(low_byte(0x80 | (code >> shift & 0x3f)));
        }
    }

    /// Writes bytes as a JSON string of standard base64 (RFC 4648, section 4).
    #[inline(never)]
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.byte(b'"');
        let (mut bits, mut held) = (0u32, 0u32);
        for &byte in bytes {
            bits = bits << 8 | u32::from(byte);
            held += 8;
            while held >= 6 {
                held -= 6;
                self.byte(sextet(bits >> held));
            }
        }
        if held > 0 {
            self.byte(sextet(bits << (6 - held)));
        }
        while held > 0 && held < 6 {
            self.byte(b'=');
            held += 2;
        }
        self.byte(b'"');
    }

    /// Writes checked JSON without white space and with the fewest escapes.
    pub(crate) fn json(&mut self, json: &[u8]) {
        write_compact(json, self, Writer::text);
    }

    /// Writes a member of an object.
    pub(crate) fn member<'a>(&mut self, name: &'static str, value: &impl Value<'a>) {
        self.key(name);
        value.write(self);
    }

    /// Writes a bracket that opens an object or array.
    pub(crate) fn open(&mut self, bracket: u8) {
        self.byte(bracket);
        self.first = true;
    }

    /// Writes a bracket that closes an object or array; what follows stands after a value.
    pub(crate) fn close(&mut self, bracket: u8) {
        self.byte(bracket);
        self.first = false;
    }

    /// Writes the comma before a member or element, if one is due, and makes the next one due.
    pub(crate) fn separate(&mut self) {
        if !self.first {
            self.byte(b',');
        }
        self.first = false;
    }

    /// Writes a key of this crate's own, which needs no escapes.
    pub(crate) fn key(&mut self, name: &'static str) {
        self.separate();
        self.byte(b'"');
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }
}

/// What follows the backslash in the escape of a byte that a JSON string cannot hold as it is; `u` for those that have
/// no letter of their own.
pub(crate) fn short_escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        0..0x20 => Some(*b"btnufr".get(usize::from(byte.wrapping_sub(8))).unwrap_or(&b'u')),
        _ => None,
    }
}

/// The hexadecimal digit of four bits.
pub(crate) fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}

fn low_byte(bits: u32) -> u8 {
    let [byte, ..] = bits.to_le_bytes();
    byte
}

/// A tenth of `value` and the digit that is left, by divisions of 32 bits: a device has no others, and the library's
/// would cost it more than all of this file.
fn divide_by_ten(mut value: u64) -> (u64, u8) {
    if let Ok(value) = u32::try_from(value) {
        return (u64::from(value / 10), low_byte(value % 10));
    }
    let mut left = 0;
    // The highest 16 bits make way for those of the tenth, four times.
    for _ in 0..4 {
        let part = left << 16 | u32::try_from(value >> 48).unwrap_or(0);
        value = value << 16 | u64::from(part / 10);
        left = part % 10;
    }
    (value, low_byte(left))
}

/// The character of the low six bits in base64.
#[inline(never)]
fn sextet(bits: u32) -> u8 {
    let bits = low_byte(bits & 63);
    match bits {
        0..26 => b'A' + bits,
        26..52 => b'a' - 26 + bits,
        52..62 => bits - 52 + b'0',
        62 => b'+',
        _ => b'/',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_only_what_json_requires() {
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf);
        writer.text(Text::from("a\"\\/\u{1f}\u{8}\u{c}\n\r\t\u{7f}短😀"));
        assert_eq!(writer.finish().unwrap(), "\"a\\\"\\\\/\\u001f\\b\\f\\n\\r\\t\u{7f}短😀\"".as_bytes());
    }

    #[test]
    fn a_full_buffer_tells_how_much_it_takes() {
        let mut buf = [0; 3];
        let mut writer = Writer::new(&mut buf);
        writer.unsigned(u64::MAX);
        writer.signed(i64::MIN);
        let error = writer.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BufferFull { needed: 40, capacity: 3 });
    }
}
