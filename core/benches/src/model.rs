//! The payloads as a user of any other library would declare them, and the rules such a user must check by hand.
//!
//! Strings borrow wherever the library can lend them. The text of a reply has two declarations: `&str` where a body has
//! no escapes, `Cow` where it has. Lists are generic because serde-json-core fills arrays of a fixed size.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use json_bourne::{FromJson, ToJson};
use pushgate_core::{
    lingyang::{MAX_MSG_BYTES, MAX_RECEIVERS},
    tencent::MAX_EVENTS,
};
use serde::{Deserialize, Serialize};

use crate::results::Results;

/// Elements of every list, by the protocols' limits.
pub(crate) const MAX_ELEMENTS: usize = 100;

/// A body that is parsed, but whose protocol's rules are unchecked.
pub(crate) trait Parsed {
    /// Checks the rules and hands over the values.
    fn take(&self, results: &mut Results);
}

/// A list of whatever memory.
pub(crate) trait List {
    /// What it holds.
    type Element;

    /// Its elements.
    fn elements(&self) -> &[Self::Element];
}

impl<T> List for Vec<T> {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }
}

impl<T> List for heapless::Vec<T, MAX_ELEMENTS> {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }
}

// ------------------------------------------------------------------------------------------------------------ tencent

/// Tencent's batch of events.
#[derive(Serialize, Deserialize, FromJson, ToJson)]
#[bourne(deny_unknown_fields = false)]
pub(crate) struct Events<L> {
    #[serde(rename = "Events")]
    #[bourne(rename = "Events")]
    pub(crate) events: L,
}

/// `Push.OfflinePush`.
#[derive(Serialize, Deserialize, FromJson, ToJson)]
#[serde(rename_all = "PascalCase")]
#[bourne(rename_all = "PascalCase", deny_unknown_fields = false)]
pub(crate) struct Event<'a> {
    pub(crate) callback_command: &'a str,
    pub(crate) event_type: i64,
    pub(crate) event_time: u64,
    #[serde(rename = "From_Account", borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(rename = "From_Account", skip_if_none)]
    pub(crate) from_account: Option<&'a str>,
    #[serde(rename = "To_Account")]
    #[bourne(rename = "To_Account")]
    pub(crate) to_account: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) push_platform: Option<i64>,
    pub(crate) push_stage: i64,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) msg_key: Option<&'a str>,
    #[serde(rename = "GroupID", borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(rename = "GroupID", skip_if_none)]
    pub(crate) group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) msg_seq: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) msg_random: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) msg_time: Option<u64>,
    #[serde(rename = "PushID", borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(rename = "PushID", skip_if_none)]
    pub(crate) push_id: Option<&'a str>,
    pub(crate) err_code: i64,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) err_info: Option<&'a str>,
}

impl Event<'_> {
    /// Checks the command and hands over the event.
    pub(crate) fn take(&self, results: &mut Results) {
        assert_eq!(self.callback_command, "Push.OfflinePush");
        results.take(self);
    }
}

impl<'a, L: List<Element = Event<'a>>> Parsed for Events<L> {
    fn take(&self, results: &mut Results) {
        let events = self.events.elements();
        assert!((1..=MAX_EVENTS as usize).contains(&events.len()));
        for event in events {
            event.take(results);
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- uplink

/// UCloud's batch of replies.
#[derive(Serialize, Deserialize, FromJson, ToJson)]
#[serde(rename_all = "PascalCase")]
#[bourne(rename_all = "PascalCase", deny_unknown_fields = false)]
pub(crate) struct Uplinks<L> {
    pub(crate) msg_type: i64,
    pub(crate) data: L,
}

/// A reply whose text has no escapes.
#[derive(Serialize, Deserialize, FromJson, ToJson)]
#[serde(rename_all = "PascalCase")]
#[bourne(rename_all = "PascalCase", deny_unknown_fields = false)]
pub(crate) struct Message<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) extend_code: Option<&'a str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[bourne(skip_if_none)]
    pub(crate) user_id: Option<&'a str>,
    pub(crate) phone: &'a str,
    pub(crate) reply_content: &'a str,
    pub(crate) reply_time: u64,
}

/// A reply whose text may have escapes.
#[derive(Serialize, Deserialize, FromJson)]
#[serde(rename_all = "PascalCase")]
#[bourne(rename_all = "PascalCase", deny_unknown_fields = false)]
pub(crate) struct EscapedMessage<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) extend_code: Option<&'a str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<&'a str>,
    pub(crate) phone: &'a str,
    #[serde(borrow)]
    pub(crate) reply_content: Cow<'a, str>,
    pub(crate) reply_time: u64,
}

/// A reply as a user of it sees it.
pub(crate) trait Reply: Serialize {
    /// Its text, unescaped.
    fn content(&self) -> &str;
}

impl Reply for Message<'_> {
    fn content(&self) -> &str {
        self.reply_content
    }
}

impl Reply for EscapedMessage<'_> {
    fn content(&self) -> &str {
        &self.reply_content
    }
}

impl<L: List<Element: Reply>> Parsed for Uplinks<L> {
    fn take(&self, results: &mut Results) {
        assert_eq!(self.msg_type, 0);
        for message in self.data.elements() {
            results.take(message);
            results.take(message.content());
        }
    }
}

// ----------------------------------------------------------------------------------------------------------- lingyang

/// A device's push.
#[derive(Serialize, Deserialize, FromJson)]
#[bourne(deny_unknown_fields = false)]
pub(crate) struct ClientPush<'a, L> {
    pub(crate) msg: &'a str,
    pub(crate) flag: Option<u32>,
    pub(crate) callback: u32,
    pub(crate) access_tokens: L,
}

/// The application server's push, its payload of the shape that `proxy` asks for.
///
/// That shape is told beforehand, which spares the peers what pushgate has to find out.
#[derive(Serialize, Deserialize, FromJson)]
#[bourne(deny_unknown_fields = false)]
pub(crate) struct ServerPush<P> {
    pub(crate) proxy: u32,
    pub(crate) payload: P,
}

/// One message to many devices.
#[derive(Serialize, Deserialize, FromJson)]
#[bourne(deny_unknown_fields = false)]
pub(crate) struct Batch<'a, L> {
    pub(crate) msg: &'a str,
    pub(crate) flag: Option<u32>,
    pub(crate) clients: L,
}

/// A message in a device's name.
#[derive(Serialize, Deserialize, FromJson)]
#[bourne(deny_unknown_fields = false)]
pub(crate) struct Proxied<'a> {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) flag: Option<u32>,
    pub(crate) msg: &'a str,
}

impl<'a, L: List<Element = &'a str>> Parsed for ClientPush<'_, L> {
    fn take(&self, results: &mut Results) {
        assert!(self.callback <= 1);
        take_message(self.msg, self.flag, results);
        results.take(&self.callback);
        for token in receivers(&self.access_tokens) {
            results.take(*token);
        }
    }
}

impl<L: List<Element = u32>> Parsed for ServerPush<Batch<'_, L>> {
    fn take(&self, results: &mut Results) {
        assert_eq!(self.proxy, 0);
        take_message(self.payload.msg, self.payload.flag, results);
        for cid in receivers(&self.payload.clients) {
            take_cid(*cid, results);
        }
    }
}

impl<'a, L: List<Element = Proxied<'a>>> Parsed for ServerPush<L> {
    fn take(&self, results: &mut Results) {
        assert_eq!(self.proxy, 1);
        for message in receivers(&self.payload) {
            take_cid(message.from, results);
            take_cid(message.to, results);
            take_message(message.msg, message.flag, results);
        }
    }
}

fn receivers<L: List>(list: &L) -> &[L::Element] {
    assert!(list.elements().len() <= MAX_RECEIVERS as usize);
    list.elements()
}

fn take_cid(cid: u32, results: &mut Results) {
    assert_ne!(cid, 0);
    results.take(&cid);
}

fn take_message(msg: &str, flag: Option<u32>, results: &mut Results) {
    assert!(matches!(flag, None | Some(2 | 3)));
    // The base64 crate asks for as much room as the padding could have held.
    let mut bytes = [0; MAX_MSG_BYTES + 2];
    let len = STANDARD.decode_slice(msg, &mut bytes).expect("msg is base64 of at most 256 bytes");
    assert!(len <= MAX_MSG_BYTES);
    results.take(&bytes[..len]);
    results.take(&flag);
}
