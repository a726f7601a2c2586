use proptest::{collection::vec, option, prelude::*};
use std::{string::String, vec::Vec};

use super::*;
use crate::{
    json::{
        Raw,
        value::{Object, Value, write_document, write_item},
        write::Writer,
    },
    lingyang::{self, BatchPush, Callback, Cid, ClientPush, DeviceMessage, Flag, Msg, ProxyMessage, Refusal},
    link::{self, Hello, Problem, Receipt, ReceiptState, Welcome},
    tencent::{self, ActionStatus, AllMemberPush, OfflinePush},
    uplink::{self, Code, Message, Report},
};

/// What serde_json makes of a payload, where its `Serialize` is there.
trait Oracle {
    #[cfg(feature = "serde")]
    fn expected(&self) -> Option<Vec<u8>>;
    #[cfg(not(feature = "serde"))]
    fn expected(&self) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> Oracle for T {
    fn expected(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }
}
#[cfg(not(feature = "serde"))]
impl<T> Oracle for T {}

/// Writes `object` by the table, as `serde_json` writes it.
fn table<'a, T: Value<'a> + Oracle>(object: &T) -> Vec<u8> {
    let mut buf = [0; 4096];
    let written = write_document(object, &mut buf).unwrap().to_vec();
    if let Some(expected) = object.expected() {
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&expected));
    }
    written
}

/// Writes `object` by both writers: the fast one takes it where there is room, and wherever there is not the result
/// is that of the other.
fn both<'a, T: Object<'a> + Value<'a> + Oracle>(object: &T) {
    let expected = table(object);
    let mut buf = std::vec![0; expected.len() + MAX_KEY_LEN];
    let capacity = buf.len();
    let left = object.write_plain(Room::new(&mut buf)).map(|room| room.len());
    let written = left.and_then(|left| buf.get(..capacity - left));
    assert_eq!(written.map(String::from_utf8_lossy), Some(String::from_utf8_lossy(&expected)));
    // Miri is a thousand times slower: it looks at fewer capacities, lengths and numbers.
    for capacity in (0..expected.len() + MAX_KEY_LEN).step_by(if cfg!(miri) { 89 } else { 1 }) {
        let mut buf = std::vec![0; capacity];
        let mut writer = Writer::new(&mut buf);
        write_item(object, &mut writer);
        assert_eq!(writer.len(), expected.len());
        assert_eq!(writer.finish().ok(), Some(&expected[..]).filter(|_| capacity >= expected.len()));
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "[a-z0-9]{0,70}", "\\PC{0,12}", any::<String>()]
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 96 }, ..ProptestConfig::default() })]

    #[test]
    fn both_writers_write_what_serde_json_writes(
        texts in vec(text(), 6),
        given in vec(option::of(Just(())), 6),
        numbers in vec(number(), 4),
    ) {
        let text = |at: usize| Text::from(texts[at].as_str());
        let optional = |at: usize| given[at].map(|()| text(at));
        let integer = |at: usize| i64::from_le_bytes(numbers[at].to_le_bytes());
        let code = |at: usize| if given[at].is_some() { integer(at) } else { integer(at) & 7 };
        let small = |at: usize| u32::try_from(numbers[at] & 0xffff_ffff).unwrap();
        both(&Message {
            extend_code: optional(0),
            user_id: optional(1),
            phone: text(2),
            reply_content: text(3),
            reply_time: numbers[0],
        });
        both(&Report {
            session_no: text(0),
            phone: text(1),
            cost_count: integer(1),
            receipt_time: numbers[0],
            receipt_result: text(2),
            receipt_code: text(3),
            receipt_desc: text(4),
            user_id: optional(5),
        });
        both(&OfflinePush {
            event_type: code(0).into(),
            event_time: numbers[1],
            from_account: optional(0),
            to_account: text(1),
            push_platform: given[2].map(|()| code(2).into()),
            push_stage: code(3).into(),
            msg_key: optional(2),
            group_id: optional(3),
            msg_seq: given[4].map(|()| small(0)),
            msg_random: given[5].map(|()| small(1)),
            msg_time: given[0].map(|()| numbers[2]),
            push_id: optional(4),
            err_code: integer(3),
            err_info: optional(5),
            ..OfflinePush::default()
        });
        both(&AllMemberPush {
            event_type: code(0).into(),
            task_id: text(0),
            data_id: optional(1),
            task_time: numbers[0],
            event_time: numbers[1],
            to_account: text(2),
            push_platform: code(1).into(),
            push_stage: code(2).into(),
            err_code: integer(2),
            err_info: text(3),
            ..AllMemberPush::default()
        });
    }

    #[test]
    fn what_is_sent_one_by_one_is_written_as_serde_json_writes_it(
        texts in vec(text(), 4),
        given in vec(option::of(Just(())), 4),
        numbers in vec(number(), 4),
        bytes in vec(any::<u8>(), 0..=256),
    ) {
        let text = |at: usize| Text::from(texts[at].as_str());
        let optional = |at: usize| given[at].map(|()| text(at));
        let integer = |at: usize| i64::from_le_bytes(numbers[at].to_le_bytes());
        let small = |at: usize| u32::try_from(numbers[at] & 0xffff_ffff).unwrap();
        let cid = |at: usize| Cid::new(small(at).max(1)).unwrap();
        let msg = Msg::from_bytes(&bytes).unwrap();
        let flag = given[0].map(|()| if given[1].is_some() { Flag::Once } else { Flag::UntilAnswered });
        let (tokens, cids) = ([text(0), text(1), text(2)], [cid(0), cid(1), cid(2)]);
        let some = bytes.len() % 4;
        let callback = if given[2].is_some() { Callback::Yes } else { Callback::No };
        table(&ClientPush { msg, flag, callback, access_tokens: tokens[..some].into() });
        table(&BatchPush { msg, flag, clients: cids[..some].into() });
        table(&ProxyMessage { from: cid(0), to: cid(1), flag, msg });
        table(&DeviceMessage { msg, from: cid(0), to: cids[..some].into(), created: numbers[2] });
        let error = given[3].map(|()| Refusal { code: small(0), field: optional(0), message: text(1) });
        table(&lingyang::Reply { request_id: text(0), error });
        table(&uplink::Reply { code: Code(integer(0)), message: optional(1) });
        let action_status = optional(2).map(ActionStatus::Unknown);
        table(&tencent::Reply { action_status, error_info: optional(1), error_code: integer(0) });
        table(&Hello { token: text(0) });
        table(&Welcome { cid: cid(0), time: numbers[0], heartbeat: small(1) });
        table(&link::Message { id: text(0), from: small(0), created: numbers[1], msg });
        table(&Receipt { id: text(0), to: cid(0), state: ReceiptState::Unknown(text(1)) });
        table(&Problem { code: small(0), message: text(1) });
    }

    #[test]
    fn a_text_that_came_with_escapes_is_written_with_the_fewest(text in text(), spelling in any::<u64>()) {
        let mut json = String::new();
        for (place, char) in text.chars().enumerate() {
            if spelling >> (place % 64) & 1 == 1 || matches!(char, '"' | '\\' | '\0'..=' ') {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    json.push_str(&std::format!("\\u{unit:04X}"));
                }
            } else {
                json.push(char);
            }
        }
        let hello = |token| table(&Hello { token });
        prop_assert_eq!(hello(Text::from_json(&json, true)), hello(Text::from(text.as_str())));
        let spaced = std::format!(" [ \"{json}\" ,\t[ ],\r\n{{ \"{json}\" : -1.5e3 , \"\":null}} ] ");
        let mut buf = [0; 4096];
        let expected = crate::json::compact(spaced.as_bytes(), &mut buf).unwrap().to_vec();
        let raw = Raw::parse(spaced.as_bytes()).unwrap();
        prop_assert_eq!(write_document(&raw, &mut buf).unwrap(), expected);
    }
}

#[test]
fn the_escapes_of_php_are_undone() {
    let text = Text::from_json(r#"\/\"\\\b\f\n\r\t\u0008\u001F\u0022\u005c\ud83d\ude00\u77ed"#, true);
    let hello = table(&Hello { token: text });
    assert_eq!(hello, "{\"token\":\"/\\\"\\\\\\b\\f\\n\\r\\t\\b\\u001f\\\"\\\\😀短\"}".as_bytes());
}

#[test]
fn a_special_byte_is_found_in_a_text_of_any_length() {
    for len in (0..70).step_by(if cfg!(miri) { 9 } else { 1 }) {
        for special in [b'"', b'\\', b'\n', 0x1f, 0] {
            for place in 0..len {
                let mut text = std::vec![b'!'; len];
                assert!(!copy_unless_special(&text, &mut std::vec![0; len]));
                text[place] = special;
                assert!(copy_unless_special(&text, &mut std::vec![0; len]), "{special} at {place} of {len}");
            }
        }
        // Neighbours that differ from a special byte in one bit only, and bytes of longer characters.
        let text: Vec<u8> = [b'#', b'!', b'[', b']', 0x20, 0x7f, 0x80, 0xff].into_iter().cycle().take(len).collect();
        let mut place = std::vec![0; len];
        assert!(!copy_unless_special(&text, &mut place));
        assert_eq!(place, text);
    }
}

#[test]
fn integers_of_every_length_have_their_digits() {
    let powers = (0..20).map(|exponent| 10u64.pow(exponent));
    for number in powers.flat_map(|power| [power - 1, power, power + 1, power.saturating_mul(9)]).chain([u64::MAX]) {
        let mut buf = [0; 48];
        let left = Room::new(&mut buf).unsigned(number).unwrap().len();
        let expected = std::format!("{number}");
        assert_eq!(buf[..48 - left], *expected.as_bytes());
        let mut writer = Writer::new(&mut buf);
        writer.unsigned(number);
        assert_eq!(writer.finish().unwrap(), expected.as_bytes());
    }
    for number in (0..100_000).step_by(if cfg!(miri) { 9973 } else { 1 }) {
        let digits = (eight_digits(number * 997) | ZEROS).to_le_bytes();
        assert_eq!(digits, *std::format!("{:08}", number * 997).as_bytes());
    }
}
