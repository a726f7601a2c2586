//! How many deliveries wait on each lane, for whoever is about to accept more.
//!
//! A place is reserved before a delivery is stored, so that a full lane refuses it while nothing has been promised, and
//! given up when the delivery has ended.

use std::{
    collections::{HashMap, hash_map::Entry as Place},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::key::LaneKey;
use crate::config::Limits;

/// Counts the deliveries of every lane. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Depths {
    lanes: Arc<Mutex<HashMap<LaneKey, usize>>>,
}

/// Places for deliveries that are about to be stored; given up when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    depths: Depths,
    lanes: Vec<LaneKey>,
}

/// A lane has no place left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFull {
    /// The lane.
    pub lane: LaneKey,
    /// How many it holds.
    pub limit: usize,
}

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, limit } = self;
        write!(f, "{lane} has {limit} deliveries waiting, the most it holds; nothing was accepted, send it again later")
    }
}

impl std::error::Error for QueueFull {}

impl Depths {
    /// Reserves a place on each of `lanes`, one that is named twice counting twice; all or none.
    pub(super) fn reserve(&self, lanes: Vec<LaneKey>, limits: &Limits) -> Result<Reservation, QueueFull> {
        let mut reserved = Reservation { depths: self.clone(), lanes: Vec::new() };
        let mut depths = self.lock();
        for (index, lane) in lanes.iter().enumerate() {
            let limit = if matches!(lane, LaneKey::Device(_)) { limits.device_queue } else { limits.queue };
            let depth = depths.entry(lane.clone()).or_default();
            if *depth >= limit {
                let full = QueueFull { lane: lane.clone(), limit };
                if *depth == 0 {
                    depths.remove(lane);
                }
                drop(depths);
                reserved.lanes = lanes;
                reserved.lanes.truncate(index);
                return Err(full);
            }
            *depth += 1;
        }
        drop(depths);
        reserved.lanes = lanes;
        Ok(reserved)
    }

    /// Counts one that is stored already.
    pub(super) fn add(&self, lane: &LaneKey) {
        *self.lock().entry(lane.clone()).or_default() += 1;
    }

    /// Gives a place up.
    pub(super) fn release(&self, lane: &LaneKey) {
        release(&mut self.lock(), lane);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LaneKey, usize>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Keeps the places: the deliveries are stored, and their ends give them up.
    pub(super) fn keep(mut self) {
        self.lanes.clear();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let lanes = mem::take(&mut self.lanes);
        if lanes.is_empty() {
            return;
        }
        let mut depths = self.depths.lock();
        for lane in &lanes {
            release(&mut depths, lane);
        }
    }
}

fn release(depths: &mut HashMap<LaneKey, usize>, lane: &LaneKey) {
    if let Place::Occupied(mut place) = depths.entry(lane.clone()) {
        *place.get_mut() = place.get().saturating_sub(1);
        if *place.get() == 0 {
            place.remove(); // a gateway meets more devices than it has messages for
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_as_many_as_it_holds_and_a_request_goes_in_whole_or_not_at_all() {
        let limits = Limits { queue: 3, device_queue: 1, ..Limits::default() };
        let (depths, acme, device) = (Depths::default(), LaneKey::Uplink("acme".into()), LaneKey::Device(7));
        let reserve = |lanes: &[&LaneKey]| depths.reserve(lanes.iter().copied().cloned().collect(), &limits);
        reserve(&[&acme, &acme]).unwrap().keep();
        assert_eq!(reserve(&[&acme, &device, &device]).unwrap_err(), QueueFull { lane: device.clone(), limit: 1 });
        let held = reserve(&[&acme, &device]).unwrap();
        assert_eq!(reserve(&[&acme]).unwrap_err(), QueueFull { lane: acme.clone(), limit: 3 });
        drop(held);
        depths.add(&acme);
        assert!(reserve(&[&acme]).is_err());
        depths.release(&acme);
        assert!(reserve(&[&acme]).is_ok());
        depths.release(&acme);
        depths.release(&acme);
        assert!(depths.lock().is_empty());
    }
}
