//! Every lane that has something to do, by name and by number.

use std::{collections::HashMap, sync::Arc};

use super::{key::LaneKey, lane::Lane, route::Terms};
use crate::{config::Config, metrics::Metrics};

/// The lanes. A lane keeps its number as long as it is not forgotten.
pub(super) struct Lanes {
    /// Where what happens on them is counted.
    metrics: Arc<Metrics>,
    lanes: Vec<Option<Box<Lane>>>,
    free: Vec<u32>,
    by_key: HashMap<LaneKey, u32>,
}

impl Lanes {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, lanes: Vec::new(), free: Vec::new(), by_key: HashMap::new() }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Lane> {
        self.lanes.get(number as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(number as usize)?.as_deref_mut()
    }

    pub(super) fn find(&self, key: &LaneKey) -> Option<u32> {
        self.by_key.get(key).copied()
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
        self.by_key.insert(key.clone(), number);
        number
    }

    /// Forgets a lane that has nothing to do: a gateway meets more devices than it has messages for.
    pub(super) fn sweep(&mut self, number: u32) {
        if let Some(place) = self.lanes.get_mut(number as usize)
            && let Some(lane) = place.take_if(|lane| lane.is_idle())
        {
            self.by_key.remove(&lane.key);
            self.free.push(number);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().flatten().map(|lane| &**lane)
    }

    /// The numbers of all lanes.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.by_key.values().copied().collect()
    }

    /// The terms that a configuration has for a lane.
    pub(super) fn terms(&self, number: u32, config: &Config) -> Option<Arc<Terms>> {
        Terms::of(&self.get(number)?.key, config)
    }
}
