//! Some deliveries at once: what an operator does to many is done a page at a time.

use super::{DeliveryFilter, DeliveryId, State};

/// Caps the deliveries that are acted on at once (ours): a commit of some ten milliseconds, which others wait for.
pub const MAX_SELECTED: usize = 500;

/// Says which deliveries are acted on, at most [`MAX_SELECTED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Ids(Vec<DeliveryId>),
    /// A page of those that a filter lists, newest first. As pages only go down, what comes back meanwhile is not met
    /// again.
    Page(DeliveryFilter),
}

/// Is what became of the deliveries of a [`Selection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// Those acted on.
    pub done: Vec<T>,
    /// Those named that were not.
    pub refused: Vec<(DeliveryId, NotDone)>,
    /// The cursor of the next page, if there is one.
    pub next: Option<DeliveryId>,
}

/// Says why a delivery that was named was not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// There is no such delivery.
    NotFound,
    /// It stands where that makes no sense.
    Stands(State),
}
