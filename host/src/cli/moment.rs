//! A point in time on the command line: how long ago, a date, or unix milliseconds.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// A point in time, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

/// What a moment looks like, for help and errors.
const FORMS: &str =
    "how long ago (90s, 15m, 2h, 7d), a UTC time (2026-11-22 or 2026-11-22T10:00:00Z) or unix milliseconds";

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::read(text, u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).ok_or_else(|| format!("must be {FORMS}"))
    }
}

impl Moment {
    fn read(text: &str, now: u64) -> Option<Self> {
        if text.contains('-') {
            return utc(text).map(|seconds| Self(seconds * 1000));
        }
        let digits = text.trim_end_matches(|unit: char| unit.is_ascii_lowercase());
        let number: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        let unit = match text.get(digits.len()..)? {
            "" => return Some(Self(number)),
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        now.checked_sub(number.checked_mul(unit)?).map(Self)
    }
}

/// Reads a date with or without a time, as unix seconds.
fn utc(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let right = (1..=*lengths.get(month)?).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let before = year.checked_sub(1).filter(|_| year >= 1970 && right)?;
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days =
        (year - 1970) * 365 + leap_days(before) - leap_days(1969) + lengths.iter().take(month).sum::<u64>() + day - 1;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, between: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut number = |width| {
        let part =
            parts.next().filter(|part| part.len() == width && part.bytes().all(|digit| digit.is_ascii_digit()))?;
        part.parse().ok()
    };
    let [a, b, c] = widths.map(&mut number);
    let all = [a?, b?, c?];
    parts.next().is_none().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::Utc;

    #[test]
    fn a_moment_is_an_age_a_date_or_milliseconds() {
        let now = 1_700_000_000_000;
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000123", Some(1_700_000_000_123)),
            ("90s", Some(now - 90_000)),
            ("15m", Some(now - 900_000)),
            ("2h", Some(now - 7_200_000)),
            ("7d", Some(now - 604_800_000)),
            ("99999999d", None),
            ("99999999999999999999", None),
            ("2h30m", None),
            ("1w", None),
            ("", None),
            ("h", None),
            ("+5", None),
            ("1970-01-01", Some(0)),
            ("1969-12-31", None),
            ("2016-09-28T03:05:47Z", Some(1_475_031_947_000)),
            ("2024-02-29", Some(1_709_164_800_000)),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-00-01", None),
            ("2023-1-01", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T10:00:00", None),
        ] {
            assert_eq!(Moment::read(text, now).map(|moment| moment.0), expected, "{text}");
        }
        for seconds in (0..253_402_300_800).step_by(86_399 * 97) {
            let shown = Utc(seconds).to_string();
            assert_eq!(Moment::read(&shown, now), Some(Moment(seconds * 1000)), "{shown}");
        }
    }
}
