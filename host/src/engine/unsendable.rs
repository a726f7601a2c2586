//! Pending deliveries that nothing here sends: counted while they are read, told in one line of each kind. A store may
//! hold a million of them.

use crate::store::{DeliveryId, Pending};

/// Counts pending deliveries that nothing here sends.
#[derive(Debug, Default)]
pub(super) struct Unsendable {
    lanes: Tally,
    metas: Tally,
}

/// How many there are, and which came first.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    first: Option<(DeliveryId, String)>,
}

impl Unsendable {
    /// Counts one whose lane is none that this version knows.
    pub(super) fn lane(&mut self, pending: &Pending) {
        self.lanes.count(pending);
    }

    /// Counts one of which it cannot be read how it is sent.
    pub(super) fn meta(&mut self, pending: &Pending) {
        self.metas.count(pending);
    }

    /// Logs what was counted.
    pub(super) fn tell(self) {
        for (tally, why) in [
            (self.lanes, "deliveries stay pending: nothing here sends on such a lane"),
            (self.metas, "deliveries stay pending: how they are sent cannot be read"),
        ] {
            if let Some((delivery, lane)) = tally.first {
                tracing::warn!(deliveries = tally.count, first = %delivery, lane, "{why}; another version accepted them");
            }
        }
    }
}

impl Tally {
    fn count(&mut self, pending: &Pending) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((pending.id, pending.lane.to_string()));
        }
    }
}
