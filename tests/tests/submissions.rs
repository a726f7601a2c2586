//! The admin API promises: what is submitted is delivered or visible as dead, and an operator can see and steer it.

use std::time::{Duration, Instant};

use pushgate_tests::{BOUND, Receiver, Request, Rig, until, until_bound};
use serde_json::{Value, json};

const REPLY: &str = r#"{"Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}"#;
const EVENT: &str = r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1669872112,"To_Account":"u1","PushStage":1,"ErrCode":0}"#;

fn batch(items: usize) -> String {
    let items: Vec<_> = (0..items)
        .map(|n| format!(r#"{{"Phone":"1851234{n:04}","ReplyContent":"reply {n}","ReplyTime":1563867000}}"#))
        .collect();
    format!(r#"{{"MsgType":0,"Data":[{}]}}"#, items.join(","))
}

fn uplink(receiver: &Receiver, more: &str) -> String {
    format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n{more}", receiver.url("/sms"))
}

async fn submit(rig: &Rig, body: &str) -> Vec<String> {
    let answer = rig.admin(Request::post("/api/uplink/acme", body)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    ids(&answer.json())
}

fn ids(answer: &Value) -> Vec<String> {
    let ids = answer["ids"].as_array().expect("ids").iter();
    ids.map(|id| id.as_str().expect("a text").to_owned()).collect()
}

fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn what_is_submitted_is_delivered() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&uplink(&receiver, "")).await;
    let sent = format!(r#"{{"Data":[ {} ],"MsgType":0}}"#, REPLY.replace("OK", r"\u004fK"));
    let ids = submit(&rig, &sent).await;
    assert!(ids.len() == 1 && is_id(&ids[0]), "{ids:?}");
    let delivery = rig.until_state(&ids[0], "delivered").await;
    let body = format!(r#"{{"MsgType":0,"Data":[{REPLY}]}}"#);
    assert_eq!((&delivery["lane"], delivery["body"].as_str()), (&json!("uplink:acme"), Some(body.as_str())));
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["number"], &attempt["status"], &attempt["class"]),
        (&json!(1), &json!(200), &json!("delivered"))
    );
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].path.as_str(), received[0].body.as_str()), ("/sms", body.as_str()));
    assert_eq!(received[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn events_go_out_as_the_vendor_sends_them() {
    let receiver =
        Receiver::start(|_, _| (200, r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#.to_owned())).await;
    let rig = Rig::start(&format!(
        "[[tencent.destinations]]\nname = 'im'\nurl = '{}'\nsdk_app_id = '1400000000'\ntoken = 'xxxxyyyy'",
        receiver.url("/im?own=1")
    ))
    .await;
    let answer = rig.admin(Request::post("/api/tencent/im", format!(r#"{{"Events":[{EVENT}]}}"#))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    rig.until_state(&ids(&answer.json())[0], "delivered").await;
    let query = &receiver.received()[0].query;
    for part in [
        "own=1&",
        "SdkAppid=1400000000",
        "CallbackCommand=Push.OfflinePush",
        "contenttype=json",
        "RequestTime=",
        "Sign=",
    ] {
        assert!(query.contains(part), "{part} in {query}");
    }
}

#[tokio::test]
async fn more_than_a_request_may_hold_goes_in_several() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&uplink(&receiver, "concurrency = 1")).await;
    let ids = submit(&rig, &batch(250)).await;
    assert_eq!(ids.len(), 3);
    for id in &ids {
        rig.until_state(id, "delivered").await;
    }
    let received: Vec<Value> = receiver.received().iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    let sizes: Vec<_> = received.iter().map(|body| body["Data"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [100, 100, 50], "\"batch at most 100 items a request\"");
    let replies: Vec<_> = received.iter().flat_map(|body| body["Data"].as_array().unwrap()).collect();
    for (n, reply) in replies.iter().enumerate() {
        assert_eq!(reply["ReplyContent"], format!("reply {n}"));
    }
}

#[tokio::test]
async fn a_submission_of_many_small_items_is_taken_in_good_time() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&uplink(&receiver, "")).await;
    let items = vec![r#"{"Phone":"","ReplyContent":"","ReplyTime":0}"#; 20_000];
    let begun = Instant::now();
    let ids = submit(&rig, &format!("[{}]", items.join(","))).await;
    assert_eq!(ids.len(), 200);
    // Time in proportion to its length, however many requests it makes; this is room for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused_with_its_member() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&format!(
        "{}\n[[tencent.destinations]]\nname = 'im'\nurl = '{}'\nsdk_app_id = '1'",
        uplink(&receiver, ""),
        receiver.url("/")
    ))
    .await;
    let long = batch(151).replace(r#""Phone":"18512340150""#, &format!(r#""UserId":"{}","Phone":"1""#, "u".repeat(33)));
    let events = |count: usize| format!(r#"{{"Events":[{}]}}"#, vec![EVENT; count].join(","));
    let one = format!(r#"{{"MsgType":0,"Data":[{REPLY}]}}"#);
    let cases: [(&str, String, u16, &str); 12] = [
        ("/api/uplink/nobody", one.clone(), 404, "destination"),
        ("/api/tencent/acme", events(1), 404, "destination"),
        ("/api/uplink/acme", String::new(), 400, "body"),
        ("/api/uplink/acme", "{}".to_owned(), 400, "MsgType"),
        ("/api/uplink/acme", one.replace("1563867000", r#""soon""#), 400, "Data[0].ReplyTime"),
        ("/api/uplink/acme", one.replace(":0", ":5"), 400, "Data[0]"),
        ("/api/uplink/acme", batch(0), 400, "Data"),
        ("/api/uplink/acme", long, 400, "Data[150].UserId"),
        ("/api/tencent/im", events(0), 400, "Events"),
        ("/api/tencent/im", events(101), 400, "Events"),
        ("/api/tencent/im", events(2).replacen("\"ErrCode\":0", "\"ErrCode\":null", 1), 400, "Events[0].ErrCode"),
        ("/api/uplink/acme", " ".repeat(2 << 20), 413, "body"),
    ];
    for (path, body, status, field) in cases {
        let answer = rig.admin(Request::post(path, &body)).await;
        let start: String = body.chars().take(60).collect();
        assert_eq!(answer.status, status, "{path} {start}: {}", answer.body);
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["field"]), (&json!(status), &json!(field)), "{path} {start}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    }
    assert_eq!(rig.deliveries("uplink:acme").await, [] as [Value; 0], "nothing of a refused submission is kept");
}

#[tokio::test]
async fn a_key_makes_a_submission_safe_to_repeat() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&uplink(&receiver, "")).await;
    let submit = async |key: &str, body: &str| {
        rig.admin(Request::post("/api/uplink/acme", body).header("Idempotency-Key", key)).await
    };
    let first = submit("a", &batch(150)).await;
    assert_eq!((first.status, ids(&first.json()).len()), (202, 2));
    let again = submit("a", &batch(150)).await;
    assert_eq!((again.status, again.json()), (202, first.json()), "the first answer, word for word");
    let reused = submit("a", &batch(1)).await;
    assert_eq!((reused.status, &reused.json()["error"]["field"]), (422, &json!("Idempotency-Key")));
    assert_ne!(submit("b", &batch(150)).await.json(), first.json());
    for bad in ["", "ä", &"k".repeat(256)] {
        let refused = submit(bad, &batch(1)).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
        assert!(refused.body.contains("Idempotency-Key"), "{}", refused.body);
    }
    receiver.wait_for(4).await;
    assert_eq!(rig.deliveries("uplink:acme").await.len(), 4);
}

#[tokio::test]
async fn what_nobody_takes_is_dead_after_four_sends_and_can_be_replayed() {
    // "first push, then on non-success a retry every 1 second; after 3 retries pushing stops"
    let receiver = Receiver::uplink(4).await;
    let rig = Rig::start(&uplink(&receiver, "")).await;
    let ids = submit(&rig, &batch(1)).await;
    let dead = rig.until_state(&ids[0], "dead").await;
    let attempts = dead["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 4);
    for pair in attempts.windows(2) {
        let (finished, planned) = (pair[0]["finished"].as_u64().unwrap(), pair[1]["planned"].as_u64().unwrap());
        assert_eq!(planned - finished, 1000, "a failure starts the wait for the next: {pair:?}");
        let late = pair[1]["started"].as_u64().unwrap() - planned;
        assert!(late < 500, "{late} ms late");
    }
    for (attempt, number) in attempts.iter().zip(1..) {
        let told = (&attempt["number"], &attempt["status"], &attempt["class"]);
        assert_eq!(told, (&json!(number), &json!(200), &json!("code")));
    }
    assert!(dead["last_error"].as_str().unwrap().contains("not now"), "{}", dead["last_error"]);
    let listed = rig.admin_json("/api/deliveries?state=dead").await;
    assert_eq!((&listed["deliveries"][0]["id"], &listed["deliveries"][0]["attempts"]), (&json!(ids[0]), &json!(4)));

    let replay = format!("/api/deliveries/{}/replay", ids[0]);
    let answer = rig.admin(Request::post(&replay, "")).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "ids": [ids[0]] })));
    let delivered = rig.until_state(&ids[0], "delivered").await;
    let attempts = delivered["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 5, "those before the replay stay readable");
    assert_eq!(attempts[4]["number"], 1);
    assert_eq!(delivered["last_error"], Value::Null);

    let again = rig.admin(Request::post(&replay, "")).await;
    assert_eq!(again.status, 409, "{}", again.body);
    assert!(again.body.contains("delivered"), "{}", again.body);
}

#[tokio::test]
async fn a_schedule_is_the_destinations_own_and_goes_on_after_a_restart() {
    let receiver = Receiver::uplink(2).await;
    let rig = Rig::start(&uplink(&receiver, "retries = 2\nretry_every_ms = 1500")).await;
    let ids = submit(&rig, &batch(1)).await;
    receiver.wait_for(1).await;
    until("the first attempt is recorded", async || {
        let delivery = rig.admin_json(&format!("/api/deliveries/{}", ids[0])).await;
        (delivery["attempts"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let rig = rig.restart().await;
    let delivered = rig.until_state(&ids[0], "delivered").await;
    let numbers: Vec<_> =
        delivered["attempts"].as_array().unwrap().iter().map(|a| a["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3], "a schedule goes on where it stood");
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn a_paused_lane_sends_nothing_until_it_is_resumed() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&uplink(&receiver, "")).await;
    let steer = async |what: &str| rig.admin(Request::post(&format!("/api/lanes/uplink:acme/{what}"), "")).await.status;
    assert_eq!(steer("pause").await, 204);
    let ids = [submit(&rig, &batch(1)).await, submit(&rig, &batch(2)).await].concat();
    let lanes = until("both are queued", async || {
        let lanes = rig.admin_json("/api/lanes").await;
        (lanes["lanes"][0]["queued"] == 2).then_some(lanes)
    })
    .await;
    let lane = &lanes["lanes"][0];
    assert_eq!((&lane["lane"], &lane["paused"], &lane["pending"]), (&json!("uplink:acme"), &json!(true), &json!(2)));
    assert!(receiver.received().is_empty());

    // One is deleted meanwhile: it is never sent.
    let path = format!("/api/deliveries/{}", ids[0]);
    assert_eq!(rig.admin(Request::new("DELETE", &path)).await.status, 204);
    for request in [Request::get(&path), Request::new("DELETE", &path), Request::post(&format!("{path}/replay"), "")] {
        assert_eq!(rig.admin(request).await.status, 404);
    }
    assert_eq!(steer("resume").await, 204);
    rig.until_state(&ids[1], "delivered").await;
    assert_eq!(receiver.received().len(), 1);
    let lanes = rig.admin_json("/api/lanes").await;
    assert_eq!(
        (&lanes["lanes"][0]["pending"], &lanes["lanes"][1], &lanes["next"]),
        (&json!(0), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn what_is_no_lane_is_not_paused_nor_kept_nor_shown() {
    let rig = Rig::start("[[uplink.destinations]]\nname = 'acme'\nurl = 'http://127.0.0.1:9/'").await;
    let long = format!("uplink:{}", "x".repeat(3000));
    for (lane, status) in [
        ("nonsense", 400),
        (&*long, 400),
        ("uplink:%00", 400),
        ("uplink:a%20b", 400),
        ("device:0", 400),
        ("device:+7", 400),
        ("uplink:nobody", 404),
        ("webhook:Nobody", 404),
        ("forward:acme", 404),
        ("device:77", 404),
        ("device:1003200", 204),
        ("uplink:acme", 204),
    ] {
        for what in ["pause", "resume"] {
            let answer = rig.admin(Request::post(&format!("/api/lanes/{lane}/{what}"), "")).await;
            assert_eq!(answer.status, status, "{lane} {what}: {}", answer.body);
            if status >= 400 {
                assert_eq!(answer.json()["error"]["field"], "lane", "{lane}");
            }
        }
    }
    let lanes = rig.admin_json("/api/lanes").await;
    assert_eq!((&lanes["lanes"][0]["lane"], &lanes["lanes"][1]), (&json!("uplink:acme"), &json!(null)));
    let metrics = rig.admin(Request::get("/metrics")).await.body;
    let mut shown = metrics.lines().filter_map(|line| line.strip_prefix("pushgate_lane_paused{lane=\""));
    let known = |lane: &str| ["uplink:acme\"", "device\"", "other\""].iter().any(|known| lane.starts_with(known));
    assert!(shown.all(known), "the destination, and all devices: {metrics}");
}

#[tokio::test]
async fn a_list_is_filtered_and_read_page_by_page() {
    let receiver = Receiver::uplink(0).await;
    let second = format!("[[uplink.destinations]]\nname = 'other'\nurl = '{}'", receiver.url("/other"));
    let rig = Rig::start(&format!("{}\n{second}", uplink(&receiver, ""))).await;
    rig.admin(Request::post("/api/lanes/uplink:other/pause", "")).await;
    let mut accepted = Vec::new();
    for _ in 0..5 {
        accepted.extend(submit(&rig, &batch(1)).await);
        let answer = rig.admin(Request::post("/api/uplink/other", batch(1))).await;
        accepted.extend(ids(&answer.json()));
    }
    until("all of one lane are delivered", async || {
        (rig.admin_json("/api/status").await["deliveries"]["delivered"] == 5).then_some(())
    })
    .await;
    let ids_of = |page: &Value| -> Vec<String> {
        let list = page["deliveries"].as_array().unwrap();
        list.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
    };
    // Newest first, each exactly once.
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = rig.admin_json(&format!("/api/deliveries?limit=3&cursor={cursor}")).await;
        assert!(page["deliveries"].as_array().unwrap().len() <= 3);
        listed.extend(ids_of(&page));
        let Some(next) = page["next"].as_str() else { break };
        next.clone_into(&mut cursor);
    }
    accepted.reverse();
    assert_eq!(listed, accepted);

    for (query, expected) in [
        ("state=pending", 5),
        ("state=delivered", 5),
        ("state=dead", 0),
        ("lane=uplink:acme", 5),
        ("lane=uplink:acme&state=pending", 0),
        ("lane=uplink:nobody", 0),
        ("limit=1", 1),
        ("limit=1000&state=", 10),
        ("", 10),
    ] {
        let page = rig.admin_json(&format!("/api/deliveries?{query}")).await;
        assert_eq!(ids_of(&page).len(), expected, "{query}");
    }
    for (query, field) in [
        ("state=gone", "state"),
        ("limit=x", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limti=1", "limti"),
        ("cursor=x", "cursor"),
    ] {
        let answer = rig.admin(Request::get(&format!("/api/deliveries?{query}"))).await;
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!(field)), "{query}");
    }
    let answer = rig.admin(Request::get("/api/deliveries/UPPER")).await;
    assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!("id")));
}

#[tokio::test]
async fn a_destinations_rate_holds_for_sends_that_come_one_after_the_other() {
    let ok = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    let receiver = Receiver::start(move |_, _| (200, ok.to_owned())).await;
    let rig = Rig::start(&format!(
        "[[tencent.destinations]]\nname = 'im'\nurl = '{}'\nsdk_app_id = '1'\nrate_per_second = 5",
        receiver.url("/")
    ))
    .await;
    let mut started = Vec::new();
    for _ in 0..6 {
        let answer = rig.admin(Request::post("/api/tencent/im", format!(r#"{{"Events":[{EVENT}]}}"#))).await;
        // Each is over before the next comes.
        let delivery = rig.until_state(&ids(&answer.json())[0], "delivered").await;
        started.push(delivery["attempts"][0]["started"].as_u64().unwrap());
    }
    let took = started[5] - started[0];
    assert!(took >= 900, "5 sends after the first at 5 a second, 100 ms of them at once: {took} ms");
}

#[tokio::test]
async fn the_token_is_asked_for_where_there_is_one_and_health_is_not() {
    let rig = Rig::start_with("admin_token = 's3cret'", "", "").await;
    for path in ["/api/deliveries", "/api/inbox", "/api/lanes", "/api/devices", "/api/status"] {
        for (header, status) in
            [(None, 401), (Some("Bearer wrong"), 401), (Some("s3cret"), 401), (Some("Bearer s3cret"), 200)]
        {
            let request = Request::get(path);
            let request = header.map_or(request.clone(), |value| request.header("Authorization", value));
            let answer = rig.admin(request).await;
            assert_eq!(answer.status, status, "{path} {header:?}");
            assert!(!answer.body.contains("s3cret"), "{}", answer.body);
            if status == 401 {
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                assert_eq!(answer.json()["error"]["field"], "Authorization");
            }
        }
    }
    for request in [Request::post("/api/uplink/acme", ""), Request::post("/api/lanes/device:1/pause", "")] {
        assert_eq!(rig.admin(request).await.status, 401);
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(rig.admin(Request::get(path)).await.status, 200, "{path}");
    }
    // The admin API is not on the public address.
    assert_eq!(rig.public(Request::get("/api/status")).await.status, 404);
}

#[tokio::test]
async fn a_reload_adds_and_removes_destinations_and_drops_nothing() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start("").await;
    assert_eq!(rig.admin(Request::post("/api/uplink/acme", batch(1))).await.status, 404);
    rig.reload(&uplink(&receiver, ""));
    let first = submit(&rig, &batch(1)).await;
    rig.until_state(&first[0], "delivered").await;

    rig.admin(Request::post("/api/lanes/uplink:acme/pause", "")).await;
    let held = submit(&rig, &batch(1)).await;
    rig.reload("");
    assert_eq!(rig.admin(Request::post("/api/uplink/acme", batch(1))).await.status, 404);
    rig.admin(Request::post("/api/lanes/uplink:acme/resume", "")).await;
    let lanes = rig.admin_json("/api/lanes").await;
    assert_eq!((&lanes["lanes"][0]["configured"], &lanes["lanes"][0]["pending"]), (&json!(false), &json!(1)));
    // It waits for its destination, over a restart too.
    let rig = rig.restart().await;
    assert_eq!(rig.admin_json(&format!("/api/deliveries/{}", held[0])).await["state"], "pending");
    assert_eq!(receiver.received().len(), 1);
    rig.reload(&uplink(&receiver, ""));
    until_bound(BOUND, "the held one is delivered", async || (receiver.received().len() == 2).then_some(())).await;
    rig.until_state(&held[0], "delivered").await;
}
