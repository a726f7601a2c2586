//! The bodies that a device reads and writes, as serde has them.

use serde::{Deserialize, Serialize};

/// A device's push.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClientPush<'a> {
    /// In base64.
    pub msg: &'a str,
    /// How hard it is tried.
    pub flag: u8,
    /// Whether its sender is told what became of it.
    pub callback: u8,
    /// Who it is for.
    pub access_tokens: &'a [&'a str],
}

/// The answer to a push.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Reply<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// What is wrong, when something is.
    #[serde(default, borrow)]
    pub error: Option<Refusal<'a>>,
}

/// Why a push is refused.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub code: u32,
    /// The member at fault.
    #[serde(default)]
    pub field: Option<&'a str>,
    /// What is wrong with it.
    pub message: &'a str,
}

/// A line of the device link.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are those of the core's `Frame`")]
pub enum Frame<'a> {
    #[serde(borrow)]
    Hello(Hello<'a>),
    Welcome(Welcome),
    #[serde(borrow)]
    Message(Message<'a>),
    Ack(&'a str),
    #[serde(borrow)]
    Receipt(Receipt<'a>),
    Ping(u64),
    Pong(u64),
    #[serde(borrow)]
    Error(Problem<'a>),
}

/// The first line of a device.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core's `Hello`")]
pub struct Hello<'a> {
    pub token: &'a str,
}

/// The host's answer to it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core's `Welcome`")]
pub struct Welcome {
    pub cid: u32,
    pub time: u64,
    pub heartbeat: u32,
}

/// A message to the device.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core's `Message`")]
pub struct Message<'a> {
    pub id: &'a str,
    pub from: u32,
    pub created: u64,
    pub msg: &'a str,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core's `Receipt`")]
pub struct Receipt<'a> {
    pub id: &'a str,
    pub to: u32,
    pub state: &'a str,
}

/// Why the host closes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core's `Problem`")]
pub struct Problem<'a> {
    pub code: u32,
    pub message: &'a str,
}

/// A Tencent event of the usual kind.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "they are those of the core's `Event`")]
pub struct Event<'a> {
    pub callback_command: &'a str,
    pub event_type: u32,
    pub event_time: u64,
    #[serde(default, rename = "From_Account")]
    pub from_account: Option<&'a str>,
    #[serde(rename = "To_Account")]
    pub to_account: &'a str,
    #[serde(default)]
    pub push_platform: Option<u32>,
    pub push_stage: u32,
    #[serde(default)]
    pub msg_key: Option<&'a str>,
    #[serde(default, rename = "GroupID")]
    pub group_id: Option<&'a str>,
    #[serde(default)]
    pub msg_seq: Option<u32>,
    #[serde(default)]
    pub msg_random: Option<u32>,
    #[serde(default)]
    pub msg_time: Option<u64>,
    #[serde(default, rename = "PushID")]
    pub push_id: Option<&'a str>,
    pub err_code: i32,
    #[serde(default)]
    pub err_info: Option<&'a str>,
}
