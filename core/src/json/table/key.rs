//! Finding the member that a key names while the key comes.

use super::{Member, NONE};

/// A key under way: the members that begin like it. Keys are compared as they come, so none needs room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// A bit for each.
    alike: u32,
    /// How many bytes have come.
    len: u8,
}

impl Key {
    /// Before its first byte.
    pub(super) const BEGUN: Self = Self { alike: u32::MAX, len: 0 };

    /// Takes the next bytes of the unescaped key.
    #[inline(never)]
    pub(super) fn go_on(&mut self, members: &'static [Member], bytes: &[u8]) {
        let mut left = self.alike;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            left ^= bit;
            let Some(member) = members.get(bit.trailing_zeros() as usize) else {
                self.alike &= bit.wrapping_sub(1);
                break;
            };
            let rest = member.name.as_bytes().get(usize::from(self.len)..).unwrap_or_default();
            if rest.len() < bytes.len() || rest.iter().zip(bytes).any(|(name, byte)| name != byte) {
                self.alike ^= bit;
            }
        }
        self.len = self.len.saturating_add(u8::try_from(bytes.len()).unwrap_or(NONE));
    }

    /// The member whose name the whole key is.
    pub(super) fn end(self, members: &'static [Member]) -> Option<(u8, &'static Member)> {
        let mut bits = self.alike;
        for (index, member) in (0..).zip(members) {
            if bits & 1 == 1 && member.name.len() == usize::from(self.len) {
                return Some((index, member));
            }
            bits >>= 1;
        }
        None
    }
}
