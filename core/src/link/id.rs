//! The ids of messages, kept: which of them have come before.

use crate::{Text, json::write::Writer};

/// Bytes the id of a message may have (the device link; ours): 32 hexadecimal digits.
pub const MAX_ID_LEN: usize = 32;

/// Ids a device remembers by default (the device link; ours).
///
/// A message's sends go out within 11 s ("1, 2, 3, 5 s", the Lingyang page), so a device that gets no more than this many
/// messages in that time sees none of them twice. A copy comes later than that where a send had to wait: for a gateway
/// that was down, or for a connection that holds.
pub const RECENT_IDS: usize = 16;

/// The last `N` ids, the oldest of which is forgotten for a new one, and which of them wait for their acknowledgement.
// In this order, so that all that begins as zeros is together.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Recent<const N: usize> {
    /// The place of the next id.
    next: usize,
    places: [Place; N],
    /// The id that is looked for, without its escapes: here, because the stack would be cleared for it each time.
    wanted: Place,
}

/// An id that outlives its line.
#[derive(Clone, Copy, Debug)]
struct Place {
    bytes: [u8; MAX_ID_LEN],
    /// One more than bytes of it are the id's; 0 = no id.
    size: u8,
    waits: bool,
}

impl<const N: usize> Recent<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N > 0, "a device that remembers no id can acknowledge none") };
        let nobody = Place { bytes: [0; MAX_ID_LEN], size: 0, waits: false };
        Self { next: 0, places: [nobody; N], wanted: nobody }
    }

    /// Has an acknowledgement wait for this id if it is one of these, and says whether it is; `None` when it is longer
    /// than [`MAX_ID_LEN`].
    pub(super) fn wait(&mut self, id: Text<'_>) -> Option<bool> {
        self.wanted.size = self.wanted.copy(id)?;
        let place = self.places.iter_mut().find(|place| place.is(&self.wanted));
        Some(place.map(|place| place.waits = true).is_some())
    }

    /// Notes that the acknowledgement of the id in this place has gone out.
    pub(super) fn settle(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.waits = false;
        }
    }

    /// Forgets which acknowledgements wait, but no id.
    pub(super) fn settle_all(&mut self) {
        for place in &mut self.places {
            place.waits = false;
        }
    }

    /// The place of the id whose acknowledgement is next, the oldest one's first.
    pub(super) fn waiting(&self) -> Option<usize> {
        let mut at = self.next;
        for _ in 0..N {
            if self.places.get(at)?.waits {
                return Some(at);
            }
            at = Self::after(at);
        }
        None
    }

    /// The id in this place.
    pub(super) fn text(&self, place: usize) -> Text<'_> {
        self.places.get(place).map(Place::text).unwrap_or_default()
    }

    /// Has the acknowledgement of this id wait in any case; returns the place of one that has been forgotten for it.
    pub(super) fn note(&mut self, id: Text<'_>) -> Option<usize> {
        if self.wait(id)? {
            return None;
        }
        let at = self.next;
        let place = self.places.get_mut(at)?;
        // Once more from its text: to copy it from its other place could overlap for all that the compiler knows, and
        // moving what overlaps is a long function.
        place.size = place.copy(id)?;
        place.waits = true;
        self.next = Self::after(at);
        Some(at)
    }

    const fn after(at: usize) -> usize {
        if at + 1 < N { at + 1 } else { 0 }
    }
}

impl Place {
    /// Copies an id, and returns its size here.
    fn copy(&mut self, id: Text<'_>) -> Option<u8> {
        let mut writer = Writer::new(&mut self.bytes);
        writer.unescaped(id);
        let len = writer.len();
        if len > MAX_ID_LEN { None } else { u8::try_from(len + 1).ok() }
    }

    fn is(&self, other: &Self) -> bool {
        self.size == other.size && other.id().iter().zip(&self.bytes).all(|(other, own)| other == own)
    }

    fn id(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.size).wrapping_sub(1)).unwrap_or_default()
    }

    fn text(&self) -> Text<'_> {
        // It was text when it came.
        Text::from_utf8(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 5] = ["", "1", "2", "3", "4"];

    fn note(recent: &mut Recent<3>, ids: &[usize]) -> std::vec::Vec<Option<usize>> {
        ids.iter().map(|&id| recent.note(IDS[id].into())).collect()
    }

    fn next(recent: &Recent<3>) -> Option<Text<'_>> {
        recent.waiting().map(|place| recent.text(place))
    }

    #[test]
    fn the_last_ones_are_remembered_and_each_once() {
        let mut recent = Recent::<3>::new();
        assert_eq!(note(&mut recent, &[1, 2, 1, 3, 1]), [Some(0), Some(1), None, Some(2), None]);
        assert!([1, 2, 3].iter().all(|&id| recent.wait(IDS[id].into()) == Some(true)));
        assert_eq!(note(&mut recent, &[4]), [Some(0)], "the oldest one's place");
        let known = [1, 2, 3, 4].map(|id| recent.wait(IDS[id].into()));
        assert_eq!(known, [Some(false), Some(true), Some(true), Some(true)]);
        assert_eq!(Recent::<3>::new().wait("".into()), Some(false), "a place nobody has taken is no id");
    }

    #[test]
    fn acknowledgements_wait_for_their_turn_the_oldest_first() {
        let mut recent = Recent::<3>::new();
        note(&mut recent, &[1, 2, 3, 4]);
        for id in ["2", "3", "4"] {
            assert_eq!(next(&recent), Some(id.into()));
            recent.settle(recent.waiting().unwrap());
        }
        assert_eq!(recent.waiting(), None);
        assert_eq!(recent.wait("3".into()), Some(true), "what has been acknowledged is remembered");
        assert_eq!(next(&recent), Some("3".into()));
        recent.settle_all();
        assert_eq!(recent.waiting(), None);
    }

    #[test]
    fn an_id_is_what_its_text_says_and_has_a_limit() {
        let most = "x".repeat(MAX_ID_LEN);
        let mut recent = Recent::<3>::new();
        recent.note(Text::from(&*most));
        assert_eq!(next(&recent), Some(Text::from(&*most)));
        let long = most + "x";
        assert_eq!((recent.wait(Text::from(&*long)), recent.note(Text::from(&*long))), (None, None));
        assert_eq!(recent.note("".into()), Some(1), "an id of no bytes is one");
        assert_eq!(recent.wait("".into()), Some(true));
        assert_eq!(recent.note(Text::from_json(r"\u77ed\/\ud83d\ude00\n", true)), Some(2));
        assert_eq!(recent.wait("短/😀\n".into()), Some(true), "however it is escaped");
        assert_eq!(recent.text(2), "短/😀\n");
    }
}
