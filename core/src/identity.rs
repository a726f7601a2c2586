//! What makes two copies of a received item the same: a digest short enough to remember a day's worth of them.

use sha2::{Digest, Sha256};

use crate::Text;

/// Tells copies of one item from other items: the first 128 bits of a SHA-256 over the members that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 16]);

impl Identity {
    /// The bytes to remember.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Takes the members that count one by one. Each goes in with its kind and length, so that no two lists of members
/// run together.
pub(crate) struct Identifier(Sha256);

impl Identifier {
    pub(crate) fn new(kind: &str) -> Self {
        Self(Sha256::new()).text(Text::from(kind))
    }

    pub(crate) fn text(mut self, text: Text<'_>) -> Self {
        self.0.update([b't']);
        self.0.update((text.len() as u64).to_le_bytes());
        if let Some(plain) = text.plain() {
            self.0.update(plain);
            return self;
        }
        for char in text.chars() {
            let mut utf8 = [0; 4];
            self.0.update(char.encode_utf8(&mut utf8).as_bytes());
        }
        self
    }

    pub(crate) fn optional(mut self, text: Option<Text<'_>>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => {
                self.0.update([b'0']);
                self
            }
        }
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update([b'b']);
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.update([b'n']);
        self.0.update(number.to_le_bytes());
        self
    }

    pub(crate) fn integer(self, number: i64) -> Self {
        self.number(u64::from_le_bytes(number.to_le_bytes()))
    }

    pub(crate) fn finish(self) -> Identity {
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(self.0.finalize()) {
            *to = from;
        }
        Identity(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_members_do_not_run_together() {
        let ab_c = Identifier::new("k").text("ab".into()).text("c".into()).finish();
        let a_bc = Identifier::new("k").text("a".into()).text("bc".into()).finish();
        let absent = Identifier::new("k").optional(None).finish();
        let empty = Identifier::new("k").optional(Some("".into())).finish();
        assert_ne!(ab_c, a_bc);
        assert_ne!(absent, empty);
        assert_eq!(ab_c, Identifier::new("k").text(Text::from_json("\\u0061b", true)).text("c".into()).finish());
    }
}
