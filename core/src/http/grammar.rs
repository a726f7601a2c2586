//! What a head is made of: characters, words and numbers, for what is written and what is read alike.
//!
//! Each loop is here once, and `inline(never)` keeps it so in a device's image. Sets of characters are bits and the words
//! one text, which take the least flash of all ways tried.

use core::ops::RangeInclusive;

/// A set of characters: a bit for each of ASCII, and the last word for all above.
pub(super) struct Class([u32; 5]);

/// A token, such as a header's name (RFC 9110, section 5.6.2).
pub(super) static TOKEN: Class = Class::of(&[
    b'!'..=b'!',
    b'#'..=b'\'',
    b'*'..=b'+',
    b'-'..=b'.',
    b'0'..=b'9',
    b'A'..=b'Z',
    b'^'..=b'z',
    b'|'..=b'|',
    b'~'..=b'~',
]);

/// A header's value or a line of a head: no control character but the tab (RFC 9110, section 5.5).
pub(super) static VALUE: Class = Class::of(&[b'\t'..=b'\t', b' '..=b'~', 0x80..=0xff]);

/// A target: what is visible, without what begins a fragment (RFC 9112, section 3.2.1).
pub(super) static TARGET: Class = Class::of(&[b'!'..=b'"', b'$'..=b'~']);

/// A host and a port: of a target's characters those that do not end or split a host (RFC 3986, section 3.2, without
/// user information).
pub(super) static HOST: Class =
    Class::of(&[b'!'..=b'"', b'$'..=b'+', b'-'..=b'.', b'0'..=b'>', b'A'..=b'[', b']'..=b'~']);

impl Class {
    #[expect(clippy::indexing_slicing, reason = "at compile time, where a panic is an error")]
    const fn of(ranges: &[RangeInclusive<u8>]) -> Self {
        let mut set = [0; 5];
        let mut rest = ranges;
        while let [range, after @ ..] = rest {
            let mut byte = *range.start();
            loop {
                set[Self::word(byte)] |= 1 << (byte & 31);
                if byte == *range.end() {
                    break;
                }
                byte += 1;
            }
            rest = after;
        }
        Self(set)
    }

    /// Which word of the set has a byte's bit.
    const fn word(byte: u8) -> usize {
        if byte < 0x80 { byte as usize >> 5 } else { 4 }
    }

    /// Whether a byte is of this class.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0.get(Self::word(byte)).is_some_and(|bits| bits >> (byte & 31) & 1 != 0)
    }

    /// How many bytes from the front on are of this class.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn span(&self, text: &[u8]) -> usize {
        text.iter().take_while(|byte| self.has(**byte)).count()
    }
}

/// The words that a head is understood by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Chunked,
    Close,
    KeepAlive,
}

/// All of them in their order, in lower case, each with a comma after it.
static WORDS: &[u8] = b"host,content-length,transfer-encoding,connection,chunked,close,keep-alive,";

impl Word {
    /// The word that a text is, in upper or lower case.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let (mut index, mut len) = (0, 0);
        for &byte in WORDS {
            if byte != b',' {
                len = match text.get(len) {
                    Some(found) if found.to_ascii_lowercase() == byte => len + 1,
                    _ => usize::MAX,
                };
            } else if len == text.len() {
                return Some(match index {
                    0 => Self::Host,
                    1 => Self::ContentLength,
                    2 => Self::TransferEncoding,
                    3 => Self::Connection,
                    4 => Self::Chunked,
                    5 => Self::Close,
                    _ => Self::KeepAlive,
                });
            } else {
                index += 1;
                len = 0;
            }
        }
        None
    }
}

/// Whether two words are the same but for upper and lower case.
pub(super) const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, after_a @ ..], [b, after_b @ ..]) = (one, other) {
        if !a.eq_ignore_ascii_case(b) {
            return false;
        }
        (one, other) = (after_a, after_b);
    }
    one.is_empty() && other.is_empty()
}

/// A text without the white space around it (RFC 9110, section 5.6.3).
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// As [`trim`], from one place on.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn trim_from(text: &[u8], from: usize) -> &[u8] {
    trim(text.get(from..).unwrap_or_default())
}

/// The number that a text begins with and how many digits it has: none when it takes more than 32 bits.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn number(text: &[u8], base: u32) -> (u32, usize) {
    let (mut number, mut digits) = (0, 0);
    for &byte in text {
        let digit = match byte {
            b'0'..=b'9' => u32::from(byte & 15),
            _ => u32::from(byte | 0x20).wrapping_sub(u32::from(b'a')).saturating_add(10),
        };
        if digit >= base {
            break;
        }
        match u32::try_from(u64::from(number) * u64::from(base) + u64::from(digit)) {
            Ok(longer) => number = longer,
            Err(_) => return (0, 0),
        }
        digits += 1;
    }
    (number, digits)
}

/// The bytes `from` one place `to` another; nothing where there is no such place.
#[cfg_attr(target_os = "none", inline(never))]
pub(super) fn between(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}
