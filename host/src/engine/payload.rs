//! What a delivery carries: a body, and what the store keeps beside it so that a restart knows how it is sent.

use std::fmt::Write as _;

use bytes::Bytes;
use pushgate_core::lingyang::Flag;
use serde::{Deserialize, Serialize};

use crate::store::Content;

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
    Message { flag: Flag, receipt: bool },
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
                Nature::Message { flag: Flag::from_code(message.flag).unwrap_or_default(), receipt: message.receipt }
            }
        }
    }
}

impl Nature {
    pub(super) fn flag(self) -> Option<Flag> {
        if let Self::Message { flag, .. } = self { Some(flag) } else { None }
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
