//! Finding the member that a key names while the key comes.

use super::{Member, NONE};

/// A key under way: a member that begins like it. Keys are compared as they come, so none needs room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) candidate: u8,
    /// How many bytes of the candidate's name have come.
    pub(super) matched: u8,
}

impl Key {
    pub(super) const NONE: Self = Self { candidate: NONE, matched: 0 };

    /// Takes the next byte of the unescaped key.
    pub(super) fn go_on(&mut self, members: &'static [Member], byte: u8) {
        let matched = usize::from(self.matched);
        let next = |member: &Member| member.name.as_bytes().get(matched) == Some(&byte);
        if self.candidate == NONE {
            return;
        }
        if !members.get(usize::from(self.candidate)).is_some_and(next) {
            let begun = self.begun(members);
            let other = |member: &Member| next(member) && member.name.as_bytes().starts_with(begun);
            self.candidate = place(members.iter().position(other));
        }
        self.matched = self.matched.saturating_add(1);
    }

    /// The member whose name the whole key is.
    pub(super) fn end(self, members: &'static [Member]) -> Option<(u8, &'static Member)> {
        let begun = self.begun(members);
        if self.candidate == NONE || begun.len() != usize::from(self.matched) {
            return None;
        }
        let mut index = usize::from(self.candidate);
        if members.get(index)?.name.len() != begun.len() {
            index = members.iter().position(|member| member.name.as_bytes() == begun)?;
        }
        Some((place(Some(index)), members.get(index)?))
    }

    /// Takes as many bytes as the candidate's name has next, and says how many.
    pub(super) fn go_on_along(&mut self, members: &'static [Member], bytes: &[u8]) -> usize {
        let name = members.get(usize::from(self.candidate)).map_or(&[][..], |member| member.name.as_bytes());
        let rest = name.get(usize::from(self.matched)..).unwrap_or_default();
        let len = rest.iter().zip(bytes).take_while(|(name, byte)| name == byte).count();
        self.matched = self.matched.saturating_add(u8::try_from(len).unwrap_or(NONE));
        len
    }

    fn begun(self, members: &'static [Member]) -> &'static [u8] {
        let name = members.get(usize::from(self.candidate)).map_or(&[][..], |member| member.name.as_bytes());
        name.get(..usize::from(self.matched)).unwrap_or_default()
    }
}

fn place(index: Option<usize>) -> u8 {
    index.and_then(|index| u8::try_from(index).ok()).unwrap_or(NONE)
}
