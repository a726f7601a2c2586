//! Device ids, and the ranges of them that belong to an app.
//!
//! A cid names a device or an app client in every message, token and webhook of Lingyang. A receiver finds the app a
//! cid belongs to by the app's [`CidRange`]s, and with the app the keys its tokens are signed with.

use core::{fmt, num::NonZeroU32};

/// A device id: a u32 that is not 0, as the page "pushing custom messages" has it.
///
/// ```
/// use pushgate_core::lingyang::cid::Cid;
///
/// let cid = Cid::new(5003062).ok_or("cid 0 names no device")?;
/// assert_eq!(cid.value(), 5003062);
/// assert_eq!(Cid::new(0), None);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "u32", into = "u32"))]
pub struct Cid(NonZeroU32);

impl Cid {
    /// Makes a device id of `value`; `None` for 0.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number, never 0.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for Cid {
    type Error = ZeroCid;

    fn try_from(value: u32) -> Result<Self, ZeroCid> {
        Self::new(value).ok_or(ZeroCid)
    }
}

impl From<NonZeroU32> for Cid {
    fn from(value: NonZeroU32) -> Self {
        Self(value)
    }
}

impl From<Cid> for u32 {
    fn from(cid: Cid) -> Self {
        cid.value()
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; crate::json::MAX_INTEGER_LEN];
        f.write_str(crate::json::decimal(u64::from(self.value()), &mut digits))
    }
}

/// The number 0 stands where a device id must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroCid;

impl fmt::Display for ZeroCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cid must be from 1 to 4294967295; 0 names no device")
    }
}

impl core::error::Error for ZeroCid {}

/// A closed range of device ids: one of those an app owns.
///
/// ```
/// use pushgate_core::lingyang::cid::{Cid, CidRange};
///
/// let range = CidRange::new(Cid::try_from(1003200)?, Cid::try_from(1003299)?).ok_or("the last id is below the first")?;
/// assert!(range.contains(Cid::try_from(1003299)?));
/// assert!(!range.contains(Cid::try_from(1003300)?));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CidRange {
    first: Cid,
    last: Cid,
}

impl CidRange {
    /// Makes the range from `first` to `last`, both inside it; `None` when `last` is below `first`.
    #[must_use]
    pub const fn new(first: Cid, last: Cid) -> Option<Self> {
        if last.value() < first.value() {
            return None;
        }
        Some(Self { first, last })
    }

    /// The least id inside.
    #[must_use]
    pub const fn first(self) -> Cid {
        self.first
    }

    /// The greatest id inside.
    #[must_use]
    pub const fn last(self) -> Cid {
        self.last
    }

    /// Says whether the app that owns this range owns `cid`.
    #[must_use]
    pub const fn contains(self, cid: Cid) -> bool {
        self.first.value() <= cid.value() && cid.value() <= self.last.value()
    }

    /// Says whether any id is inside both, which must not be for the ranges of two apps: a token would have two.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.first.value() <= other.last.value() && other.first.value() <= self.last.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn range(first: u32, last: u32) -> Option<CidRange> {
        CidRange::new(Cid::new(first)?, Cid::new(last)?)
    }

    #[test]
    fn a_cid_is_a_u32_and_not_0() {
        assert_eq!(Cid::try_from(0), Err(ZeroCid));
        for value in [1, 5_003_062, u32::MAX] {
            let cid = Cid::try_from(value).unwrap();
            assert_eq!((cid.value(), u32::from(cid), cid.to_string()), (value, value, value.to_string()));
        }
        assert!(Cid::new(9) < Cid::new(10), "order is that of the numbers");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_cid_is_a_number_in_json_too() {
        let cid = Cid::new(5_003_062).unwrap();
        assert_eq!(serde_json::to_string(&cid).unwrap(), "5003062");
        assert_eq!(serde_json::from_str::<Cid>("5003062").unwrap(), cid);
        for text in ["0", "-1", "4294967296", "1.0", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Cid>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_app_owns_closed_ranges() {
        let owned = range(1_003_200, 1_003_299).unwrap();
        for (cid, expected) in [
            (1, false),
            (1_003_199, false),
            (1_003_200, true),
            (1_003_299, true),
            (1_003_300, false),
            (u32::MAX, false),
        ] {
            assert_eq!(owned.contains(Cid::new(cid).unwrap()), expected, "{cid}");
        }
        assert_eq!(range(8, 7), None);
        assert!(range(7, 7).unwrap().contains(Cid::new(7).unwrap()));
        assert!(range(1, u32::MAX).unwrap().contains(Cid::new(u32::MAX).unwrap()));
    }

    #[test]
    fn ranges_overlap_when_they_share_an_id() {
        for (other, expected) in
            [((1, 9), false), ((1, 10), true), ((12, 13), true), ((1, 99), true), ((20, 30), true), ((21, 30), false)]
        {
            let (ours, other) = (range(10, 20).unwrap(), range(other.0, other.1).unwrap());
            assert_eq!(ours.overlaps(other), expected, "{other:?}");
            assert_eq!(other.overlaps(ours), expected, "{other:?}");
        }
    }
}
