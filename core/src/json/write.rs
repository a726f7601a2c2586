//! Writing JSON into the caller's buffer: the table-driven writer.
//!
//! One function turns values into JSON, whatever payload they belong to: it walks their declared members, so that an
//! object more costs a device's image its table and nothing else. It writes all that is sent one by one; what is sent
//! in batches has a fast writer in `room.rs`, which leaves to this one what does not fit.

use crate::{Error, ErrorKind, Field, Text};

use super::{MAX_INTEGER_LEN, cursor::Result, decimal, room::Room, schema::Member, slice::plain_len};

/// A value to write, by its kind.
#[derive(Clone, Copy)]
pub(crate) enum Out<'v> {
    /// A member that is left out.
    Absent,
    Unsigned(u64),
    Signed(i64),
    Text(Text<'v>),
    /// Bytes that are written in base64.
    Base64(&'v [u8]),
    /// Checked JSON, which is written without white space and with the fewest escapes.
    Json(&'v [u8]),
    /// The members that are there, in the order of their table.
    Object(&'static [Member], &'v dyn Values),
    /// The elements up to the first that is absent.
    Array(&'v dyn Values),
}

/// What has numbered values: an object its members', an array its elements.
pub(crate) trait Values {
    /// The value with number `index`; [`Out::Absent`] past the last.
    fn value(&self, index: usize) -> Out<'_>;
}

/// How deep objects and arrays may stand in an object that is written.
pub(crate) const MAX_LEVELS: usize = 2;

/// An object or array under way.
struct Level<'v> {
    /// `None` for an array.
    members: Option<&'static [Member]>,
    values: &'v dyn Values,
    next: usize,
}

/// Writes JSON into a buffer of the caller's, counting on when it is full.
///
/// A full buffer does not stop the count, so that the error at the end tells exactly how many bytes it takes.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// A rule the value breaks, kept until the end.
    fault: Option<Error>,
    /// Where the next member of the object being written goes: before it comes a comma or not.
    first: bool,
    /// The path of what is being written.
    pub(crate) field: Field,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0, fault: None, first: true, field: Field::BODY }
    }

    /// Bytes written so far, those past the buffer's end included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// Takes back all that was written after `len`, and the fault in it.
    pub(crate) fn rewind(&mut self, len: usize) {
        self.len = len;
        self.fault = None;
    }

    /// Says that the value being written breaks a rule of sending.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        let error = Error::new(kind, self.field, self.len);
        self.fault.get_or_insert(error);
    }

    /// What has gone wrong so far, with `reserve` bytes to come.
    pub(crate) fn check(&self, reserve: usize) -> Result<()> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let needed = self.len.saturating_add(reserve);
        let capacity = self.capacity();
        if needed > capacity {
            return Err(Error::new(ErrorKind::BufferFull { needed, capacity }, self.field, capacity));
        }
        Ok(())
    }

    /// Ends the writing.
    pub(crate) fn finish(self) -> Result<&'b [u8]> {
        self.check(0)?;
        Ok(self.buf.get(..self.len).unwrap_or_default())
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        // Two steps, so that the compiler sees the same length on both sides.
        if let Some(place) = self.buf.get_mut(self.len..).and_then(|room| room.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
        self.len = self.len.saturating_add(bytes.len());
    }

    /// Writes by the fast writer if all of it and a little more has room, or else by `careful`.
    #[inline]
    pub(crate) fn raw_or(&mut self, fast: impl FnOnce(Room<'_>) -> Option<Room<'_>>, careful: impl FnOnce(&mut Self)) {
        let room = self.buf.get_mut(self.len..).map(Room::new);
        match room.and_then(fast).map(|room| room.len()) {
            Some(left) => self.len = self.buf.len().saturating_sub(left),
            None => careful(self),
        }
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        let mut digits = [0; MAX_INTEGER_LEN];
        self.raw(decimal(value, &mut digits).as_bytes());
    }

    pub(crate) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.raw(b"-");
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Writes a JSON string. Only what RFC 8259 demands is escaped.
    pub(crate) fn text(&mut self, text: Text<'_>) {
        self.raw(b"\"");
        match text.as_str() {
            Some(plain) => self.escaped(plain.as_bytes()),
            None => {
                for char in text.chars() {
                    let mut utf8 = [0; 4];
                    self.escaped(char.encode_utf8(&mut utf8).as_bytes());
                }
            }
        }
        self.raw(b"\"");
    }

    fn escaped(&mut self, mut text: &[u8]) {
        loop {
            let (plain, rest) = text.split_at_checked(plain_len(text)).unwrap_or((text, &[]));
            self.raw(plain);
            let Some((&byte, rest)) = rest.split_first() else { return };
            let (bytes, len) = escape(byte);
            self.raw(bytes.get(..len).unwrap_or_default());
            text = rest;
        }
    }

    /// Writes bytes as a JSON string of standard base64 (RFC 4648, section 4).
    fn base64(&mut self, bytes: &[u8]) {
        self.raw(b"\"");
        for group in bytes.chunks(3) {
            let (mut bits, mut chars) = (0, [b'='; 4]);
            for place in 0..3 {
                bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or(0));
            }
            for char in chars.iter_mut().take(group.len() + 1) {
                *char = sextet(bits >> 18 & 63);
                bits <<= 6;
            }
            self.raw(&chars);
        }
        self.raw(b"\"");
    }

    /// Writes checked JSON without white space, its texts with the fewest escapes.
    fn checked(&mut self, mut json: &[u8]) {
        while let Some((&byte, rest)) = json.split_first() {
            json = rest;
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => {}
                b'"' => {
                    let (text, rest) = split_string(rest);
                    // It was checked as a part of its document.
                    let escaped = text.contains(&b'\\');
                    self.text(Text::from_json(core::str::from_utf8(text).unwrap_or_default(), escaped));
                    json = rest;
                }
                _ => self.raw(&[byte]),
            }
        }
    }

    /// Writes a value with all that is in it.
    pub(crate) fn value<'v>(&mut self, mut out: Out<'v>) {
        let (mut outer, mut level): (Option<Level<'v>>, Option<Level<'v>>) = (None, None);
        loop {
            match out {
                Out::Absent => {}
                Out::Unsigned(value) => self.unsigned(value),
                Out::Signed(value) => self.signed(value),
                Out::Text(text) => self.text(text),
                Out::Base64(bytes) => self.base64(bytes),
                Out::Json(json) => self.checked(json),
                Out::Object(members, values) => {
                    self.open_object();
                    outer = level.replace(Level { members: Some(members), values, next: 0 });
                }
                Out::Array(values) => {
                    self.open_array();
                    outer = level.replace(Level { members: None, values, next: 0 });
                }
            }
            out = loop {
                let Some(within) = &mut level else { return };
                let value = within.values.value(within.next);
                let member = within.members.map(|members| members.get(within.next));
                within.next += 1;
                match (member, value) {
                    (Some(Some(_)), Out::Absent) => {}
                    (Some(Some(member)), value) => {
                        self.key(member.name);
                        break value;
                    }
                    (None, Out::Absent) => {
                        self.close_array();
                        level = outer.take();
                    }
                    (None, value) => {
                        self.separate();
                        break value;
                    }
                    (Some(None), _) => {
                        self.close_object();
                        level = outer.take();
                    }
                }
            };
        }
    }

    /// Opens an object.
    pub(crate) fn open_object(&mut self) {
        self.raw(b"{");
        self.first = true;
    }

    /// Closes an object; what follows stands after a value.
    pub(crate) fn close_object(&mut self) {
        self.raw(b"}");
        self.first = false;
    }

    /// Writes the comma before a member or element, if one is due, and makes the next one due.
    pub(crate) fn separate(&mut self) {
        if !self.first {
            self.raw(b",");
        }
        self.first = false;
    }

    /// Writes a key of this crate's own, which needs no escapes.
    pub(crate) fn key(&mut self, name: &'static str) {
        self.separate();
        self.raw(b"\"");
        self.raw(name.as_bytes());
        self.raw(b"\":");
    }

    /// Opens an array.
    pub(crate) fn open_array(&mut self) {
        self.raw(b"[");
        self.first = true;
    }

    /// Closes an array; what follows stands after a value.
    pub(crate) fn close_array(&mut self) {
        self.raw(b"]");
        self.first = false;
    }
}

/// The escape of a byte that a JSON string cannot hold as it is, and how many of the bytes are it.
pub(crate) fn escape(byte: u8) -> ([u8; 6], usize) {
    let short = match byte {
        b'"' | b'\\' => byte,
        8 => b'b',
        9 => b't',
        10 => b'n',
        12 => b'f',
        13 => b'r',
        _ => {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
            return ([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)], 6);
        }
    };
    ([b'\\', short, 0, 0, 0, 0], 2)
}

/// Splits what follows a quote at the quote that ends the string, which goes with neither part.
fn split_string(json: &[u8]) -> (&[u8], &[u8]) {
    let mut escaping = false;
    let end = json.iter().position(|&byte| {
        let ends = byte == b'"' && !escaping;
        escaping = byte == b'\\' && !escaping;
        ends
    });
    let (text, rest) = json.split_at_checked(end.unwrap_or(json.len())).unwrap_or((json, &[]));
    (text, rest.get(1..).unwrap_or_default())
}

/// The character of six bits in base64.
fn sextet(bits: u32) -> u8 {
    let bits = u8::try_from(bits).unwrap_or(0);
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
