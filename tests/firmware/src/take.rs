//! What a caller does with what is read: it looks at every member, unescapes every text and decodes every message, so
//! that the compiler cannot leave out the work of reading any of it.
//!
//! `black_box` on a reference has every member in memory, where the machine's memory is the only thing it costs.

use core::hint::black_box;

use pushgate_core::{
    Text,
    lingyang::{self, ClientPush, Msg, ServerPush, Webhook},
    link::{Frame, Message},
    tencent, uplink,
};

use crate::input::Chunks;

/// Takes a body that nobody reads: copies what of each chunk the buffer has room for.
pub fn chunks(buf: &mut [u8], chunks: Chunks) {
    for chunk in chunks {
        if let Some((buf, chunk)) = buf.get_mut(..chunk.len()).zip(Some(chunk)) {
            buf.copy_from_slice(chunk);
        }
        black_box(&mut *buf);
    }
}

/// Reads `chunk` into `room` as a socket would, and returns its length; 0 when there is none.
pub fn into(room: &mut [u8], chunk: Option<&[u8]>) -> usize {
    let chunk = chunk.unwrap_or_default();
    match room.get_mut(..chunk.len()) {
        Some(room) => {
            // Not `copy_from_slice`, whose check of the lengths can panic where it is not inlined.
            room.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            chunk.len()
        }
        None => 0,
    }
}

/// Takes a line of the device link; it counts as one item.
pub fn frame(frame: &Frame<'_>) -> u32 {
    black_box(frame);
    match frame {
        Frame::Hello(hello) => text(hello.token),
        Frame::Message(message) => self::message(message),
        Frame::Ack(id) => text(*id),
        Frame::Receipt(receipt) => {
            text(receipt.id);
            text(receipt.state.text());
        }
        Frame::Error(problem) => text(problem.message),
        Frame::Welcome(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Unknown => {}
    }
    1
}

/// Takes a message of the device link.
pub fn message(message: &Message<'_>) {
    black_box(message);
    text(message.id);
    msg(message.msg);
}

/// Takes an event.
pub fn event(event: tencent::Event<'_, '_>) {
    match event {
        tencent::Event::OfflinePush(push) => {
            black_box(push);
            optional(push.from_account);
            text(push.to_account);
            optional(push.msg_key);
            optional(push.group_id);
            optional(push.push_id);
            optional(push.err_info);
        }
        tencent::Event::AllMemberPush(push) => {
            black_box(push);
            text(push.task_id);
            optional(push.data_id);
            text(push.to_account);
            text(push.err_info);
        }
        tencent::Event::Unknown { command, event } => {
            black_box(event.as_bytes());
            text(command);
        }
    }
}

/// Takes an item of a UCloud batch.
pub fn item(item: uplink::Item<'_, '_>) {
    match item {
        uplink::Item::Message(message) => {
            black_box(message);
            optional(message.extend_code);
            optional(message.user_id);
            text(message.phone);
            text(message.reply_content);
        }
        uplink::Item::Report(report) => {
            black_box(report);
            text(report.session_no);
            text(report.phone);
            text(report.receipt_result);
            text(report.receipt_code);
            text(report.receipt_desc);
            optional(report.user_id);
        }
        uplink::Item::Unsupported(raw) => {
            black_box(raw.as_bytes());
        }
    }
}

/// Takes a Tencent answer; it counts as one item.
pub fn events_reply(reply: &tencent::Reply<'_>) -> u32 {
    black_box(reply);
    optional(reply.error_info);
    1
}

/// Takes a UCloud answer; it counts as one item.
pub fn uplink_reply(reply: &uplink::Reply<'_>) -> u32 {
    black_box(reply);
    optional(reply.message);
    1
}

/// Takes a device's push and returns how many receivers it has.
pub fn client_push(push: &ClientPush<'_>) -> u32 {
    black_box(push);
    msg(push.msg);
    let mut receivers = 0;
    for token in push.access_tokens.iter() {
        text(token);
        receivers += 1;
    }
    receivers
}

/// Takes the application server's push and returns how many receivers it has.
pub fn server_push(push: &ServerPush<'_>) -> u32 {
    let mut receivers = 0;
    match push {
        ServerPush::Batch(push) => {
            black_box(push);
            msg(push.msg);
            for cid in push.clients.iter() {
                black_box(cid);
                receivers += 1;
            }
        }
        ServerPush::Proxy(messages) => {
            for message in messages.iter() {
                black_box(&message);
                msg(message.msg);
                receivers += 1;
            }
        }
    }
    receivers
}

/// Takes a webhook call and returns how many receivers it names.
pub fn webhook(call: &Webhook<'_>) -> u32 {
    let mut receivers = 0;
    match call {
        Webhook::DeviceMessage(message) => {
            black_box(message);
            msg(message.msg);
            for cid in message.to.iter() {
                black_box(cid);
                receivers += 1;
            }
        }
        Webhook::Unknown { event, body } => {
            text(*event);
            black_box(body.as_bytes());
        }
    }
    receivers
}

/// Takes the answer to a push; it counts as one item.
pub fn push_reply(reply: &lingyang::Reply<'_>) -> u32 {
    black_box(reply);
    text(reply.request_id);
    if let Some(refusal) = &reply.error {
        optional(refusal.field);
        text(refusal.message);
    }
    1
}

fn optional(part: Option<Text<'_>>) {
    if let Some(part) = part {
        text(part);
    }
}

/// A text without escapes is there as it is; one with escapes has to be walked through.
#[inline(never)]
fn text(text: Text<'_>) {
    match text.as_str() {
        Some(plain) => {
            black_box(plain);
        }
        None => {
            for char in text.chars() {
                black_box(char);
            }
        }
    }
}

#[inline(never)]
fn msg(msg: Msg<'_>) {
    for byte in msg.bytes() {
        black_box(byte);
    }
}
