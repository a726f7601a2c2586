//! How what came from elsewhere is shown to people: times, texts and messages, on one line and harmless to a terminal.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::{borrow::Cow, fmt};

/// Unix seconds, shown as `2016-09-28T03:05:47Z`; as the number itself past the year 9999, where the form ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Utc(pub(crate) u64);

/// A text whose control characters are spelled out: a sender shall not move the cursor of who reads it, nor begin a line.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if unprintable(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// A message for a device: as text when it is printable, else as `base64:…`.
pub(crate) fn message(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(unprintable) => text.to_owned(),
        _ => format!("base64:{}", BASE64_STANDARD.encode(bytes)),
    }
}

/// Control characters, and those that turn the direction of what stands around them.
fn unprintable(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first second of the year 10000.
const END: u64 = 253_402_300_800;

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= END {
            return write!(f, "{}", self.0);
        }
        let (year, month, day) = date(self.0 / 86_400);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The year, month and day that is `days` after 1970-01-01.
///
/// Years are counted from March here, so that the leap day is their last and the lengths of the months before it
/// repeat every five: 31, 30, 31, 30, 31.
fn date(days: u64) -> (u64, u64, u64) {
    const FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    const IN_400_YEARS: u64 = 146_097;
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (era, day) = (days / IN_400_YEARS, days % IN_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each as `date -u -d @SECONDS +%FT%TZ` has it.
    #[test]
    fn seconds_are_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_475_031_947, "2016-09-28T03:05:47Z"),
            (1_483_228_799, "2016-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_294_967_295, "2106-02-07T06:28:15Z"),
            (END - 1, "9999-12-31T23:59:59Z"),
            (END, "253402300800"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(Utc(seconds).to_string(), shown);
        }
    }
    #[test]
    fn no_text_speaks_to_the_terminal() {
        for (given, shown_as) in [
            ("短信 OK 😀", "短信 OK 😀"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{202e}evil\u{9b}", "\\u{202e}evil\\u{9b}"),
            ("a\u{200f}b", "a\\u{200f}b"),
        ] {
            assert_eq!(text(given), shown_as);
        }
    }

    #[test]
    fn a_message_is_text_when_it_is_printable() {
        for (bytes, shown_as) in [
            (&b"hello"[..], "hello"),
            ("短信".as_bytes(), "短信"),
            (b"", ""),
            (b"a\nb", "base64:YQpi"),
            (b"\xff\x00", "base64:/wA="),
        ] {
            assert_eq!(message(bytes), shown_as);
        }
    }
}
