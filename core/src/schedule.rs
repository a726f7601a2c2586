//! When to send what again, as data.
//!
//! A [`Schedule`] is a list of waits, what starts them ([`Anchor`]), and how long an answer may take. The three
//! protocols' own are constants here; any other is built from a slice that the caller owns. A schedule decides nothing
//! by itself: [`delivery`](crate::delivery) is the one machine that runs them all.

use core::fmt;

/// How long an uplink receiver may take to answer, in milliseconds. Uplink page, "Retry": 5 s, ours; a setting
/// through [`Schedule::with_answer_within`].
pub const UPLINK_ANSWER_WITHIN: u32 = 5000;

/// How long after the last send of a device message its acknowledgement still counts, in milliseconds. Lingyang page,
/// "Delivery marks": "no answer within 5 s (ours) of the last send = dropped".
pub const FLAG_ANSWER_WITHIN: u32 = 5000;

/// How long an application server may take to answer a webhook, in milliseconds. Lingyang page, "Webhook to the
/// application server": "timeout 5 s", ours.
pub const WEBHOOK_ANSWER_WITHIN: u32 = 5000;

/// How long a callback receiver may take to answer, in milliseconds. Tencent page, "Sending": "Answer timeout 2 s",
/// the vendor's.
pub const TENCENT_ANSWER_WITHIN: u32 = 2000;

/// The waits between the sends of one delivery, what starts them, and how long an answer may take.
///
/// All waits are in milliseconds. A delivery is sent at most [`sends`](Self::sends) times: once, and once more after
/// each wait.
///
/// ```
/// use pushgate_core::schedule::{Anchor, Schedule};
///
/// let offsets = (1..=Schedule::FLAG_2.sends()).map(|attempt| Schedule::FLAG_2.planned(attempt));
/// assert!(offsets.eq([0, 1000, 3000, 6000, 11_000].map(Some)));
///
/// // A destination's own: three retries 250 ms apart, each answer within a second.
/// let waits = [250; 3];
/// let own = Schedule::new(&waits, Anchor::Failure, 1000)?;
/// assert_eq!(own.sends(), 4);
/// # Ok::<(), pushgate_core::schedule::TooManyWaits>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Schedule<'a> {
    waits: &'a [u32],
    anchor: Anchor,
    answer_within: u32,
}

/// What starts the wait for the next send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Anchor {
    /// The failure of a send: its answer refused it, its connection was lost, or the time for its answer passed.
    /// There is never more than one send without an answer.
    Failure,
    /// The send itself: the sends stand on a grid that the first one starts. Only an answer that ends the delivery
    /// changes it; silence and failure do not.
    Send,
}

impl Schedule<'static> {
    /// An uplink batch: 4 sends, each 1 s after the failure of the one before.
    ///
    /// Uplink page, "Retry": "on non-success a retry every 1 second; after 3 retries pushing stops".
    pub const UPLINK: Self = Self { waits: &[1000; 3], anchor: Anchor::Failure, answer_within: UPLINK_ANSWER_WITHIN };

    /// A device message of flag 2, best effort: 5 sends at 0, 1, 3, 6 and 11 s, until the device answers.
    ///
    /// Lingyang page, "Delivery marks": "sent up to 5 times until the receiver answers, the waits between sends being
    /// 1, 2, 3, 5 s".
    pub const FLAG_2: Self =
        Self { waits: &[1000, 2000, 3000, 5000], anchor: Anchor::Send, answer_within: FLAG_ANSWER_WITHIN };

    /// A device message of flag 3: one send. An acknowledgement in time makes it delivered, anything else dropped.
    ///
    /// Lingyang page, "Delivery marks": "sent once, then dropped whether or not it arrived".
    pub const FLAG_3: Self = Self { waits: &[], anchor: Anchor::Send, answer_within: FLAG_ANSWER_WITHIN };

    /// A webhook to the application server: 5 sends, the waits counted from each failure.
    ///
    /// Lingyang page, "Webhook to the application server": "retried on the 1, 2, 3, 5 s schedule, then a dead
    /// letter", ours; that the waits start at the failure is ours too, as for every delivery by HTTP.
    pub const WEBHOOK: Self =
        Self { waits: &[1000, 2000, 3000, 5000], anchor: Anchor::Failure, answer_within: WEBHOOK_ANSWER_WITHIN };

    /// A batch of callback events: 4 sends, each 1 s after the failure of the one before.
    ///
    /// Tencent page, "Sending": "default 3 retries, 1 s apart", ours. The vendor itself does not retry by default:
    /// that is [`Schedule::once`] with [`TENCENT_ANSWER_WITHIN`].
    pub const TENCENT: Self = Self { waits: &[1000; 3], anchor: Anchor::Failure, answer_within: TENCENT_ANSWER_WITHIN };

    /// Makes a schedule of one send and no retry, with `answer_within` milliseconds for its answer.
    #[must_use]
    pub const fn once(answer_within: u32) -> Self {
        Self { waits: &[], anchor: Anchor::Failure, answer_within }
    }
}

impl<'a> Schedule<'a> {
    /// The most waits a schedule may hold, ours: the sends are then 255, and their count fits a byte.
    pub const MAX_WAITS: usize = 254;

    /// Makes a schedule of `waits` between the sends and `answer_within` for each answer, all in milliseconds.
    ///
    /// # Errors
    ///
    /// [`TooManyWaits`] when there are more than [`MAX_WAITS`](Self::MAX_WAITS).
    pub const fn new(waits: &'a [u32], anchor: Anchor, answer_within: u32) -> Result<Self, TooManyWaits> {
        if waits.len() > Self::MAX_WAITS {
            return Err(TooManyWaits(()));
        }
        Ok(Self { waits, anchor, answer_within })
    }

    /// Replaces how long an answer may take, in milliseconds.
    ///
    /// An answer counts while less than that has passed since its send, so with 0 none can.
    #[must_use]
    pub const fn with_answer_within(mut self, answer_within: u32) -> Self {
        self.answer_within = answer_within;
        self
    }

    /// The most times a delivery is sent: one more than there are waits.
    #[must_use]
    pub fn sends(&self) -> u8 {
        u8::try_from(self.waits.len()).unwrap_or(u8::MAX).saturating_add(1)
    }

    /// The waits between the sends, in milliseconds.
    #[must_use]
    pub const fn waits(&self) -> &'a [u32] {
        self.waits
    }

    /// What starts each wait.
    #[must_use]
    pub const fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// How long an answer may take, in milliseconds.
    ///
    /// Under [`Anchor::Failure`] silence for so long makes a send fail; under [`Anchor::Send`] it ends the delivery
    /// after the last send, and means nothing before.
    #[must_use]
    pub const fn answer_within(&self) -> u32 {
        self.answer_within
    }

    /// The milliseconds from the first send to send number `attempt`, counted from 1, when nothing is late and every
    /// failure comes at once; `None` when there is no such send.
    #[must_use]
    pub fn planned(&self, attempt: u8) -> Option<u64> {
        let waits = self.waits.get(..usize::from(attempt).checked_sub(1)?)?;
        Some(waits.iter().fold(0, |sum: u64, &wait| sum.saturating_add(u64::from(wait))))
    }

    /// The wait between send number `attempt`, counted from 1, and the next; `None` after the last.
    pub(crate) fn wait_after(&self, attempt: u8) -> Option<u32> {
        self.waits.get(usize::from(attempt).checked_sub(1)?).copied()
    }
}

/// A schedule was asked for with more than [`Schedule::MAX_WAITS`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooManyWaits(());

impl fmt::Display for TooManyWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("schedule: holds more than 254 waits; leave out the rest")
    }
}

impl core::error::Error for TooManyWaits {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec, vec::Vec};

    #[test]
    fn schedules_are_the_pages() {
        let table: [(Schedule<'_>, Anchor, u32, &[u64], &str); 6] = [
            (Schedule::UPLINK, Anchor::Failure, 5000, &[0, 1000, 2000, 3000], "So at most 4 sends"),
            (Schedule::FLAG_2, Anchor::Send, 5000, &[0, 1000, 3000, 6000, 11_000], "t = 0, 1, 3, 6, 11 s"),
            (Schedule::FLAG_3, Anchor::Send, 5000, &[0], "sent once, then dropped"),
            (Schedule::WEBHOOK, Anchor::Failure, 5000, &[0, 1000, 3000, 6000, 11_000], "the 1, 2, 3, 5 s schedule"),
            (Schedule::TENCENT, Anchor::Failure, 2000, &[0, 1000, 2000, 3000], "default 3 retries, 1 s apart"),
            (Schedule::once(2000), Anchor::Failure, 2000, &[0], "`0` = the vendor's default"),
        ];
        for (schedule, anchor, answer_within, offsets, page) in table {
            assert_eq!(schedule.anchor(), anchor, "{page}");
            assert_eq!(schedule.answer_within(), answer_within, "{page}");
            assert_eq!(usize::from(schedule.sends()), offsets.len(), "{page}");
            let planned: Vec<_> = (1..=schedule.sends()).filter_map(|attempt| schedule.planned(attempt)).collect();
            assert_eq!(planned, offsets, "{page}");
        }
    }

    #[test]
    fn no_send_has_no_plan() {
        assert_eq!(Schedule::FLAG_2.planned(0), None);
        assert_eq!(Schedule::FLAG_2.planned(6), None);
        assert_eq!(Schedule::FLAG_2.wait_after(0), None);
        assert_eq!(Schedule::FLAG_2.wait_after(4), Some(5000));
        assert_eq!(Schedule::FLAG_2.wait_after(5), None);
    }

    #[test]
    fn sends_fit_a_byte() {
        let waits = vec![u32::MAX; Schedule::MAX_WAITS + 1];
        let refused = Schedule::new(&waits, Anchor::Send, 1).unwrap_err();
        assert_eq!(refused.to_string(), "schedule: holds more than 254 waits; leave out the rest");

        let longest = Schedule::new(&waits[1..], Anchor::Send, 1).unwrap();
        assert_eq!(longest.sends(), 255);
        assert_eq!(longest.planned(255), Some(254 * u64::from(u32::MAX)));
    }
}
