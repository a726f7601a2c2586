//! The page "UCloud USMS push", sentence by sentence: what each asks of the readers, the writers and the verdict.

mod object;
mod table;

use object::{ANYTHING, Object, optional, required};
use pushgate_core::{
    Error, ErrorKind, Schedule, Verdict,
    schedule::Anchor,
    uplink::{
        self, Answer, BATCH_LINGER_MS, BatchWriter, Code, Item, MAX_BATCH_ITEMS, MAX_USER_ID_CHARS, Message, MsgType,
        Outcome, Reply, Report,
    },
};
use table::{hold, written};

fn batch(body: &[u8]) -> Result<String, Error> {
    written(|buf| uplink::compact(body, buf))
}

fn reply(body: &[u8]) -> Result<String, Error> {
    Reply::read(body).and_then(|reply| written(|buf| reply.write(buf)))
}

const PAGE_EXAMPLE: &str = r#"{"MsgType":0,"Data":[{"ExtendCode":"12345","UserId":"xxx-uhost-001","Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}]}"#;

fn message() -> Message<'static> {
    Message {
        extend_code: Some("12345".into()),
        user_id: Some("xxx-uhost-001".into()),
        phone: "18512345678".into(),
        reply_content: "OK, got it".into(),
        reply_time: 1_563_867_000,
    }
}

fn report() -> Report<'static> {
    Report {
        session_no: "s".into(),
        phone: "18512345678".into(),
        cost_count: 2,
        receipt_time: 1_563_867_000,
        receipt_result: "发送成功".into(),
        receipt_code: "DELIVRD".into(),
        receipt_desc: "".into(),
        user_id: None,
    }
}

fn send(msg_type: MsgType, items: &[Item<'_, '_>]) -> Result<String, Error> {
    let mut buf = vec![0; 64 * 1024];
    let mut batch = BatchWriter::new(&mut buf, msg_type);
    for item in items {
        batch.push(*item)?;
    }
    batch.finish().map(|body| String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn the_pages_example_goes_both_ways() {
    hold("Request", batch, &[(PAGE_EXAMPLE, Ok(PAGE_EXAMPLE))]);
    let mut read = Vec::new();
    let summary = uplink::read(PAGE_EXAMPLE.as_bytes(), |item| {
        let Item::Message(message) = item else { panic!("{item:?}") };
        read.push(*message);
    });
    assert_eq!(summary.unwrap(), uplink::Summary { msg_type: MsgType::Messages, items: 1 });
    assert_eq!(read, [message()]);
    assert_eq!(send(MsgType::Messages, &[Item::Message(&message())]).unwrap(), PAGE_EXAMPLE);
}

#[test]
fn the_seeds_example_is_read() {
    let first = r#"{"ExtendCode":"12345","UserId":"you man c define the content by yrself","Phone":"185****9057","ReplyContent":"OK, it can be done","ReplyTime":1573552778}"#;
    let second = r#"{"ExtendCode":"12346","UserId":"you man c define the content by yrself","Phone":"185****9057","ReplyContent":"Received, thank you","ReplyTime":1573552778}"#;
    let body = format!(r#"{{"MsgType":0,"Data":[{first},{second}]}}"#);
    hold("the vendor's own sample has 38", batch, &[(&body, Ok(&body))]);
    hold(
        "The seeds print pseudo-JSON; the wire never does.",
        batch,
        &[("{\n  ▲MsgType: 0, \n  Data: [ ]\n}", Err("body: expected a key in double quotes, found `M`"))],
    );
}

#[test]
fn every_member_of_every_object() {
    let bodies = [
        Object {
            around: ("", ""),
            path: "",
            members: &[required("MsgType", "0", "an integer"), required("Data", "[]", "an array")],
            normalise: batch,
        },
        Object {
            around: (r#"{"MsgType":0,"Data":["#, "]}"),
            path: "Data[0].",
            members: &[
                optional("ExtendCode", r#""12345""#, "a string"),
                optional("UserId", r#""xxx-uhost-001""#, "a string"),
                required("Phone", r#""185****9057""#, "a string"),
                required("ReplyContent", r#""OK, got it""#, "a string"),
                required("ReplyTime", "1563867000", "an integer"),
            ],
            normalise: batch,
        },
        Object {
            around: (r#"{"MsgType":2,"Data":["#, "]}"),
            path: "Data[0].",
            members: &[
                required("SessionNo", r#""s""#, "a string"),
                required("Phone", r#""(86)185""#, "a string"),
                required("CostCount", "1", "an integer"),
                required("ReceiptTime", "1563867000", "an integer"),
                required("ReceiptResult", r#""Success""#, "a string"),
                required("ReceiptCode", r#""DELIVRD""#, "a string"),
                required("ReceiptDesc", r#""""#, "a string"),
                optional("UserId", r#""u""#, "a string"),
            ],
            normalise: batch,
        },
        Object {
            around: ("", ""),
            path: "",
            members: &[required("code", "0", ANYTHING), optional("message", r#""ok""#, "a string")],
            normalise: reply,
        },
    ];
    bodies.iter().for_each(Object::hold_all);
}

#[test]
fn msg_type() {
    hold(
        "0 = uplink messages, 2 = status reports; other values kept and reported to the user as unsupported",
        batch,
        &[
            (r#"{"MsgType":1,"Data":[]}"#, Ok(r#"{"MsgType":1,"Data":[]}"#)),
            (r#"{"MsgType":-7,"Data":[ null, {"a" : 1} ]}"#, Ok(r#"{"MsgType":-7,"Data":[null,{"a":1}]}"#)),
            (
                r#"{"Data":["\u0061"],"MsgType":9223372036854775807}"#,
                Ok(r#"{"MsgType":9223372036854775807,"Data":["a"]}"#),
            ),
            (
                r#"{"MsgType":▲9223372036854775808,"Data":[]}"#,
                Err("MsgType: must be from -9223372036854775808 to 9223372036854775807"),
            ),
            (
                r#"{"Data":[{}],"MsgType":▲-9223372036854775809}"#,
                Err("MsgType: must be from -9223372036854775808 to 9223372036854775807"),
            ),
        ],
    );
    let mut seen = Vec::new();
    let summary = uplink::read(br#"{"MsgType":7,"Data":[{"a": 1},2]}"#, |item| {
        let Item::Unsupported(raw) = item else { panic!("{item:?}") };
        seen.push(raw.as_bytes().to_vec());
    });
    assert_eq!(summary.unwrap().msg_type, MsgType::Unknown(7));
    assert_eq!(seen, [br#"{"a": 1}"#.to_vec(), b"2".to_vec()]);
    for code in [-1, 0, 1, 2, 3, i64::MIN, i64::MAX] {
        assert_eq!(i64::from(MsgType::from(code)), code);
    }
    assert_eq!([MsgType::Messages, MsgType::Reports], [MsgType::from(0), MsgType::from(2)]);

    let report = r#"{"SessionNo":"s","Phone":"1","CostCount":1,"ReceiptTime":1,"ReceiptResult":"Fail","ReceiptCode":"c","ReceiptDesc":"d"}"#;
    let normal = format!(r#"{{"MsgType":2,"Data":[{report}]}}"#);
    hold(
        "A member order other than the documented one is fine: the items are what `MsgType` says, even after `Data`",
        batch,
        &[
            (&format!(r#"{{"Data":[{report}],"MsgType":2}}"#), Ok(&normal)),
            (
                &format!(r#"{{"Data":[{}▲}}],"MsgType":0}}"#, &report[..report.len() - 1]),
                Err("Data[0].ReplyContent: required, but missing"),
            ),
        ],
    );
}

#[test]
fn data() {
    hold(
        "Data: array, required. Empty is accepted on input, never sent",
        batch,
        &[
            (r#"{"MsgType":0,"Data":[]}"#, Ok(r#"{"MsgType":0,"Data":[]}"#)),
            (r#"{"MsgType":2,"Data":[ ]}"#, Ok(r#"{"MsgType":2,"Data":[]}"#)),
            (r#"{"MsgType":0,"Data":[▲null]}"#, Err("Data[0]: must be an object")),
            (r#"{"MsgType":0,"Data":[▲[]]}"#, Err("Data[0]: must be an object")),
            (
                r#"{"MsgType":0,"Data":[{"Phone":"1","ReplyContent":"","ReplyTime":0},▲1]}"#,
                Err("Data[1]: must be an object"),
            ),
        ],
    );
    for msg_type in [MsgType::Messages, MsgType::Reports] {
        let error = send(msg_type, &[]).unwrap_err();
        assert_eq!(
            (error.to_string(), error.kind()),
            ("Data: holds fewer than 1 elements".into(), ErrorKind::TooFew { least: 1 })
        );
    }
}

#[test]
fn a_bare_array() {
    let item = r#"{"Phone":"1","ReplyContent":"","ReplyTime":0}"#;
    let normal = format!(r#"{{"MsgType":0,"Data":[{item}]}}"#);
    hold(
        "We send the object; on input a bare top-level array of items is accepted as MsgType 0.",
        batch,
        &[
            (&format!("[{item}]"), Ok(&normal)),
            (" [ ] ", Ok(r#"{"MsgType":0,"Data":[]}"#)),
            (r#"[{"Phone":"1","ReplyContent":""▲}]"#, Err("[0].ReplyTime: required, but missing")),
            (&format!("[{item}]▲x"), Err("body: bytes follow the end of the document")),
            ("▲1", Err("body: must be an object or an array")),
            (r#"▲"x""#, Err("body: must be an object or an array")),
            ("▲null", Err("body: must be an object or an array")),
            (" ▲", Err("body: the input ends too early")),
            ("▲}", Err("body: expected an object or an array, found `}`")),
        ],
    );
}

#[test]
fn user_id() {
    assert_eq!(MAX_USER_ID_CHARS, 32, "at most 32 **characters**");
    let send_with = |user_id: &str| {
        let (of_message, of_report) = (
            Message { user_id: Some(user_id.into()), ..message() },
            Report { user_id: Some(user_id.into()), ..report() },
        );
        let message = send(MsgType::Messages, &[Item::Message(&of_message)]);
        let report = send(MsgType::Reports, &[Item::Report(&of_report)]);
        assert_eq!(message.is_ok(), report.is_ok());
        message
    };
    for (user_id, sent) in [
        ("x".repeat(32), true),
        ("x".repeat(33), false),
        // "(so up to 128 bytes)"
        ("😀".repeat(32), true),
        ("😀".repeat(33), false),
        (String::new(), true),
    ] {
        match send_with(&user_id) {
            Ok(body) => assert!(sent && body.contains(&format!(r#""UserId":"{user_id}""#)), "{user_id}"),
            Err(error) => {
                assert!(!sent, "{user_id}");
                assert_eq!(error.to_string(), "Data[0].UserId: longer than the 32 characters that may be sent");
            }
        }
        let body =
            format!(r#"{{"MsgType":0,"Data":[{{"UserId":"{user_id}","Phone":"1","ReplyContent":"","ReplyTime":0}}]}}"#);
        hold("on input a longer one is accepted up to the buffer", batch, &[(&body, Ok(&body))]);
    }
    // Escapes count as the character they stand for.
    let body =
        format!(r#"[{{"UserId":"{}","Phone":"1","ReplyContent":"","ReplyTime":0}}]"#, r"\ud83d\ude00".repeat(32));
    let mut sent = Vec::new();
    uplink::read(body.as_bytes(), |item| sent.push(send(MsgType::Messages, &[item]).is_ok())).unwrap();
    assert_eq!(sent, [true]);
}

#[test]
fn phone_and_content() {
    for text in ["18512345678", "185****9057", "(86)185…", "", "OK, got it", "收到😀\u{0}\u{1f}\"\\/\u{7f}\u{feff}"]
    {
        let sent = Message { phone: text.into(), reply_content: text.into(), ..message() };
        let body = send(MsgType::Messages, &[Item::Message(&sent)]).unwrap();
        uplink::read(body.as_bytes(), |item| {
            assert_eq!(item, Item::Message(&sent), "Phone: opaque; ReplyContent: any Unicode");
        })
        .unwrap();
    }
}

#[test]
fn times_and_counts() {
    let body = |time: &str| format!(r#"{{"MsgType":0,"Data":[{{"Phone":"1","ReplyContent":"","ReplyTime":{time}}}]}}"#);
    let range = "Data[0].ReplyTime: must be from 0 to 18446744073709551615";
    let most = body("18446744073709551615");
    hold(
        "ReplyTime: int, unix seconds (u64 in the types)",
        batch,
        &[
            (&body("0"), Ok(&body("0"))),
            (&most, Ok(&most)),
            (&body("▲18446744073709551616"), Err(range)),
            (&body("▲-1"), Err(range)),
            (&body("▲1e3"), Err("Data[0].ReplyTime: must be an integer")),
            (
                &body("0▲1"),
                Err("body: expected `,` or `}`, found `1`")
                    .map_err(|_: &str| "Data[0]: expected `,` or `}`, found `1`"),
            ),
        ],
    );
    let body = |count: &str| {
        format!(
            r#"{{"MsgType":2,"Data":[{{"SessionNo":"","Phone":"","CostCount":{count},"ReceiptTime":1,"ReceiptResult":"","ReceiptCode":"","ReceiptDesc":""}}]}}"#
        )
    };
    let least = body("-9223372036854775808");
    hold(
        "CostCount int",
        batch,
        &[
            (&least, Ok(&least)),
            (
                &body("▲9223372036854775808"),
                Err("Data[0].CostCount: must be from -9223372036854775808 to 9223372036854775807"),
            ),
        ],
    );
}

#[test]
fn a_status_report_goes_both_ways_and_its_result_is_classified() {
    for (result, outcome) in [
        ("发送成功", Outcome::Success),
        ("Success", Outcome::Success),
        ("接收成功", Outcome::Success),
        ("发送失败", Outcome::Failure),
        ("Fail", Outcome::Failure),
        ("接收失败", Outcome::Failure),
        ("状态未知", Outcome::Unknown),
        ("Unknow", Outcome::Unknown),
        ("Unknown", Outcome::Other),
        ("success", Outcome::Other),
        ("", Outcome::Other),
    ] {
        let sent = Report { receipt_result: result.into(), user_id: Some("u".into()), ..report() };
        assert_eq!(sent.outcome(), outcome, "{result}");
        let body = send(MsgType::Reports, &[Item::Report(&sent)]).unwrap();
        assert!(body.contains(result), "Keep as text");
        uplink::read(body.as_bytes(), |item| assert_eq!(item, Item::Report(&sent))).unwrap();
    }
    let escaped = br#"{"MsgType":2,"Data":[{"SessionNo":"","Phone":"","CostCount":0,"ReceiptTime":1,"ReceiptResult":"\u53d1\u9001\u6210\u529f","ReceiptCode":"","ReceiptDesc":""}]}"#;
    uplink::read(escaped, |item| {
        let Item::Report(report) = item else { panic!("{item:?}") };
        assert_eq!(report.outcome(), Outcome::Success);
    })
    .unwrap();
}

#[test]
fn a_batch_has_at_most_100_items() {
    assert_eq!((MAX_BATCH_ITEMS, BATCH_LINGER_MS), (100, 50), "batch at most 100 items a request, batch linger 50 ms");
    let message = message();
    let items = vec![Item::Message(&message); 101];
    let full = send(MsgType::Messages, &items[..100]).unwrap();
    assert_eq!(uplink::read(full.as_bytes(), |_| {}).unwrap().items, 100);
    let error = send(MsgType::Messages, &items).unwrap_err();
    assert_eq!(error.to_string(), "Data: holds more than 100 elements");

    // The limit is on what we send; what came is read whole.
    let item = r#"{"Phone":"1","ReplyContent":"","ReplyTime":0}"#;
    let many = format!("[{}]", vec![item; 101].join(","));
    assert_eq!(uplink::read(many.as_bytes(), |_| {}).unwrap().items, 101);
}

#[test]
fn what_does_not_go_in_leaves_the_batch_as_it_was() {
    let message = message();
    let too_long = "x".repeat(33);
    let refused = Message { user_id: Some(too_long.as_str().into()), ..message };
    let one = send(MsgType::Messages, &[Item::Message(&message)]).unwrap();
    let mut buf = vec![0; one.len()];
    let mut batch = BatchWriter::new(&mut buf, MsgType::Messages);
    assert!(batch.push(Item::Message(&refused)).is_err());
    batch.push(Item::Message(&message)).unwrap();
    let full = batch.push(Item::Message(&message)).unwrap_err();
    let needed = one.len() * 2 - r#"{"MsgType":0,"Data":[]}"#.len() + 1;
    assert_eq!(full.kind(), ErrorKind::BufferFull { needed, capacity: one.len() });
    assert_eq!(batch.items(), 1);
    assert_eq!(batch.finish().unwrap(), one.as_bytes());
}

#[test]
fn the_answer() {
    assert_eq!(written(|buf| Reply::OK.write(buf)).unwrap(), r#"{"code":0,"message":"ok"}"#, "As a receiver");
    let refusal = Reply::refusal(Code(400), "Data[0].Phone: required, but missing".into());
    assert_eq!(
        written(|buf| refusal.write(buf)).unwrap(),
        r#"{"code":400,"message":"Data[0].Phone: required, but missing"}"#,
        "a non-zero code with a description"
    );
    let not_received = |status, body: &'static str, shown: &str| {
        let answer = Answer::read(status, body.as_bytes());
        assert_eq!(answer.verdict(), Verdict::TryAgain, "{status} {body}");
        assert_eq!(answer.to_string(), shown, "{status} {body}");
    };
    // "success only for HTTP 2xx **and** `code` 0 (also accept `"0"`)"
    for status in [200, 201, 204, 299] {
        for body in [
            r#"{"code":0,"message":"ok"}"#,
            r#"{"code":"0","message":"ok"}"#,
            r#"{"code":0}"#,
            r#" {"message":null,"x":{"code":1},"c\u006fde":0} "#,
        ] {
            let answer = Answer::read(status, body.as_bytes());
            assert_eq!(answer, Answer::Accepted, "{status} {body}");
            assert_eq!((answer.verdict(), answer.to_string().as_str()), (Verdict::Delivered, "accepted"));
        }
        not_received(status, r#"{"code":1,"message":"busy"}"#, "code 1: busy");
        not_received(status, r#"{"code":-1}"#, "code -1");
        not_received(status, r#"{"code":"500","message":""}"#, "code 500");
        // "A 2xx with a body that is no such JSON is a failure."
        for (body, why) in [
            ("", "body: the input ends too early"),
            ("ok", "body: expected an object, found `o`"),
            ("0", "body: must be an object"),
            ("{}", "code: required, but missing"),
            (r#"{"code":null}"#, "code: required, but missing"),
            (r#"{"code":0.0}"#, "code: must be an integer"),
            (r#"{"code":""}"#, "code: must be an integer, or a string of its digits"),
            (r#"{"code":"0x0"}"#, "code: must be an integer, or a string of its digits"),
            (r#"{"code":0,"message":1}"#, "message: must be a string"),
            (r#"{"code":0,"code":0}"#, "code: stands twice"),
            (r#"{"code":0}}"#, "body: bytes follow the end of the document"),
        ] {
            not_received(status, body, &format!("the body is no reply: {why}"));
        }
    }
    for status in [100, 199, 300, 301, 400, 404, 429, 500, 503, 599] {
        not_received(status, r#"{"code":0,"message":"ok"}"#, &format!("HTTP {status}, code 0: ok"));
        not_received(status, "<html>", &format!("HTTP {status}"));
    }
}

#[test]
fn the_schedule() {
    // "then on non-success a retry every 1 second; after 3 retries pushing stops. So at most 4 sends: the failure of
    // one send starts the 1 s wait for the next." "Answer timeout 5 s"
    let planned: Vec<_> = (1..=5).map(|attempt| Schedule::UPLINK.planned(attempt)).collect();
    assert_eq!(planned, [Some(0), Some(1000), Some(2000), Some(3000), None]);
    assert_eq!(Schedule::UPLINK.anchor(), Anchor::Failure);
    assert_eq!(Schedule::UPLINK.answer_within(), 5000);
}

#[test]
fn duplicates_are_known_by_the_whole_item() {
    let of_message = |message: Message<'_>| Item::Message(&message).identity();
    let own = of_message(message());
    for other in [
        Message { extend_code: None, ..message() },
        Message { extend_code: Some("".into()), ..message() },
        Message { user_id: Some("xxx-uhost-002".into()), ..message() },
        Message { phone: "18512345679".into(), ..message() },
        Message { reply_content: "OK, got it.".into(), ..message() },
        Message { reply_time: 1_563_867_001, ..message() },
    ] {
        assert_ne!(of_message(other), own, "{other:?}");
    }
    // However it is spelled, and in whatever order, it is the same item.
    let respelled = br#"[{"ReplyTime":1563867000,"ReplyContent":"\u004fK, got it","Phone":"18512345678","new":1,"UserId":"xxx-uhost-001","ExtendCode":"12345"}]"#;
    uplink::read(respelled, |item| assert_eq!(item.identity(), own)).unwrap();

    let of_report = |report: Report<'_>| Item::Report(&report).identity();
    let own = of_report(report());
    for other in [
        Report { session_no: "t".into(), ..report() },
        Report { phone: "".into(), ..report() },
        Report { cost_count: 3, ..report() },
        Report { receipt_time: 0, ..report() },
        Report { receipt_result: "Success".into(), ..report() },
        Report { receipt_code: "".into(), ..report() },
        Report { receipt_desc: "x".into(), ..report() },
        Report { user_id: Some("".into()), ..report() },
    ] {
        assert_ne!(of_report(other), own, "{other:?}");
    }

    let mut unsupported = Vec::new();
    uplink::read(br#"{"MsgType":7,"Data":[1,2,1]}"#, |item| unsupported.push(item.identity())).unwrap();
    assert!(unsupported[0] == unsupported[2] && unsupported[0] != unsupported[1]);
}
