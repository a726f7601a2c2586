//! The page "Push.OfflinePush callbacks", sentence by sentence: what each asks of the readers, the writers, the query
//! and the verdict.

mod object;
mod table;

use object::{ANYTHING, Object, optional, required};
use pushgate_core::{
    Error, ErrorKind, Identity, Schedule, Verdict,
    schedule::Anchor,
    tencent::{
        self, ActionStatus, AllMemberEventType, AllMemberPush, Answer, BatchWriter, Event, EventType, MAX_EVENTS,
        MAX_REQUESTS_PER_SECOND, OfflinePush, PushPlatform, PushStage, Reply,
        query::{CallbackQuery, Refusal, SIGN_WINDOW_SECS, max_url_len, sign, write_url},
    },
};
use table::{hold, written};

fn events(body: &[u8]) -> Result<String, Error> {
    written(|buf| tencent::compact(body, buf))
}

fn reply(body: &[u8]) -> Result<String, Error> {
    Reply::read(body).and_then(|reply| written(|buf| reply.write(buf)))
}

fn send(events: &[Event<'_, '_>]) -> Result<String, Error> {
    let mut buf = vec![0; 64 * 1024];
    let mut batch = BatchWriter::new(&mut buf);
    for event in events {
        batch.push(*event)?;
    }
    batch.finish().map(|body| String::from_utf8(body.to_vec()).unwrap())
}

/// The members that must be there, and no other.
const LEAST: &str = r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"To_Account":"user2","PushStage":1,"ErrCode":0}"#;

/// A batch of one event: [`LEAST`] with `members` after it.
fn with(members: &str) -> String {
    format!(r#"{{"Events":[{},{members}}}]}}"#, &LEAST[..LEAST.len() - 1])
}

fn single() -> OfflinePush<'static> {
    OfflinePush {
        event_type: EventType::Single,
        event_time: 1_557_481_127,
        from_account: Some("user1".into()),
        to_account: "user2".into(),
        push_platform: Some(PushPlatform::Apns),
        push_stage: PushStage::Sending,
        msg_key: Some("48374_2837546_1557481126".into()),
        msg_seq: Some(48_374),
        msg_random: Some(2_837_546),
        msg_time: Some(1_557_481_126),
        push_id: Some("67120c46_6a4086c0_9bf5fb50_200002d1089b322_2000005d8d46421".into()),
        err_code: 0,
        err_info: Some("OK".into()),
        ..OfflinePush::default()
    }
}

fn group() -> OfflinePush<'static> {
    OfflinePush {
        event_type: EventType::Group,
        from_account: Some("user2".into()),
        to_account: "user3".into(),
        msg_key: None,
        group_id: Some("@TGS#12DEVUDHQ".into()),
        msg_seq: Some(48_375),
        push_id: Some("6710c631_85_392fcbcff_200000b2f2c6820_200002c869bfb81".into()),
        ..single()
    }
}

#[test]
fn the_seeds_samples_go_both_ways() {
    let first = r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"From_Account":"user1","To_Account":"user2","PushPlatform":1,"PushStage":1,"MsgKey":"48374_2837546_1557481126","MsgSeq":48374,"MsgRandom":2837546,"MsgTime":1557481126,"PushID":"67120c46_6a4086c0_9bf5fb50_200002d1089b322_2000005d8d46421","ErrCode":0,"ErrInfo":"OK"}"#;
    let second = r#"{"CallbackCommand":"Push.OfflinePush","EventType":2,"EventTime":1557481127,"From_Account":"user2","To_Account":"user3","PushPlatform":1,"PushStage":1,"GroupID":"@TGS#12DEVUDHQ","MsgSeq":48375,"MsgRandom":2837546,"MsgTime":1557481126,"PushID":"6710c631_85_392fcbcff_200000b2f2c6820_200002c869bfb81","ErrCode":0,"ErrInfo":"OK"}"#;
    let body = format!(r#"{{"Events":[{first},{second}]}}"#);
    hold("Sample request packets", events, &[(&body, Ok(&body))]);
    let sent = [single(), group()];
    assert_eq!(send(&[Event::OfflinePush(&sent[0]), Event::OfflinePush(&sent[1])]).unwrap(), body);
    let mut read = sent.iter();
    let count = tencent::read(body.as_bytes(), |event| {
        assert_eq!(event, Event::OfflinePush(read.next().unwrap()));
    });
    assert_eq!(count, Ok(2));
    hold(
        "The seeds print pseudo-JSON; the wire never does.",
        events,
        &[
            ("{\n\"Events\": [ ▲// The length", Err("Events[0]: expected an object, found `/`")),
            (
                r#"{"Events":[{"EventType": 1, ▲// Event type"#,
                Err("Events[0]: expected a key in double quotes, found `/`"),
            ),
        ],
    );
}

#[test]
fn every_member_of_every_object() {
    let bodies = [
        Object {
            around: ("", ""),
            path: "",
            members: &[required("Events", r#"[{"CallbackCommand":"x"}]"#, ANYTHING)],
            normalise: events,
        },
        Object {
            around: (r#"{"Events":[{"CallbackCommand":"x"},"#, "]}"),
            path: "Events[1].",
            members: &[
                required("CallbackCommand", r#""Push.OfflinePush""#, "a string"),
                required("EventType", "1", "an integer"),
                required("EventTime", "1557481127", "an integer"),
                optional("From_Account", r#""user1""#, "a string"),
                required("To_Account", r#""user2""#, "a string"),
                optional("PushPlatform", "1", "an integer"),
                required("PushStage", "1", "an integer"),
                optional("MsgKey", r#""48374_2837546_1557481126""#, "a string"),
                optional("GroupID", r#""""#, "a string"),
                optional("MsgSeq", "48374", "an integer"),
                optional("MsgRandom", "2837546", "an integer"),
                optional("MsgTime", "1557481126", "an integer"),
                optional("PushID", r#""67120c46""#, "a string"),
                required("ErrCode", "0", "an integer"),
                optional("ErrInfo", r#""OK""#, "a string"),
            ],
            normalise: events,
        },
        Object {
            around: (r#"{"Events":["#, "]}"),
            path: "Events[0].",
            members: &[
                required("CallbackCommand", r#""Push.AllMemberPush""#, "a string"),
                required("EventType", "1", "an integer"),
                required("TaskId", r#""t""#, "a string"),
                optional("DataId", r#""d""#, "a string"),
                required("TaskTime", "1", "an integer"),
                required("EventTime", "2", "an integer"),
                required("To_Account", r#""u""#, "a string"),
                required("PushPlatform", "0", "an integer"),
                optional("DeviceType", r#"{"any":["thing"]}"#, ANYTHING),
                required("PushStage", "3", "an integer"),
                required("ErrCode", "-1", "an integer"),
                required("ErrInfo", r#""""#, "a string"),
            ],
            normalise: events,
        },
        Object {
            around: ("", ""),
            path: "",
            members: &[
                optional("ActionStatus", r#""OK""#, "a string"),
                optional("ErrorInfo", r#""""#, "a string"),
                required("ErrorCode", "0", "an integer"),
            ],
            normalise: reply,
        },
    ];
    bodies.iter().for_each(Object::hold_all);
}

#[test]
fn a_batch_has_1_to_100_events() {
    assert_eq!(MAX_EVENTS, 100);
    let body = |count: usize| format!(r#"{{"Events":[{}]}}"#, vec![LEAST; count].join(","));
    let full = body(100);
    let over = format!("{},▲{LEAST}]}}", &full[..full.len() - 2]);
    hold(
        "`{\"Events\":[Event…]}`, 1 to 100. Outside 1..100: refused",
        events,
        &[
            (&body(1), Ok(&body(1))),
            (&full, Ok(&full)),
            (&over, Err("Events: holds more than 100 elements")),
            (r#"{"Events":[▲]}"#, Err("Events: holds fewer than 1 elements")),
            (r#"{"Events":▲{}}"#, Err("Events: must be an array")),
            (r#"{"Events":[▲1]}"#, Err("Events[0]: must be an object")),
            (r#"{"Events":[▲null]}"#, Err("Events[0]: must be an object")),
            ("▲[]", Err("body: must be an object")),
            ("{▲}", Err("Events: required, but missing")),
        ],
    );
    // The limit is of events, not of what an unknown member holds.
    let many = format!(r#"{{"x":[{}],"Events":[{LEAST}]}}"#, vec!["0"; 101].join(","));
    assert_eq!(tencent::read(many.as_bytes(), |_| {}), Ok(1));

    let push = single();
    let pushes = [Event::OfflinePush(&push); 101];
    assert_eq!(send(&[]).unwrap_err().to_string(), "Events: holds fewer than 1 elements");
    assert_eq!(tencent::read(send(&pushes[..100]).unwrap().as_bytes(), |_| {}), Ok(100));
    assert_eq!(send(&pushes).unwrap_err().to_string(), "Events: holds more than 100 elements");
}

#[test]
fn callback_command() {
    let state = r#"{"CallbackCommand":"State.StateChange","Info":{"Action":"Login","EventType":"x"}}"#;
    let body = |event: &str| format!(r#"{{"Events":[{event}]}}"#);
    hold(
        "CallbackCommand: string, required, `Push.OfflinePush`; others are kept as unknown events",
        events,
        &[
            (&body(LEAST), Ok(&body(LEAST))),
            (&body(state), Ok(&body(state))),
            (&body(r#"{ "x":"\u0061" , "CallbackCommand" : "" }"#), Ok(&body(r#"{"x":"a","CallbackCommand":""}"#))),
            (&body(&LEAST.replace("Push.OfflinePush", r"Push\u002eOfflinePush")), Ok(&body(LEAST))),
            (
                &body(r#"{"CallbackCommand":"push.offlinepush"}"#),
                Ok(&body(r#"{"CallbackCommand":"push.offlinepush"}"#)),
            ),
            (
                &body(r#"{"CallbackCommand":"a",▲"CallbackCommand":"a"}"#),
                Err("Events[0].CallbackCommand: stands twice"),
            ),
            (r#"{"Events":[{"TaskId":1▲}]}"#, Err("Events[0].CallbackCommand: required, but missing")),
            (r#"{"Events":[{"TaskId":1,"CallbackCommand":▲1}]}"#, Err("Events[0].CallbackCommand: must be a string")),
            (&body(r#"{"CallbackCommand":"a","x":[▲}"#), Err("Events[0]: expected a value, found `}`")),
        ],
    );
    let mut seen = Vec::new();
    let mixed = format!(r#"{{"Events":[{state},{LEAST}]}}"#);
    tencent::read(mixed.as_bytes(), |event| {
        if let Event::Unknown { command, event } = event {
            assert_eq!((command.to_string().as_str(), event.as_bytes()), ("State.StateChange", state.as_bytes()));
        }
        seen.push(event.command().to_string());
        let sent = send(&[event]).unwrap();
        tencent::read(sent.as_bytes(), |again| assert_eq!(again, event)).unwrap();
    })
    .unwrap();
    assert_eq!(seen, ["State.StateChange", "Push.OfflinePush"]);
    assert_eq!(tencent::first_command(mixed.as_bytes()).unwrap(), "State.StateChange");
}

#[test]
fn open_enumerations() {
    for code in [i64::MIN, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, i64::MAX] {
        assert_eq!(i64::from(EventType::from(code)), code);
        assert_eq!(i64::from(AllMemberEventType::from(code)), code);
        assert_eq!(i64::from(PushPlatform::from(code)), code);
        assert_eq!(i64::from(PushStage::from(code)), code);
        let body = format!(
            r#"{{"Events":[{{"CallbackCommand":"Push.OfflinePush","EventType":{code},"EventTime":0,"To_Account":"","PushPlatform":{code},"PushStage":{code},"ErrCode":{code}}}]}}"#
        );
        hold("others kept", events, &[(&body, Ok(&body))]);
        let body = format!(
            r#"{{"Events":[{{"CallbackCommand":"Push.AllMemberPush","EventType":{code},"TaskId":"","TaskTime":0,"EventTime":0,"To_Account":"","PushPlatform":{code},"PushStage":{code},"ErrCode":{code},"ErrInfo":""}}]}}"#
        );
        hold("others kept", events, &[(&body, Ok(&body))]);
    }
    use PushPlatform as P;
    let platforms = [P::UnknownVendor, P::Apns, P::Xiaomi, P::Huawei, P::Fcm, P::Meizu, P::Oppo, P::Vivo, P::Honor];
    assert!(platforms.map(i64::from).into_iter().eq(0..=8), "0 unknown, 1 APNs, 2 Xiaomi, 3 Huawei, 4 FCM, …");
    assert_eq!([EventType::Single, EventType::Group].map(i64::from), [1, 2], "1 single chat, 2 group chat");
    assert_eq!([AllMemberEventType::Offline, AllMemberEventType::Online].map(i64::from), [1, 2]);
    assert_eq!([PushStage::Sending, PushStage::Delivery, PushStage::Click].map(i64::from), [1, 2, 3]);
    let range = "Events[0].PushStage: must be from -9223372036854775808 to 9223372036854775807";
    let past = r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","PushStage":▲9223372036854775808}]}"#;
    hold("others kept, as far as 64 bits go", events, &[(past, Err(range))]);
}

#[test]
fn numbers() {
    hold(
        "MsgSeq, MsgRandom: u32; EventTime, MsgTime: int, unix seconds; ErrCode: int",
        events,
        &[
            (
                &with(r#""MsgSeq":4294967295,"MsgRandom":4294967295,"MsgTime":18446744073709551615"#),
                Ok(&with(r#""MsgSeq":4294967295,"MsgRandom":4294967295,"MsgTime":18446744073709551615"#)
                    .replace(r#","ErrCode":0,"#, ",")
                    .replace("}]}", r#","ErrCode":0}]}"#)),
            ),
            (&with(r#""MsgSeq":▲4294967296"#), Err("Events[0].MsgSeq: must be from 0 to 4294967295")),
            (&with(r#""MsgSeq":▲-1"#), Err("Events[0].MsgSeq: must be from 0 to 4294967295")),
            (&with(r#""MsgRandom":▲4294967296"#), Err("Events[0].MsgRandom: must be from 0 to 4294967295")),
            (&with(r#""MsgTime":▲-1"#), Err("Events[0].MsgTime: must be from 0 to 18446744073709551615")),
            (
                r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventTime":▲18446744073709551616}]}"#,
                Err("Events[0].EventTime: must be from 0 to 18446744073709551615"),
            ),
            (
                r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","ErrCode":▲9223372036854775808}]}"#,
                Err("Events[0].ErrCode: must be from -9223372036854775808 to 9223372036854775807"),
            ),
        ],
    );
}

#[test]
fn msg_key_is_of_single_chats_and_group_id_of_groups() {
    let body = |event_type: &str, members: &str| {
        with(members).replace(r#""EventType":1"#, &format!(r#""EventType":{event_type}"#))
    };
    // "absent, null or \"\" elsewhere": all three are read, and each as it came or absent.
    for (members, key, id) in [
        (r#""MsgKey":"","GroupID":"g""#, Some(""), Some("g")),
        (r#""MsgKey":null,"GroupID":"g","MsgRandom":null"#, None, Some("g")),
        (r#""GroupID":"g","MsgRandom":0"#, None, Some("g")),
        (r#""MsgKey":"k","GroupID":"","MsgRandom":7"#, Some("k"), Some("")),
        (r#""MsgKey":"k","GroupID":null"#, Some("k"), None),
    ] {
        let event_type = if key.unwrap_or_default().is_empty() { "2" } else { "1" };
        tencent::read(body(event_type, members).as_bytes(), |event| {
            let Event::OfflinePush(push) = event else { panic!("{event:?}") };
            assert_eq!(push.msg_key, key.map(Into::into), "{members}");
            assert_eq!(push.group_id, id.map(Into::into), "{members}");
            assert!(send(&[event]).is_ok(), "{members}");
        })
        .unwrap();
    }
    // Where they do not apply they are not sent.
    let refused = |push: OfflinePush<'_>| send(&[Event::OfflinePush(&push)]).unwrap_err().to_string();
    let stray_key = OfflinePush { msg_key: Some("k".into()), ..group() };
    assert_eq!(refused(stray_key), "Events[0].MsgKey: belongs to a single chat (EventType 1) only");
    let stray_group = OfflinePush { group_id: Some("g".into()), ..single() };
    assert_eq!(refused(stray_group), "Events[0].GroupID: belongs to a group chat (EventType 2) only");
}

#[test]
fn all_member_pushes() {
    let push = AllMemberPush {
        event_type: AllMemberEventType::Online,
        task_id: "t".into(),
        data_id: None,
        task_time: 1,
        event_time: 2,
        to_account: "u".into(),
        push_platform: PushPlatform::Honor,
        push_stage: PushStage::Click,
        err_code: 3,
        err_info: "".into(),
        ..AllMemberPush::default()
    };
    let sent = send(&[Event::AllMemberPush(&push)]).unwrap();
    assert_eq!(
        sent,
        r#"{"Events":[{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":8,"PushStage":3,"ErrCode":3,"ErrInfo":""}]}"#
    );
    tencent::read(sent.as_bytes(), |event| assert_eq!(event, Event::AllMemberPush(&push), "a typed event of its own"))
        .unwrap();
    let kept = sent.replace(r#""PushStage""#, r#""DeviceType" : [ "\u0069OS" ],"PushStage""#);
    let normal = sent.replace(r#""PushStage""#, r#""DeviceType":["iOS"],"PushStage""#);
    hold("DeviceType?: neither type nor values are published", events, &[(&kept, Ok(&normal))]);
    hold(
        "no From_Account, MsgKey, PushID",
        events,
        &[(&sent.replace(r#""ErrInfo""#, r#""From_Account":1,"MsgKey":{},"PushID":[],"ErrInfo""#), Ok(&sent))],
    );
}

#[test]
fn the_answer() {
    assert_eq!(written(|buf| Reply::OK.write(buf)).unwrap(), r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#);
    for (status, word) in [(ActionStatus::Failure, "FAILURE"), (ActionStatus::Fail, "FAIL")] {
        let refusal = Reply::refusal(status, "Events: holds fewer than 1 elements".into());
        assert_eq!(
            written(|buf| refusal.write(buf)).unwrap(),
            format!(r#"{{"ActionStatus":"{word}","ErrorInfo":"Events: holds fewer than 1 elements","ErrorCode":1}}"#),
            "A failure has ErrorCode 1, the reason in ErrorInfo"
        );
    }
    for (word, status) in [
        ("OK", ActionStatus::Ok),
        ("FAIL", ActionStatus::Fail),
        ("FAILURE", ActionStatus::Failure),
        (r"\u004fK", ActionStatus::Ok),
        ("ok", ActionStatus::Unknown("ok".into())),
    ] {
        let body = format!(r#"{{"ActionStatus":"{word}","ErrorCode":0}}"#);
        let read = Reply::read(body.as_bytes()).unwrap();
        assert_eq!(read.action_status, Some(status), "on input OK, FAIL and FAILURE are all understood");
        assert_eq!(Answer::read(200, body.as_bytes()), Answer::Accepted, "ErrorCode decides");
    }
}

#[test]
fn the_verdict() {
    let shown = |status, body: &'static str| {
        let answer = Answer::read(status, body.as_bytes());
        (answer.verdict(), answer.to_string())
    };
    let accepted = (Verdict::Delivered, "accepted".to_owned());
    let refused = |words: &str| (Verdict::TryAgain, words.to_owned());
    const OK: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    // "Success = HTTP 200 with a JSON body whose ErrorCode is 0."
    assert_eq!(shown(200, OK), accepted);
    assert_eq!(shown(200, r#"{"ErrorCode":0}"#), accepted);
    assert_eq!(shown(200, r#"{"ErrorCode":1,"ErrorInfo":"busy","ActionStatus":"FAIL"}"#), refused("ErrorCode 1: busy"));
    assert_eq!(shown(200, r#"{"ErrorCode":-5,"ActionStatus":"OK"}"#), refused("ErrorCode -5"));
    for (body, why) in [
        ("", "body: the input ends too early"),
        ("OK", "body: expected an object, found `O`"),
        ("{}", "ErrorCode: required, but missing"),
        (r#"{"ActionStatus":"OK","ErrorInfo":""}"#, "ErrorCode: required, but missing"),
        (r#"{"ErrorCode":"0"}"#, "ErrorCode: must be an integer"),
        (r#"{"ErrorCode":0,}"#, "body: expected a key in double quotes, found `}`"),
    ] {
        assert_eq!(shown(200, body), refused(&format!("the body is no reply: {why}")));
    }
    for status in [100, 201, 202, 204, 299, 301, 400, 403, 413, 429, 500, 503] {
        assert_eq!(shown(status, OK), refused(&format!("HTTP {status}, ErrorCode 0")));
        assert_eq!(shown(status, "<html>"), refused(&format!("HTTP {status}")));
    }
    // "Answer timeout 2 s"; "default 3 retries, 1 s apart; `0` = the vendor's default"
    let planned: Vec<_> = (1..=5).map(|attempt| Schedule::TENCENT.planned(attempt)).collect();
    assert_eq!(planned, [Some(0), Some(1000), Some(2000), Some(3000), None]);
    assert_eq!((Schedule::TENCENT.anchor(), Schedule::TENCENT.answer_within()), (Anchor::Failure, 2000));
    assert_eq!(Schedule::once(2000).sends(), 1);
    assert_eq!(MAX_REQUESTS_PER_SECOND, 1000, "over 1000 requests/s are delayed");
}

#[test]
fn the_query() {
    const APP: &str = "1400000000";
    const COMMAND: &str = "Push.OfflinePush";
    let url = |url: &str, auth: Option<(&[u8], u64)>| {
        write_url(&mut vec![0; max_url_len(url.len(), APP.len(), COMMAND.len())], url, APP, COMMAND, auth)
            .map(str::to_owned)
    };
    let query = "SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json";
    // "exact names; add to a query the URL already has", "http and https URLs"
    for (given, expected) in [
        ("https://www.example.com", format!("https://www.example.com?{query}")),
        ("http://h/cb", format!("http://h/cb?{query}")),
        ("http://h/cb?shard=7", format!("http://h/cb?shard=7&{query}")),
    ] {
        assert_eq!(url(given, None).unwrap(), expected);
    }
    // "Published vector"
    let digest = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
    assert_eq!(sign(b"xxxxyyyy", 1_669_872_112).to_string(), digest);
    let signed = format!("{query}&RequestTime=1669872112&Sign={digest}");
    assert_eq!(url("http://h/", Some((b"xxxxyyyy", 1_669_872_112))).unwrap(), format!("http://h/?{signed}"));

    assert_eq!(SIGN_WINDOW_SECS, 60);
    let token = Some(b"xxxxyyyy".as_slice());
    let upper = format!("{query}&RequestTime=1669872112&Sign={}", digest.to_uppercase());
    let siblings = format!("{query}&ClientIP=127.0.0.1&OptPlatform=RESTAPI");
    for (query, token, now, expected) in [
        (query, None, 0, Ok(())),
        ("", None, 0, Err((400, Refusal::SdkAppidMissing))),
        ("CallbackCommand=x", token, 0, Err((400, Refusal::SdkAppidMissing))),
        ("SdkAppid=1400000001&Sign=x", token, 0, Err((403, Refusal::SdkAppidForeign))),
        // "With no token configured, Sign is ignored; configured and absent = refused."
        ("SdkAppid=1400000000&Sign=x", None, 0, Ok(())),
        (query, token, 1_669_872_112, Err((403, Refusal::SignMissing))),
        ("SdkAppid=1400000000&Sign=x", token, 0, Err((403, Refusal::RequestTimeMissing))),
        // "refuses when |now − RequestTime| > 60 s"
        (&signed, token, 1_669_872_112, Ok(())),
        (&signed, token, 1_669_872_112 - 60, Ok(())),
        (&signed, token, 1_669_872_112 + 60, Ok(())),
        (&signed, token, 1_669_872_112 - 61, Err((403, Refusal::OutsideWindow))),
        (&signed, token, 1_669_872_112 + 61, Err((403, Refusal::OutsideWindow))),
        // "hex in either case"
        (&upper, token, 1_669_872_112, Ok(())),
        (&signed, Some(b"other".as_slice()), 1_669_872_112, Err((403, Refusal::SignWrong))),
        (&signed.replace("112", "113"), token, 1_669_872_112, Err((403, Refusal::SignWrong))),
        // "Other webhooks on the same URL may add `ClientIP` and `OptPlatform`."
        (&siblings, None, 0, Ok(())),
    ] {
        let checked = CallbackQuery::parse(query).unwrap().check(APP, token, now);
        assert_eq!(checked.map_err(|refusal| (refusal.status(), refusal)), expected, "{query} at {now}");
    }
    let read = CallbackQuery::parse(&siblings).unwrap();
    assert_eq!(read.client_ip().unwrap(), "127.0.0.1");
    assert_eq!(read.opt_platform().unwrap(), "RESTAPI");
}

#[test]
fn duplicates_are_known_by_the_push_or_the_message() {
    let identity = |push: &OfflinePush<'_>| Event::OfflinePush(push).identity();
    let same = |rule: &str, base: OfflinePush<'_>, same: &[OfflinePush<'_>], other: &[OfflinePush<'_>]| {
        for push in same {
            assert_eq!(identity(push), identity(&base), "{rule}: {push:?}");
        }
        for push in other {
            assert_ne!(identity(push), identity(&base), "{rule}: {push:?}");
        }
    };
    same(
        "duplicates are removed by (PushID, To_Account, PushStage, PushPlatform)",
        single(),
        &[
            OfflinePush { event_time: 0, from_account: None, msg_key: None, msg_seq: None, ..single() },
            OfflinePush { err_code: 9, err_info: None, msg_random: None, msg_time: None, ..single() },
        ],
        &[
            OfflinePush { push_id: Some("6".into()), ..single() },
            OfflinePush { to_account: "user".into(), ..single() },
            OfflinePush { push_stage: PushStage::Delivery, ..single() },
            OfflinePush { push_platform: Some(PushPlatform::Honor), ..single() },
            OfflinePush { push_platform: None, ..single() },
        ],
    );
    let by_key = OfflinePush { push_id: None, ..single() };
    same(
        "without PushID by (MsgKey …, To_Account, PushStage)",
        by_key,
        &[
            OfflinePush { push_id: Some("".into()), ..by_key },
            OfflinePush { event_time: 0, push_platform: None, msg_seq: Some(1), err_code: 1, ..by_key },
        ],
        &[
            single(),
            OfflinePush { msg_key: Some("k".into()), ..by_key },
            OfflinePush { to_account: "user".into(), ..by_key },
            OfflinePush { push_stage: PushStage::Click, ..by_key },
        ],
    );
    let by_group = OfflinePush { push_id: None, ..group() };
    same(
        "without PushID by (… GroupID+MsgSeq, To_Account, PushStage)",
        by_group,
        &[
            OfflinePush { msg_key: Some("".into()), ..by_group },
            OfflinePush { event_time: 0, push_platform: None, msg_random: None, err_code: 1, ..by_group },
        ],
        &[
            OfflinePush { msg_seq: Some(1), ..by_group },
            OfflinePush { msg_seq: None, ..by_group },
            OfflinePush { group_id: Some("g".into()), ..by_group },
            OfflinePush { to_account: "user".into(), ..by_group },
            OfflinePush { push_stage: PushStage::Click, ..by_group },
        ],
    );
    let bare = OfflinePush { msg_key: None, ..by_key };
    same(
        "what has none of these counts as a whole",
        bare,
        &[bare],
        &[
            OfflinePush { event_time: 0, ..bare },
            OfflinePush { msg_random: None, ..bare },
            OfflinePush { err_code: 1, ..bare },
        ],
    );
    assert_eq!(tencent_identity(&with(r#""PushID":"p""#)), tencent_identity(&with(r#""Pu\u0073hID":"\u0070""#)));
}

fn tencent_identity(body: &str) -> Identity {
    let mut identity = None;
    tencent::read(body.as_bytes(), |event| identity = Some(event.identity())).unwrap();
    identity.unwrap()
}

#[test]
fn what_does_not_go_in_leaves_the_batch_as_it_was() {
    let (push, stray) = (single(), OfflinePush { group_id: Some("g".into()), ..single() });
    let one = send(&[Event::OfflinePush(&push)]).unwrap();
    let mut buf = vec![0; one.len() + 1];
    let mut batch = BatchWriter::new(&mut buf);
    assert!(batch.push(Event::OfflinePush(&stray)).is_err());
    batch.push(Event::OfflinePush(&push)).unwrap();
    let full = batch.push(Event::OfflinePush(&push)).unwrap_err();
    let needed = one.len() * 2 - r#"{"Events":[]}"#.len() + 1;
    assert_eq!(full.kind(), ErrorKind::BufferFull { needed, capacity: one.len() + 1 });
    assert_eq!(batch.events(), 1);
    assert_eq!(batch.finish().unwrap(), one.as_bytes());
}
