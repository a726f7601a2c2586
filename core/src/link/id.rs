//! The ids of messages, kept: which of them have come before.

use crate::Text;

/// Bytes the id of a message may have (the device link; ours): 32 hexadecimal digits.
pub const MAX_ID_LEN: usize = 32;

/// Ids a device remembers by default (the device link; ours).
///
/// A message's sends go out within 11 s ("1, 2, 3, 5 s", the Lingyang page), so a device that gets no more than this many
/// messages in that time sees none of them twice. A copy comes later than that where a send had to wait: for a gateway
/// that was down, or for a connection that holds.
pub const RECENT_IDS: usize = 16;

/// An id that outlives its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    bytes: [u8; MAX_ID_LEN],
    len: u8,
}

impl Id {
    const EMPTY: Self = Self { bytes: [0; MAX_ID_LEN], len: 0 };

    /// Keeps an id; `None` when it is longer than [`MAX_ID_LEN`].
    pub(super) fn new(text: Text<'_>) -> Option<Self> {
        let mut id = Self::EMPTY;
        id.len = u8::try_from(text.copy_to(&mut id.bytes).ok()?.len()).ok()?;
        Some(id)
    }

    pub(super) fn text(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        // It was text when it came.
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The last `N` ids, the oldest of which is forgotten for a new one, and which of them wait for their acknowledgement.
#[derive(Clone, Debug)]
pub(super) struct Recent<const N: usize> {
    places: [Place; N],
    /// How many are taken, up to `N`.
    len: usize,
    /// The place of the next id.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    id: Id,
    waits: bool,
}

impl<const N: usize> Recent<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N > 0, "a device that remembers no id can acknowledge none") };
        Self { places: [Place { id: Id::EMPTY, waits: false }; N], len: 0, next: 0 }
    }

    /// Has an acknowledgement wait for this id, if it is one of these.
    pub(super) fn wait(&mut self, id: &Id) -> bool {
        self.mark(id, true)
    }

    /// Notes that the acknowledgement of this id has gone out.
    pub(super) fn settle(&mut self, id: &Id) {
        self.mark(id, false);
    }

    /// Forgets which acknowledgements wait, but no id.
    pub(super) fn settle_all(&mut self) {
        for place in &mut self.places {
            place.waits = false;
        }
    }

    /// The acknowledgement that is next, the oldest id's first.
    pub(super) fn waiting(&self) -> Option<&Id> {
        let (newer, older) = self.places.split_at_checked(self.next)?;
        older.iter().chain(newer).find(|place| place.waits).map(|place| &place.id)
    }

    /// Adds an id that is new, and has its acknowledgement wait in any case.
    pub(super) fn note(&mut self, id: Id) {
        if self.wait(&id) {
            return;
        }
        if let Some(place) = self.places.get_mut(self.next) {
            *place = Place { id, waits: true };
            self.len = self.len.saturating_add(1).min(N);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= N {
            self.next = 0;
        }
    }

    fn mark(&mut self, id: &Id, waits: bool) -> bool {
        let place = self.places.iter_mut().take(self.len).find(|place| place.id == *id);
        place.map(|place| place.waits = waits).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Id {
        Id::new(Text::from(&*std::format!("{number}"))).unwrap()
    }

    #[test]
    fn the_last_ones_are_remembered_and_each_once() {
        let mut recent = Recent::<3>::new();
        for number in [1, 2, 1, 3, 1] {
            recent.note(id(number));
        }
        assert!([1, 2, 3].iter().all(|&number| recent.wait(&id(number))));
        recent.note(id(4));
        assert_eq!([1, 2, 3, 4].map(|number| recent.wait(&id(number))), [false, true, true, true]);
        assert!(!Recent::<3>::new().wait(&Id::EMPTY), "a place nobody has taken is no id");
    }

    #[test]
    fn acknowledgements_wait_for_their_turn_the_oldest_first() {
        let mut recent = Recent::<3>::new();
        for number in [1, 2, 3, 4] {
            recent.note(id(number));
        }
        for number in [2, 3, 4] {
            assert_eq!(recent.waiting(), Some(&id(number)));
            recent.settle(&id(number));
        }
        assert_eq!(recent.waiting(), None);
        assert!(recent.wait(&id(3)), "what has been acknowledged is remembered");
        assert_eq!(recent.waiting(), Some(&id(3)));
        recent.settle_all();
        assert_eq!(recent.waiting(), None);
    }

    #[test]
    fn an_id_is_what_its_text_says_and_has_a_limit() {
        let most = "x".repeat(MAX_ID_LEN);
        assert_eq!(Id::new(Text::from(&*most)).unwrap().text(), most);
        assert_eq!(Id::new(Text::from(&*"x".repeat(MAX_ID_LEN + 1))), None);
        assert_eq!(Id::new(Text::from("")), Some(Id::EMPTY));
    }
}
