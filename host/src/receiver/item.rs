//! What is inside a request, item by item: as JSON for programs and as one line for people.

use pushgate_core::{
    Error, Identity, Text,
    json::to_vec,
    lingyang::{DEVICE_MESSAGE, DeviceMessage, MAX_MSG_BYTES, Webhook},
    tencent::{self, AllMemberPush, Event, OfflinePush},
    uplink::{self, Message, Report},
};

use crate::shown::{self, Utc};

/// One item of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `message`, `report` or `unsupported` for uplink, the event's `CallbackCommand` for Tencent, its `event` for a
    /// webhook.
    pub kind: String,
    /// The item as compact JSON in documented member order.
    pub json: String,
    /// The item in one line, harmless to a terminal.
    pub line: String,
    /// Whether a copy of it came before: retries and crashes duplicate.
    pub seen: Seen,
    /// What makes two copies the same; `None` where no page says.
    pub(super) identity: Option<Identity>,
}

/// Whether an item came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It did not, as far as the receiver remembers.
    First,
    /// It did.
    Again,
}

impl Item {
    fn new(
        kind: impl Into<String>,
        line: String,
        identity: Option<Identity>,
        write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error>,
    ) -> Self {
        // What was read can be written: the only failure is a buffer's, and this one grows.
        let json = to_vec(write).ok().and_then(|json| String::from_utf8(json).ok()).unwrap_or_default();
        Self { kind: kind.into(), json, line, seen: Seen::First, identity }
    }
}

/// The items of an uplink batch.
pub(super) fn of_uplink(body: &[u8]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    uplink::read(body, |item| {
        let (kind, line) = match item {
            uplink::Item::Message(message) => ("message", message_line(message)),
            uplink::Item::Report(report) => ("report", report_line(report)),
            uplink::Item::Unsupported(raw) => {
                ("unsupported", raw_line("an item of an unknown MsgType", raw.as_bytes()))
            }
        };
        items.push(Item::new(kind, line, Some(item.identity()), |buf| item.write(buf)));
    })?;
    Ok(items)
}

/// The events of a callback.
pub(super) fn of_events(body: &[u8]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    tencent::read(body, |event| {
        let line = match event {
            Event::OfflinePush(push) => offline_push_line(push),
            Event::AllMemberPush(push) => all_member_push_line(push),
            Event::Unknown { event, .. } => raw_line("an event that is not known here", event.as_bytes()),
        };
        items.push(Item::new(event.command().to_cow(), line, Some(event.identity()), |buf| event.write(buf)));
    })?;
    Ok(items)
}

/// The one item of a webhook. Two that are alike may both be meant, so no copy of it is known.
pub(super) fn of_webhook(body: &[u8]) -> Result<Vec<Item>, Error> {
    let webhook = Webhook::read(body)?;
    let (kind, line) = match &webhook {
        Webhook::DeviceMessage(message) => (DEVICE_MESSAGE.into(), device_message_line(message)),
        Webhook::Unknown { event, body } => {
            (event.to_cow(), raw_line("an event that is not known here", body.as_bytes()))
        }
    };
    Ok(vec![Item::new(kind, line, None, |buf| webhook.write(buf))])
}

fn message_line(message: &Message<'_>) -> String {
    let mut line = Line::new(message.reply_time);
    line.put(format_args!("{}:", Shown(message.phone))).put(Shown(message.reply_content));
    line.detail("UserId", message.user_id).detail("ExtendCode", message.extend_code);
    line.end()
}

fn report_line(report: &Report<'_>) -> String {
    let mut line = Line::new(report.receipt_time);
    line.put(format_args!("{}:", Shown(report.phone))).put(Shown(report.receipt_result));
    line.detail("ReceiptCode", Some(report.receipt_code)).detail("ReceiptDesc", Some(report.receipt_desc));
    line.detail("SessionNo", Some(report.session_no)).detail("UserId", report.user_id);
    line.end()
}

fn offline_push_line(push: &OfflinePush<'_>) -> String {
    let mut line = Line::new(push.event_time);
    line.put(format_args!("to {}:", Shown(push.to_account))).put(format_args!("{:?}", push.push_stage));
    if let Some(platform) = push.push_platform {
        line.put(format_args!("by {platform:?}"));
    }
    line.put(format_args!("ErrCode {}", push.err_code));
    line.detail("ErrInfo", push.err_info).detail("from", push.from_account);
    line.detail("MsgKey", push.msg_key).detail("GroupID", push.group_id).detail("PushID", push.push_id);
    line.end()
}

fn all_member_push_line(push: &AllMemberPush<'_>) -> String {
    let mut line = Line::new(push.event_time);
    line.put(format_args!("to {}:", Shown(push.to_account)));
    line.put(format_args!("{:?} by {:?} ErrCode {}", push.push_stage, push.push_platform, push.err_code));
    line.detail("ErrInfo", Some(push.err_info)).detail("TaskId", Some(push.task_id)).detail("DataId", push.data_id);
    line.end()
}

fn device_message_line(message: &DeviceMessage<'_>) -> String {
    let to: Vec<_> = message.to.iter().map(|cid| cid.to_string()).collect();
    let to = if to.is_empty() { "no device".to_owned() } else { to.join(", ") };
    let mut bytes = [0; MAX_MSG_BYTES];
    let bytes = message.msg.copy_to(&mut bytes).unwrap_or_default();
    format!("{} from {} to {to}: {}", Utc(message.created), message.from, shown::message(bytes))
}

fn raw_line(what: &str, json: &[u8]) -> String {
    format!("{what}: {}", shown::text(&String::from_utf8_lossy(json)))
}

/// A text of the sender's, made harmless.
struct Shown<'a>(Text<'a>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown::text(&self.0.to_cow()))
    }
}

/// A line under way: a time, what happened, and in brackets what else is known.
struct Line {
    text: String,
    details: Vec<String>,
}

impl Line {
    fn new(time: u64) -> Self {
        Self { text: Utc(time).to_string(), details: Vec::new() }
    }

    fn put(&mut self, part: impl std::fmt::Display) -> &mut Self {
        self.text += &format!(" {part}");
        self
    }

    fn detail(&mut self, name: &str, text: Option<Text<'_>>) -> &mut Self {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.details.push(format!("{name} {}", Shown(text)));
        }
        self
    }

    fn end(self) -> String {
        if self.details.is_empty() { self.text } else { format!("{} ({})", self.text, self.details.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(items: Result<Vec<Item>, Error>) -> Vec<String> {
        items.unwrap().into_iter().map(|item| format!("{}: {}", item.kind, item.line)).collect()
    }

    #[test]
    fn each_item_is_one_line_for_people() {
        let uplink = br#"[{"Phone":"185****9057","ReplyContent":"OK\n\u001b[2J","ReplyTime":1475031947,"UserId":"u"}]"#;
        assert_eq!(lines(of_uplink(uplink)), [r"message: 2016-09-28T03:05:47Z 185****9057: OK\n\u{1b}[2J (UserId u)"]);
        let report = r#"{"MsgType":2,"Data":[{"SessionNo":"s","Phone":"1","CostCount":1,"ReceiptTime":0,
            "ReceiptResult":"发送成功","ReceiptCode":"DELIVRD","ReceiptDesc":""}]}"#;
        assert_eq!(
            lines(of_uplink(report.as_bytes())),
            ["report: 1970-01-01T00:00:00Z 1: 发送成功 (ReceiptCode DELIVRD, SessionNo s)"]
        );
        let events = br#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":2,"EventTime":0,"To_Account":"b",
            "From_Account":"a","PushPlatform":4,"PushStage":2,"GroupID":"g","MsgKey":"","ErrCode":7,"ErrInfo":"no"},
            {"CallbackCommand":"Other","x":[1]}]}"#;
        assert_eq!(
            lines(of_events(events)),
            [
                "Push.OfflinePush: 1970-01-01T00:00:00Z to b: Delivery by Fcm ErrCode 7 (ErrInfo no, from a, GroupID g)",
                r#"Other: an event that is not known here: {"CallbackCommand":"Other","x":[1]}"#
            ]
        );
        let webhook = br#"{"event":"device-message","data":{"msg":"aGVsbG8=","from":1,"to":[2,3],"created":0}}"#;
        assert_eq!(lines(of_webhook(webhook)), ["device-message: 1970-01-01T00:00:00Z from 1 to 2, 3: hello"]);
    }

    #[test]
    fn the_json_is_normalised() {
        let items = of_uplink(br#"{"Data":[{"ReplyTime":0,"ReplyContent":"","Phone":"\u0031"}],"MsgType":0}"#).unwrap();
        assert_eq!(items[0].json, r#"{"Phone":"1","ReplyContent":"","ReplyTime":0}"#);
    }
}
