//! The fast writer and the small one write the same bytes, however much room there is.

use alloc::{vec, vec::Vec};

use crate::{
    Error, Text,
    json::{
        self,
        value::{Object, Value, write_item},
        write::Writer,
    },
    tencent as im, uplink as usms,
};

use super::exactly;

/// Bytes a buffer has beyond what is written: the fast writer needs some to spare, at most a key's block of 48.
const SPARE: [usize; 9] = [0, 1, 7, 8, 15, 16, 31, 48, 200];

/// Takes bytes as batches, as any document, and as a text for the members of items, to be written by both writers.
///
/// # Panics
///
/// When the writers disagree, or one of them with itself in a buffer of another length, or what was written is not read
/// as what it was.
pub fn writers(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        made_of(text);
    }
    if json::check(data).is_ok() {
        let expected = by_calls(|writer| writer.json(data));
        let mut compact = |buf: &mut [u8]| json::compact(data, buf).map(<[u8]>::to_vec);
        with_room_to_spare(&expected, &mut compact);
    }
    let mut expected = Vec::new();
    let summary = usms::read(data, |item| {
        expected.push(match item {
            usms::Item::Message(message) => both(message),
            usms::Item::Report(report) => both(report),
            usms::Item::Unsupported(raw) => by_calls(|writer| raw.write(writer)),
        });
        written_alike(&expected, &mut |buf| item.write(buf).map(<[u8]>::to_vec));
    });
    if let Ok(summary) = summary {
        let mut before = b"{\"MsgType\":".to_vec();
        before.extend(by_calls(|writer| writer.signed(summary.msg_type.into())));
        before.extend(b",\"Data\":[");
        let expected = [&*before, &expected.join(&b","[..]), b"]}"].concat();
        with_room_to_spare(&expected, &mut |buf| usms::compact(data, buf).map(<[u8]>::to_vec));
    }
    let mut expected = Vec::new();
    let events = im::read(data, |event| {
        expected.push(match event {
            im::Event::OfflinePush(push) => both(push),
            im::Event::AllMemberPush(push) => both(push),
            im::Event::Unknown { event, .. } => by_calls(|writer| event.write(writer)),
        });
        written_alike(&expected, &mut |buf| event.write(buf).map(<[u8]>::to_vec));
    });
    if events.is_ok() {
        let expected = [b"{\"Events\":[", &*expected.join(&b","[..]), b"]}"].concat();
        with_room_to_spare(&expected, &mut |buf| im::compact(data, buf).map(<[u8]>::to_vec));
    }
}

/// Writes items whose members hold `text` and parts of it: quotes and control characters too, which no text that was
/// read holds as they are.
fn made_of(text: &str) {
    let number = text.as_bytes().last_chunk().map_or(text.len() as u64, |bytes| u64::from_le_bytes(*bytes));
    let middle = text.char_indices().nth(text.len() / 2 % 24).map_or(0, |(at, _)| at);
    let (start, end) = text.split_at_checked(middle).unwrap_or_default();
    let (text, start, end) = (Text::from(text), Text::from(start), Text::from(end));
    let optional = |bit: u64| (number >> bit & 1 == 1).then_some(end);
    let message = usms::Message {
        extend_code: optional(0),
        user_id: optional(1),
        phone: start,
        reply_content: text,
        reply_time: number,
    };
    let report = usms::Report {
        session_no: start,
        phone: end,
        cost_count: number.cast_signed(),
        receipt_time: number,
        receipt_result: text,
        receipt_code: start,
        receipt_desc: end,
        user_id: optional(2),
    };
    for (msg_type, item, written) in
        [("0", usms::Item::Message(&message), both(&message)), ("2", usms::Item::Report(&report), both(&report))]
    {
        let before = ["{\"MsgType\":", msg_type, ",\"Data\":["].concat();
        let body = [before.as_bytes(), &*written, b"]}"].concat();
        let summary = usms::read(&body, |again| assert_eq!(again, item));
        assert_eq!(summary.map(|summary| summary.items), Ok(1));
    }
    let push = im::OfflinePush {
        event_type: number.cast_signed().into(),
        event_time: number,
        from_account: optional(0),
        to_account: text,
        push_stage: 1.into(),
        msg_key: optional(1),
        group_id: optional(2),
        msg_seq: u32::try_from(number).ok(),
        msg_time: Some(number >> 33),
        push_id: Some(start),
        err_code: number.cast_signed(),
        err_info: Some(end),
        ..im::OfflinePush::default()
    };
    let all = im::AllMemberPush {
        task_id: text,
        data_id: optional(3),
        task_time: number,
        to_account: start,
        err_code: number.cast_signed(),
        err_info: end,
        ..im::AllMemberPush::default()
    };
    for (event, written) in [(im::Event::OfflinePush(&push), both(&push)), (im::Event::AllMemberPush(&all), both(&all))]
    {
        let body = [b"{\"Events\":[", &*written, b"]}"].concat();
        assert_eq!(im::read(&body, |again| assert_eq!(again, event)), Ok(1));
    }
}

/// Writes an object of a batch by both writers.
fn both<'a, O: Object<'a> + Value<'a>>(object: &O) -> Vec<u8> {
    let expected = by_calls(|writer| object.write(writer));
    with_room_to_spare(&expected, &mut |buf| {
        let mut writer = Writer::new(buf);
        write_item(object, &mut writer);
        writer.finish().map(<[u8]>::to_vec)
    });
    expected
}

fn by_calls(write: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
    exactly(&mut |buf| {
        let mut writer = Writer::new(buf);
        write(&mut writer);
        writer.finish()
    })
}

type Write<'w> = dyn FnMut(&mut [u8]) -> Result<Vec<u8>, Error> + 'w;

/// Asserts that `write` writes the last of what is expected.
fn written_alike(expected: &[Vec<u8>], write: &mut Write<'_>) {
    if let Some(expected) = expected.last() {
        with_room_to_spare(expected, write);
    }
}

fn with_room_to_spare(expected: &[u8], write: &mut Write<'_>) {
    for spare in SPARE {
        let mut buf = vec![0xaa; expected.len() + spare];
        assert_eq!(write(&mut buf).as_deref(), Ok(expected), "with {spare} bytes to spare");
    }
}
