//! Which of the last things have come before: how a receiver and a device tell copies.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Remembers the last things that came, up to a capacity, and how often each did.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    capacity: usize,
    seen: HashMap<T, u32>,
    order: VecDeque<T>,
}

impl<T: Clone + Eq + Hash> Recent<T> {
    /// Remembers nothing yet, and `capacity` things later.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, seen: HashMap::new(), order: VecDeque::new() }
    }

    /// Notes that `thing` came, and returns how often it came before. The oldest one is forgotten for a new one.
    pub(crate) fn note(&mut self, thing: T) -> u32 {
        if let Some(times) = self.seen.get_mut(&thing) {
            let before = *times;
            *times = before.saturating_add(1);
            return before;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(thing.clone());
        self.seen.insert(thing, 1);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_until_the_oldest_is_forgotten() {
        let mut recent = Recent::new(2);
        let counts: Vec<_> = ["a", "a", "b", "a", "c", "b", "a", "b"].map(|thing| recent.note(thing)).into();
        // `a` is forgotten for `c`, then `b` for `a`.
        assert_eq!(counts, [0, 1, 0, 2, 0, 1, 0, 0]);
        assert_eq!(recent.seen.len(), 2);
    }
}
