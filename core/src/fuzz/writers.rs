//! The fast writer and the table-driven one write the same bytes, however much room there is.

use alloc::{vec, vec::Vec};

use crate::{
    Error,
    json::{
        self,
        schema::{Object, Value, write_item},
        write::{Out, Writer},
    },
    tencent as im, uplink as usms,
};

use super::exactly;

/// Bytes a buffer has beyond what is written: the fast writer needs some to spare, at most a key's block of 48.
const SPARE: [usize; 9] = [0, 1, 7, 8, 15, 16, 31, 48, 200];

/// Takes bytes as batches, and as any document, to be written by both writers.
///
/// # Panics
///
/// When the writers disagree, or one of them with itself in a buffer of another length.
pub fn writers(data: &[u8]) {
    if json::check(data).is_ok() {
        let expected = by_table(Out::Json(data));
        let mut compact = |buf: &mut [u8]| json::compact(data, buf).map(<[u8]>::to_vec);
        with_room_to_spare(&expected, &mut compact);
    }
    let mut expected = Vec::new();
    let summary = usms::read(data, |item| {
        expected.push(match item {
            usms::Item::Message(message) => both(message),
            usms::Item::Report(report) => both(report),
            usms::Item::Unsupported(raw) => by_table(raw.out()),
        });
        written_alike(&expected, &mut |buf| item.write(buf).map(<[u8]>::to_vec));
    });
    if let Ok(summary) = summary {
        let mut before = b"{\"MsgType\":".to_vec();
        before.extend(by_table(Out::Signed(summary.msg_type.into())));
        before.extend(b",\"Data\":[");
        let expected = [&*before, &expected.join(&b","[..]), b"]}"].concat();
        with_room_to_spare(&expected, &mut |buf| usms::compact(data, buf).map(<[u8]>::to_vec));
    }
    let mut expected = Vec::new();
    let events = im::read(data, |event| {
        expected.push(match event {
            im::Event::OfflinePush(push) => both(push),
            im::Event::AllMemberPush(push) => both(push),
            im::Event::Unknown { event, .. } => by_table(event.out()),
        });
        written_alike(&expected, &mut |buf| event.write(buf).map(<[u8]>::to_vec));
    });
    if events.is_ok() {
        let expected = [b"{\"Events\":[", &*expected.join(&b","[..]), b"]}"].concat();
        with_room_to_spare(&expected, &mut |buf| im::compact(data, buf).map(<[u8]>::to_vec));
    }
}

/// Writes an object of a batch by both writers.
fn both<'a, O: Object<'a> + Value<'a>>(object: &O) -> Vec<u8> {
    let expected = by_table(object.out());
    with_room_to_spare(&expected, &mut |buf| {
        let mut writer = Writer::new(buf);
        write_item(object, &mut writer);
        writer.finish().map(<[u8]>::to_vec)
    });
    expected
}

fn by_table(value: Out<'_>) -> Vec<u8> {
    exactly(&mut |buf| {
        let mut writer = Writer::new(buf);
        writer.value(value);
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
