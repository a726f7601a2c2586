//! Every lane that has something to do or to be, by name and by number.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Range},
    ops::{Bound, RangeInclusive},
    sync::Arc,
};

use super::{
    key::LaneKey,
    lane::{Lane, Standing},
    listing::{DeviceLevels, NOTED},
    route::Terms,
};
use crate::{
    config::{Config, Limits},
    metrics::Metrics,
};

/// The lanes. A lane keeps its number as long as it is not forgotten.
///
/// Names are kept in their order, so that an operator can page through them. Devices are apart from the others: there
/// are many, and their names are numbers.
pub(super) struct Lanes {
    /// Where what happens on them is counted.
    metrics: Arc<Metrics>,
    lanes: Vec<Option<Box<Lane>>>,
    free: Vec<u32>,
    destinations: BTreeMap<LaneKey, u32>,
    devices: BTreeMap<u32, u32>,
    /// What the lanes of all devices have, as of each one's last [`settle`](Self::settle).
    sums: Sums,
    /// The devices whose lanes are paused or full.
    noted: BTreeSet<u32>,
    /// How often a lane was looked at.
    #[cfg(test)]
    pub(super) looks: std::cell::Cell<usize>,
}

#[derive(Default)]
struct Sums {
    pending: usize,
    queued: usize,
    paused: usize,
    full: usize,
}

impl Lanes {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            lanes: Vec::new(),
            free: Vec::new(),
            destinations: BTreeMap::new(),
            devices: BTreeMap::new(),
            sums: Sums::default(),
            noted: BTreeSet::new(),
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Lane> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        self.lanes.get(number as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(number as usize)?.as_deref_mut()
    }

    pub(super) fn find(&self, key: &LaneKey) -> Option<u32> {
        match key {
            LaneKey::Device(cid) => self.devices.get(cid).copied(),
            _ => self.destinations.get(key).copied(),
        }
    }

    /// The lane's number, after making it if it is not there.
    pub(super) fn enter(&mut self, key: &LaneKey, config: &Config) -> u32 {
        if let Some(number) = self.find(key) {
            return number;
        }
        let counts = self.metrics.lane(key);
        let lane = Some(Box::new(Lane::new(key.clone(), Terms::of(key, config), counts)));
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.lanes.get_mut(number as usize) {
                    *place = lane;
                }
                number
            }
            None => {
                self.lanes.push(lane);
                u32::try_from(self.lanes.len() - 1).unwrap_or(u32::MAX)
            }
        };
        match key {
            LaneKey::Device(cid) => self.devices.insert(*cid, number),
            _ => self.destinations.insert(key.clone(), number),
        };
        number
    }

    /// Makes a lane for every destination of the configuration: an operator sees those too that have nothing to do.
    pub(super) fn enter_configured(&mut self, config: &Config) {
        for key in LaneKey::all_of(config) {
            self.enter(&key, config);
        }
    }

    /// Takes in how a lane stands after something has happened to it, and forgets one that has nothing to do: a gateway
    /// meets more devices than it has messages for.
    pub(super) fn settle(&mut self, number: u32, limits: &Limits) {
        let Some(place) = self.lanes.get_mut(number as usize) else { return };
        let Some(lane) = place else { return };
        if let LaneKey::Device(cid) = lane.key {
            let now = lane.standing(limits);
            let was = std::mem::replace(&mut lane.counted, now);
            self.sums.count(was, now);
            if now.paused || now.full {
                self.noted.insert(cid);
            } else if was.paused || was.full {
                self.noted.remove(&cid);
            }
        }
        if let Some(lane) = place.take_if(|lane| lane.is_idle()) {
            match lane.key {
                LaneKey::Device(cid) => self.devices.remove(&cid),
                _ => self.destinations.remove(&lane.key),
            };
            self.free.push(number);
        }
    }

    /// How the lanes of all devices stand; those in `noted` are the caller's to describe.
    pub(super) fn device_levels(&self) -> DeviceLevels {
        let Sums { pending, queued, paused, full } = self.sums;
        DeviceLevels { lanes: self.devices.len(), pending, queued, paused, full, noted: Vec::new() }
    }

    /// The first lanes of devices that are paused or full.
    pub(super) fn noted(&self) -> impl Iterator<Item = &Lane> {
        let numbers = self.noted.iter().take(NOTED).filter_map(|cid| self.devices.get(cid));
        numbers.filter_map(|number| self.get(*number))
    }

    /// The numbers of all lanes.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.destinations.values().chain(self.devices.values()).copied().collect()
    }

    /// The lanes of destinations between two names.
    pub(super) fn destinations(&self, names: (Bound<LaneKey>, Bound<LaneKey>)) -> Range<'_, LaneKey, u32> {
        self.destinations.range(names)
    }

    /// The lanes of the devices in `cids`, behind `after`.
    pub(super) fn devices_in(&self, cids: RangeInclusive<u32>, after: Option<u32>) -> impl Iterator<Item = u32> {
        let (first, last) = cids.into_inner();
        let first = after.map_or(Some(first), |after| after.checked_add(1).map(|next| next.max(first)));
        let walk = first.filter(|first| *first <= last).map(|first| self.devices.range(first..=last));
        walk.into_iter().flatten().map(|(_, number)| *number)
    }

    /// The terms that a configuration has for a lane.
    pub(super) fn terms(&self, number: u32, config: &Config) -> Option<Arc<Terms>> {
        Terms::of(&self.get(number)?.key, config)
    }
}

impl Sums {
    fn count(&mut self, was: Standing, now: Standing) {
        let changed = |sum: usize, was: usize, now: usize| (sum + now).saturating_sub(was);
        self.pending = changed(self.pending, was.pending as usize, now.pending as usize);
        self.queued = changed(self.queued, was.queued as usize, now.queued as usize);
        self.paused = changed(self.paused, was.paused.into(), now.paused.into());
        self.full = changed(self.full, was.full.into(), now.full.into());
    }
}
