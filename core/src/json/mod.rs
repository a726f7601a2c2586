//! Strict JSON (RFC 8259) in bounded memory: the rules all three protocols share.
//!
//! Unquoted keys, comments, trailing commas, raw control characters in strings, lone surrogates, leading zeros, bytes
//! that are not UTF-8 and bytes after the value are refused with their offset. Nothing here recurses: nesting costs a
//! bit a level and ends at [`MAX_DEPTH`].
//!
//! The members of a payload are declared once, as data (`schema.rs`). From that come three readers: one that walks the
//! tables byte by byte, from chunks of any size, and knows every payload and every error ([`ChunkReader`] and the
//! protocols' own batch readers); a smaller one that walks the tables of a flat object which lies in memory as a whole
//! (the frames of the device link and the answers: all that most devices read); and one that is generated for the payload
//! and reads a whole slice at once (for hosts). Likewise two writers, both generated: of calls (small), and inlined for
//! the items of a batch (fast). Which one is at work makes no difference but of speed and size.

pub(crate) mod batch;
mod chunks;
pub(crate) mod flat;
pub(crate) mod list;
pub(crate) mod memory;
pub(crate) mod object;
pub(crate) mod open_enum;
pub(crate) mod room;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod slice;
pub(crate) mod table;
pub(crate) mod value;
pub(crate) mod values;
pub(crate) mod write;

pub use chunks::{ChunkReader, Payload};
pub(crate) use chunks::{Chunks, Whole};

use schema::Kind;
use values::Values;
use write::Writer;

use crate::{Error, Text};

/// Levels of arrays and objects a document may have, all counted from its first bracket ("nesting bounded (default
/// 32)": the page on rules for all three; ours).
pub const MAX_DEPTH: u32 = 32;

/// The longest text of a 64-bit integer: `-9223372036854775808` and `18446744073709551615` have 20 bytes.
pub const MAX_INTEGER_LEN: usize = 20;

/// Checks that `document` is one JSON value and nothing else.
///
/// # Errors
///
/// The first byte that breaks the grammar, or [`MAX_DEPTH`].
///
/// ```
/// assert!(pushgate_core::json::check(br#"{"any": ["value", 1e9, null]}"#).is_ok());
/// assert_eq!(pushgate_core::json::check(b"[1,]").unwrap_err().offset(), 3);
/// ```
pub fn check(document: &[u8]) -> Result<(), Error> {
    value::read_by_table(document, Kind::Any, u32::MAX, &mut |_, _| {}, |_, _| ())
}

/// Writes `document` without white space, with the fewest escapes, into `buf`.
///
/// Numbers stay as they are spelled; members keep their order, repeated ones included. The result is never longer
/// than the document.
///
/// # Errors
///
/// Those of [`check`], and [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
pub fn compact<'b>(document: &[u8], buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
    check(document)?;
    let mut writer = Writer::new(buf);
    write_compact(document, &mut writer, write_text);
    writer.finish()
}

/// Writes a checked value without its white space, every string by `write_text`.
fn write_compact<'b>(mut value: &[u8], writer: &mut Writer<'b>, write_text: impl Fn(&mut Writer<'b>, Text<'_>)) {
    while let Some((&byte, rest)) = value.split_first() {
        value = rest;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                let (text, rest) = split_text(rest);
                write_text(writer, text);
                value = rest;
            }
            _ => writer.byte(byte),
        }
    }
}

/// Splits a checked text, from behind its opening quote on, from what follows its closing one.
pub(crate) fn split_text(bytes: &[u8]) -> (Text<'_>, &[u8]) {
    let (mut escaped, mut escape) = (false, false);
    let end = bytes.iter().position(|&byte| {
        let ends = byte == b'"' && !escape;
        escape = byte == b'\\' && !escape;
        escaped |= escape;
        ends
    });
    let (text, rest) = end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]));
    (Text::from_utf8_json(text, escaped), rest.get(1..).unwrap_or_default())
}

fn write_text(writer: &mut Writer<'_>, text: Text<'_>) {
    writer.fast_or(|room| room.byte(b'"')?.text(text), |writer| writer.text(text));
}

/// Runs one of this crate's writers until its buffer is large enough, and returns what it wrote.
///
/// The first try has 512 bytes; each further one has what [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull)
/// asked for. `write` is called again from the start each time, so it must write the same thing from the front of
/// whatever buffer it is given, as the writers of this crate do.
///
/// # Errors
///
/// Those of `write`, except a full buffer.
///
/// ```
/// use pushgate_core::{json, uplink};
///
/// let body = json::to_vec(|buf| uplink::Reply::OK.write(buf))?;
/// assert_eq!(body, br#"{"code":0,"message":"ok"}"#);
/// # Ok::<(), pushgate_core::Error>(())
/// ```
#[cfg(feature = "alloc")]
pub fn to_vec(
    mut write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error>,
) -> Result<alloc::vec::Vec<u8>, Error> {
    let mut buf = alloc::vec![0; 512];
    loop {
        match write(&mut buf).map(<[u8]>::len) {
            Ok(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            Err(error) => match error.kind() {
                // A writer that asks for no more than it had would ask for ever.
                crate::ErrorKind::BufferFull { needed, .. } if needed > buf.len() => buf.resize(needed, 0),
                _ => return Err(error),
            },
        }
    }
}

/// A checked JSON value, kept as it came because its meaning is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Takes a document as a value to be kept as it is.
    ///
    /// # Errors
    ///
    /// Those of [`check`].
    pub fn parse(document: &'a [u8]) -> Result<Self, Error> {
        check(document)?;
        Ok(Self(document))
    }

    pub(crate) fn checked(value: &'a [u8]) -> Self {
        Self(value)
    }

    /// The value's bytes as they came.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> value::Value<'a> for Raw<'a> {
    const KIND: Kind = Kind::Raw;

    fn empty() -> Self {
        Self(b"null")
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        Self(values.raw(index))
    }

    fn read_plain(slice: &mut slice::Slice<'a>) -> Option<Self> {
        slice.skip().map(|value| Self(value.as_bytes()))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.json(self.0);
    }
}

/// As a text: JSON inside of whatever format it goes to.
#[cfg(feature = "serde")]
impl serde::Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(core::str::from_utf8(self.0).unwrap_or_default())
    }
}

/// Writes `n` in decimal into the end of `digits` and returns that text.
pub(crate) fn decimal(mut n: u64, digits: &mut [u8; MAX_INTEGER_LEN]) -> &str {
    let mut start = MAX_INTEGER_LEN;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        start = place;
        if n == 0 {
            break;
        }
    }
    digits.get(start..).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or("")
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::{format, vec::Vec};

    use crate::{ErrorKind, Field};

    use super::*;

    #[test]
    fn to_vec_grows_to_what_is_needed_and_no_further() {
        for len in [0, 1, 510, 511, if cfg!(miri) { 1000 } else { 100_000 }] {
            let document = format!("\"{}\"", "x".repeat(len));
            let mut tries = Vec::new();
            let written = to_vec(|buf| {
                tries.push(buf.len());
                compact(document.as_bytes(), buf)
            });
            assert_eq!(written.unwrap(), document.as_bytes());
            let expected = if len <= 510 { &[512][..] } else { &[512, len + 2] };
            assert_eq!(tries, expected, "{len}");
        }
    }

    #[test]
    fn to_vec_hands_on_every_other_error_and_never_loops() {
        assert_eq!(to_vec(|buf| compact(b"[1,]", buf)).unwrap_err().offset(), 3);
        let greedy = Error::new(ErrorKind::BufferFull { needed: 512, capacity: 512 }, Field::BODY, 0);
        assert_eq!(to_vec(|_| Err(greedy)), Err(greedy));
    }
}
