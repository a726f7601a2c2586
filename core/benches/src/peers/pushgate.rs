//! pushgate-core itself: visits what it reads, writes item by item.

use pushgate_core::{
    Text,
    json::{ChunkReader, Payload},
    lingyang::{Callback, ClientPush, Flag, MAX_MSG_BYTES, MAX_RECEIVERS, Msg, ServerPush},
    tencent::{self, OfflinePush, OfflinePushCommand},
    uplink::{self, MsgType},
};

use super::{Operation, REFUSED, ROOM, UNWRITTEN};
use crate::{
    model::{Event, Message},
    results::Results,
    rows::Input,
};

pub(super) fn operation(input: &Input) -> Result<Operation<'_>, &'static str> {
    Ok(match input {
        Input::Events(body) => Box::new(|results| read_events(body, results)),
        Input::Uplinks(body) | Input::EscapedUplinks(body) => Box::new(|results| read_uplinks(body, results)),
        Input::ClientPush(body) => Box::new(|results| read_client_push(body, results)),
        Input::ServerPush(body) | Input::ProxiedPush(body) => Box::new(|results| read_server_push(body, results)),
        Input::WriteEvents(events) => {
            let pushes: Vec<OfflinePush<'_>> = events.events.iter().map(offline_push).collect();
            let mut buf = vec![0; ROOM];
            Box::new(move |results| {
                let mut batch = tencent::BatchWriter::new(&mut buf);
                for push in &pushes {
                    batch.push(tencent::Event::OfflinePush(push)).expect(UNWRITTEN);
                }
                results.take(batch.finish().expect(UNWRITTEN));
            })
        }
        Input::WriteUplinks(uplinks) => {
            let messages: Vec<uplink::Message<'_>> = uplinks.data.iter().map(message).collect();
            let mut buf = vec![0; ROOM];
            Box::new(move |results| {
                let mut batch = uplink::BatchWriter::new(&mut buf, MsgType::Messages);
                for message in &messages {
                    batch.push(uplink::Item::Message(message)).expect(UNWRITTEN);
                }
                results.take(batch.finish().expect(UNWRITTEN));
            })
        }
    })
}

/// The reader that a device uses, fed with what a packet brings at a time.
pub(super) fn operation_in_chunks(input: &Input) -> Result<Operation<'_>, &'static str> {
    let mut buf = vec![0; ROOM];
    Ok(match input {
        Input::Events(body) => Box::new(move |results| {
            let mut reader = tencent::BatchReader::new(&mut buf);
            for chunk in body.chunks(PACKET) {
                reader.feed(chunk, |event| take_event(event, results)).expect(REFUSED);
            }
            reader.finish().expect(REFUSED);
        }),
        Input::Uplinks(body) | Input::EscapedUplinks(body) => Box::new(move |results| {
            let mut reader = uplink::BatchReader::new(&mut buf);
            for chunk in body.chunks(PACKET) {
                reader.feed(chunk, |item| take_item(item, results)).expect(REFUSED);
            }
            reader.finish().expect(REFUSED);
        }),
        Input::ClientPush(body) => Box::new(move |results| take_client_push(&in_chunks(body, &mut buf), results)),
        Input::ServerPush(body) | Input::ProxiedPush(body) => {
            Box::new(move |results| take_server_push(&in_chunks(body, &mut buf), results))
        }
        Input::WriteEvents(_) | Input::WriteUplinks(_) => return Err("is a reader"),
    })
}

/// Bytes of a chunk: what a TCP segment carries over Ethernet.
const PACKET: usize = 1460;

fn in_chunks<'b, P: Payload<'b>>(body: &[u8], buf: &'b mut [u8]) -> P {
    let mut reader = ChunkReader::with_max_receivers(buf, MAX_RECEIVERS);
    for chunk in body.chunks(PACKET) {
        reader.feed(chunk).expect(REFUSED);
    }
    reader.finish().expect(REFUSED)
}

fn read_events(body: &[u8], results: &mut Results) {
    tencent::read(body, |event| take_event(event, results)).expect(REFUSED);
}

fn take_event(event: tencent::Event<'_, '_>, results: &mut Results) {
    match event {
        tencent::Event::OfflinePush(push) => results.take(push),
        other => panic!("{REFUSED}: {other:?}"),
    }
}

fn read_uplinks(body: &[u8], results: &mut Results) {
    let summary = uplink::read(body, |item| take_item(item, results)).expect(REFUSED);
    assert_eq!(summary.msg_type, MsgType::Messages);
}

fn take_item(item: uplink::Item<'_, '_>, results: &mut Results) {
    match item {
        uplink::Item::Message(message) => {
            results.take(message);
            take_unescaped(message.reply_content, results);
        }
        other => panic!("{REFUSED}: {other:?}"),
    }
}

/// The other libraries have unescaped their texts by now.
fn take_unescaped(text: Text<'_>, results: &mut Results) {
    match text.as_str() {
        Some(plain) => results.take(plain),
        None => results.take(text.copy_to(&mut [0; 1024]).expect("a reply is shorter than 1 KiB")),
    }
}

fn read_client_push(body: &[u8], results: &mut Results) {
    take_client_push(&ClientPush::read(body, MAX_RECEIVERS).expect(REFUSED), results);
}

fn take_client_push(push: &ClientPush<'_>, results: &mut Results) {
    take_message(push.msg, push.flag, results);
    results.take(&u32::from(push.callback == Callback::Yes));
    for token in push.access_tokens.iter() {
        results.take(token.as_str().expect("tokens are ASCII"));
    }
}

fn read_server_push(body: &[u8], results: &mut Results) {
    take_server_push(&ServerPush::read(body, MAX_RECEIVERS).expect(REFUSED), results);
}

fn take_server_push(push: &ServerPush<'_>, results: &mut Results) {
    match push {
        ServerPush::Batch(push) => {
            take_message(push.msg, push.flag, results);
            for cid in push.clients.iter() {
                results.take(&cid.value());
            }
        }
        ServerPush::Proxy(messages) => {
            for message in messages.iter() {
                results.take(&message.from.value());
                results.take(&message.to.value());
                take_message(message.msg, message.flag, results);
            }
        }
    }
}

fn take_message(msg: Msg<'_>, flag: Option<Flag>, results: &mut Results) {
    results.take(msg.copy_to(&mut [0; MAX_MSG_BYTES]).expect("a message has at most 256 bytes"));
    results.take(&flag.map(Flag::code));
}

fn offline_push<'r>(event: &'r Event<'_>) -> OfflinePush<'r> {
    OfflinePush {
        callback_command: OfflinePushCommand,
        event_type: event.event_type.into(),
        event_time: event.event_time,
        from_account: event.from_account.map(Text::from),
        to_account: event.to_account.into(),
        push_platform: event.push_platform.map(Into::into),
        push_stage: event.push_stage.into(),
        msg_key: event.msg_key.map(Text::from),
        group_id: event.group_id.map(Text::from),
        msg_seq: event.msg_seq,
        msg_random: event.msg_random,
        msg_time: event.msg_time,
        push_id: event.push_id.map(Text::from),
        err_code: event.err_code,
        err_info: event.err_info.map(Text::from),
    }
}

fn message<'r>(message: &'r Message<'_>) -> uplink::Message<'r> {
    uplink::Message {
        extend_code: message.extend_code.map(Text::from),
        user_id: message.user_id.map(Text::from),
        phone: message.phone.into(),
        reply_content: message.reply_content.into(),
        reply_time: message.reply_time,
    }
}
