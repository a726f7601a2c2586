//! Both readers see the same, in objects and in whole documents, however they are cut and changed.

use core::fmt::Debug;
use std::{string::String, vec::Vec};

use super::*;
use crate::{
    Error, ErrorKind,
    json::{
        ChunkReader, Payload, Raw, check, to_vec,
        value::{Object, Value, read_by_table, read_document},
    },
    lingyang::{BatchPush, ClientPush, DeviceMessage, ProxyMessage, Reply, ServerPush, Webhook},
    link::Frame,
    tencent::{self, AllMemberPush, Event, OfflinePush},
    uplink::{self, Item, Message, Report},
};

/// Reads `document` by the table and at once: when one succeeds so must the other, with the same value.
type Both = fn(&[u8]);

/// The sizes of the chunks a document is read in.
const SIZES: &[usize] = if cfg!(miri) { &[7] } else { &[1, 2, 7] };

/// The documents to look at: Miri, a thousand times slower than the machine, sees some of each kind.
fn documents() -> impl Iterator<Item = &'static (Both, &'static str)> {
    DOCUMENTS.iter().step_by(if cfg!(miri) { 6 } else { 1 })
}

fn object<'a, T: Object<'a> + Value<'a> + PartialEq + Debug>(object: &'a [u8]) {
    let by_table = read_by_table(object, T::KIND, 2, &mut |_, _| {}, |_, values| T::taken(values));
    let fast = str::from_utf8(object).ok().and_then(|text| {
        let mut slice = Slice::new(text);
        slice.most_elements = 2;
        let value = T::read_plain(&mut slice)?;
        slice.end()?;
        Some(value)
    });
    assert_eq!(fast, by_table.ok(), "{}", String::from_utf8_lossy(object));
}

fn any(document: &[u8]) {
    let fast = str::from_utf8(document).ok().and_then(|text| {
        let mut slice = Slice::new(text);
        Raw::read_plain(&mut slice)?;
        slice.end()
    });
    assert_eq!(fast.is_some(), check(document).is_ok(), "{}", String::from_utf8_lossy(document));
}

/// Reads `document` in chunks of `size` bytes.
fn in_chunks<'b, P: Payload<'b>>(document: &[u8], buf: &'b mut [u8], size: usize) -> Result<P, Error> {
    let mut reader = ChunkReader::with_max_receivers(buf, 2);
    for chunk in document.chunks(size) {
        reader.feed(chunk)?;
    }
    reader.finish()
}

#[derive(Debug, PartialEq)]
enum Seen<'a> {
    OfflinePush(OfflinePush<'a>),
    AllMemberPush(AllMemberPush<'a>),
    Message(Message<'a>),
    Report(Report<'a>),
    Raw(Option<Text<'a>>, Raw<'a>),
}

impl<'a> From<Event<'_, 'a>> for Seen<'a> {
    fn from(event: Event<'_, 'a>) -> Self {
        match event {
            Event::OfflinePush(event) => Self::OfflinePush(*event),
            Event::AllMemberPush(event) => Self::AllMemberPush(*event),
            Event::Unknown { command, event } => Self::Raw(Some(command), event),
        }
    }
}

impl<'a> From<Item<'_, 'a>> for Seen<'a> {
    fn from(item: Item<'_, 'a>) -> Self {
        match item {
            Item::Message(item) => Self::Message(*item),
            Item::Report(item) => Self::Report(*item),
            Item::Unsupported(raw) => Self::Raw(None, raw),
        }
    }
}

fn events(document: &[u8]) {
    let (mut fast, mut by_table, mut read): (Vec<Seen<'_>>, Vec<Seen<'_>>, Vec<Seen<'_>>) = Default::default();
    let mut visited = 0;
    let text = str::from_utf8(document).ok();
    let count = text.and_then(|text| tencent::read_fast(text, &mut visited, &mut |event| fast.push(event.into())));
    let expected = tencent::read_table(document, &mut |event| by_table.push(event.into()));
    let shown = String::from_utf8_lossy(document);
    assert_eq!(count, expected.ok(), "{shown}");
    assert_eq!(visited as usize, fast.len());
    assert_eq!(tencent::read(document, |event| read.push(event.into())), expected);
    // Of a batch that is refused, each may visit as much as it understands before it meets the fault.
    if expected.is_ok() {
        assert_eq!(fast, by_table, "{shown}");
        assert_eq!(read, by_table, "each event is visited once: {shown}");
    }
    let written = |event: Event<'_, '_>| to_vec(|buf| event.write(buf));
    let mut whole = Vec::new();
    let _ = tencent::read(document, |event| whole.push(written(event)));
    for &size in SIZES {
        let mut buf = std::vec![0; document.len()];
        let mut chunked = Vec::new();
        let mut reader = tencent::BatchReader::new(&mut buf);
        let fed = document.chunks(size).try_for_each(|chunk| reader.feed(chunk, |event| chunked.push(written(event))));
        let count = reader.finish();
        assert!(fed.is_ok() || fed.err() == count.err());
        assert_eq!(count, expected, "in chunks of {size}: {shown}");
        assert!(count.is_err() || chunked == whole, "in chunks of {size}: {shown}");
    }
}

fn items(document: &[u8]) {
    let (mut fast, mut by_table, mut read): (Vec<Seen<'_>>, Vec<Seen<'_>>, Vec<Seen<'_>>) = Default::default();
    let mut visited = 0;
    let text = str::from_utf8(document).ok();
    let summary = text.and_then(|text| uplink::read_fast(text, &mut visited, &mut |item| fast.push(item.into())));
    let expected = uplink::read_table(document, &mut |item| by_table.push(item.into()));
    let shown = String::from_utf8_lossy(document);
    assert_eq!(summary, expected.ok(), "{shown}");
    assert_eq!(visited as usize, fast.len());
    assert_eq!(uplink::read(document, |item| read.push(item.into())), expected);
    // Of a batch that is refused, each may visit as much as it understands before it meets the fault.
    if expected.is_ok() {
        assert_eq!(fast, by_table, "{shown}");
        assert_eq!(read, by_table, "each item is visited once: {shown}");
    }
    let written = |item: Item<'_, '_>| to_vec(|buf| item.write(buf));
    let mut whole = Vec::new();
    let _ = uplink::read(document, |item| whole.push(written(item)));
    for &size in SIZES {
        let mut buf = std::vec![0; document.len()];
        let mut chunked = Vec::new();
        let mut reader = uplink::BatchReader::new(&mut buf);
        let fed = document.chunks(size).try_for_each(|chunk| reader.feed(chunk, |item| chunked.push(written(item))));
        let summary = reader.finish();
        assert!(fed.is_ok() || fed.err() == summary.err());
        assert_eq!(summary, expected, "in chunks of {size}: {shown}");
        assert!(summary.is_err() || chunked == whole, "in chunks of {size}: {shown}");
    }
}

fn client_push(document: &[u8]) {
    let fast = str::from_utf8(document).ok().and_then(|text| ClientPush::read_fast(text, 2));
    let by_table = read_document::<ClientPush<'_>>(document, 2);
    assert_eq!(fast, by_table.ok(), "{}", String::from_utf8_lossy(document));
    for &size in SIZES {
        let mut buf = std::vec![0; document.len()];
        let chunked = in_chunks::<ClientPush<'_>>(document, &mut buf, size);
        assert_eq!(chunked, by_table, "in chunks of {size}: {}", String::from_utf8_lossy(document));
    }
}

fn server_push(document: &[u8]) {
    let fast = str::from_utf8(document).ok().and_then(|text| ServerPush::read_fast(text, 2));
    let by_table = read_document::<ServerPush<'_>>(document, 2);
    assert_eq!(fast, by_table.ok(), "{}", String::from_utf8_lossy(document));
    for &size in SIZES {
        let mut buf = std::vec![0; document.len()];
        let chunked = in_chunks::<ServerPush<'_>>(document, &mut buf, size);
        assert_eq!(chunked, by_table, "in chunks of {size}: {}", String::from_utf8_lossy(document));
    }
}

/// A body that only the table-driven reader reads, from a slice and in chunks.
fn body<'a, P: Payload<'a> + PartialEq + Debug>(document: &'a [u8], buf: &'a mut [u8]) {
    let by_table = read_document::<P>(document, 2);
    let size = 1 + document.len() % 5;
    assert_eq!(in_chunks::<P>(document, buf, size), by_table, "{}", String::from_utf8_lossy(document));
}

/// Each object and document as its page prints it, and in every other way that is allowed.
const DOCUMENTS: &[(Both, &str)] = &[
    (
        |o| object::<OfflinePush<'_>>(o),
        r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"From_Account":"user1",
            "To_Account":"user2","PushPlatform":1,"PushStage":1,"MsgKey":"48374_1","GroupID":null,"MsgSeq":48374,
            "MsgRandom":2837546,"MsgTime":1557481126,"PushID":"67120c46","ErrCode":-1,"ErrInfo":"\ud83d\ude00"}"#,
    ),
    (
        |o| object::<AllMemberPush<'_>>(o),
        r#"{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","DataId":"d","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":0,"DeviceType":{"a":[1]},"PushStage":3,"ErrCode":0,"ErrInfo":""}"#,
    ),
    (|o| object::<Message<'_>>(o), r#"{"Phone":"185****9057","ReplyContent":"好的\n","ReplyTime":1563867000}"#),
    (
        |o| object::<Report<'_>>(o),
        r#"{"SessionNo":"s","Phone":"1","CostCount":-2,"ReceiptTime":0,"ReceiptResult":"Unknow","ReceiptCode":"","ReceiptDesc":"x","UserId":"u"}"#,
    ),
    (|o| object::<BatchPush<'_>>(o), r#"{"msg":"","flag":3,"clients":[5003062 , 1003775]}"#),
    (|o| object::<ProxyMessage<'_>>(o), r#"{"from":1003200,"to":5003062,"msg":"AAAA"}"#),
    (|o| object::<DeviceMessage<'_>>(o), r#"{"msg":"aGk=","from":1,"to":[],"created":1452666295}"#),
    (|o| object::<Reply<'_>>(o), r#"{"request_id":"r","error":{"code":400,"field":"f","message":"m"}}"#),
    (|o| body::<Reply<'_>>(o, &mut [0; 99]), r#"{"request_id":"r","error":{"code":400,"field":"f","message":"m"}}"#),
    (|o| body::<uplink::Reply<'_>>(o, &mut [0; 99]), r#"{"code":"-0","message":"\u006f","code":"00012"}"#),
    (|o| body::<uplink::Reply<'_>>(o, &mut [0; 99]), r#"{"message":null,"code":"0120"}"#),
    (|o| body::<tencent::Reply<'_>>(o, &mut [0; 99]), r#"{"ActionStatus":"FAIL","ErrorInfo":"no","ErrorCode":-10}"#),
    (
        |o| body::<Webhook<'_>>(o, &mut [0; 199]),
        r#" {"data":{"msg":"aGk=","from":1,"to":[ 1,2 ],"created":1452666295},"event":"device-message"} "#,
    ),
    (|o| body::<Webhook<'_>>(o, &mut [0; 99]), r#" {"data":[{"cid":1e5}],"event":"device\u002dstate","x":null} "#),
    (
        |o| body::<Frame<'_>>(o, &mut [0; 199]),
        r#"{"x":{},"message":{"id":"m","from":1003200,"created":1452666295,"msg":"aGVsbG8="},"ack":null}"#,
    ),
    (|o| body::<Frame<'_>>(o, &mut [0; 99]), r#"{"ping":7,"error":{"code":401,"message":"no"}}"#),
    (any, r#"[null,true,false,-0.5e+10,{"a":{},"b":[[],{"\n":"\/\uD83D\uDE00"}]},"",0]"#),
    (
        events,
        r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":2,"EventTime":1,"To_Account":"u","PushStage":1,"GroupID":"@","ErrCode":0},{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":0,"PushStage":3,"ErrCode":0,"ErrInfo":""},{"CallbackCommand":"Push.New","x":{}}]}"#,
    ),
    (
        events,
        r#" { "Version" : [ 1 ] , "\u0045vents" : [ { "EventTime" : 18446744073709551615, "ErrCode":-9223372036854775808, "EventType":77, "To_Account":"u", "PushPlatform":null, "X":{"ErrCode":[]}, "PushStage":1, "Callback\u0043ommand" : "Push\u002eOfflinePush" } ] } "#,
    ),
    (
        events,
        r#"{"Events":[{"x":[{}],"CallbackCommand":"C"},{"ErrInfo":"","TaskId":"t","TaskTime":1,"EventTime":2,"To_Account":"u","DeviceType":null,"PushPlatform":0,"EventType":1,"PushStage":3,"ErrCode":0,"CallbackCommand":"Push.AllMemberPush"}]}"#,
    ),
    (
        items,
        r#"{"MsgType":0,"Data":[{"ExtendCode":"1","UserId":"u","Phone":"1","ReplyContent":"好的","ReplyTime":1},{"UserId":"u","Phone":"1","ReplyContent":"\u597d\/","ReplyTime":2}]}"#,
    ),
    (
        items,
        r#"{"Data":[{"SessionNo":"s","Phone":"1","CostCount":2,"ReceiptTime":0,"ReceiptResult":"Fail","ReceiptCode":"","ReceiptDesc":"x"}],"More":{"MsgType":0},"MsgType":2}"#,
    ),
    (items, r#"[{"ReplyTime":1563867000,"ReplyContent":"","Phone":"1","UserId":null}]"#),
    (items, r#"{"MsgType":3,"Data":[ 1 ,{"Phone":[]} ,"x"]}"#),
    (items, r#"{"Data":[],"MsgType":0}"#),
    (client_push, r#"{"msg":"aGVsbG8=","flag":2,"callback":1,"access_tokens":["a", "b\/"]}"#),
    (client_push, r#"{"access_tokens":[],"callback":0,"more":[{}],"flag":null,"msg":"\/\/79"}"#),
    (server_push, r#"{"proxy":0,"payload":{"msg":"aGVsbG8=","flag":3,"clients":[5003062,1003775]}}"#),
    (server_push, r#"{"payload":{"clients":[1],"msg":"aGk="},"x":{"proxy":0},"proxy":0}"#),
    (
        server_push,
        r#"{"payload":[{"from":1,"to":4294967295,"msg":"aGk="},{"msg":"","to":2,"from":1,"x":[]}],"proxy":1}"#,
    ),
];

#[test]
fn every_one_of_the_documents_is_taken_by_both() {
    for (_, document) in DOCUMENTS {
        let at_once = [
            tencent::read_fast(document, &mut 0, &mut |_| {}).is_some(),
            uplink::read_fast(document, &mut 0, &mut |_| {}).is_some(),
            ClientPush::read_fast(document, 2).is_some(),
            ServerPush::read_fast(document, 2).is_some(),
        ];
        let whole = document.contains("\"Events\"")
            || document.contains("\\u0045vents")
            || document.contains("\"Data\"")
            || document.starts_with("[{")
            || document.contains("\"access_tokens\"")
            || document.contains("\"payload\"");
        assert_eq!(at_once.contains(&true), whole, "{document}");
    }
}

#[test]
fn both_readers_see_the_same_in_every_document_cut_and_changed_at_every_byte() {
    // Miri is a thousand times slower: it looks at fewer places.
    let (first, step, bytes) =
        if cfg!(miri) { (100, 1000, &b"\""[..]) } else { (0, 1, &b"\" \\,:0{[}]-.enu5\x00\x80\xe5"[..]) };
    for (both, document) in documents() {
        let document = document.as_bytes();
        both(document);
        for at in (first..document.len()).step_by(step) {
            both(&document[..at]);
            let mut changed = Vec::from(document);
            for &byte in bytes {
                changed[at] = byte;
                both(&changed);
                changed.insert(at, byte);
                both(&changed);
                changed.remove(at);
            }
            changed.remove(at);
            both(&changed);
        }
    }
}

#[test]
fn both_readers_see_the_same_in_every_order_of_members() {
    for (both, document) in documents() {
        let Ok(serde_json::Value::Object(members)) = serde_json::from_str(document) else { continue };
        let members: Vec<String> =
            members.iter().map(|(key, value)| std::format!("{}:{value}", serde_json::json!(key))).collect();
        for turn in (0..members.len()).step_by(if cfg!(miri) { 5 } else { 1 }) {
            let mut turned = members.clone();
            turned.rotate_left(turn);
            both(std::format!("{{{}}}", turned.join(",")).as_bytes());
            turned.reverse();
            both(std::format!("{{ {} }}", turned.join(" , ")).as_bytes());
            // Without one, and with one twice.
            both(std::format!("{{{}}}", turned[1..].join(",")).as_bytes());
            turned.push(turned[turn].clone());
            both(std::format!("{{{}}}", turned.join(",")).as_bytes());
        }
    }
}

#[test]
fn levels_count_from_the_first_bracket_of_the_document() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for (both, before, around, after) in [
        (any as Both, "", 0, ""),
        (any, r#"{"a":{},"b":"#, 1, "}"),
        (items, r#"{"MsgType":9,"Data":["#, 2, "]}"),
        (items, r#"[{"Phone":"","ReplyContent":"","ReplyTime":0,"x":"#, 2, "}]"),
        (items, r#"{"MsgType":0,"Data":[{"Phone":"","x":"#, 3, r#","ReplyContent":"","ReplyTime":0}]}"#),
        (events, r#"{"Events":[{"CallbackCommand":"x","y":"#, 3, "}]}"),
        (
            events,
            r#"{"Events":[{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":0,"DeviceType":"#,
            3,
            r#","PushStage":3,"ErrCode":0,"ErrInfo":""}]}"#,
        ),
        (client_push, r#"{"msg":"","callback":0,"access_tokens":[],"x":"#, 1, "}"),
        (server_push, r#"{"proxy":1,"payload":[{"from":1,"x":"#, 3, r#","to":1,"msg":""}]}"#),
        (server_push, r#"{"x":"#, 1, r#","proxy":1,"payload":[]}"#),
    ] {
        let most = MAX_DEPTH as usize - around;
        for levels in [1, 2, most - 1, most, most + 1, 70].into_iter().skip(if cfg!(miri) { 4 } else { 0 }) {
            both((String::from(before) + &deep(levels) + after).as_bytes());
        }
    }
}

#[test]
fn both_readers_take_as_many_elements() {
    let event = r#"{"CallbackCommand":"x"}"#;
    for &count in if cfg!(miri) { &[0, 1][..] } else { &[0, 1, 99, 100, 101] } {
        events(std::format!(r#"{{"Events":[{}]}}"#, std::vec![event; count].join(",")).as_bytes());
    }
    for count in 0..4 {
        let ids = std::vec!["7"; count].join(",");
        server_push(std::format!(r#"{{"proxy":0,"payload":{{"msg":"","clients":[{ids}]}}}}"#).as_bytes());
    }
}

#[test]
fn a_limit_on_receivers_is_that_of_the_payload() {
    let ids = |count| std::vec!["7"; count].join(",");
    let in_chunks = |document: &str, read: fn(&[u8], &mut [u8]) -> Option<ErrorKind>| {
        read(document.as_bytes(), &mut std::vec![0; document.len()])
    };
    fn push(document: &[u8], buf: &mut [u8]) -> Option<ErrorKind> {
        let mut reader = ChunkReader::<ServerPush<'_>>::new(buf);
        reader.feed(document).err().map(|error| error.kind())
    }
    fn webhook(document: &[u8], buf: &mut [u8]) -> Option<ErrorKind> {
        let mut reader = ChunkReader::<Webhook<'_>>::new(buf);
        reader.feed(document).err().map(|error| error.kind())
    }
    for (count, refused) in [(100, None), (101, Some(ErrorKind::TooMany { limit: 100 }))] {
        let ids = ids(count);
        let document = std::format!(r#"{{"proxy":0,"payload":{{"msg":"","clients":[{ids}]}}}}"#);
        assert_eq!(in_chunks(&document, push), refused);
        let document =
            std::format!(r#"{{"event":"device-message","data":{{"msg":"","from":1,"to":[{ids}],"created":1}}}}"#);
        assert_eq!(in_chunks(&document, webhook), None, "the page limits what is pushed, not what is told");
        assert!(Webhook::read(document.as_bytes()).is_ok());
    }
}

#[test]
fn the_first_special_byte_is_found_wherever_it_stands() {
    for special in [0, 0x1f, b'\n', b'"', b'\\'] {
        for before in 0..20 {
            let mut bytes = [b'a'; 40];
            for (place, byte) in bytes.iter_mut().enumerate() {
                // Neighbours that differ from a special byte in one bit only, and bytes of longer characters.
                *byte = [b'#', b'!', b'[', b']', 0x20, 0x7f, 0x80, 0xff][place % 8];
            }
            bytes[before] = special;
            assert_eq!(plain_len(&bytes), before, "{special} after {before}");
            bytes[before + 1] = b'"';
            assert_eq!(plain_len(&bytes), before);
        }
    }
    assert_eq!(plain_len(&[b'a'; 19]), 19);
    for byte in 0..=255u8 {
        let special = byte < 0x20 || byte == b'"' || byte == b'\\';
        assert_eq!(plain_len(&[byte; 8]) == 0, special, "{byte}");
        assert_eq!(plain_len(&[byte]) == 0, special, "{byte}");
    }
}

#[test]
fn integers_of_every_length() {
    let unsigned = |text: &str| Slice::new(text).unsigned();
    let signed = |text: &str| Slice::new(text).signed();
    assert_eq!(unsigned(" 0,"), Some(0));
    let digits = "12345678909876543210";
    for len in 1..=20 {
        let number = &digits[..len];
        // Near the end of the document, and far from it.
        for after in [",", "}        ", "]\u{ffff}        "] {
            let text = String::from(number) + after;
            assert_eq!(Slice::new(&text).id(), number.parse().ok(), "{text}");
            assert_eq!(unsigned(&(String::from(number) + after)), number.parse().ok(), "{number}{after}");
        }
    }
    assert_eq!(unsigned("18446744073709551615}"), Some(u64::MAX));
    for text in ["", "-1", "01,", "00,", "0000000001,", "18446744073709551616,", "x", "\"1\""] {
        assert_eq!(unsigned(text), None, "{text}");
        assert_eq!(Slice::new(text).id(), None, "{text}");
    }
    assert_eq!(signed("-7]"), Some(-7));
    assert_eq!(signed("-9223372036854775808]"), Some(i64::MIN));
    for text in ["-0,", "- 1,", "-", "--1,", "-x", "9223372036854775808,", "-9223372036854775809,"] {
        assert_eq!(signed(text), None, "{text}");
    }
}
