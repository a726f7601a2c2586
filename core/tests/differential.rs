//! The crate's readers and writers beside `serde_json`: what both take they take alike, and where this crate is
//! stricter the rule has a name.

mod spelling;

use proptest::{collection::vec, option, prelude::*, sample::select};
use pushgate_core::{
    json::{self, MAX_DEPTH, Raw},
    lingyang::{
        BatchPush, Callback, Cid, ClientPush, DeviceMessage, Flag, MAX_RECEIVERS, Msg, ProxyMessage, ServerPush,
        Webhook,
    },
    link,
    tencent::{self, AllMemberPush, Event, OfflinePush},
    uplink::{self, Item, Message, Report},
};
use serde_json::{Value, json};
use spelling::{Escapes, Extras, Speller};

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,10}", "\\PC{0,6}", any::<String>()]
}

/// A text that JSON need not escape.
fn plain() -> impl Strategy<Value = String> {
    "[^\"\\\\\\x00-\\x1f]{0,10}"
}

fn escapes() -> impl Strategy<Value = Escapes> {
    select(vec![Escapes::Fewest, Escapes::Ascii, Escapes::Any])
}

fn compact(body: &str) -> Vec<u8> {
    json::to_vec(|buf| json::compact(body.as_bytes(), buf)).unwrap()
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// Whether `serde_json` takes `body`, where it goes by the grammar: the range of its f64 is none of JSON's.
fn is_json(body: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Value>(body) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(_) => Some(false),
    }
}

#[derive(Debug)]
struct Words([Option<String>; 8], u64, i64, [u32; 4]);

fn words(text: impl Strategy<Value = String>) -> impl Strategy<Value = Words> {
    let texts = vec(option::weighted(0.7, text), 8).prop_map(|texts| texts.try_into().unwrap());
    (texts, any::<u64>(), any::<i64>(), any::<[u32; 4]>()).prop_map(|(a, b, c, d)| Words(a, b, c, d))
}

impl Words {
    fn optional(&self, at: usize) -> Option<pushgate_core::Text<'_>> {
        self.0[at].as_deref().map(Into::into)
    }

    fn required(&self, at: usize) -> pushgate_core::Text<'_> {
        self.optional(at).unwrap_or_default()
    }

    /// A code as vendors give them, or any other.
    fn code(&self, at: usize) -> i64 {
        if self.1.is_multiple_of(3) { self.2 } else { i64::from(self.3[at] % 10) }
    }

    fn message(&self) -> Message<'_> {
        Message {
            extend_code: self.optional(0),
            user_id: self.optional(1),
            phone: self.required(2),
            reply_content: self.required(3),
            reply_time: self.1,
        }
    }

    fn report(&self) -> Report<'_> {
        Report {
            session_no: self.required(0),
            phone: self.required(1),
            cost_count: self.2,
            receipt_time: self.1,
            receipt_result: self.required(2),
            receipt_code: self.required(3),
            receipt_desc: self.required(4),
            user_id: self.optional(5),
        }
    }

    fn offline_push(&self) -> OfflinePush<'_> {
        OfflinePush {
            event_type: self.code(0).into(),
            event_time: self.1,
            from_account: self.optional(0),
            to_account: self.required(1),
            push_platform: self.0[7].as_ref().map(|_| self.code(1).into()),
            push_stage: self.code(2).into(),
            msg_key: self.optional(2),
            group_id: self.optional(3),
            msg_seq: self.0[4].as_ref().map(|_| self.3[0]),
            msg_random: self.0[5].as_ref().map(|_| self.3[1]),
            msg_time: self.0[6].as_ref().map(|_| u64::from(self.3[2])),
            push_id: self.optional(4),
            err_code: self.2,
            err_info: self.optional(5),
            ..OfflinePush::default()
        }
    }

    fn all_member_push(&self) -> AllMemberPush<'_> {
        AllMemberPush {
            event_type: self.code(0).into(),
            task_id: self.required(0),
            data_id: self.optional(1),
            task_time: self.1,
            event_time: u64::from(self.3[0]),
            to_account: self.required(2),
            push_platform: self.code(1).into(),
            device_type: None,
            push_stage: self.code(2).into(),
            err_code: self.2,
            err_info: self.required(3),
            ..AllMemberPush::default()
        }
    }

    fn flag(&self) -> Option<Flag> {
        Flag::from_code(self.3[0] % 3 + 1)
    }
}

fn written(write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], pushgate_core::Error>) -> String {
    String::from_utf8(json::to_vec(write).unwrap()).unwrap()
}

/// Cuts `document` into chunks of these lengths, over and over; one of 0 is an empty chunk and then one byte.
fn pieces<'d>(mut document: &'d [u8], sizes: &[usize]) -> Vec<&'d [u8]> {
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        if document.is_empty() {
            break;
        }
        if size == 0 {
            pieces.push(&document[..0]);
        }
        let (piece, rest) = document.split_at(size.clamp(1, document.len()));
        pieces.push(piece);
        document = rest;
    }
    pieces
}

proptest! {
    // The shrunk case is printed; a file of them beside the tests would be one more thing to keep.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_means_the_same_however_it_is_spelled(
        document in document(), escapes in escapes(), seed: u64,
    ) {
        let spelled = Speller::new(seed, escapes, Extras::Nothing).spell(&document);
        prop_assert_eq!(json::check(spelled.as_bytes()), Ok(()));
        let compacted = compact(&spelled);
        prop_assert_eq!(value(&compacted), value(spelled.as_bytes()));
        prop_assert!(compacted.len() <= spelled.len());
        // Nothing is left to leave out.
        let again = json::to_vec(|buf| json::compact(&compacted, buf)).unwrap();
        prop_assert_eq!(&again, &compacted);
    }

    #[test]
    fn output_has_the_escapes_of_serde_json(text in any::<String>(), escapes in escapes(), seed: u64) {
        let spelled = Speller::new(seed, escapes, Extras::Nothing).spell(&Value::from(text.as_str()));
        prop_assert_eq!(compact(&spelled), serde_json::to_vec(&text).unwrap());
    }

    #[test]
    fn what_is_no_document_is_one_for_neither(
        tokens in vec(select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u00e9\"", "\"\\ud83d\"", "\"\\ud83d\\ude00\"", "1", "-", "0",
            ".5", "e1", "E+", "true", "nul", "null", " ", "\n", "\"", "\\", "\u{1}", "\u{a0}", "/", "é", "-0", "1e999",
        ]), 0..10),
    ) {
        let body = tokens.concat();
        if let Some(expected) = is_json(body.as_bytes()) {
            prop_assert_eq!(json::check(body.as_bytes()).is_ok(), expected, "{}", body);
        }
    }

    #[test]
    fn a_changed_byte_is_judged_alike(document in document(), seed: u64, at: prop::sample::Index, mask in 1u8..) {
        let mut body = Speller::new(seed, Escapes::Any, Extras::Nothing).spell(&document).into_bytes();
        *at.get_mut(&mut body) ^= mask;
        if let Some(expected) = is_json(&body) {
            prop_assert_eq!(json::check(&body).is_ok(), expected, "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn integers_have_the_same_ranges(number in "-?(0|[1-9][0-9]{0,21}|[0-9]{1,3})([.][0-9]{1,3})?([eE][+-]?[0-9]{1,2})?") {
        let mut items = None;
        let body = format!(r#"{{"MsgType":2,"Data":[{{"SessionNo":"","Phone":"","CostCount":{number},"ReceiptTime":0,"ReceiptResult":"","ReceiptCode":"","ReceiptDesc":""}}]}}"#);
        let read = uplink::read(body.as_bytes(), |item| if let Item::Report(report) = item { items = Some(report.cost_count) });
        prop_assert_eq!(read.ok().and(items), serde_json::from_str::<i64>(&number).ok());

        let mut items = None;
        let body = format!(r#"[{{"Phone":"","ReplyContent":"","ReplyTime":{number}}}]"#);
        let read = uplink::read(body.as_bytes(), |item| if let Item::Message(message) = item { items = Some(message.reply_time) });
        prop_assert_eq!(read.ok().and(items), serde_json::from_str::<u64>(&number).ok());

        let body = format!(r#"{{"proxy":0,"payload":{{"msg":"","clients":[{number}]}}}}"#);
        let read = match ServerPush::read(body.as_bytes(), 1) {
            Ok(ServerPush::Batch(push)) => push.clients.iter().next(),
            _ => None,
        };
        prop_assert_eq!(read, serde_json::from_str::<Cid>(&number).ok());
    }

    #[test]
    fn batches_are_read_in_chunks_as_they_are_at_once(
        all in vec(words(text()), 1..4), escapes in escapes(), seed: u64, sizes in vec(0usize..40, 1..8),
    ) {
        let mut speller = Speller::new(seed, escapes, Extras::Unknown);
        let messages: Vec<_> = all.iter().map(Words::message).collect();
        let reports: Vec<_> = all.iter().map(Words::report).collect();
        for (msg_type, items) in [(0, json!(messages)), (2, json!(reports)), (7, json!(messages))] {
            let spelled = speller.spell(&json!({ "MsgType": msg_type, "Data": items }));
            let (mut whole, mut chunked) = (Vec::new(), Vec::new());
            let summary = uplink::read(spelled.as_bytes(), |item| whole.push(written(|buf| item.write(buf))));
            let mut buf = vec![0; spelled.len()];
            let mut reader = uplink::BatchReader::new(&mut buf);
            for chunk in pieces(spelled.as_bytes(), &sizes) {
                reader.feed(chunk, |item| chunked.push(written(|buf| item.write(buf)))).unwrap();
            }
            prop_assert_eq!(reader.finish(), summary);
            prop_assert_eq!(chunked, whole);
        }
        let events: Vec<_> = all.iter().map(Words::offline_push).collect();
        let spelled = speller.spell(&json!({ "Events": events }));
        let (mut whole, mut chunked) = (Vec::new(), Vec::new());
        let count = tencent::read(spelled.as_bytes(), |event| whole.push(written(|buf| event.write(buf))));
        let mut buf = vec![0; spelled.len()];
        let mut reader = tencent::BatchReader::new(&mut buf);
        for chunk in pieces(spelled.as_bytes(), &sizes) {
            reader.feed(chunk, |event| chunked.push(written(|buf| event.write(buf)))).unwrap();
        }
        prop_assert_eq!(reader.finish(), count);
        prop_assert_eq!(chunked, whole);
    }

    #[test]
    fn uplink_items_are_what_serde_json_wrote(words in words(text()), escapes in escapes(), seed: u64) {
        let mut speller = Speller::new(seed, escapes, Extras::Unknown);
        let (message, report) = (words.message(), words.report());
        for (msg_type, item, plain) in [
            (0, Item::Message(&message), serde_json::to_value(message).unwrap()),
            (2, Item::Report(&report), serde_json::to_value(report).unwrap()),
        ] {
            let mut read = 0;
            let spelled = speller.spell(&json!({ "MsgType": msg_type, "Data": [plain, plain] }));
            let summary = uplink::read(spelled.as_bytes(), |again| {
                assert_eq!(again, item, "{spelled}");
                assert_eq!(again.identity(), item.identity());
                read += 1;
            });
            prop_assert_eq!((summary.unwrap().items, read), (2, 2));
            let written = written(|buf| item.write(buf));
            prop_assert_eq!(value(written.as_bytes()), plain);
        }
        prop_assert_eq!(written(|buf| message.write(buf)), serde_json::to_string(&message).unwrap());
        prop_assert_eq!(written(|buf| report.write(buf)), serde_json::to_string(&report).unwrap());
    }

    #[test]
    fn events_are_what_serde_json_wrote(words in words(text()), device in document(), escapes in escapes(), seed: u64) {
        let mut speller = Speller::new(seed, escapes, Extras::Unknown);
        let (offline, all) = (words.offline_push(), words.all_member_push());
        for (event, plain, text) in [
            (Event::OfflinePush(&offline), serde_json::to_value(offline).unwrap(), serde_json::to_string(&offline).unwrap()),
            (Event::AllMemberPush(&all), serde_json::to_value(all).unwrap(), serde_json::to_string(&all).unwrap()),
        ] {
            let spelled = speller.spell(&json!({ "Events": [plain, plain, plain] }));
            let count = tencent::read(spelled.as_bytes(), |again| {
                assert_eq!(again, event, "{spelled}");
                assert_eq!(again.identity(), event.identity());
            });
            prop_assert_eq!(count, Ok(3));
            prop_assert_eq!(written(|buf| event.write(buf)), text);
        }
        // What has no type is kept, and means the same.
        if !device.is_null() {
            let spelled = speller.spell(&device);
            let all = AllMemberPush { device_type: Some(Raw::parse(spelled.as_bytes()).unwrap()), ..all };
            let body = format!(r#"{{"Events":[{}]}}"#, written(|buf| Event::AllMemberPush(&all).write(buf)));
            prop_assert_eq!(&value(body.as_bytes())["Events"][0]["DeviceType"], &value(spelled.as_bytes()));
            prop_assert_eq!(tencent::read(body.as_bytes(), |_| {}), Ok(1));
        }
    }

    #[test]
    fn pushes_are_what_serde_json_wrote(
        words in words(text()), bytes in vec(any::<u8>(), 0..=256), cids in vec(1u32.., 0..8), escapes in escapes(), seed: u64,
    ) {
        let mut speller = Speller::new(seed, escapes, Extras::Unknown);
        let msg = Msg::from_bytes(&bytes).unwrap();
        let tokens: Vec<_> = (0..words.0.len()).map(|at| words.required(at)).collect();
        let callback = if words.2 < 0 { Callback::No } else { Callback::Yes };
        let push = ClientPush { msg, flag: words.flag(), callback, access_tokens: tokens.as_slice().into() };
        let spelled = speller.spell(&serde_json::to_value(push).unwrap());
        prop_assert_eq!(ClientPush::read(spelled.as_bytes(), MAX_RECEIVERS), Ok(push));
        prop_assert_eq!(written(|buf| push.write(buf)), serde_json::to_string(&push).unwrap());

        let clients: Vec<_> = cids.iter().map(|&cid| Cid::new(cid).unwrap()).collect();
        let batch = BatchPush { msg, flag: words.flag(), clients: clients.as_slice().into() };
        let spelled = speller.spell(&json!({ "proxy": 0, "payload": batch }));
        let push = ServerPush::Batch(batch);
        prop_assert_eq!(ServerPush::read(spelled.as_bytes(), MAX_RECEIVERS), Ok(push));
        let text = serde_json::to_string(&batch).unwrap();
        prop_assert_eq!(written(|buf| push.write(buf)), format!(r#"{{"proxy":0,"payload":{text}}}"#));

        let messages: Vec<_> =
            clients.windows(2).map(|two| ProxyMessage { from: two[0], to: two[1], flag: words.flag(), msg }).collect();
        let spelled = speller.spell(&json!({ "proxy": 1, "payload": messages }));
        let push = ServerPush::Proxy(messages.as_slice().into());
        prop_assert_eq!(ServerPush::read(spelled.as_bytes(), MAX_RECEIVERS), Ok(push));
        let text = serde_json::to_string(&messages).unwrap();
        prop_assert_eq!(written(|buf| push.write(buf)), format!(r#"{{"proxy":1,"payload":{text}}}"#));

        let from = clients.first().copied().unwrap_or(Cid::new(1).unwrap());
        let data = DeviceMessage { msg, from, to: clients.as_slice().into(), created: words.1 };
        let spelled = speller.spell(&json!({ "event": "device-message", "data": data }));
        prop_assert_eq!(Webhook::read(spelled.as_bytes()), Ok(Webhook::DeviceMessage(data)));

        let frame = link::Message { id: words.required(0), from: words.3[0], created: words.1, msg };
        let spelled = speller.spell(&json!({ "message": frame }));
        prop_assert_eq!(link::Frame::read(spelled.as_bytes()), Ok(link::Frame::Message(frame)));
    }

    #[test]
    fn serde_sees_the_same_where_nothing_is_escaped(
        words in words(plain()), change in 0usize..6, member: prop::sample::Index,
        other in select(vec!["1", "-1", "\"x\"", "1.5", "true", "[]", "{}", "18446744073709551615", "4294967296", "-0", "1e2"]),
        seed: u64,
    ) {
        let mut speller = Speller::new(seed, Escapes::Fewest, Extras::Unknown);
        for plain in [
            serde_json::to_value(words.message()).unwrap(),
            serde_json::to_value(words.report()).unwrap(),
            serde_json::to_value(words.offline_push()).unwrap(),
        ] {
            let mut changed = plain.clone();
            let members = changed.as_object_mut().unwrap();
            let key = member.get(&members.keys().cloned().collect::<Vec<_>>()).clone();
            match change {
                0 => drop(members.remove(&key)),
                1 => members[&key] = Value::Null,
                2 => members[&key] = Value::from("MARK"),
                _ => {}
            }
            let mut body = speller.spell(&changed).replace("\"MARK\"", other);
            if change == 3 {
                let repeated = format!("{{{}:{},", serde_json::to_string(&key).unwrap(), plain[&key]);
                body = body.replacen('{', &repeated, 1);
            }
            if plain.get("ReplyTime").is_some() {
                let mut read = None;
                let batch = format!("[{body}]");
                let ours = uplink::read(batch.as_bytes(), |item| {
                    if let Item::Message(message) = item { read = Some(*message) }
                });
                prop_assert_eq!(ours.ok().and(read), serde_json::from_str::<Message<'_>>(&body).ok(), "{}", body);
            } else if plain.get("SessionNo").is_some() {
                let mut read = None;
                let batch = format!(r#"{{"MsgType":2,"Data":[{body}]}}"#);
                let ours = uplink::read(batch.as_bytes(), |item| {
                    if let Item::Report(report) = item { read = Some(*report) }
                });
                prop_assert_eq!(ours.ok().and(read), serde_json::from_str::<Report<'_>>(&body).ok(), "{}", body);
            } else {
                let mut read = None;
                let batch = format!(r#"{{"Events":[{body}]}}"#);
                let ours = tencent::read(batch.as_bytes(), |event| {
                    if let Event::OfflinePush(push) = event { read = Some(*push) }
                });
                prop_assert_eq!(ours.ok().and(read), serde_json::from_str::<OfflinePush<'_>>(&body).ok(), "{}", body);
            }
        }
    }
}

#[test]
fn where_this_crate_is_stricter() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deepest = usize::try_from(MAX_DEPTH).unwrap();
    // "with nesting bounded (default 32)"
    assert!(json::check(nested(deepest).as_bytes()).is_ok());
    for depth in [deepest + 1, 127] {
        assert!(json::check(nested(depth).as_bytes()).is_err());
        assert!(serde_json::from_str::<Value>(&nested(depth)).is_ok());
    }
    // "A repeated member of the schema is an error."
    let twice = r#"{"code":1,"code":0}"#;
    assert!(uplink::Reply::read(twice.as_bytes()).is_err());
    assert_eq!(serde_json::from_str::<Value>(twice).unwrap()["code"], 0);
}

#[test]
fn where_this_crate_is_more_lenient() {
    // Numbers nobody reads are held to the grammar, not to the range of an f64.
    let huge = "[1e999,-1e999]";
    assert_eq!(json::check(huge.as_bytes()), Ok(()));
    assert!(serde_json::from_str::<Value>(huge).is_err());
    // A text with escapes is borrowed as it came; serde's `&str` cannot be.
    let escaped = r#"{"Phone":"\u0031","ReplyContent":"","ReplyTime":0}"#;
    assert!(serde_json::from_str::<Message<'_>>(escaped).is_err());
    assert!(uplink::read(format!("[{escaped}]").as_bytes(), |_| {}).is_ok());
}
