//! The requests that a submitted body makes: what may be read but not sent is refused here, with its member.

use bytes::{BufMut, Bytes, BytesMut};
use pushgate_core::{
    Error, Field,
    json::{Raw, to_vec},
    tencent::{self, Event, MAX_EVENTS},
    uplink::{self, Item, MAX_BATCH_ITEMS, Message, MsgType, Report, Summary},
};

use crate::engine::{Items, Meta, Payload};

/// The requests that an uplink body makes: one for each 100 items, as they are sent.
///
/// # Errors
///
/// What may not be sent, with its member.
pub fn uplink_batches(body: &[u8]) -> Result<Vec<Payload>, Error> {
    // `MsgType` may stand after the items, so what needs several requests is read twice: what is held at a time is one
    // request's items.
    let mut first = Vec::new();
    let Summary { msg_type, items } = uplink::read(body, |item| {
        if first.len() < MAX_BATCH_ITEMS as usize {
            first.push(Sendable::from(item));
        }
    })?;
    let class = match msg_type {
        MsgType::Messages => 1,
        MsgType::Reports => 2,
        _ => 0, // what others are nobody knows: it shares no request
    };
    if items <= MAX_BATCH_ITEMS {
        return Ok(vec![payload(uplink_batch(msg_type, 0, &first)?, class, first.len())]);
    }
    drop(first);
    let (mut batches, mut failed) = (Vec::new(), None);
    let (mut batch, mut index) = (Vec::new(), 0);
    uplink::read(body, |item| {
        batch.push(Sendable::from(item));
        index += 1;
        if failed.is_none() && (index % MAX_BATCH_ITEMS == 0 || index == items) {
            match uplink_batch(msg_type, index - u32::try_from(batch.len()).unwrap_or(index), &batch) {
                Ok(written) => batches.push(payload(written, class, batch.len())),
                Err(error) => failed = Some(error),
            }
            batch.clear();
        }
    })?;
    failed.map_or(Ok(batches), Err)
}

/// Writes one request; `first` is the place of its first item in the submission, which errors name.
fn uplink_batch(msg_type: MsgType, first: u32, items: &[Sendable<'_>]) -> Result<Vec<u8>, Error> {
    to_vec(|buf| {
        let mut writer = uplink::BatchWriter::new(buf, msg_type);
        for (index, item) in (first..).zip(items) {
            writer.push(item.as_item()).map_err(|error| {
                let (item, name) = (Field::top("Data").element(index), error.field().name());
                let field = if name == "Data" { item } else { item.member(name) };
                Error::new(error.kind(), field, error.offset())
            })?;
        }
        writer.finish()
    })
}

/// An item on its way from the submission into a request.
enum Sendable<'a> {
    Message(Message<'a>),
    Report(Report<'a>),
    Unsupported(Raw<'a>),
}

impl<'a> From<Item<'_, 'a>> for Sendable<'a> {
    fn from(item: Item<'_, 'a>) -> Self {
        match item {
            Item::Message(message) => Self::Message(*message),
            Item::Report(report) => Self::Report(*report),
            Item::Unsupported(raw) => Self::Unsupported(raw),
        }
    }
}

impl<'a> Sendable<'a> {
    fn as_item(&self) -> Item<'_, 'a> {
        match self {
            Self::Message(message) => Item::Message(message),
            Self::Report(report) => Item::Report(report),
            Self::Unsupported(raw) => Item::Unsupported(*raw),
        }
    }
}

/// The request that a Tencent body makes, as it is sent.
///
/// # Errors
///
/// What may not be sent, with its member.
pub fn tencent_batch(body: &[u8]) -> Result<Payload, Error> {
    let (mut class, mut count) = (None, 0);
    let written = to_vec(|buf| {
        let mut writer = tencent::BatchWriter::new(buf);
        let mut written = Ok(());
        (class, count) = (None, 0);
        tencent::read(body, |event| {
            // The request's query names the command of its events: those of another go by themselves.
            let own = match event {
                Event::OfflinePush(_) => 1,
                Event::AllMemberPush(_) => 2,
                Event::Unknown { .. } => 0,
            };
            class = Some(class.map_or(own, |class| if class == own { own } else { 0 }));
            count += 1;
            if written.is_ok() {
                written = writer.push(event);
            }
        })?;
        written?;
        writer.finish()
    })?;
    Ok(payload(written, class.unwrap_or(0), count))
}

/// Joins requests of one class into one: their items, one request's behind the other's.
///
/// All are as they were written here: an object whose last member is the array of items.
#[must_use]
pub fn join(bodies: &[Bytes]) -> Bytes {
    const END: &[u8] = b"]}";
    let mut joined = BytesMut::with_capacity(bodies.iter().map(Bytes::len).sum());
    for body in bodies {
        let Some(open) = body.strip_suffix(END) else { continue };
        if joined.is_empty() {
            joined.put_slice(open);
        } else if let Some(start) = open.iter().position(|byte| *byte == b'[') {
            joined.put_u8(b',');
            joined.put_slice(open.get(start + 1..).unwrap_or_default());
        }
    }
    joined.put_slice(END);
    joined.freeze()
}

fn payload(body: Vec<u8>, class: u8, count: usize) -> Payload {
    // A request has 100 items at the most.
    let items = Items { class, count: u8::try_from(count).unwrap_or(u8::MAX) };
    Payload { meta: Meta::Items(items), body: body.into() }
}

const _: () = assert!(MAX_EVENTS == 100, "a submission is one request: reading and sending have one limit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_requests_are_the_request_of_all_their_items() {
        let item = |n: u32| format!(r#"{{"Phone":"1[{n}]","ReplyContent":"]}}","ReplyTime":{n}}}"#);
        let request = |items: &[u32]| {
            let items: Vec<_> = items.iter().map(|n| item(*n)).collect();
            format!(r#"{{"MsgType":0,"Data":[{}]}}"#, items.join(","))
        };
        let parts: Vec<_> = [&[1, 2][..], &[3], &[4, 5, 6]]
            .iter()
            .map(|items| uplink_batches(request(items).as_bytes()).unwrap().remove(0))
            .collect();
        let counts: Vec<_> = parts.iter().map(|part| part.meta.clone()).collect();
        assert_eq!(counts, [2, 1, 3].map(|count| Meta::Items(Items { class: 1, count })));
        let joined = join(&parts.into_iter().map(|part| part.body).collect::<Vec<_>>());
        assert_eq!(joined, uplink_batches(request(&[1, 2, 3, 4, 5, 6]).as_bytes()).unwrap()[0].body);
    }

    #[test]
    fn events_of_two_commands_share_no_request_with_others() {
        let push = r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1,"To_Account":"a","PushStage":1,"ErrCode":0,"From_Account":"b","MsgTime":1,"PushPlatform":1,"MsgKey":"k","MsgSeq":1,"MsgRandom":1,"PushID":"p","ErrInfo":""}"#;
        let other = r#"{"CallbackCommand":"Other"}"#;
        for (events, class, count) in
            [(vec![push], 1, 1), (vec![push, push], 1, 2), (vec![push, other], 0, 2), (vec![other], 0, 1)]
        {
            let body = format!(r#"{{"Events":[{}]}}"#, events.join(","));
            let payload = tencent_batch(body.as_bytes()).unwrap();
            assert_eq!(payload.meta, Meta::Items(Items { class, count }), "{events:?}");
        }
    }
}
