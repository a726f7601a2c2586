//! Bodies whose every item says who it is, so that it can be told what became of it.

use serde_json::{Value, json};

/// A submission of uplink messages, one for each of these texts.
pub fn uplink_batch(texts: &[impl AsRef<str>]) -> String {
    let item = |text: &str| json!({ "Phone": "18512345678", "ReplyContent": text, "ReplyTime": 1_563_867_000 });
    let items: Vec<_> = texts.iter().map(|text| item(text.as_ref())).collect();
    json!({ "MsgType": 0, "Data": items }).to_string()
}

/// A submission of Tencent events, one for each of these texts.
pub fn tencent_batch(texts: &[impl AsRef<str>]) -> String {
    let event = |text: &str| {
        json!({
            "CallbackCommand": "Push.OfflinePush", "EventType": 1, "EventTime": 1_669_872_112, "To_Account": text,
            "PushStage": 1, "ErrCode": 0
        })
    };
    let events: Vec<_> = texts.iter().map(|text| event(text.as_ref())).collect();
    json!({ "Events": events }).to_string()
}

/// The texts of a body made by either.
#[must_use]
pub fn texts(body: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let texts = |list: &Value, member: &str| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items.filter_map(|item| item[member].as_str().map(str::to_owned)).collect()
    };
    [texts(&body["Data"], "ReplyContent"), texts(&body["Events"], "To_Account")].concat()
}

/// Numbers that look random, the same for the same seed.
pub struct Random(u64);

impl Random {
    /// Begins at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
