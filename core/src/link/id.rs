//! The ids of messages, kept: which of them have come before.

use crate::Text;

/// Bytes the id of a message may have (the device link; ours): 32 hexadecimal digits.
pub const MAX_ID_LEN: usize = 32;

/// Ids a device remembers by default (the device link; ours).
///
/// A message comes again at most 11 s after its first copy, so a device that gets no more than this many messages in
/// that time sees none of them twice.
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

/// The last `N` ids, the oldest of which is forgotten for a new one.
#[derive(Clone, Debug)]
pub(super) struct Recent<const N: usize> {
    ids: [Id; N],
    /// How many there are, up to `N`.
    len: usize,
    /// The place of the next one.
    next: usize,
}

impl<const N: usize> Recent<N> {
    pub(super) const fn new() -> Self {
        Self { ids: [Id::EMPTY; N], len: 0, next: 0 }
    }

    pub(super) fn holds(&self, id: &Id) -> bool {
        self.ids.iter().take(self.len).any(|own| own == id)
    }

    pub(super) fn note(&mut self, id: Id) {
        if self.holds(&id) {
            return;
        }
        if let Some(place) = self.ids.get_mut(self.next) {
            *place = id;
            self.len = self.len.saturating_add(1).min(N);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= N {
            self.next = 0;
        }
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
        assert!([1, 2, 3].iter().all(|&number| recent.holds(&id(number))));
        recent.note(id(4));
        assert_eq!([1, 2, 3, 4].map(|number| recent.holds(&id(number))), [false, true, true, true]);
        assert!(!recent.holds(&Id::EMPTY), "a place nobody has taken is no id");
    }

    #[test]
    fn a_window_of_none_remembers_none() {
        let mut recent = Recent::<0>::new();
        recent.note(id(1));
        assert!(!recent.holds(&id(1)));
    }

    #[test]
    fn an_id_is_what_its_text_says_and_has_a_limit() {
        let most = "x".repeat(MAX_ID_LEN);
        assert_eq!(Id::new(Text::from(&*most)).unwrap().text(), most);
        assert_eq!(Id::new(Text::from(&*"x".repeat(MAX_ID_LEN + 1))), None);
        assert_eq!(Id::new(Text::from("")), Some(Id::EMPTY));
    }
}
