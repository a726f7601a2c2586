//! Bounds on identifiers: how deliveries are found by their time, and by what their id begins with.
//!
//! An identifier begins with the time it was made, so a span of time is a span of identifiers, and so is everything that
//! begins with the same digits: each is found by the walk that finds a page.

use std::fmt;

use super::{DeliveryId, Millis};

/// Is a span of identifiers, all of them unless it was narrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdRange {
    /// The first inside.
    from: Option<DeliveryId>,
    /// The first behind it.
    before: Option<DeliveryId>,
}

/// The times an identifier can hold: 48 bits of milliseconds.
const TIMES: Millis = 1 << 48;

impl IdRange {
    /// Leaves those made at `at` or after.
    ///
    /// # Errors
    /// Fails for a time that no identifier holds.
    pub fn since(self, at: Millis) -> Result<Self, NoSuchTime> {
        Ok(self.not_below(DeliveryId::from_bits(time(at)?)))
    }

    /// Leaves those made before `at`.
    ///
    /// # Errors
    /// Fails for a time that no identifier holds.
    pub fn until(self, at: Millis) -> Result<Self, NoSuchTime> {
        Ok(self.below(DeliveryId::from_bits(time(at)?)))
    }

    /// Leaves those whose hexadecimal digits begin with `digits`.
    ///
    /// # Errors
    /// Fails for anything but 1 to 32 lowercase hexadecimal digits.
    pub fn beginning(self, digits: &str) -> Result<Self, NoPrefix> {
        let plain = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if digits.is_empty() || digits.len() > 32 || !plain {
            return Err(NoPrefix);
        }
        let prefix = u128::from_str_radix(digits, 16).map_err(|_| NoPrefix)?;
        let open = 4 * (32 - u32::try_from(digits.len()).unwrap_or(32));
        let last = if open == 128 { u128::MAX } else { prefix << open | ((1 << open) - 1) };
        let narrowed = self.not_below(DeliveryId::from_bits(prefix << open));
        Ok(match last.checked_add(1) {
            Some(behind) => narrowed.below(DeliveryId::from_bits(behind)),
            None => narrowed,
        })
    }

    /// Leaves those below `id`.
    #[must_use]
    pub fn below(self, id: DeliveryId) -> Self {
        Self { before: Some(self.before.map_or(id, |before| before.min(id))), ..self }
    }

    fn not_below(self, id: DeliveryId) -> Self {
        Self { from: Some(self.from.map_or(id, |from| from.max(id))), ..self }
    }

    /// Says whether an upper bound was set.
    #[must_use]
    pub fn has_end(&self) -> bool {
        self.before.is_some()
    }

    /// Says whether a lower bound was set.
    #[must_use]
    pub fn has_start(&self) -> bool {
        self.from.is_some()
    }

    /// The first inside and the first behind, as bytes. No identifier has all bits set, so that bound takes in all.
    pub(super) fn bounds(&self) -> [[u8; 16]; 2] {
        let (from, before) = (self.from.map(|id| *id.as_bytes()), self.before.map(|id| *id.as_bytes()));
        [from.unwrap_or([0; 16]), before.unwrap_or([0xff; 16])]
    }
}

fn time(at: Millis) -> Result<u128, NoSuchTime> {
    if at < TIMES { Ok(u128::from(at) << 80) } else { Err(NoSuchTime) }
}

/// Reports a time that no identifier can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchTime;

impl fmt::Display for NoSuchTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be in unix milliseconds, from 0 to {}", TIMES - 1)
    }
}

impl std::error::Error for NoSuchTime {}

/// Reports a text that no identifier begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPrefix;

impl fmt::Display for NoPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be 1 to 32 lowercase hexadecimal digits that an id begins with")
    }
}

impl std::error::Error for NoPrefix {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(range: IdRange) -> [String; 2] {
        range.bounds().map(|bound| DeliveryId::from_bytes(bound).to_string())
    }

    #[test]
    fn a_span_of_time_or_of_digits_is_a_span_of_identifiers() {
        let zeros = |digits: &str| format!("{digits:0<32}");
        let all = IdRange::default();
        for (range, from, before) in [
            (all, zeros(""), "f".repeat(32)),
            (all.since(0x018f_abcd_0000).unwrap(), zeros("018fabcd"), "f".repeat(32)),
            (all.until(0x018f_abcd_0001).unwrap(), zeros(""), zeros("018fabcd0001")),
            (all.beginning("018").unwrap(), zeros("018"), zeros("019")),
            (all.beginning("0").unwrap(), zeros("0"), zeros("1")),
            (all.beginning("ff").unwrap(), zeros("ff"), "f".repeat(32)),
            (all.beginning(&"1".repeat(32)).unwrap(), "1".repeat(32), "1".repeat(31) + "2"),
            (all.beginning("018").unwrap().since(0x0180_0000_0001).unwrap(), zeros("018000000001"), zeros("019")),
            (all.below(DeliveryId::from_bits(5)).until(9).unwrap(), zeros(""), format!("{:0>32}", "5")),
        ] {
            assert_eq!(shown(range), [from, before], "{range:?}");
        }
        assert_eq!(all.since(1 << 48), Err(NoSuchTime));
        assert_eq!(all.until(u64::MAX), Err(NoSuchTime));
        for digits in ["", "g", "0G", "0A", "+1", "é", &"0".repeat(33)] {
            assert_eq!(all.beginning(digits), Err(NoPrefix), "{digits}");
        }
        let id = DeliveryId::new();
        let [from, before] = all.beginning(&id.to_string()[..12]).unwrap().bounds();
        assert!(from <= *id.as_bytes() && *id.as_bytes() < before);
        let own = all.since(id.made_at()).unwrap().until(id.made_at() + 1).unwrap();
        assert_eq!(own.bounds(), [from, before], "the first twelve digits are the time");
    }
}
