//! The message itself: up to 256 bytes of anything, in base64 on the wire.
//!
//! Encoding and decoding are this crate's own: they work on a string as it stands in JSON, escapes and all (PHP writes
//! `\/` for `/`), need no second buffer, and have no panic to link into a device's image.

use core::fmt;

use crate::{
    Error, ErrorKind, Field, Text, Unit,
    json::{
        cursor::{Cursor, Result as JsonResult},
        schema::Value,
        slice::Slice,
        write::Out,
    },
};

/// Bytes a message may have: "at most 256 **bytes**, 256 allowed" (the Lingyang page, from the seed).
pub const MAX_MSG_BYTES: usize = 256;

/// Characters of base64 that [`MAX_MSG_BYTES`] take.
pub const MAX_MSG_BASE64_LEN: usize = MAX_MSG_BYTES.div_ceil(3) * 4;

/// A message of at most [`MAX_MSG_BYTES`] bytes: binary, never text.
///
/// ```
/// use pushgate_core::lingyang::Msg;
///
/// let msg = Msg::from_base64("aGVsbG8=".into()).unwrap();
/// let mut buf = [0; 256];
/// assert_eq!(msg.copy_to(&mut buf).unwrap(), b"hello");
/// assert_eq!(msg, Msg::from_bytes(b"hello").unwrap());
/// ```
#[derive(Clone, Copy)]
pub struct Msg<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    /// Checked base64.
    Base64(Text<'a>),
    Bytes(&'a [u8]),
}

impl<'a> Msg<'a> {
    /// Takes a message as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] past [`MAX_MSG_BYTES`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_MSG_BYTES {
            return Err(Error::new(TOO_LONG, Field::top("msg"), 0));
        }
        Ok(Self(Inner::Bytes(bytes)))
    }

    /// Takes a message in standard base64 with padding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotBase64`]; [`ErrorKind::TooLong`] past [`MAX_MSG_BYTES`].
    pub fn from_base64(text: Text<'a>) -> Result<Self, Error> {
        match check(text) {
            Ok(()) => Ok(Self(Inner::Base64(text))),
            Err(kind) => Err(Error::new(kind, Field::top("msg"), 0)),
        }
    }

    /// Bytes in the message.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Base64(text) => {
                let padding = text.chars().filter(|&char| char == '=').count();
                (text.len() / 4 * 3).saturating_sub(padding)
            }
            Inner::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message's bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let (text, bytes) = match self.0 {
            Inner::Base64(text) => (text, &[][..]),
            Inner::Bytes(bytes) => (Text::default(), bytes),
        };
        Decode { chars: text.chars(), bits: 0, held: 0 }.chain(bytes.iter().copied())
    }

    /// Copies the message's bytes to the start of `buf`; [`MAX_MSG_BYTES`] are always enough.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] with the length it takes.
    pub fn copy_to<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let (needed, capacity) = (self.len(), buf.len());
        let full = ErrorKind::BufferFull { needed, capacity };
        let out = buf.get_mut(..needed).ok_or(Error::new(full, Field::top("msg"), 0))?;
        for (to, from) in out.iter_mut().zip(self.bytes()) {
            *to = from;
        }
        Ok(out)
    }
}

impl<'a> Value<'a> for Msg<'a> {
    fn empty() -> Self {
        Self(Inner::Bytes(&[]))
    }

    fn read(cursor: &mut Cursor<'a>) -> JsonResult<Self> {
        cursor.peek();
        let start = cursor.offset();
        let text = cursor.string()?;
        check(text).map_err(|kind| cursor.error(kind, start))?;
        Ok(Self(Inner::Base64(text)))
    }

    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        let text = slice.string()?;
        check(text).ok()?;
        Some(Self(Inner::Base64(text)))
    }

    fn out(&self) -> Out<'_> {
        match self.0 {
            // Checked base64 is the only one of its bytes.
            Inner::Base64(text) => Out::Text(text),
            Inner::Bytes(bytes) => Out::Base64(bytes),
        }
    }
}

impl PartialEq for Msg<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Msg<'_> {}

/// Shows the length only: what devices tell each other stays out of logs.
impl fmt::Debug for Msg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Msg(")?;
        f.write_str(crate::json::decimal(self.len() as u64, &mut [0; crate::json::MAX_INTEGER_LEN]))?;
        f.write_str(" bytes)")
    }
}

/// As its base64.
#[cfg(feature = "serde")]
impl serde::Serialize for Msg<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut base64 = [0; MAX_MSG_BASE64_LEN + 2];
        let mut writer = crate::json::write::Writer::new(&mut base64);
        Value::write(self, &mut writer);
        let quoted = writer.finish().map_err(serde::ser::Error::custom)?;
        let text = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        serializer.serialize_str(core::str::from_utf8(text).unwrap_or_default())
    }
}

/// Borrows the base64 from the input.
#[cfg(feature = "serde")]
impl<'de: 'a, 'a> serde::Deserialize<'de> for Msg<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Text<'a> as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_base64(text).map_err(serde::de::Error::custom)
    }
}

const TOO_LONG: ErrorKind = ErrorKind::TooLong { limit: 256, unit: Unit::Bytes };
const _: () = assert!(MAX_MSG_BYTES == 256, "the limit the error names is the limit");

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The six bits each byte stands for; [`NO_SEXTET`] for one that stands for none.
#[expect(clippy::indexing_slicing, reason = "runs when the crate is compiled, where a panic is a compile error")]
const SEXTETS: [u8; 256] = {
    let mut sextets = [NO_SEXTET; 256];
    let mut bits = 0;
    while bits < 64 {
        sextets[ALPHABET[bits as usize] as usize] = bits;
        bits += 1;
    }
    sextets
};

/// No six bits: a bit that no sextet has.
const NO_SEXTET: u8 = 0x80;

fn sextet(byte: u8) -> u8 {
    SEXTETS.get(usize::from(byte)).copied().unwrap_or(NO_SEXTET)
}

/// Checks that `text` is standard base64 (RFC 4648, section 4): padded to groups of four, no bits left over.
fn check(text: Text<'_>) -> Result<(), ErrorKind> {
    if let Some(text) = text.as_str() {
        return check_bytes(text.bytes());
    }
    // A character outside of ASCII has no base64 meaning, whatever its number.
    check_bytes(text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')))
}

fn check_bytes(bytes: impl Iterator<Item = u8>) -> Result<(), ErrorKind> {
    let (mut count, mut padding, mut last, mut wrong) = (0usize, 0usize, 0, 0);
    for byte in bytes {
        count += 1;
        if byte == b'=' {
            padding += 1;
            continue;
        }
        last = sextet(byte);
        wrong |= last;
        // Nothing but padding may follow padding.
        wrong |= if padding > 0 { NO_SEXTET } else { 0 };
    }
    let left_over = match padding {
        0 => 0,
        1 => last & 0b11,
        2 => last & 0b1111,
        _ => return Err(ErrorKind::NotBase64),
    };
    if wrong & NO_SEXTET != 0 || !count.is_multiple_of(4) || left_over != 0 {
        return Err(ErrorKind::NotBase64);
    }
    if (count / 4 * 3).saturating_sub(padding) > MAX_MSG_BYTES {
        return Err(TOO_LONG);
    }
    Ok(())
}

/// The bytes of checked base64.
struct Decode<'a> {
    chars: crate::text::Chars<'a>,
    bits: u16,
    held: u8,
}

impl Iterator for Decode<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            let sextet = Some(sextet(u8::try_from(self.chars.next()?).ok()?)).filter(|bits| bits & NO_SEXTET == 0)?;
            self.bits = self.bits << 6 | u16::from(sextet);
            self.held += 6;
            if self.held >= 8 {
                self.held -= 8;
                let byte = self.bits >> self.held & 0xff;
                self.bits &= 0xff;
                return u8::try_from(byte).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use proptest::prelude::*;
    use std::{format, string::String, vec::Vec};

    use crate::json::write::Writer;

    use super::*;

    fn decode(text: &str) -> Option<Vec<u8>> {
        Msg::from_base64(Text::from(text)).ok().map(|msg| msg.bytes().collect())
    }

    proptest! {
        #[test]
        fn bytes_go_both_ways_as_the_base64_crate_has_them(bytes in proptest::collection::vec(any::<u8>(), 0..=MAX_MSG_BYTES)) {
            let expected = BASE64_STANDARD.encode(&bytes);
            let msg = Msg::from_bytes(&bytes).unwrap();
            let mut buf = [0; MAX_MSG_BASE64_LEN + 2];
            let mut writer = Writer::new(&mut buf);
            Value::write(&msg, &mut writer);
            let quoted = format!("\"{expected}\"");
            prop_assert_eq!(writer.finish().unwrap(), quoted.as_bytes());
            prop_assert_eq!(decode(&expected), Some(bytes));
        }

        #[test]
        fn what_is_no_base64_for_the_crate_is_none_here(text in "[A-Za-z0-9+/=_ -]{0,24}") {
            prop_assert_eq!(decode(&text), BASE64_STANDARD.decode(&text).ok());
        }
    }

    #[test]
    fn a_slash_that_php_escaped_is_a_slash() {
        let escaped = Msg::from_base64(Text::from_json(r"\/\/79", true)).unwrap();
        assert_eq!(escaped, Msg::from_base64("//79".into()).unwrap());
        assert_eq!(escaped.len(), 3);
    }

    #[test]
    fn no_byte_over_the_limit() {
        let text = |bytes: usize| -> String { BASE64_STANDARD.encode(std::vec![7; bytes]) };
        assert_eq!(Msg::from_base64(text(256).as_str().into()).unwrap().len(), 256);
        assert_eq!(Msg::from_base64(text(257).as_str().into()).unwrap_err().kind(), TOO_LONG);
        assert!(Msg::from_bytes(&[0; 257]).is_err());
    }
}
