//! Writing JSON into the caller's buffer: the small writer.
//!
//! A payload writes its members one after the other by calls of the few functions here, so that an object more costs a
//! device's image some instructions a member and nothing else. It writes all that is sent one by one; what is sent in
//! batches has a fast writer in `room.rs`, which leaves to this one what does not fit.

use core::slice::Iter;

use crate::{Error, ErrorKind, Field, Text};

use super::{room::Room, table::Result, value::Value};

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
        match self.buf.get(..needed) {
            Some(written) => Ok(written),
            None => Err(Error::new(ErrorKind::BufferFull { needed, capacity }, field, capacity)),
        }
    }

    /// Writes a byte. Nothing here copies more than one at a time: a device has room for the loop, and what is long and
    /// often sent is not written here.
    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        if let Some(place) = self.buf.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    /// As [`byte`](Self::byte), on a device once for all places that need not be the fastest.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline)]
    fn byte_called(&mut self, byte: u8) {
        self.byte(byte);
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
            self.byte_called(b'0' + digit);
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
            self.byte_called(b'-');
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Writes a JSON string. Only what RFC 8259 demands is escaped.
    pub(crate) fn text(&mut self, text: Text<'_>) {
        self.byte_called(b'"');
        match text.plain() {
            Some(plain) => self.escaped(plain),
            None => self.checked(text.as_json(), Within::String),
        }
        self.byte_called(b'"');
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
        self.byte_called(low_byte(first | code >> shift));
        while shift > 0 {
            shift -= 6;
            self.byte_called(low_byte(0x80 | (code >> shift & 0x3f)));
        }
    }

    /// Writes bytes of a text.
    fn escaped(&mut self, text: &[u8]) {
        for &byte in text {
            let Some(letter) = short_escape(byte) else {
                self.byte(byte);
                continue;
            };
            self.byte_called(b'\\');
            self.byte_called(letter);
            if letter == b'u' {
                self.raw(&[b'0', b'0', b'0' + (byte >> 4), hex(byte & 15)]);
            }
        }
    }

    /// Writes bytes as a JSON string of standard base64 (RFC 4648, section 4).
    #[inline(never)]
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.byte_called(b'"');
        for group in bytes.chunks(3) {
            let mut bits = 0;
            for place in 0..3 {
                bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or(0));
            }
            for place in 0..4 {
                self.byte(if place > group.len() { b'=' } else { sextet(bits >> 18 & 63) });
                bits <<= 6;
            }
        }
        self.byte_called(b'"');
    }

    /// Writes checked JSON, or the inside of a checked string, without white space and with the fewest escapes.
    fn checked(&mut self, json: &[u8], mut within: Within) {
        let mut json = json.iter();
        while let Some(&(mut byte)) = json.next() {
            match (byte, within) {
                (b'\\', _) => match json.next() {
                    Some(b'u') => {
                        self.respell(&mut json);
                        continue;
                    }
                    Some(b'/') => byte = b'/',
                    Some(&letter) => {
                        self.byte_called(byte);
                        byte = letter;
                    }
                    None => {}
                },
                (b'"', Within::String) => within = Within::Document,
                (b'"', Within::Document) => within = Within::String,
                // Checked JSON has no other control bytes.
                (..=b' ', Within::Document) => continue,
                _ => {}
            }
            self.byte(byte);
        }
    }

    /// Writes what the `\u` escape that `json` goes on with stands for.
    fn respell(&mut self, json: &mut Iter<'_, u8>) {
        let mut code = code_unit(json);
        if let 0xd800..0xdc00 = code {
            // Past `\u`.
            json.nth(1);
            code = 0x10000 + ((code - 0xd800) << 10) + (code_unit(json) & 0x3ff);
        }
        if code < 0x80 {
            return self.escaped(&[low_byte(code)]);
        }
        let (first, mut shift) = match code {
            ..0x800 => (0xc0, 6),
            0x800..0x10000 => (0xe0, 12),
            _ => (0xf0, 18),
        };
        self.byte_called(low_byte(first | code >> shift));
        while shift > 0 {
            shift -= 6;
            self.byte_called(low_byte(0x80 | (code >> shift & 0x3f)));
        }
    }

    /// Writes checked JSON without white space and with the fewest escapes.
    pub(crate) fn json(&mut self, json: &[u8]) {
        self.checked(json, Within::Document);
    }

    /// Writes a member of an object.
    pub(crate) fn member<'a>(&mut self, name: &'static str, value: &impl Value<'a>) {
        self.key(name);
        value.write(self);
    }

    /// Writes a bracket that opens an object or array.
    pub(crate) fn open(&mut self, bracket: u8) {
        self.byte_called(bracket);
        self.first = true;
    }

    /// Writes a bracket that closes an object or array; what follows stands after a value.
    pub(crate) fn close(&mut self, bracket: u8) {
        self.byte_called(bracket);
        self.first = false;
    }

    /// Writes the comma before a member or element, if one is due, and makes the next one due.
    pub(crate) fn separate(&mut self) {
        if !self.first {
            self.byte_called(b',');
        }
        self.first = false;
    }

    /// Writes a key of this crate's own, which needs no escapes.
    pub(crate) fn key(&mut self, name: &'static str) {
        self.separate();
        self.byte_called(b'"');
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }
}

/// Where a byte of checked JSON stands.
#[derive(Clone, Copy)]
enum Within {
    Document,
    String,
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

/// Takes four checked hexadecimal digits.
fn code_unit(json: &mut Iter<'_, u8>) -> u32 {
    json.by_ref().take(4).fold(0, |unit, &digit| {
        // A letter's low bits count from one, and it alone has the bit 6.
        let digit = u32::from(digit);
        (unit << 4) + (digit & 15) + (digit >> 6) * 9
    })
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

/// The character of six bits in base64.
fn sextet(bits: u32) -> u8 {
    let bits = low_byte(bits);
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
