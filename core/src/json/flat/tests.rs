//! The small reader and the table-driven one make the same of every document: the same value, or the same error.

use core::fmt::Debug;
use std::{format, string::String, vec::Vec};

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{json::value, lingyang, link, tencent, uplink};

fn same<'a, P: Whole<'a> + PartialEq + Debug>(document: &'a [u8]) -> bool {
    let expected = value::read_document::<P>(document, u32::MAX);
    let read = read_document::<P>(document);
    assert_eq!(read, expected, "{}", String::from_utf8_lossy(document));
    expected.is_ok()
}

/// Reads `document` as every payload there is for this reader, and says whether it is one of them.
fn same_as_each(document: &[u8]) -> bool {
    [
        same::<link::Frame<'_>>(document),
        same::<link::Incoming<'_>>(document),
        same::<lingyang::Reply<'_>>(document),
        same::<uplink::Reply<'_>>(document),
        same::<tencent::Reply<'_>>(document),
    ]
    .contains(&true)
}

/// What each payload looks like, in every way that is allowed, and documents that are none.
const DOCUMENTS: &[&str] = &[
    r#"{"hello":{"token":"5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069"}}"#,
    r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#,
    r#"{"message":{"id":"m","from":1003200,"created":1452666295,"msg":"aGVsbG8="}}"#,
    r#"{"ack":"好\u597d\ud83d\ude00\"\/"}"#,
    r#"{"receipt":{"id":"m","to":4294967295,"state":"delivered"}}"#,
    r#" { "ping" : 18446744073709551615 } "#,
    "{\"pong\":0}\n",
    r#"{"error":{"code":401,"message":"no"},"ack":null}"#,
    r#"{"ack":"m","hello":null,"x":[]}"#,
    r#"{"noise":[{"ack":"m"},[],{},[{"a":{"b":-0.5e+10}}],true,false,null],"p\u0069ng":7}"#,
    r#"{"x":"é😀\u0000","welcome":{"y":{"cid":0},"heartbeat":4294967295,"time":0,"cid":1,"z":1E-7}}"#,
    r#"{"message":{"id":"","from":0,"created":0,"msg":"aGV\u0073bG8=","\u0066rom\u0000":1}}"#,
    r#"{"":1,"ac":2,"ackk":3,"é":4,"pong":-1}"#,
    r#"{"request_id":"8f0c"}"#,
    r#"{"request_id":"r","error":{"code":400,"field":"payload.msg","message":"must be base64"}}"#,
    r#"{"error":{"message":"m","field":null,"code":0},"more":{"request_id":1},"request_id":"r"}"#,
    r#"{"code":0,"message":"ok"}"#,
    r#"{"message":null,"code":"0120"}"#,
    r#"{"code":"9223372036854775808","message":"\u006f"}"#,
    r#"{"code":-9223372036854775808}"#,
    r#"{"ActionStatus":"FAIL","ErrorInfo":"no","ErrorCode":-10}"#,
    r#"{"ErrorCode":9223372036854775807,"ActionStatus":"\u004fK"}"#,
    r#"[{"ack":"m"}]"#,
    r#""ack""#,
    "{}",
    "null",
    "17",
];

/// What a byte of a document is replaced with: all that JSON knows, and what is near to it.
const BYTES: &[u8] =
    b"\" \n\t\\/,:{}[]-+.eE0189abdfntuDd;$!~\0\x1f\x7f\x80\x8f\x90\xa0\xbf\xc1\xc3\xe0\xed\xf0\xf4\xff";

#[test]
fn both_readers_make_the_same_of_every_document_cut_and_changed_at_every_byte() {
    // Miri is a thousand times slower: it looks at fewer places.
    let (step, bytes) = if cfg!(miri) { (200, &b"\""[..]) } else { (1, BYTES) };
    for document in DOCUMENTS {
        let document = document.as_bytes();
        same_as_each(document);
        for at in (0..document.len()).step_by(step) {
            same_as_each(&document[..at]);
            let mut changed = Vec::from(document);
            for &byte in bytes {
                changed[at] = byte;
                same_as_each(&changed);
                same_as_each(&changed[..=at]);
            }
            changed.remove(at);
            same_as_each(&changed);
        }
    }
}

#[test]
fn nearly_all_of_the_documents_are_payloads() {
    let none: Vec<_> = DOCUMENTS.iter().filter(|document| !same_as_each(document.as_bytes())).collect();
    assert_eq!(none.len(), 6, "{none:?}");
}

#[test]
#[cfg_attr(miri, ignore = "thousands of documents, each read ten times")]
fn both_readers_take_the_same_strings() {
    let units =
        ["\\u0000", "\\uD7ff", "\\ud800", "\\uDBFF", "\\uDC00", "\\udfff", "\\uE000", "\\uffff", "\\n", "\\x", "x"];
    for first in units {
        for second in units {
            for cut in 0..=second.len() {
                same_as_each(format!(r#"{{"ack":"{first}{}"}}"#, &second[..cut]).as_bytes());
                same_as_each(format!(r#"{{"x":"{first}{}"#, &second[..cut]).as_bytes());
            }
        }
    }
    // Each pair of bytes that a character may or may not begin with, and how it goes on.
    for lead in 0x70..=0xff {
        for second in 0..=0xff {
            for rest in [&b""[..], b"\x80", b"\x80\x80", b"\x80\xbf\xbf"] {
                let string = [b"{\"ack\":\"", &[lead, second][..], rest].concat();
                same::<link::Frame<'_>>(&string);
                same::<link::Frame<'_>>(&[&string[..], b"\"}"].concat());
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "thousands of documents, each read ten times")]
fn both_readers_take_the_same_numbers() {
    let numbers = [
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "1",
        "-1",
        "-",
        "+1",
        ".5",
        "1.",
        "1.0",
        "1.e1",
        "1e",
        "1e+",
        "1E-0",
        "0e1",
        "0.0e1x",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551616",
        "42949672959999999999",
        "184467440737095516150",
        "99999999999999999999999999",
        "1.5e99999999999999999999",
    ];
    for number in numbers {
        for (before, after) in [
            (r#"{"ping":"#, "}"),
            (r#"{"code":"#, "}"),
            (r#"{"code":""#, "\"}"),
            (r#"{"ErrorCode":"#, " }"),
            (r#"{"welcome":{"cid":"#, r#","time":1,"heartbeat":2}}"#),
            (r#"{"x":"#, "}"),
            (r#"{"x":["#, ",1]}"),
            (r#"{"welcome":{"x":"#, "}}"),
        ] {
            same_as_each(format!("{before}{number}{after}").as_bytes());
            same_as_each(format!("{before}{number}").as_bytes());
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "thousands of documents, each read ten times")]
fn both_readers_end_at_the_same_depth() {
    for levels in 28..36 {
        for (before, open, close) in [
            (r#"{"x":"#, "[", "]"),
            (r#"{"x":"#, r#"{"ack":"#, "}"),
            (r#"{"error":{"x":"#, "[", "]"),
            (r#"{"ack":"m","error":{"code":1,"message":"","x":"#, r#"[{"":"#, "}]"),
        ] {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            same_as_each(format!("{before}{open}0{close}}}}}").as_bytes());
            same_as_each(format!("{before}{open}0{close}}}").as_bytes());
            same_as_each(format!("{before}{open}{close}").as_bytes());
            same_as_each(format!("{before}{open}").as_bytes());
        }
    }
}

/// Names of members, and some that are nearly one.
const NAMES: &[&str] = &[
    "hello",
    "token",
    "welcome",
    "cid",
    "time",
    "heartbeat",
    "message",
    "id",
    "from",
    "created",
    "msg",
    "ack",
    "receipt",
    "to",
    "state",
    "ping",
    "pong",
    "error",
    "code",
    "field",
    "request_id",
    "ActionStatus",
    "ErrorInfo",
    "ErrorCode",
    "",
    "err",
    "pingping",
    "é",
];

const TEXTS: &[&str] =
    &["", "m", "aGVsbG8=", "aGk", "delivered", "OK", "0", "12", "\\ud83d\\ude00", "é😀", "\\n", "\\ud800", "\u{1}"];

/// A name that is known here or nearly so, as it is or with one of its characters escaped.
fn key() -> impl Strategy<Value = String> {
    (select(NAMES), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(name, at, escape)| {
        let at = at.index(name.len() + 1);
        match name.as_bytes().get(at) {
            Some(byte) if escape && byte.is_ascii() => format!("\"{}\\u{byte:04x}{}\"", &name[..at], &name[at + 1..]),
            _ => format!("\"{name}\""),
        }
    })
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        select(TEXTS).prop_map(|text| format!("\"{text}\"")),
        any::<u64>().prop_map(|number| format!("{number}")),
        any::<i64>().prop_map(|number| format!("{number}")),
        any::<f32>().prop_map(|number| format!("{number:e}")),
        (0..100_u8).prop_map(|number| format!("{number}")),
        select(&["true", "false", "null", "nul", "tru\u{e9}"]).prop_map(String::from),
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 24, 5, |inside| {
        prop_oneof![
            vec(inside.clone(), 0..4).prop_map(|elements| format!("[{}]", elements.join(" ,"))),
            vec((key(), inside), 0..6).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

fn object() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), select(BYTES)), 0..2);
    (vec((key(), any_value()), 0..5), changes).prop_map(|(members, changes)| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("{key} : {value}")).collect();
        let mut document = format!("{{{}}}", members.join(",")).into_bytes();
        for (at, byte) in changes {
            let at = at.index(document.len());
            document[at] = byte;
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 2000 }, ..ProptestConfig::default() })]

    #[test]
    fn both_readers_make_the_same_of_every_object(document in object()) {
        same_as_each(&document);
    }
}
