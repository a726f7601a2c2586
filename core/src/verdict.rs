//! What an answer means for the delivery.

/// What an answer means for the delivery: the same three words for every protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The receiver does not have it; the schedule says when to send it again.
    TryAgain,
    /// The receiver will never take it: no further send.
    GiveUp,
}
