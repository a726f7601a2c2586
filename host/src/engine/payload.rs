//! What a delivery carries: a body, and what the store keeps beside it so that a restart knows how it is sent.

use std::fmt::Write as _;

use bytes::Bytes;
use pushgate_core::lingyang::Flag;
use serde::{Deserialize, Serialize};

use crate::store::{Attempt, Content};

/// What a delivery carries; shared by the deliveries of one message to all its receivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// How it is sent.
    pub meta: Meta,
    /// What is sent.
    pub body: Bytes,
}

/// How a payload is sent: what the store keeps beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meta {
    /// As a request of its own.
    Whole,
    /// In a request together with others of its class.
    Items(Items),
    /// As a line of a device's link.
    Message(MessageMeta),
}

/// Items that may share a request with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items {
    /// Only items of one class share a request; 0 shares with none.
    pub class: u8,
    /// How many there are.
    pub count: u8,
}

/// What the store keeps of a message for a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMeta {
    /// The sending device; 0 = the application server.
    pub from: u32,
    /// When it was accepted, in unix seconds.
    pub created: u64,
    /// The flag's number.
    pub flag: u32,
    /// The id its push was answered with.
    pub push: String,
    /// Whether the sending device is told what became of it.
    pub receipt: bool,
}

/// What the engine keeps in memory of a [`Meta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Whole,
    Items(Items),
    Message { wish: Wish, why: DropReason },
}

/// A message's flag, and whether its sender is told what became of it: one byte, since a million of them are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    UntilAnswered,
    UntilAnsweredWithReceipt,
    Once,
    OnceWithReceipt,
}

/// Why a message is dropped: what came of its last send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The device was not connected.
    Offline,
    /// The device was connected and did not read.
    Busy,
    /// Flag 2: it went out, and the device did not acknowledge it within 5 s.
    Unanswered,
    /// Flag 3: it went out, its one time, and was not acknowledged within 5 s.
    Once,
    /// Its body was not in the store any more.
    Gone,
    /// The gateway could not make a line of it: a fault of its own.
    Internal,
    /// Its last send was made before the gateway started.
    Restart,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 7] =
        [Self::Offline, Self::Busy, Self::Unanswered, Self::Once, Self::Gone, Self::Internal, Self::Restart];

    /// Its name, which is the class of its send where that has one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Busy => "busy",
            Self::Unanswered => Attempt::UNANSWERED,
            Self::Once => Attempt::ONCE,
            Self::Gone => "gone",
            Self::Internal => "internal",
            Self::Restart => "restart",
        }
    }
}

impl Wish {
    fn new(flag: Flag, receipt: bool) -> Self {
        match (flag, receipt) {
            (Flag::UntilAnswered, false) => Self::UntilAnswered,
            (Flag::UntilAnswered, true) => Self::UntilAnsweredWithReceipt,
            (Flag::Once, false) => Self::Once,
            (Flag::Once, true) => Self::OnceWithReceipt,
        }
    }

    fn flag(self) -> Flag {
        match self {
            Self::UntilAnswered | Self::UntilAnsweredWithReceipt => Flag::UntilAnswered,
            Self::Once | Self::OnceWithReceipt => Flag::Once,
        }
    }
}

impl Payload {
    /// Reads what the store has of it; `None` when that is nothing the engine wrote.
    pub(super) fn read(content: Content) -> Option<Self> {
        Some(Self { meta: Meta::read(&content.meta)?, body: content.body })
    }
}

impl Meta {
    /// The text that the store keeps.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Items(Items { class, count }) => {
                let mut text = String::new();
                let _ = write!(text, "{class}/{count}"); // a String takes everything
                text
            }
            Self::Message(message) => serde_json::to_string(message).unwrap_or_default(),
        }
    }

    /// Reads the text that the store kept.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Whole);
        }
        if text.starts_with('{') {
            return serde_json::from_str(text).ok().map(Self::Message);
        }
        let (class, count) = text.split_once('/')?;
        Some(Self::Items(Items { class: class.parse().ok()?, count: count.parse().ok()? }))
    }

    pub(super) fn nature(&self) -> Nature {
        match self {
            Self::Whole => Nature::Whole,
            Self::Items(items) => Nature::Items(*items),
            Self::Message(message) => {
                let flag = Flag::from_code(message.flag).unwrap_or_default();
                Nature::Message { wish: Wish::new(flag, message.receipt), why: DropReason::Restart }
            }
        }
    }
}

impl Nature {
    pub(super) fn flag(self) -> Option<Flag> {
        if let Self::Message { wish, .. } = self { Some(wish.flag()) } else { None }
    }

    /// Whether the sender is told what becomes of it.
    pub(super) fn wants_receipt(self) -> bool {
        matches!(self, Self::Message { wish: Wish::UntilAnsweredWithReceipt | Wish::OnceWithReceipt, .. })
    }

    /// Notes why a message is dropped if nothing more comes of it.
    pub(super) fn tried(&mut self, reason: DropReason) {
        if let Self::Message { why, .. } = self {
            *why = reason;
        }
    }

    /// What it adds to a request, and which others it may share that with.
    pub(super) fn items(self) -> Items {
        if let Self::Items(items) = self { items } else { Items { class: 0, count: 1 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_keeps_is_read_again() {
        let message = MessageMeta { from: 7, created: 8, flag: 3, push: "a/b".to_owned(), receipt: true };
        for meta in [Meta::Whole, Meta::Items(Items { class: 2, count: 100 }), Meta::Message(message)] {
            assert_eq!(Meta::read(&meta.to_text()), Some(meta));
        }
        for text in ["{}", "1/", "/1", "256/1", "x"] {
            assert_eq!(Meta::read(text), None, "{text}");
        }
    }
}
