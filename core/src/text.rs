//! A JSON string as it came: borrowed, checked, unescaped on demand.
//!
//! A reader cannot hand out `&str` for a string with escapes without a buffer to unescape into. [`Text`] keeps the
//! string as it stands in the input and lets the caller compare it, walk through it, or copy it out unescaped.

mod chars;
mod unescape;

use core::{cmp, fmt, hash, str};

pub(crate) use chars::Chars;
use chars::Pieces;
pub(crate) use unescape::control;
use unescape::unescape;

use crate::{Error, ErrorKind, Field};

/// The text of a JSON string, borrowed from the input or from a plain `&str`.
///
/// Comparison, hashing, iteration and output all speak of the unescaped text: how the sender escaped it makes no
/// difference.
///
/// ```
/// use pushgate_core::Text;
///
/// let text = Text::from("短信");
/// assert_eq!(text, "短信");
/// let mut buf = [0; 16];
/// assert_eq!(text.copy_to(&mut buf).unwrap(), "短信");
/// assert_eq!(text.chars().count(), 2);
/// ```
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Text<'a>(Raw<'a>);

/// A text as it came.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Raw<'a> {
    /// Without escapes.
    Plain(&'a str),
    /// Without escapes, and found to be UTF-8 by a reader that is not the language's: only who asks for a `&str` needs
    /// the language's own check, and pays for it.
    Utf8(&'a [u8]),
    /// The inside of a JSON string, with escapes, found to be UTF-8.
    Escaped(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Takes the inside of a JSON string whose every rule has been checked.
    pub(crate) const fn from_json(raw: &'a str, escaped: bool) -> Self {
        if escaped { Self(Raw::Escaped(raw.as_bytes())) } else { Self(Raw::Plain(raw)) }
    }

    /// Takes the bytes inside of a JSON string whose every rule has been checked, that of being UTF-8 among them.
    pub(crate) const fn from_utf8_json(raw: &'a [u8], escaped: bool) -> Self {
        if escaped { Self(Raw::Escaped(raw)) } else { Self::from_utf8(raw) }
    }

    /// Takes bytes that are known to be UTF-8.
    pub(crate) const fn from_utf8(bytes: &'a [u8]) -> Self {
        Self(Raw::Utf8(bytes))
    }

    /// The text itself when it stands unescaped in the input, as it nearly always does; `None` when it has escapes.
    #[must_use]
    #[inline]
    pub const fn as_str(&self) -> Option<&'a str> {
        match self.0 {
            Raw::Plain(text) => Some(text),
            Raw::Utf8(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(_) => None,
            },
            Raw::Escaped(_) => None,
        }
    }

    /// The bytes of [`as_str`](Self::as_str), for who needs no `str` and must not pay for one.
    #[inline]
    pub(crate) const fn plain(&self) -> Option<&'a [u8]> {
        if self.is_escaped() { None } else { Some(self.as_json()) }
    }

    /// The text as it stands in JSON, or the plain text when it has no escapes.
    #[inline]
    pub(crate) const fn as_json(&self) -> &'a [u8] {
        match self.0 {
            Raw::Plain(text) => text.as_bytes(),
            Raw::Utf8(bytes) | Raw::Escaped(bytes) => bytes,
        }
    }

    const fn is_escaped(&self) -> bool {
        matches!(self.0, Raw::Escaped(_))
    }

    /// Whether the text has no characters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.as_json().is_empty()
    }

    /// The unescaped characters.
    #[must_use]
    pub fn chars(&self) -> Chars<'a> {
        Chars::new(self.as_json(), self.is_escaped())
    }

    /// The unescaped text's length in bytes of UTF-8.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.plain() {
            Some(text) => text.len(),
            None => self.pieces().map(|piece| piece.encode(&mut [0; 4]).len()).sum(),
        }
    }

    /// Copies the unescaped text to the start of `buf`.
    ///
    /// A buffer as long as the input always holds it: no escape is shorter than what it stands for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] with the length needed, when `buf` is shorter than that.
    pub fn copy_to<'b>(&self, buf: &'b mut [u8]) -> Result<&'b str, Error> {
        // What was checked when it was read is text still.
        Ok(str::from_utf8(self.copy_bytes_to(buf)?).unwrap_or_default())
    }

    /// As [`copy_to`](Self::copy_to), for who needs the bytes of the text alone: a device that never asks for a `&str`
    /// does not carry the language's check of UTF-8.
    ///
    /// # Errors
    ///
    /// Those of [`copy_to`](Self::copy_to).
    ///
    /// ```
    /// use pushgate_core::Text;
    ///
    /// assert_eq!(Text::from("m1").copy_bytes_to(&mut [0; 32])?, b"m1");
    /// # Ok::<(), pushgate_core::Error>(())
    /// ```
    pub fn copy_bytes_to<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let copied = match self.plain() {
            Some(text) => buf.get_mut(..text.len()).map(|out| {
                out.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
                text.len()
            }),
            None => unescape(self.as_json(), buf),
        };
        let Some(len) = copied else {
            let full = ErrorKind::BufferFull { needed: self.len(), capacity: buf.len() };
            return Err(Error::new(full, Field::BODY, 0));
        };
        Ok(buf.get(..len).unwrap_or_default())
    }

    /// The text as a `String`, borrowed when it has no escapes.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_cow(&self) -> alloc::borrow::Cow<'a, str> {
        match self.as_str() {
            Some(text) => alloc::borrow::Cow::Borrowed(text),
            None => {
                // No escape is shorter than what it stands for.
                let mut text = alloc::vec![0; self.as_json().len()];
                let len = unescape(self.as_json(), &mut text).unwrap_or_default();
                text.truncate(len);
                alloc::borrow::Cow::Owned(alloc::string::String::from_utf8(text).unwrap_or_default())
            }
        }
    }

    /// Whether it is `word`, which is ASCII, by the smallest code.
    #[inline(never)]
    pub(crate) fn is(&self, word: &str) -> bool {
        let mut chars = self.chars();
        word.bytes().all(|byte| chars.next() == Some(char::from(byte))) && chars.next().is_none()
    }

    fn pieces(&self) -> Pieces<'a> {
        Pieces::new(self.chars())
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self(Raw::Plain(""))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Raw::Plain(text))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.plain(), other.plain()) {
            (Some(a), Some(b)) => a == b,
            (None, Some(plain)) => spells(self, plain),
            (Some(plain), None) => spells(other, plain),
            (None, None) => self.as_json() == other.as_json() || self.chars().eq(other.chars()),
        }
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        *self == Text::from(other)
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == Text::from(*other)
    }
}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        match (self.plain(), other.plain()) {
            // The order of UTF-8 is that of the characters.
            (Some(a), Some(b)) => a.cmp(b),
            _ => self.chars().cmp(other.chars()),
        }
    }
}

impl hash::Hash for Text<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        // In blocks, so that the hasher is told the same however the text is escaped.
        let mut block = Block::default();
        for piece in self.pieces() {
            block.add(piece.encode(&mut [0; 4]), state);
        }
        block.flush(state);
        state.write_u8(0xff);
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.pieces().try_for_each(|piece| {
                // A run between escapes is whole characters.
                f.write_str(str::from_utf8(piece.encode(&mut [0; 4])).unwrap_or_default())
            }),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        fmt::Display::fmt(self, f)?;
        f.write_str("\"")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(self),
        }
    }
}

/// Borrows from the input, so a format that unescapes into a buffer of its own cannot give it: use the crate's own
/// readers for JSON that may hold escapes.
#[cfg(feature = "serde")]
impl<'de: 'a, 'a> serde::Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str as serde::Deserialize>::deserialize(deserializer).map(Text::from)
    }
}

/// Whether `escaped` stands for `plain`.
fn spells(escaped: &Text<'_>, plain: &[u8]) -> bool {
    let rest = escaped.pieces().try_fold(plain, |plain, piece| plain.strip_prefix(piece.encode(&mut [0; 4])));
    rest.is_some_and(<[u8]>::is_empty)
}

/// What a hasher is told at once.
struct Block {
    bytes: [u8; Self::LEN],
    len: usize,
}

impl Default for Block {
    fn default() -> Self {
        Self { bytes: [0; Self::LEN], len: 0 }
    }
}

impl Block {
    const LEN: usize = 64;

    fn add(&mut self, mut bytes: &[u8], state: &mut impl hash::Hasher) {
        while !bytes.is_empty() {
            if self.len == Self::LEN {
                self.flush(state);
            }
            let room = self.bytes.get_mut(self.len..).unwrap_or_default();
            let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.len += now.len();
            bytes = later;
        }
    }

    fn flush(&mut self, state: &mut impl hash::Hasher) {
        state.write(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const SPELLED: Text<'static> = Text::from_json(r#"a\"\\\/\b\f\n\r\t\u77ed\uD83d\uDe00z"#, true);
    const PLAIN: &str = "a\"\\/\u{8}\u{c}\n\r\t短😀z";

    #[test]
    fn every_escape_stands_for_its_character() {
        assert_eq!(SPELLED.to_string(), PLAIN);
        assert_eq!(SPELLED, PLAIN);
        assert_eq!(SPELLED.len(), PLAIN.len());
        assert_eq!(SPELLED.as_str(), None);
        assert!(SPELLED != Text::from("a"));
    }

    #[test]
    fn bytes_found_to_be_text_are_that_text() {
        for plain in ["", "a", "短信😀é\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\\"] {
            let (text, bytes) = (Text::from(plain), Text::from_utf8(plain.as_bytes()));
            assert_eq!(bytes, text);
            assert_eq!(bytes.cmp(&text), cmp::Ordering::Equal);
            assert_eq!(hash(bytes), hash(text));
            assert_eq!(bytes.as_str(), Some(plain));
            assert_eq!(bytes.to_string(), plain);
            assert_eq!((bytes.len(), bytes.is_empty()), (plain.len(), plain.is_empty()));
            assert!(bytes.chars().eq(plain.chars()) && text.chars().eq(plain.chars()));
            assert_eq!(bytes.copy_bytes_to(&mut [0; 64]), Ok(plain.as_bytes()));
            assert_eq!(bytes.copy_to(&mut [0; 64]), Ok(plain));
            #[cfg(feature = "alloc")]
            assert_eq!(bytes.to_cow(), plain);
        }
        let spelled = SPELLED.as_json();
        assert_eq!(Text::from_utf8_json(spelled, true), PLAIN);
        assert!(SPELLED.chars().eq(PLAIN.chars()));
        assert!(Text::from_utf8_json(br"o\u006b", true).is("ok"));
        assert!(!Text::from("okay").is("ok") && !Text::from("o").is("ok") && !Text::from("ök").is("ok"));
    }

    #[test]
    fn copies_out_into_just_enough_room() {
        let mut buf = [0; 64];
        assert_eq!(SPELLED.copy_to(&mut buf).unwrap(), PLAIN);
        let needed = PLAIN.len();
        assert_eq!(SPELLED.copy_to(&mut buf[..needed]).unwrap(), PLAIN);
        let error = SPELLED.copy_to(&mut buf[..needed - 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BufferFull { needed, capacity: needed - 1 });
    }

    #[test]
    fn every_code_unit_and_pair_is_its_character() {
        let step = if cfg!(miri) { 997 } else { 1 };
        for code in (0..=u32::from(char::MAX)).step_by(step) {
            let Some(char) = char::from_u32(code) else { continue };
            let spelled: std::string::String =
                char.encode_utf16(&mut [0; 2]).iter().map(|unit| std::format!("\\u{unit:04X}")).collect();
            let text = Text::from_json(&spelled, true);
            let mut utf8 = [0; 4];
            assert_eq!(text.copy_to(&mut utf8).unwrap().chars().next(), Some(char), "{spelled}");
            assert!(text.chars().eq([char]), "{spelled}");
        }
    }

    #[test]
    fn runs_of_every_length_stand_between_escapes() {
        let step = if cfg!(miri) { 7 } else { 1 };
        for before in (0..20).step_by(step) {
            for after in (0..20).step_by(step) {
                let (a, b) = ("a".repeat(before), "é".repeat(after));
                let spelled = std::format!(r"{a}\u597d\u7684\n{b}\/{a}\ud83d\ude00{b}\u0041\u00e9");
                let plain = std::format!("{a}好的\n{b}/{a}😀{b}Aé");
                let text = Text::from_json(&spelled, true);
                assert_eq!(text, *plain);
                assert_ne!(text, plain[..plain.len() - 2]);
                assert_ne!(Text::from(&*std::format!("{plain}.")), text);
                assert_eq!(text.len(), plain.len());
                assert_eq!(text.to_string(), plain);
                let mut buf = std::vec![0; plain.len()];
                assert_eq!(text.copy_to(&mut buf).unwrap(), plain);
                buf.pop();
                assert!(text.copy_to(&mut buf).is_err());
                #[cfg(feature = "alloc")]
                assert_eq!(text.to_cow(), plain);
                assert_eq!(hash(text), hash(Text::from(&*plain)));
            }
        }
    }

    fn hash(text: Text<'_>) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn equal_texts_hash_alike() {
        assert_eq!(hash(SPELLED), hash(PLAIN.into()));
        assert_eq!(SPELLED.cmp(&PLAIN.into()), cmp::Ordering::Equal);
    }
}
