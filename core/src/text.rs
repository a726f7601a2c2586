//! A JSON string as it came: borrowed, checked, unescaped on demand.
//!
//! A reader cannot hand out `&str` for a string with escapes without a buffer to unescape into. [`Text`] keeps the
//! string as it stands in the input and lets the caller compare it, walk through it, or copy it out unescaped.

use core::{cmp, fmt, hash, str};

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
#[derive(Clone, Copy, Default)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Takes the inside of a JSON string whose every rule has been checked.
    pub(crate) const fn from_json(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The text itself when it stands unescaped in the input, as it nearly always does; `None` when it has escapes.
    #[must_use]
    pub const fn as_str(&self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The text as it stands in JSON, or the plain text when it has no escapes.
    pub(crate) const fn as_json(&self) -> &'a str {
        self.raw
    }

    /// Whether the text has no characters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The unescaped characters.
    #[must_use]
    pub fn chars(&self) -> Chars<'a> {
        Chars { rest: self.raw.chars(), escaped: self.escaped }
    }

    /// The unescaped text's length in bytes of UTF-8.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.escaped { self.chars().map(char::len_utf8).sum() } else { self.raw.len() }
    }

    /// Copies the unescaped text to the start of `buf`.
    ///
    /// A buffer as long as the input always holds it: no escape is shorter than what it stands for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] with the length needed, when `buf` is shorter than that.
    pub fn copy_to<'b>(&self, buf: &'b mut [u8]) -> Result<&'b str, Error> {
        let needed = self.len();
        let capacity = buf.len();
        let full = Error::new(ErrorKind::BufferFull { needed, capacity }, Field::BODY, 0);
        let out = buf.get_mut(..needed).ok_or(full)?;
        if let Some(text) = self.as_str() {
            out.copy_from_slice(text.as_bytes());
        } else {
            let mut at = 0;
            for char in self.chars() {
                let end = at + char.len_utf8();
                char.encode_utf8(out.get_mut(at..end).ok_or(full)?);
                at = end;
            }
        }
        str::from_utf8(out).map_err(|_| full)
    }

    /// The text as a `String`, borrowed when it has no escapes.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_cow(&self) -> alloc::borrow::Cow<'a, str> {
        match self.as_str() {
            Some(text) => alloc::borrow::Cow::Borrowed(text),
            None => alloc::borrow::Cow::Owned(self.chars().collect()),
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self { raw: text, escaped: false }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_str(), other.as_str()) {
            (Some(a), Some(b)) => a == b,
            _ => self.chars().eq(other.chars()),
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
        self.chars().cmp(other.chars())
    }
}

impl hash::Hash for Text<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        for char in self.chars() {
            state.write_u32(u32::from(char));
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.chars().try_for_each(|char| fmt::Write::write_char(f, char)),
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

/// The unescaped characters of a [`Text`].
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    rest: str::Chars<'a>,
    escaped: bool,
}

impl Chars<'_> {
    fn unit(&mut self) -> u32 {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | self.rest.next().and_then(|digit| digit.to_digit(16)).unwrap_or(0);
        }
        unit
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let char = self.rest.next()?;
        if !self.escaped || char != '\\' {
            return Some(char);
        }
        Some(match self.rest.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = self.unit();
                if (0xd800..0xdc00).contains(&code) {
                    self.rest.next();
                    self.rest.next();
                    let low = self.unit();
                    code = 0x10000 + ((code - 0xd800) << 10) + (low & 0x3ff);
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        })
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
    fn copies_out_into_just_enough_room() {
        let mut buf = [0; 64];
        assert_eq!(SPELLED.copy_to(&mut buf).unwrap(), PLAIN);
        let needed = PLAIN.len();
        assert_eq!(SPELLED.copy_to(&mut buf[..needed]).unwrap(), PLAIN);
        let error = SPELLED.copy_to(&mut buf[..needed - 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BufferFull { needed, capacity: needed - 1 });
    }

    #[test]
    fn equal_texts_hash_alike() {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let hash = |text: Text<'_>| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(SPELLED), hash(PLAIN.into()));
        assert_eq!(SPELLED.cmp(&PLAIN.into()), cmp::Ordering::Equal);
    }
}
