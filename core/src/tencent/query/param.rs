//! One parameter of a query, as it came: still percent-encoded, decoded while it is compared or copied.

use core::{fmt, str};

use crate::{Error, ErrorKind, Field};

/// A parameter of a query.
///
/// It borrows the query and keeps it as it came; what it compares, iterates and copies is the decoded value, with every
/// `%XX` as its byte and every `+` as a space.
///
/// ```
/// use pushgate_core::tencent::query::CallbackQuery;
///
/// let query = CallbackQuery::parse("OptPlatform=Web%20%2B+iOS")?;
/// let platform = query.opt_platform().ok_or("no platform")?;
/// assert_eq!(platform, "Web + iOS");
/// assert_eq!(platform.copy_to(&mut [0; 16])?, "Web + iOS");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Param<'a> {
    name: &'static str,
    raw: &'a str,
}

impl<'a> Param<'a> {
    /// Takes a value that [`is_well_formed`].
    pub(super) const fn new(name: &'static str, raw: &'a str) -> Self {
        Self { name, raw }
    }

    /// Its name, as the page spells it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its value as it came, percent-encoded.
    #[must_use]
    pub const fn as_raw(&self) -> &'a str {
        self.raw
    }

    /// Says whether there is nothing behind the `=`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The bytes of the decoded value, which need not be UTF-8.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        decoded(self.raw)
    }

    /// Copies the decoded value into `out` and returns it. It is never longer than [`as_raw`](Self::as_raw).
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`] when `out` is too small, with the length that is needed; [`ErrorKind::InvalidUtf8`]
    /// when the decoded value is no text.
    pub fn copy_to<'b>(&self, out: &'b mut [u8]) -> Result<&'b str, Error> {
        let needed = self.bytes().count();
        let capacity = out.len();
        let Some(room) = out.get_mut(..needed) else {
            return Err(Error::new(ErrorKind::BufferFull { needed, capacity }, Field::top(self.name), 0));
        };
        for (to, from) in room.iter_mut().zip(self.bytes()) {
            *to = from;
        }
        str::from_utf8(room)
            .map_err(|error| Error::new(ErrorKind::InvalidUtf8, Field::top(self.name), error.valid_up_to()))
    }
}

impl PartialEq<str> for Param<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl PartialEq<&str> for Param<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        f.write_str("=")?;
        f.write_str(self.raw)
    }
}

/// Says whether every `%` in `raw` is followed by two hex digits.
pub(super) fn is_well_formed(raw: &str) -> bool {
    raw.split('%')
        .skip(1)
        .all(|rest| matches!(rest.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// Decodes `raw`. A `%` without two hex digits behind it stands for itself.
pub(super) fn decoded(raw: &str) -> Decoded<'_> {
    Decoded(raw.as_bytes())
}

#[derive(Clone)]
pub(super) struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.0
            && let Some(byte) = escaped(*high, *low)
        {
            self.0 = rest;
            return Some(byte);
        }
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(if *first == b'+' { b' ' } else { *first })
    }
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let high = crate::hex::value(high.to_ascii_lowercase())?;
    let low = crate::hex::value(low.to_ascii_lowercase())?;
    Some(high << 4 | low)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn percent_escapes_and_plus_are_decoded() {
        for (raw, expected) in [
            ("", b"" as &[u8]),
            ("1400000000", b"1400000000"),
            ("a+b", b"a b"),
            ("a%20b", b"a b"),
            ("a%2Bb%2bc", b"a+b+c"),
            ("%25%32%30", b"%20"),
            ("%00%ff", b"\x00\xff"),
            ("é%C3%A9", "éé".as_bytes()),
        ] {
            assert!(is_well_formed(raw), "{raw}");
            assert!(Param::new("Sign", raw).bytes().eq(expected.iter().copied()), "{raw}");
        }
    }

    #[test]
    fn a_percent_sign_alone_is_not_well_formed() {
        for raw in ["%", "%4", "%4x", "%x4", "%%41", "%41%", "a%4", "%4%31", "%é", "%+1", "% 1"] {
            assert!(!is_well_formed(raw), "{raw}");
            // Names are compared decoded before anything is known of them.
            assert!(decoded(raw).count() <= raw.len(), "{raw}");
        }
    }

    #[test]
    fn a_parameter_compares_decoded_and_whole() {
        let param = Param::new("SdkAppid", "14%300");
        assert_eq!(param, "1400");
        assert_ne!(param, "140");
        assert_ne!(param, "14000");
        assert_ne!(param, "14%300");
    }

    #[test]
    fn a_parameter_is_copied_into_a_buffer_of_its_decoded_length() {
        let param = Param::new("OptPlatform", "%41%42%43");
        assert_eq!(param.copy_to(&mut [0; 3]), Ok("ABC"));
        assert_eq!(param.copy_to(&mut [0; 4]), Ok("ABC"));
        for capacity in 0..3 {
            let error = param.copy_to(&mut [0; 3][..capacity]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BufferFull { needed: 3, capacity });
            assert_eq!(error.field(), Field::top("OptPlatform"));
        }
    }

    #[test]
    fn a_parameter_that_is_no_text_is_not_copied_as_one() {
        let error = Param::new("ClientIP", "ab%ff").copy_to(&mut [0; 8]).unwrap_err();
        assert_eq!(error, Error::new(ErrorKind::InvalidUtf8, Field::top("ClientIP"), 2));
        assert_eq!(error.to_string(), "ClientIP: not UTF-8");
    }
}
