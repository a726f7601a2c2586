//! Every pending delivery, in as little memory as it takes: a gateway may have a million of them.
//!
//! Deliveries lie in slots; timers, queues and lanes name a slot in four bytes. The deliveries of a lane are linked with
//! each other in the order they came.

use std::{mem, sync::Arc};

use hashbrown::{HashTable, hash_table};
use pushgate_core::Delivery;

use super::payload::{Nature, Payload};
use crate::store::DeliveryId;

/// Names a place in the table. It is used again once its delivery has ended.
pub(super) type Slot = u32;

/// No slot.
const NONE: Slot = Slot::MAX;

/// Slots allocated at once: growing moves nothing, and takes no more than it must.
const CHUNK: usize = 4096;

/// A pending delivery.
pub(super) struct Pending {
    pub(super) id: DeliveryId,
    pub(super) delivery: Delivery,
    /// What it sends, when that is at hand; the store has it otherwise.
    pub(super) payload: Option<Arc<Payload>>,
    pub(super) lane: u32,
    before: Slot,
    after: Slot,
    pub(super) nature: Nature,
    pub(super) step: Step,
}

const _: () = assert!(size_of::<Pending>() <= 64, "a million of them are held");

/// Where a delivery is between its machine's word and the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its timer decides.
    Waiting,
    /// Due, in its lane's queue.
    Queued,
    /// On its way.
    InFlight,
    /// Nobody's: the slot is free.
    Free,
}

impl Pending {
    pub(super) fn new(id: DeliveryId, lane: u32, delivery: Delivery, nature: Nature) -> Self {
        Self { id, delivery, payload: None, lane, before: NONE, after: NONE, nature, step: Step::Waiting }
    }
}

/// The deliveries of a lane, oldest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members {
    first: Slot,
    last: Slot,
    len: u32,
}

impl Default for Members {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn first(&self) -> Option<Slot> {
        (self.first != NONE).then_some(self.first)
    }
}

/// The pending deliveries.
pub(super) struct Table {
    chunks: Vec<Vec<Pending>>,
    /// Slots to be used again, linked by `after`.
    free: Slot,
    by_id: HashTable<Slot>,
}

impl Default for Table {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: NONE, by_id: HashTable::new() }
    }
}

impl Table {
    pub(super) fn get(&self, slot: Slot) -> Option<&Pending> {
        let (chunk, place) = split(slot);
        self.chunks.get(chunk)?.get(place).filter(|pending| pending.step != Step::Free)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Pending> {
        let (chunk, place) = split(slot);
        self.chunks.get_mut(chunk)?.get_mut(place).filter(|pending| pending.step != Step::Free)
    }

    pub(super) fn find(&self, id: DeliveryId) -> Option<Slot> {
        self.by_id.find(hash(id), |slot| is(&self.chunks, *slot, id)).copied()
    }

    /// Finds a delivery where it was, if it is still there.
    pub(super) fn still(&mut self, slot: Slot, id: DeliveryId) -> Option<&mut Pending> {
        self.get_mut(slot).filter(|pending| pending.id == id)
    }

    /// Takes in a delivery as the last of its lane's; `None` when it is there already, or when there are four billion.
    pub(super) fn insert(&mut self, pending: Pending, members: &mut Members) -> Option<Slot> {
        let (id, chunks) = (pending.id, &mut self.chunks);
        let hash_of = |chunks: &[Vec<Pending>], slot: Slot| {
            let (chunk, place) = split(slot);
            chunks.get(chunk).and_then(|chunk| chunk.get(place)).map_or(0, |pending| hash(pending.id))
        };
        if self.by_id.find(hash(id), |slot| is(chunks, *slot, id)).is_some() {
            return None;
        }
        let slot = if self.free == NONE {
            if chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                chunks.push(Vec::with_capacity(CHUNK));
            }
            let full = (chunks.len() - 1) * CHUNK;
            let chunk = chunks.last_mut()?;
            let slot = Slot::try_from(full + chunk.len()).ok().filter(|slot| *slot != NONE)?;
            chunk.push(pending);
            slot
        } else {
            let slot = self.free;
            let (chunk, place) = split(slot);
            let vacant = chunks.get_mut(chunk)?.get_mut(place)?;
            self.free = vacant.after;
            *vacant = pending;
            slot
        };
        self.by_id.insert_unique(hash(id), slot, |slot| hash_of(chunks, *slot));
        self.link(slot, members);
        Some(slot)
    }

    /// Takes a delivery out of the table and of its lane's.
    pub(super) fn remove(&mut self, slot: Slot, members: &mut Members) -> Option<Pending> {
        let id = self.get(slot)?.id;
        if let Ok(entry) = self.by_id.find_entry(hash(id), |other| *other == slot) {
            hash_table::OccupiedEntry::remove(entry);
        }
        self.unlink(slot, members);
        let free = self.free;
        let pending = self.get_mut(slot)?;
        let vacant =
            Pending { after: free, step: Step::Free, ..Pending::new(id, NONE, pending.delivery, Nature::Whole) };
        let removed = mem::replace(pending, vacant);
        self.free = slot;
        if self.by_id.is_empty() {
            // A backlog that has been worked off gives its memory back.
            *self = Self::default();
        }
        Some(removed)
    }

    /// The delivery behind this one in its lane.
    pub(super) fn after(&self, slot: Slot) -> Option<Slot> {
        self.get(slot).map(|pending| pending.after).filter(|after| *after != NONE)
    }

    /// The deliveries of a lane, oldest first.
    pub(super) fn members(&self, members: Members) -> impl Iterator<Item = Slot> {
        std::iter::successors(members.first(), |slot| self.after(*slot))
    }

    /// Every delivery's slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.by_id.iter().copied()
    }

    fn link(&mut self, slot: Slot, members: &mut Members) {
        let last = mem::replace(&mut members.last, slot);
        if let Some(pending) = self.get_mut(slot) {
            pending.before = last;
        }
        match self.get_mut(last) {
            Some(before) => before.after = slot,
            None => members.first = slot,
        }
        members.len += 1;
    }

    fn unlink(&mut self, slot: Slot, members: &mut Members) {
        let Some((before, after)) = self.get(slot).map(|pending| (pending.before, pending.after)) else { return };
        match self.get_mut(before) {
            Some(pending) => pending.after = after,
            None => members.first = after,
        }
        match self.get_mut(after) {
            Some(pending) => pending.before = before,
            None => members.last = before,
        }
        members.len = members.len.saturating_sub(1);
    }
}

fn split(slot: Slot) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

fn is(chunks: &[Vec<Pending>], slot: Slot, id: DeliveryId) -> bool {
    let (chunk, place) = split(slot);
    chunks.get(chunk).and_then(|chunk| chunk.get(place)).is_some_and(|pending| pending.id == id)
}

/// Spreads an id's last bytes, which are random. Whoever asks with ids of their own finds nothing, and puts nothing in.
fn hash(id: DeliveryId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h]).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use pushgate_core::Instant;

    use super::*;

    fn pending(id: DeliveryId) -> Pending {
        Pending::new(id, 0, Delivery::new(Instant::from_millis(0)), Nature::Whole)
    }

    #[test]
    fn deliveries_are_found_by_id_and_listed_in_order_whatever_was_removed() {
        let (mut table, mut members) = (Table::default(), Members::default());
        let mut ids: Vec<_> = (0..3 * CHUNK).map(|_| DeliveryId::new()).collect();
        for id in &ids {
            assert!(table.insert(pending(*id), &mut members).is_some());
            assert!(table.insert(pending(*id), &mut members).is_none(), "once");
        }
        let mut place = 0;
        while place < ids.len() {
            let slot = table.find(ids[place]).unwrap();
            assert_eq!(table.remove(slot, &mut members).unwrap().id, ids.remove(place));
            place += 2;
        }
        ids.extend((0..CHUNK).map(|_| DeliveryId::new()));
        for id in ids.iter().rev().take(CHUNK).rev() {
            table.insert(pending(*id), &mut members).unwrap();
        }
        let listed: Vec<_> = table.members(members).map(|slot| table.get(slot).unwrap().id).collect();
        assert_eq!(listed, ids);
        assert_eq!((members.len(), table.slots().count()), (ids.len(), ids.len()));
        for id in &ids {
            let slot = table.find(*id).unwrap();
            assert!(table.still(slot, *id).is_some() && table.still(slot, DeliveryId::new()).is_none());
            table.remove(slot, &mut members).unwrap();
        }
        assert!(members.is_empty() && members.first().is_none() && table.chunks.is_empty());
    }
}
