//! How long what is finished stays, by age and by count.

use super::Millis;

/// Says what may go. Pending deliveries always stay.
///
/// Deleting is done in steps, so that accepting never waits long behind it: call
/// [`Store::prune`](super::Store::prune) again while a count of [`Pruned`] reaches `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Finished deliveries accepted before this may go. Age counts from acceptance: keep longer than a schedule lasts.
    pub accepted_before: Millis,
    /// Of the finished deliveries, at most this many stay.
    pub keep_deliveries: u64,
    /// Items received before this may go.
    pub received_before: Millis,
    /// Of the items, at most this many stay.
    pub keep_items: u64,
    /// At most this many deliveries and this many items go in one call.
    pub limit: usize,
}

/// Answers [`Store::prune`](super::Store::prune).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many deliveries went.
    pub deliveries: usize,
    /// How many items went.
    pub items: usize,
}
