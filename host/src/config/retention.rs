//! `[retention]`: how long what is finished stays.

use super::reader::Section;

/// How long what is finished stays, and how much of it; whatever exceeds either bound goes, the oldest first. All are
/// ours: the vendors document none of them. Pending deliveries always stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Seconds that a delivery stays after it was delivered or dropped. Default 604 800 (7 days), from 0 to 315 360 000
    /// (10 years).
    pub deliveries_s: u32,
    /// Deliveries that stay after they were delivered or dropped. Default 1 000 000, from 0 to 100 000 000.
    pub deliveries: u64,
    /// Seconds that a dead delivery waits to be replayed. Default 2 592 000 (30 days), from 60 to 315 360 000.
    pub dead_s: u32,
    /// Dead deliveries that stay. Default 1 000 000, from 1 to 100 000 000.
    pub dead: u64,
    /// Seconds that a received item stays in the inbox. Default 2 592 000 (30 days), from 60 to 315 360 000.
    pub inbox_s: u32,
    /// Items that stay in the inbox. Default 1 000 000, from 1 to 100 000 000.
    pub inbox: u64,
}

/// The longest time: ten years.
const LONGEST_S: u32 = 315_360_000;

const MOST: u64 = 100_000_000;

impl Default for Retention {
    fn default() -> Self {
        Self {
            deliveries_s: 604_800,
            deliveries: 1_000_000,
            dead_s: 2_592_000,
            dead: 1_000_000,
            inbox_s: 2_592_000,
            inbox: 1_000_000,
        }
    }
}

impl Retention {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            deliveries_s: section.or("deliveries_s", default.deliveries_s, |value| value.integer(0..=LONGEST_S)),
            deliveries: section.or("deliveries", default.deliveries, |value| value.integer(0..=MOST)),
            dead_s: section.or("dead_s", default.dead_s, |value| value.integer(60..=LONGEST_S)),
            dead: section.or("dead", default.dead, |value| value.integer(1..=MOST)),
            inbox_s: section.or("inbox_s", default.inbox_s, |value| value.integer(60..=LONGEST_S)),
            inbox: section.or("inbox", default.inbox, |value| value.integer(1..=MOST)),
        }
    }
}
