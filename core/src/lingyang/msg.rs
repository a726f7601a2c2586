//! The message itself: up to 256 bytes of anything, in base64 on the wire.
//!
//! Encoding and decoding are this crate's own: they work on a string as it stands in JSON, escapes and all (PHP writes
//! `\/` for `/`), need no second buffer, and have no panic to link into a device's image.

use core::fmt;

use crate::{
    Error, ErrorKind, Field, Text, Unit,
    json::{schema::Kind, slice::Slice, value::Value, values::Values, write::Writer},
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
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Msg<'a>(Inner<'a>);

#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Inner<'a> {
    /// Checked base64, and how many bytes it stands for.
    Base64(Text<'a>, u16),
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
            Ok(len) => Ok(Self(Inner::Base64(text, len))),
            Err(kind) => Err(Error::new(kind, Field::top("msg"), 0)),
        }
    }

    /// Bytes in the message.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Inner::Base64(_, len) => usize::from(len),
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
            Inner::Base64(text, _) => (text, &[][..]),
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
        match self.0 {
            Inner::Bytes(bytes) => out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
            Inner::Base64(text, _) => match text.plain() {
                Some(base64) => decode(base64, out),
                None => {
                    // What has been checked is no longer than this.
                    let mut plain = [0; MAX_MSG_BASE64_LEN];
                    decode(text.copy_bytes_to(&mut plain)?, out);
                }
            },
        }
        Ok(out)
    }
}

impl<'a> Value<'a> for Msg<'a> {
    const KIND: Kind = Kind::Checked(|text| check_chars(text).err());

    fn empty() -> Self {
        Self(Inner::Bytes(&[]))
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        let text = values.text(index);
        Self(Inner::Base64(text, check_chars(text).unwrap_or_default()))
    }

    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        let text = slice.string_past(groups_len)?;
        let Some(plain) = text.as_str() else {
            return check(text).ok().map(|len| Self(Inner::Base64(text, len)));
        };
        // All of them are groups; only the last one may be padded.
        let len = match plain.as_bytes().last_chunk::<4>() {
            Some(last) => plain.len() / 4 * 3 - 3 + last_len(*last)?,
            None => 0,
        };
        if len > MAX_MSG_BYTES {
            return None;
        }
        Some(Self(Inner::Base64(text, u16::try_from(len).ok()?)))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match self.0 {
            // Checked base64 is the only one of its bytes.
            Inner::Base64(text, _) => writer.text(text),
            Inner::Bytes(bytes) => writer.base64(bytes),
        }
    }
}

impl PartialEq for Msg<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.bytes().eq(other.bytes())
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
        let mut writer = Writer::new(&mut base64);
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

#[inline]
fn sextet(byte: u8) -> u8 {
    SEXTETS.get(usize::from(byte)).copied().unwrap_or(NO_SEXTET)
}

/// Checks that `text` is standard base64 (RFC 4648, section 4), padded to groups of four, no bits left over, and returns
/// how many bytes it stands for.
fn check(text: Text<'_>) -> Result<u16, ErrorKind> {
    if let Some(plain) = text.plain() {
        return check_plain(plain);
    }
    // One group more than there may be, so that what is too long is told from what is no base64, as far as that.
    let mut plain = [0; MAX_MSG_BASE64_LEN + 4];
    match text.copy_bytes_to(&mut plain) {
        Ok(plain) => check_plain(plain),
        Err(_) => check_chars(text).map_err(|kind| *kind),
    }
}

/// The same, character by character: for texts of any length, and where code must be small.
#[inline(never)]
fn check_chars(text: Text<'_>) -> Result<u16, &'static ErrorKind> {
    let (mut count, mut padding, mut last, mut wrong) = (0usize, 0usize, 0, 0);
    for char in text.chars() {
        count += 1;
        if char == '=' {
            padding += 1;
            continue;
        }
        last = sextet_of(char);
        // Nothing but padding may follow padding.
        wrong |= last | if padding > 0 { NO_SEXTET } else { 0 };
    }
    // Each character of padding leaves two bits of the last sextet over.
    let left_over = last & ((1u8 << (2 * padding.min(3))) - 1);
    if padding > 2 || wrong & NO_SEXTET != 0 || !count.is_multiple_of(4) || left_over != 0 {
        return Err(&ErrorKind::NotBase64);
    }
    let len = (count / 4 * 3).saturating_sub(padding);
    if len > MAX_MSG_BYTES { Err(&TOO_LONG) } else { u16::try_from(len).map_err(|_| &TOO_LONG) }
}

/// The six bits a character stands for, without a table; a character outside of ASCII stands for none.
fn sextet_of(char: char) -> u8 {
    match char {
        'A'..='Z' => char as u8 - b'A',
        'a'..='z' => char as u8 - b'a' + 26,
        '0'..='9' => char as u8 - b'0' + 52,
        '+' => 62,
        '/' => 63,
        _ => NO_SEXTET,
    }
}

fn check_plain(base64: &[u8]) -> Result<u16, ErrorKind> {
    if groups_len(base64) != base64.len() {
        return Err(ErrorKind::NotBase64);
    }
    let Some(last) = base64.last_chunk::<4>() else { return Ok(0) };
    let len = base64.len() / 4 * 3 - 3 + last_len(*last).ok_or(ErrorKind::NotBase64)?;
    if len > MAX_MSG_BYTES { Err(TOO_LONG) } else { u16::try_from(len).map_err(|_| TOO_LONG) }
}

/// How many bytes at the start are groups of four characters, up to and with the first padded one.
#[inline]
fn groups_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // Where there are vectors of 16 bytes, looking at the ranges costs less than looking up each byte.
    while let Some((sixteen, after)) = rest.split_first_chunk::<16>() {
        if !sixteen.iter().fold(true, |all, &byte| all & in_alphabet(byte)) {
            break;
        }
        rest = after;
    }
    while let Some((four, after)) = rest.split_first_chunk::<4>() {
        let (ends, given) = match four {
            [b'"', ..] => break,
            [given @ .., b'=', b'='] => (true, &given[..]),
            [given @ .., b'='] => (true, &given[..]),
            given => (false, &given[..]),
        };
        if given.iter().fold(0, |all, &byte| all | sextet(byte)) & NO_SEXTET != 0 {
            break;
        }
        rest = after;
        if ends {
            break;
        }
    }
    bytes.len() - rest.len()
}

#[inline(always)]
fn in_alphabet(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    letter | (byte.wrapping_sub(b'0') < 10) | (byte == b'+') | (byte == b'/')
}

/// How many bytes the last group stands for, unless bits are left over.
#[inline]
fn last_len(group: [u8; 4]) -> Option<usize> {
    match group {
        [_, b, b'=', b'='] => (sextet(b) & 0b1111 == 0).then_some(1),
        [_, _, c, b'='] => (sextet(c) & 0b11 == 0).then_some(2),
        _ => Some(3),
    }
}

/// Decodes checked base64 into just as many bytes as it stands for.
fn decode(base64: &[u8], out: &mut [u8]) {
    let (pairs, groups) = base64.as_chunks::<8>();
    let (sixes, rest) = out.as_chunks_mut::<6>();
    for (six, pair) in sixes.iter_mut().zip(pairs) {
        let bits = pair.iter().fold(0, |bits, &byte| bits << 6 | u64::from(sextet(byte)));
        let [_, _, bytes @ ..] = bits.to_be_bytes();
        *six = bytes;
    }
    // What is left are the bytes of one group, or of a pair that is padded.
    let groups = if groups.is_empty() { pairs.last().map_or(&[][..], |pair| pair) } else { groups };
    for (bytes, group) in rest.chunks_mut(3).zip(groups.as_chunks::<4>().0) {
        let group = group.map(|byte| if byte == b'=' { b'A' } else { byte });
        bytes.iter_mut().zip(decode_group(group)).for_each(|(to, from)| *to = from);
    }
}

#[inline]
fn decode_group(group: [u8; 4]) -> [u8; 3] {
    let [a, b, c, d] = group.map(|byte| u32::from(sextet(byte)));
    let [_, bytes @ ..] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
    bytes
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
            let sextet = Some(sextet_of(self.chars.next()?)).filter(|bits| bits & NO_SEXTET == 0)?;
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
    fn a_message_of_every_length_is_copied_out() {
        for len in 0..=MAX_MSG_BYTES {
            let bytes: Vec<u8> = (0..len).map(|at| ((at * 37) ^ 0xf3).to_le_bytes()[0]).collect();
            let base64 = BASE64_STANDARD.encode(&bytes);
            let escaped = base64.replace('/', r"\/");
            for text in [Text::from(&*base64), Text::from_json(&escaped, true)] {
                let msg = Msg::from_base64(text).unwrap();
                assert_eq!(msg.len(), len);
                let mut buf = std::vec![0; len];
                assert_eq!(msg.copy_to(&mut buf).unwrap(), bytes);
                assert!(msg.bytes().eq(bytes.iter().copied()));
                assert!(len == 0 || msg.copy_to(&mut buf[1..]).is_err());
            }
        }
    }

    #[test]
    fn what_is_too_long_is_told_from_what_is_no_base64() {
        let long = "AAAA".repeat(100);
        for (text, expected) in [
            (long.clone(), TOO_LONG),
            (long.clone() + r"\/AA=", TOO_LONG),
            (long.clone() + r"\/A=A", ErrorKind::NotBase64),
            (long.clone() + r"\/", ErrorKind::NotBase64),
            (String::from(r"\/A==") + &long, ErrorKind::NotBase64),
        ] {
            let escaped = text.contains('\\');
            assert_eq!(Msg::from_base64(Text::from_json(&text, escaped)).unwrap_err().kind(), expected, "{text}");
        }
    }

    #[test]
    fn no_byte_over_the_limit() {
        let text = |bytes: usize| -> String { BASE64_STANDARD.encode(std::vec![7; bytes]) };
        assert_eq!(Msg::from_base64(text(256).as_str().into()).unwrap().len(), 256);
        assert_eq!(Msg::from_base64(text(257).as_str().into()).unwrap_err().kind(), TOO_LONG);
        assert!(Msg::from_bytes(&[0; 257]).is_err());
    }
}
