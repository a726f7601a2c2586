//! `pushgate check`: what each kind prints, and where it says a bad file is bad.

mod binary;

use binary::{run, run_with};
use std::fs;

/// Kind, what is read, and the line that is printed.
const GOOD: &[(&str, &str, &str)] = &[
    ("json", " { \"b\" : [ 1.50 , -0 , 1E9 ] , \"a\" : null } \n", r#"{"b":[1.50,-0,1E9],"a":null}"#),
    ("json", r#""\u77ed\/\ud83d\ude00\u001f\"""#, "\"短/😀\\u001f\\\"\""),
    (
        "uplink",
        r#"{"Data":[{"ReplyTime":1563867000,"x":[{}],"UserId":null,"ReplyContent":"\u77ed","Phone":"185****9057"}],"MsgType":0}"#,
        r#"{"MsgType":0,"Data":[{"Phone":"185****9057","ReplyContent":"短","ReplyTime":1563867000}]}"#,
    ),
    (
        "uplink",
        r#"[{"ExtendCode":"1","UserId":"you man c define the content by yrself","Phone":"1","ReplyContent":"","ReplyTime":0}]"#,
        r#"{"MsgType":0,"Data":[{"ExtendCode":"1","UserId":"you man c define the content by yrself","Phone":"1","ReplyContent":"","ReplyTime":0}]}"#,
    ),
    (
        "uplink",
        r#"{"MsgType":2,"Data":[{"SessionNo":"s","Phone":"1","CostCount":1,"ReceiptTime":2,"ReceiptResult":"Unknow","ReceiptCode":"","ReceiptDesc":""}]}"#,
        r#"{"MsgType":2,"Data":[{"SessionNo":"s","Phone":"1","CostCount":1,"ReceiptTime":2,"ReceiptResult":"Unknow","ReceiptCode":"","ReceiptDesc":""}]}"#,
    ),
    ("uplink", r#"{"MsgType":7,"Data":[ 1, {"a": 2} ]}"#, r#"{"MsgType":7,"Data":[1,{"a":2}]}"#),
    ("uplink", r#"{"MsgType":0,"Data":[]}"#, r#"{"MsgType":0,"Data":[]}"#),
    ("uplink-reply", r#"{"message":"ok","code":"0"}"#, r#"{"code":0,"message":"ok"}"#),
    (
        "client-push",
        r#"{"access_tokens":["a","\/"],"callback":1,"flag":null,"msg":"aGVsbG8="}"#,
        r#"{"msg":"aGVsbG8=","callback":1,"access_tokens":["a","/"]}"#,
    ),
    (
        "server-push",
        r#"{"payload":{"clients":[5003062,1003775],"flag":3,"msg":"aGVsbG8="},"proxy":0}"#,
        r#"{"proxy":0,"payload":{"msg":"aGVsbG8=","flag":3,"clients":[5003062,1003775]}}"#,
    ),
    (
        "server-push",
        r#"{"proxy":1,"payload":[{"msg":"aGVsbG8=","from":1003200,"to":5003062,"flag":3}]}"#,
        r#"{"proxy":1,"payload":[{"from":1003200,"to":5003062,"flag":3,"msg":"aGVsbG8="}]}"#,
    ),
    ("push-reply", r#"{ "request_id": "2279" }"#, r#"{"request_id":"2279"}"#),
    (
        "push-reply",
        r#"{"error":{"message":"no","field":null,"code":400},"request_id":"2279"}"#,
        r#"{"request_id":"2279","error":{"code":400,"message":"no"}}"#,
    ),
    (
        "webhook",
        r#"{"data":{"to":[5003062],"created":1452666295,"msg":"aGVsbG8=","from":1003200},"event":"device-message"}"#,
        r#"{"event":"device-message","data":{"msg":"aGVsbG8=","from":1003200,"to":[5003062],"created":1452666295}}"#,
    ),
    ("webhook", r#"{ "event": "device-state", "data": [] }"#, r#"{"event":"device-state","data":[]}"#),
    (
        "events",
        r#"{"Events":[{"ErrCode":0,"PushStage":1,"To_Account":"user2","EventTime":1557481127,"EventType":1,"CallbackCommand":"Push.OfflinePush"}]}"#,
        r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"To_Account":"user2","PushStage":1,"ErrCode":0}]}"#,
    ),
    (
        "events-reply",
        r#"{"ErrorCode":1,"ErrorInfo":"no","ActionStatus":"FAIL"}"#,
        r#"{"ActionStatus":"FAIL","ErrorInfo":"no","ErrorCode":1}"#,
    ),
    (
        "token",
        "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424\n",
        r#"{"cid":10000,"control":3222274048,"expire":1475031947}"#,
    ),
];

/// Kind, what is read, and what follows the file's name on stderr.
const BAD: &[(&str, &str, &str)] = &[
    // The grammar: "refused with the byte offset", here as line and column.
    ("json", "", "1:1: body: the input ends too early"),
    ("json", "{\n  \"a\": 1,\n}", "3:1: body: expected a key in double quotes, found `}`"),
    ("json", "[\"短信\", 01]", "1:9: body: expected `,` or `]`, found `1`"),
    ("json", "[1] // no", "1:5: body: bytes follow the end of the document"),
    ("json", "\"a\tb\"", "1:3: body: a control character in a string must be escaped"),
    ("json", r#"["\ud83d"]"#, "1:3: body: half of a surrogate pair stands alone"),
    ("json", r#""\x""#, "1:2: body: no such escape in JSON"),
    ("json", "[tru]", "1:5: body: expected `true`, `false` or `null`, found `]`"),
    ("json", "{a:1}", "1:2: body: expected a key in double quotes, found `a`"),
    // Members: missing, twice, of another type, out of range, too long, too many.
    ("uplink", "{\"MsgType\":0}", "1:13: Data: required, but missing"),
    (
        "uplink",
        "{\"MsgType\":0,\"Data\":[\n  {\"Phone\":\"1\",\"ReplyContent\":\"短\",\"ReplyTime\":\"x\"}\n]}",
        "2:47: Data[0].ReplyTime: must be an integer",
    ),
    ("uplink", r#"{"MsgType":0,"MsgType":0,"Data":[]}"#, "1:14: MsgType: stands twice"),
    ("uplink", "7", "1:1: body: must be an object or an array"),
    (
        "uplink",
        r#"[{"Phone":"1","ReplyContent":"","ReplyTime":-1}]"#,
        "1:45: [0].ReplyTime: must be from 0 to 18446744073709551615",
    ),
    ("uplink-reply", r#"{"message":"ok"}"#, "1:16: code: required, but missing"),
    ("uplink-reply", r#"{"code":"x"}"#, "1:9: code: must be an integer, or a string of its digits"),
    (
        "client-push",
        r#"{"msg":"aGVsbG8","callback":0,"access_tokens":[]}"#,
        "1:8: msg: must be standard base64 with padding",
    ),
    ("client-push", r#"{"msg":"","flag":1,"callback":0,"access_tokens":[]}"#, "1:18: flag: must be 2 or 3"),
    ("client-push", r#"{"msg":"","callback":2,"access_tokens":[]}"#, "1:22: callback: must be 0 or 1"),
    ("client-push", r#"{"msg":"","callback":0,"access_tokens":[1]}"#, "1:41: access_tokens[0]: must be a string"),
    (
        "server-push",
        r#"{"proxy":0,"payload":{"msg":"","clients":[0]}}"#,
        "1:43: payload.clients[0]: must be from 1 to 4294967295",
    ),
    ("server-push", r#"{"proxy":1,"payload":{"msg":"","clients":[1]}}"#, "1:22: payload: must be an array"),
    ("push-reply", "{}", "1:2: request_id: required, but missing"),
    ("webhook", r#"{"event":"device-message"}"#, "1:26: data: required, but missing"),
    ("events", r#"{"Events":[]}"#, "1:12: Events: holds fewer than 1 elements"),
    (
        "events",
        r#"{"Events":[{"CallbackCommand":"Push.OfflinePush"}]}"#,
        "1:49: Events[0].EventType: required, but missing",
    ),
    ("events-reply", "[]", "1:1: body: must be an object"),
    // Tokens: the section at fault.
    ("token", "0_0_1_f124654ced4d5b30dad739caac64f424", "1:1: cid: the token's cid (section 1) must be"),
    ("token", "1_-0_1_f124654ced4d5b30dad739caac64f424", "1:3: control: the token's control (section 2) must be"),
    ("token", "1_0_é_f124654ced4d5b30dad739caac64f424", "1:5: expire: the token's expire (section 3) must be"),
    ("token", "1_0_1_F124654ced4d5b30dad739caac64f424", "1:7: digest: the token's digest (section 4) must be"),
    ("token", "1_0_1_f124654ced4d5b30dad739caac64f424\n\n", "1:7: digest: the token's digest (section 4) must be"),
    ("token", "1_0_1", "1:6: token: the token has fewer than 4 sections"),
    ("token", "1_0_1_f124654ced4d5b30dad739caac64f424_x", "1:40: token: the token has more than 4 sections"),
];

#[test]
fn a_good_file_is_one_normalised_line() {
    for (kind, input, line) in GOOD {
        let checked = run_with(&["check", kind], input.as_bytes());
        assert_eq!(checked.stderr, "", "{kind} {input}");
        assert_eq!(checked.stdout, format!("{line}\n"), "{kind} {input}");
        assert_eq!(checked.code, Some(0));
        if *kind != "token" {
            let again = run_with(&["check", kind, "-"], line.as_bytes());
            assert_eq!(again.stdout, checked.stdout, "{kind}: what is normalised stays as it is");
        }
    }
}

#[test]
fn a_bad_file_is_one_line_with_its_place_and_exit_1() {
    for (kind, input, words) in BAD {
        let checked = run_with(&["check", kind], input.as_bytes());
        assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), ""), "{kind} {input}");
        assert!(checked.stderr.starts_with(&format!("<stdin>:{words}")), "{kind} {input}\n{}", checked.stderr);
        assert_eq!(checked.stderr.lines().count(), 1, "{}", checked.stderr);
    }
}

#[test]
fn limits_are_named() {
    let hundred_and_one = vec!["1"; 101].join(",");
    for (kind, input, words) in [
        ("json", "[".repeat(33), "1:33: body: nested deeper than 32 levels"),
        (
            "server-push",
            format!(r#"{{"proxy":0,"payload":{{"msg":"","clients":[{hundred_and_one}]}}}}"#),
            "1:243: payload.clients: holds more than 100 elements",
        ),
        (
            "client-push",
            format!(r#"{{"msg":"{}","callback":0,"access_tokens":[]}}"#, "AAAA".repeat(86)),
            "1:8: msg: longer than 256 bytes",
        ),
    ] {
        let checked = run_with(&["check", kind], input.as_bytes());
        assert_eq!(checked.stderr, format!("<stdin>:{words}\n"));
        assert_eq!(checked.code, Some(1));
    }
}

#[test]
fn bytes_that_are_no_text_have_a_place_too() {
    let checked = run_with(&["check", "json"], b"[\"\xc3\xa9\",\n \"\xff\"]");
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), "<stdin>:2:3: body: not UTF-8\n"));
}

#[test]
fn the_other_files_are_still_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, bad, none, last) = (path("first"), path("bad"), path("none"), path("last"));
    fs::write(&first, "[1, 2]").unwrap();
    fs::write(&bad, "\n[1 2]").unwrap();
    fs::write(&last, "[ ]").unwrap();
    let args = ["check", "json", &first, &bad, &none, &last];
    let checked = run(&args);
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), "[1,2]\n[]\n"));
    let lines: Vec<_> = checked.stderr.lines().collect();
    assert_eq!(lines[0], format!("{bad}:2:4: body: expected `,` or `]`, found `2`"));
    assert!(lines[1].starts_with(&format!("{none}: cannot be read: ")), "{}", lines[1]);
    assert_eq!(lines.len(), 2);

    let checked = run(&[&args[..], &["--json"]].concat());
    assert_eq!(checked.code, Some(1));
    let lines: Vec<_> = checked.stdout.lines().collect();
    assert_eq!(lines[0], format!(r#"{{"file":"{first}","ok":true,"value":[1,2]}}"#));
    assert_eq!(
        lines[1],
        format!(
            r#"{{"file":"{bad}","ok":false,"line":2,"column":4,"field":"body","message":"expected `,` or `]`, found `2`"}}"#
        )
    );
    assert!(lines[2].starts_with(&format!(r#"{{"file":"{none}","ok":false,"message":"cannot be read: "#)));
    assert_eq!(lines[3], format!(r#"{{"file":"{last}","ok":true,"value":[]}}"#));
}

#[test]
fn a_large_document_is_normalised_whole() {
    let long = format!("[\"{}\" ]", "\\u77ed".repeat(200_000));
    let checked = run_with(&["check", "json"], long.as_bytes());
    assert_eq!(checked.stdout, format!("[\"{}\"]\n", "短".repeat(200_000)));
}
