//! The receivers promise: what a vendor pushes is answered in its own words, kept once, and passed on once.

use pushgate_core::tencent::query::{self, SIGN_LEN};
use pushgate_tests::{Answer, Receiver, Request, Rig, now, until};
use serde_json::{Value, json};

const UPLINK: &str = "/receive/uplink/ucloud";
const REPLY: &str = r#"{"ExtendCode":"12345","UserId":"xxx-uhost-001","Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}"#;
const REPORT: &str = r#"{"SessionNo":"s","Phone":"185****9057","CostCount":1,"ReceiptTime":1563867001,"ReceiptResult":"Success","ReceiptCode":"0","ReceiptDesc":"ok"}"#;
const EVENT: &str = r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1669872112,"To_Account":"u1","PushStage":1,"ErrCode":0,"PushID":"p1"}"#;

fn replies(items: &[&str]) -> String {
    format!(r#"{{"MsgType":0,"Data":[{}]}}"#, items.join(","))
}

fn events(items: &[&str]) -> String {
    format!(r#"{{"Events":[{}]}}"#, items.join(","))
}

async fn uplink(more: &str) -> Rig {
    Rig::start(&format!("[[uplink.receivers]]\nname = 'ucloud'\n{more}")).await
}

async fn tencent(more: &str) -> Rig {
    Rig::start(&format!("[[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1400000000'\n{more}")).await
}

fn callback(query: &str) -> String {
    format!("/receive/tencent/im?{query}")
}

const OURS: &str = "SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json";

/// The query of a callback signed with `token` at `time`.
fn signed(token: &str, time: u64) -> String {
    let mut digest = [0; SIGN_LEN];
    let sign = query::sign(token.as_bytes(), time);
    format!("{OURS}&RequestTime={time}&Sign={}", sign.encode(&mut digest))
}

fn assert_uplink_ok(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"code":0,"message":"ok"}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// "a refused request gets its fitting 4xx/5xx status and a non-zero code with a description"
fn assert_uplink_refused(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let body = answer.json();
    assert!(body["code"].as_i64().is_some_and(|code| code != 0), "{body}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains(says)), "{body} should say {says}");
}

fn assert_tencent_ok(answer: &Answer) {
    let ok = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    assert_eq!((answer.status, answer.body.as_str()), (200, ok));
}

fn assert_tencent_refused(answer: &Answer, status: u16, word: &str, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let body = answer.json();
    assert_eq!((&body["ActionStatus"], &body["ErrorCode"]), (&json!(word), &json!(1)), "{body}");
    assert!(body["ErrorInfo"].as_str().is_some_and(|info| info.contains(says)), "{body} should say {says}");
}

async fn inbox(rig: &Rig, query: &str) -> Vec<Value> {
    rig.admin_json(&format!("/api/inbox?{query}")).await["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn uplink_items_are_in_the_inbox_before_the_answer() {
    let rig = uplink("").await;
    let escaped = REPLY.replace("OK, got it", r"\u6536\u5230 \ud83d\ude00 \/");
    assert_uplink_ok(&rig.public(Request::post(UPLINK, replies(&[REPLY, &escaped]))).await);
    let reports = format!(r#"{{"Data":[{REPORT}],"MsgType":2}}"#);
    assert_uplink_ok(&rig.public(Request::post(UPLINK, reports)).await);
    // "on input a bare top-level array of items is accepted as MsgType 0"
    assert_uplink_ok(&rig.public(Request::post(UPLINK, format!("[{}]", REPLY.replace("OK", "bare")))).await);
    // "Empty is accepted on input"; "other values kept and reported to the user as unsupported"
    assert_uplink_ok(&rig.public(Request::post(UPLINK, replies(&[]))).await);
    let unknown = r#"{"MsgType":7,"Data":[{"x":[1, {"y":"\u00e9"}]}]}"#;
    assert_uplink_ok(&rig.public(Request::post(UPLINK, unknown)).await);

    let items = inbox(&rig, "").await;
    let kinds: Vec<_> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "message", "report", "message", "unsupported"]);
    assert!(items.iter().all(|item| item["receiver"] == "ucloud" && item["received_at"].is_u64()));
    assert_eq!(items[0]["item"], serde_json::from_str::<Value>(REPLY).unwrap());
    assert_eq!(items[1]["item"]["ReplyContent"], "收到 😀 /", "text handed to the user is always unescaped");
    assert_eq!(items[2]["item"], serde_json::from_str::<Value>(REPORT).unwrap());
    assert_eq!(items[4]["item"], json!({ "x": [1, { "y": "é" }] }));
}

#[tokio::test]
async fn an_uplink_user_id_longer_than_may_be_sent_is_taken_and_passed_on() {
    let customer = Receiver::uplink(0).await;
    let rig = uplink(&format!("forward = '{}'", customer.url("/"))).await;
    // "on input a longer one is accepted up to the buffer, because the vendor's own sample has 38"
    let long = replies(&[&REPLY.replace("xxx-uhost-001", &"u".repeat(38))]);
    assert_uplink_ok(&rig.public(Request::post(UPLINK, &long)).await);
    assert_eq!(inbox(&rig, "").await[0]["item"]["UserId"], "u".repeat(38));
    assert_eq!(customer.wait_for(1).await[0].body, long);
}

#[tokio::test]
async fn a_wrong_uplink_request_is_refused_in_the_protocols_words_and_leaves_nothing() {
    let rig = uplink("").await;
    let good = replies(&[REPLY]);
    for (path, body, status, says) in [
        ("/receive/uplink/nobody", good.clone(), 404, "nobody"),
        ("/receive/uplink/%FF", good.clone(), 404, "receiver"),
        (UPLINK, String::new(), 400, "ends too early"),
        (UPLINK, "{}".to_owned(), 400, "MsgType: required"),
        (UPLINK, good.replace("1563867000", "'now'"), 400, "Data[0].ReplyTime"),
        (UPLINK, replies(&[REPLY, r#"{"Phone":"1","ReplyTime":1}"#]), 400, "Data[1].ReplyContent: required"),
        (UPLINK, format!("{good}{good}"), 400, "byte"),
        (UPLINK, good.replace("OK", "\u{1}"), 400, "control character"),
        (UPLINK, " ".repeat((1 << 20) + 1), 413, "1048576 bytes"),
    ] {
        assert_uplink_refused(&rig.public(Request::post(path, body)).await, status, says);
    }
    assert_eq!(rig.public(Request::get(UPLINK)).await.status, 405);
    assert!(inbox(&rig, "").await.is_empty());
}

#[tokio::test]
async fn an_allow_list_admits_its_addresses_alone() {
    for (allow, status) in [("['127.0.0.1']", 200), ("['127.0.0.0/8', '10.0.0.1']", 200), ("['10.0.0.0/8']", 403)] {
        let rig = uplink(&format!("allow = {allow}")).await;
        let answer = rig.public(Request::post(UPLINK, replies(&[REPLY]))).await;
        assert_eq!(answer.status, status, "{allow}");
        if status == 403 {
            assert_uplink_refused(&answer, 403, "127.0.0.1 may not call");
            // Refused before a byte of the body counts.
            assert_uplink_refused(&rig.public(Request::post(UPLINK, "nonsense")).await, 403, "may not call");
            assert!(inbox(&rig, "").await.is_empty());
        }
    }
}

#[tokio::test]
async fn what_comes_again_is_acknowledged_and_kept_once() {
    let customer = Receiver::uplink(0).await;
    let rig = uplink(&format!("forward = '{}'", customer.url("/in"))).await;
    let (first, second) = (replies(&[REPLY]), replies(&[REPLY, &REPLY.replace("OK", "new")]));
    // The vendor repeats a batch whose answer was lost; members in another order are the same item.
    let reordered = r#"{"Data":[{"ReplyTime":1563867000,"Phone":"18512345678","ReplyContent":"OK, got it","UserId":"xxx-uhost-001","ExtendCode":"12345"}],"MsgType":0}"#;
    for body in [&first, &first, &second, &second, &reordered.to_owned()] {
        assert_uplink_ok(&rig.public(Request::post(UPLINK, body)).await);
    }
    assert_eq!(inbox(&rig, "").await.len(), 2);
    // Both batches that brought something new were passed on, once each.
    let received = customer.wait_for(2).await;
    until("nothing more is on its way", async || {
        let counts = rig.admin_json("/api/status").await["deliveries"].clone();
        (counts["pending"] == 0 && counts["delivered"] == 2).then_some(())
    })
    .await;
    assert_eq!(received.iter().map(|one| one.body.clone()).collect::<Vec<_>>(), [first, second]);
    assert_eq!(customer.received().len(), 2);
    assert_eq!(rig.deliveries("forward:ucloud").await.len(), 2);
}

#[tokio::test]
async fn duplicates_are_kept_when_that_is_set() {
    let rig = uplink("[limits]\ndedup_window_s = 0").await;
    for _ in 0..2 {
        assert_uplink_ok(&rig.public(Request::post(UPLINK, replies(&[REPLY, REPLY]))).await);
    }
    assert_eq!(inbox(&rig, "").await.len(), 4);
}

#[tokio::test]
async fn a_batch_that_cannot_be_passed_on_is_retried_by_the_uplink_schedule() {
    let customer = Receiver::uplink(1).await;
    let rig = uplink(&format!("forward = '{}'", customer.url("/"))).await;
    assert_uplink_ok(&rig.public(Request::post(UPLINK, format!("[{REPLY}]"))).await);
    let id = rig.only_delivery("forward:ucloud").await;
    let delivered = rig.until_state(&id, "delivered").await;
    let attempts = delivered["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    let wait = attempts[1]["planned"].as_u64().unwrap() - attempts[0]["finished"].as_u64().unwrap();
    assert_eq!(wait, 1000, "\"a retry every 1 second\"");
    assert_eq!(customer.received()[1].body, replies(&[REPLY]), "sent as the object, whatever came");
}

#[tokio::test]
async fn the_inbox_is_read_by_cursor() {
    let rig = uplink("").await;
    for n in 0..7 {
        let item = REPLY.replace("OK", &format!("{n}"));
        assert_uplink_ok(&rig.public(Request::post(UPLINK, replies(&[&item]))).await);
    }
    let reports = format!(r#"{{"MsgType":2,"Data":[{REPORT}]}}"#);
    assert_uplink_ok(&rig.public(Request::post(UPLINK, reports)).await);

    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = rig.admin_json(&format!("/api/inbox?after={after}&limit=3")).await;
        let items = page["items"].as_array().unwrap();
        after = page["next"].as_u64().unwrap();
        if items.is_empty() {
            break;
        }
        assert!(items.len() <= 3 && items.last().unwrap()["cursor"] == after);
        seen.extend(items.clone());
    }
    assert_eq!(seen.len(), 8);
    assert!(seen.windows(2).all(|pair| pair[0]["cursor"].as_u64() < pair[1]["cursor"].as_u64()));
    // Asking again at the end finds what comes later.
    assert_uplink_ok(&rig.public(Request::post(UPLINK, replies(&[&REPLY.replace("OK", "late")]))).await);
    assert_eq!(inbox(&rig, &format!("after={after}")).await.len(), 1);

    for (query, count) in [
        ("kind=report", 1),
        ("kind=message", 8),
        ("kind=event", 0),
        ("receiver=ucloud&kind=report", 1),
        ("receiver=x", 0),
    ] {
        assert_eq!(inbox(&rig, query).await.len(), count, "{query}");
    }
    let refused = rig.admin(Request::get("/api/inbox?after=-1")).await;
    assert_eq!((refused.status, &refused.json()["error"]["field"]), (400, &json!("after")));
}

#[tokio::test]
async fn a_callback_of_our_app_is_taken() {
    let rig = tencent("").await;
    let other = r#"{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":1,"PushStage":1,"ErrCode":0,"ErrInfo":""}"#;
    let unknown = r#"{"CallbackCommand":"Push.Later","Whatever":[1]}"#;
    let body = events(&[EVENT, other, unknown]);
    assert_tencent_ok(&rig.public(Request::post(&callback(OURS), &body)).await);
    // With no token configured, Sign is ignored; other webhooks' parameters are no fault.
    let more = format!("{OURS}&Sign=wrong&RequestTime=1&ClientIP=1.2.3.4&OptPlatform=iOS");
    assert_tencent_ok(&rig.public(Request::post(&callback(&more), &body)).await);
    let items = inbox(&rig, "kind=event").await;
    assert_eq!(items.len(), 3, "the repeated ones are kept once");
    assert_eq!(items[0]["item"], serde_json::from_str::<Value>(EVENT).unwrap());
    assert_eq!(items[1]["item"]["TaskId"], "t");
    assert_eq!(items[2]["item"], serde_json::from_str::<Value>(unknown).unwrap());
    // The same push at another stage is another event.
    let next = events(&[&EVENT.replace(r#""PushStage":1"#, r#""PushStage":2"#)]);
    assert_tencent_ok(&rig.public(Request::post(&callback(OURS), next)).await);
    assert_eq!(inbox(&rig, "").await.len(), 4);
}

#[tokio::test]
async fn a_callback_is_checked_in_the_pages_order() {
    // "SdkAppid missing 400, foreign 403; signature 403; body too large 413; bad JSON 400"
    let rig = tencent("token = 'xxxxyyyy'").await;
    let huge = " ".repeat((1 << 20) + 1);
    let right = signed("xxxxyyyy", now());
    for (query, body, status, says) in [
        ("contenttype=json".to_owned(), &*huge, 400, "SdkAppid"),
        (right.replace("SdkAppid=1400000000", "SdkAppid=1400000001"), &*huge, 403, "SdkAppid"),
        (OURS.to_owned(), &*huge, 403, "Sign"),
        (signed("another", now()), &*huge, 403, "Sign"),
        (signed("xxxxyyyy", now() - 120), &*huge, 403, "RequestTime"),
        (signed("xxxxyyyy", now() + 120), &*huge, 403, "RequestTime"),
        (right.clone(), &*huge, 413, "1048576 bytes"),
        (right.clone(), "nonsense", 400, "body"),
        (right.clone(), "", 400, "body"),
        (right.clone(), &events(&[]), 400, "Events"),
        (right.clone(), &events(&[EVENT; 101]), 400, "Events"),
        (right.clone(), &events(&[EVENT, "{}"]), 400, "Events[1].CallbackCommand"),
    ] {
        let answer = rig.public(Request::post(&callback(&query), body)).await;
        assert_tencent_refused(&answer, status, "FAILURE", says);
        assert!(!answer.body.contains("xxxxyyyy"), "{}", answer.body);
    }
    assert!(inbox(&rig, "").await.is_empty());
    let all: Vec<_> = (0..100).map(|n| EVENT.replace("p1", &format!("p{n}"))).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    // "hex in either case"
    let upper = right.rsplit_once('=').map(|(start, sign)| format!("{start}={}", sign.to_uppercase())).unwrap();
    assert_tencent_ok(&rig.public(Request::post(&callback(&upper), events(&all))).await);
    assert_eq!(inbox(&rig, "limit=1000").await.len(), 100);
}

#[tokio::test]
async fn a_failure_is_spelled_as_it_is_set() {
    for (setting, word) in
        [("", "FAILURE"), ("failure_status = 'FAIL'", "FAIL"), ("failure_status = 'FAILURE'", "FAILURE")]
    {
        let rig = tencent(setting).await;
        let answer = rig.public(Request::post(&callback(OURS), "x")).await;
        assert_tencent_refused(&answer, 400, word, "body");
    }
    let rig = tencent("").await;
    for path in ["/receive/tencent/nobody", "/receive/tencent/%FF"] {
        let answer = rig.public(Request::post(&format!("{path}?{OURS}"), events(&[EVENT]))).await;
        assert_tencent_refused(&answer, 404, "FAILURE", "receiver");
    }
}
