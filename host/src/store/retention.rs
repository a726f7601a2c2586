//! How long what is finished stays, by age and by count.

use super::Millis;

/// Says what may go. Pending deliveries always stay.
///
/// Each kind has bounds of its own, so that a flood of one never pushes another out: dead letters wait for somebody to
/// look at them.
///
/// Deleting is done in steps, so that accepting never waits long behind it: call
/// [`Store::prune`](super::Store::prune) again while [`Pruned::more`] says so. A call that finds nothing to do writes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Now.
    pub now: Millis,
    /// Deliveries that were delivered or dropped.
    pub deliveries: Keep,
    /// Deliveries that are dead.
    pub dead: Keep,
    /// Items of the inbox.
    pub inbox: Keep,
    /// At most this many of each kind go in one call.
    pub limit: usize,
}

/// Bounds what is kept of one kind. Whatever exceeds either bound goes, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// For how many milliseconds: of a delivery, since it ended; of an item, since it was received.
    pub for_ms: u64,
    /// How many.
    pub at_most: u64,
}

/// Answers [`Store::prune`](super::Store::prune).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many deliveries that were delivered or dropped went.
    pub deliveries: usize,
    /// How many dead deliveries went.
    pub dead: usize,
    /// How many items went.
    pub items: usize,
    /// Whether there is more to do at once.
    pub more: bool,
}
