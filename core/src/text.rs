//! A JSON string as it came: borrowed, checked, unescaped on demand.
//!
//! A reader cannot hand out `&str` for a string with escapes without a buffer to unescape into. [`Text`] keeps the
//! string as it stands in the input and lets the caller compare it, walk through it, or copy it out unescaped.

mod unescape;

use core::{cmp, fmt, hash, str};

use unescape::{code_unit, control, pair, unescape};

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
        match self.as_str() {
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
        let copied = match self.as_str() {
            Some(text) => buf.get_mut(..text.len()).map(|out| {
                out.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
                text.len()
            }),
            None => unescape(self.raw.as_bytes(), buf),
        };
        let Some(len) = copied else {
            let full = ErrorKind::BufferFull { needed: self.len(), capacity: buf.len() };
            return Err(Error::new(full, Field::BODY, 0));
        };
        // What was checked when it was read is text still.
        Ok(str::from_utf8(buf.get(..len).unwrap_or_default()).unwrap_or_default())
    }

    /// The text as a `String`, borrowed when it has no escapes.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_cow(&self) -> alloc::borrow::Cow<'a, str> {
        match self.as_str() {
            Some(text) => alloc::borrow::Cow::Borrowed(text),
            None => {
                let mut text = alloc::string::String::with_capacity(self.raw.len());
                self.pieces().for_each(|piece| text.push_str(piece.encode(&mut [0; 4])));
                alloc::borrow::Cow::Owned(text)
            }
        }
    }

    /// Whether it is `other`, by the smallest code.
    #[inline(never)]
    pub(crate) fn is(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }

    fn pieces(&self) -> Pieces<'a> {
        Pieces(self.chars())
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
            (None, Some(plain)) => spells(self, plain),
            (Some(plain), None) => spells(other, plain),
            (None, None) => self.raw == other.raw || self.chars().eq(other.chars()),
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
        match (self.as_str(), other.as_str()) {
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
            block.add(piece.encode(&mut [0; 4]).as_bytes(), state);
        }
        block.flush(state);
        state.write_u8(0xff);
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => self.pieces().try_for_each(|piece| f.write_str(piece.encode(&mut [0; 4]))),
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
    /// The code unit of four hexadecimal digits, which have been checked.
    fn unit(&mut self) -> u32 {
        let digits = self.rest.as_str().as_bytes().first_chunk().copied().unwrap_or_default();
        self.rest.nth(3);
        code_unit(digits)
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        let char = self.rest.next()?;
        if !self.escaped || char != '\\' {
            return Some(char);
        }
        let escape = self.rest.next()?;
        if escape != 'u' {
            return Some(char::from(control(u8::try_from(escape).unwrap_or(b'?'))));
        }
        let mut code = self.unit();
        if (0xd800..0xdc00).contains(&code) {
            self.rest.nth(1);
            code = pair(code, self.unit());
        }
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

/// The runs between escapes, and the characters that escapes stand for.
struct Pieces<'a>(Chars<'a>);

enum Piece<'a> {
    Run(&'a str),
    Char(char),
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0.rest.as_str();
        let run = if self.0.escaped { rest.find('\\').unwrap_or(rest.len()) } else { rest.len() };
        if run == 0 {
            return self.0.next().map(Piece::Char);
        }
        let (run, rest) = rest.split_at_checked(run)?;
        self.0.rest = rest.chars();
        Some(Piece::Run(run))
    }
}

impl<'a> Piece<'a> {
    fn encode<'e>(self, buf: &'e mut [u8; 4]) -> &'e str
    where
        'a: 'e,
    {
        match self {
            Self::Run(run) => run,
            Self::Char(char) => char.encode_utf8(buf),
        }
    }
}

/// Whether `escaped` stands for `plain`.
fn spells(escaped: &Text<'_>, plain: &str) -> bool {
    let rest = escaped.pieces().try_fold(plain, |plain, piece| plain.strip_prefix(piece.encode(&mut [0; 4])));
    rest == Some("")
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
