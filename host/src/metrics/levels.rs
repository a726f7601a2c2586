//! How things stand at a scrape.

use std::{collections::BTreeMap, fmt};

use super::{
    lane::Lanes,
    page::{Family, Page},
};
use crate::{
    engine::{CircuitState, DeviceLevels, LaneStatus},
    store::{Counts, State},
};

/// How things stand, as those who know say at a scrape.
#[derive(Debug, Default)]
pub struct Levels {
    /// Whether the gateway does what it is there for, as `/readyz` says.
    pub ready: bool,
    /// What the store holds; `None` while it does not say.
    pub counts: Option<Counts>,
    /// The lanes of destinations.
    pub lanes: Vec<LaneStatus>,
    /// The lanes of all devices.
    pub device_lanes: DeviceLevels,
    /// Devices that are connected.
    pub devices: usize,
    /// Connections that have not said who they are.
    pub strangers: usize,
}

/// How a lane stands, or all that are shown under one name.
#[derive(Clone, Copy, Default)]
struct Level {
    pending: u64,
    queued: u64,
    in_flight: u64,
    paused: u64,
    open: u64,
}

impl Levels {
    pub(super) fn show(&self, lanes: &Lanes, page: &mut Page<'_>) -> fmt::Result {
        let ready = Family::new("ready", "Whether /readyz says that the gateway does what it is there for");
        page.gauges(ready, [([], u64::from(self.ready))])?;
        let stored =
            self.counts.map(|Counts { pending, delivered, dead, dropped, .. }| [pending, delivered, dead, dropped]);
        let by_state = stored.into_iter().flat_map(|counts| State::ALL.into_iter().zip(counts));
        let deliveries = Family::new("deliveries", "Deliveries in the store, by state");
        page.gauges(deliveries, by_state.map(|(state, count)| ([("state", state.as_str())], count)))?;
        page.gauges(Family::new("inbox_items", "Items in the inbox"), self.counts.map(|counts| ([], counts.inbox)))?;
        let devices = Family::new("devices_connected", "Devices connected");
        page.gauges(devices, [([], self.devices as u64)])?;
        let strangers = Family::new("link_strangers", "Connections of the device link that have not said who they are");
        page.gauges(strangers, [([], self.strangers as u64)])?;
        self.show_lanes(lanes, page)
    }

    fn show_lanes(&self, lanes: &Lanes, page: &mut Page<'_>) -> fmt::Result {
        let mut levels: BTreeMap<_, _> = lanes.names().into_iter().map(|name| (name, Level::default())).collect();
        // There may be a million devices: they are one series.
        if let Some(level) = levels.get_mut(lanes.shown_as("device:")) {
            level.pending = self.device_lanes.pending as u64;
            level.queued = self.device_lanes.queued as u64;
            level.paused = self.device_lanes.paused as u64;
        }
        for status in &self.lanes {
            if let Some(level) = levels.get_mut(lanes.shown_as(&status.lane)) {
                level.pending += status.pending as u64;
                level.queued += status.queued as u64;
                level.in_flight += status.in_flight as u64;
                level.paused += u64::from(status.paused);
                level.open += u64::from(status.circuit != CircuitState::Closed);
            }
        }
        let mut show = |name, help, of: fn(&Level) -> u64| {
            let by_lane = levels.iter().map(|(lane, level)| ([("lane", &**lane)], of(level)));
            page.gauges(Family::new(name, help), by_lane)
        };
        show("lane_pending", "Deliveries not finished", |level| level.pending)?;
        show("lane_queued", "Deliveries that are due and wait for their turn", |level| level.queued)?;
        show("lane_in_flight", "Requests whose answer is outstanding", |level| level.in_flight)?;
        show("lane_paused", "Whether an operator has paused the lane", |level| level.paused)?;
        show("lane_circuit_open", "Whether the lane only probes its destination", |level| level.open)
    }
}
