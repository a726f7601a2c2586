//! Writing JSON into the caller's buffer.

use crate::{Error, ErrorKind, Field, Text};

use super::{MAX_INTEGER_LEN, cursor::Result, decimal, slice::plain_len};

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
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buf.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
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
            self.escape(byte);
            text = rest;
        }
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw(br#"\""#),
            b'\\' => self.raw(br"\\"),
            8 => self.raw(br"\b"),
            9 => self.raw(br"\t"),
            10 => self.raw(br"\n"),
            12 => self.raw(br"\f"),
            13 => self.raw(br"\r"),
            _ => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
                self.raw(br"\u00");
                self.raw(&[digit(byte >> 4), digit(byte & 15)]);
            }
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
