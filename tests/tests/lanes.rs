//! Lanes promise: submissions share requests, order holds where it is asked for, a full lane says so before anything is
//! promised, and a pause outlives a restart.

use pushgate_tests::{BOUND, Receiver, Request, Rig, token, until, until_bound};
use serde_json::{Value, json};

fn reply(content: &str) -> String {
    format!(r#"{{"MsgType":0,"Data":[{{"Phone":"1","ReplyContent":"{content}","ReplyTime":1}}]}}"#)
}

fn destination(receiver: &Receiver, more: &str) -> String {
    format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n{more}\n", receiver.url("/"))
}

async fn submit(rig: &Rig, content: &str) -> u16 {
    rig.admin(Request::post("/api/uplink/acme", reply(content))).await.status
}

async fn pause(rig: &Rig, how: &str, lane: &str) {
    assert_eq!(rig.admin(Request::new("POST", &format!("/api/lanes/{lane}/{how}"))).await.status, 204);
}

async fn counts(rig: &Rig) -> Value {
    rig.admin_json("/api/status").await["deliveries"].clone()
}

/// The texts of each request that a receiver got.
fn requests(receiver: &Receiver) -> Vec<Vec<String>> {
    let texts = |body: &str| {
        let body: Value = serde_json::from_str(body).expect("JSON");
        let items = body["Data"].as_array().expect("items").clone();
        items.iter().map(|item| item["ReplyContent"].as_str().expect("a text").to_owned()).collect()
    };
    receiver.received().iter().map(|received| texts(&received.body)).collect()
}

#[tokio::test]
async fn submissions_share_requests_and_stay_deliveries_of_their_own() {
    let receiver = Receiver::uplink(0).await;
    let rig = Rig::start(&destination(&receiver, "batch_items = 3\nlinger_ms = 200")).await;
    for content in ["a", "b", "c", "d"] {
        assert_eq!(submit(&rig, content).await, 202);
    }
    until("all are delivered", async || (counts(&rig).await["delivered"] == 4).then_some(())).await;
    assert_eq!(requests(&receiver), [vec!["a", "b", "c"], vec!["d"]]);
    let deliveries = rig.admin_json("/api/deliveries?lane=uplink:acme").await;
    let attempts = deliveries["deliveries"].as_array().expect("a list").iter().map(|one| &one["attempts"]);
    assert_eq!(attempts.collect::<Vec<_>>(), [&json!(1); 4]);
}

#[tokio::test]
async fn an_ordered_destination_takes_items_in_the_order_they_were_accepted_also_after_a_restart() {
    // The first two requests are refused: what is behind them waits.
    let receiver = Receiver::uplink(2).await;
    let settings = "ordered = true\nbatch_items = 2\nlinger_ms = 0\nretry_every_ms = 300";
    let rig = Rig::start(&destination(&receiver, settings)).await;
    pause(&rig, "pause", "uplink:acme").await;
    for content in ["a", "b", "c", "d", "e"] {
        assert_eq!(submit(&rig, content).await, 202);
    }
    let rig = rig.restart().await;
    assert_eq!(requests(&receiver), Vec::<Vec<String>>::new(), "a pause outlives a restart");
    pause(&rig, "resume", "uplink:acme").await;
    until_bound(BOUND * 2, "all are delivered", async || (counts(&rig).await["delivered"] == 5).then_some(())).await;
    let expected: [&[&str]; 5] = [&["a", "b"], &["a", "b"], &["a", "b"], &["c", "d"], &["e"]];
    assert_eq!(requests(&receiver), expected);
}

#[tokio::test]
async fn a_full_lane_answers_503_before_anything_is_promised() {
    let receiver = Receiver::uplink(0).await;
    let rest = format!(
        "[limits]\nqueue = 2\ndevice_queue = 1\n{}[[uplink.receivers]]\nname = 'in'\nforward = '{}'\n",
        destination(&receiver, ""),
        receiver.url("/")
    );
    let rig = Rig::start(&rest).await;
    for lane in ["uplink:acme", "forward:in", "device:5003062"] {
        pause(&rig, "pause", lane).await;
    }
    for content in ["a", "b"] {
        assert_eq!(submit(&rig, content).await, 202);
        let received = rig.public(Request::post("/receive/uplink/in", reply(content))).await;
        assert_eq!((received.status, &received.json()["code"]), (200, &json!(0)));
    }
    let push = json!({ "msg": "aGk=", "flag": 2, "callback": 0, "access_tokens": [token(5_003_062)] }).to_string();
    let push = || Request::post("/v2/message/client/push", &push).header("X-Client-Token", &token(5_003_001));
    let first = rig.public(push()).await;
    assert_eq!(first.status, 200, "{}", first.body);

    let refused = rig.admin(Request::post("/api/uplink/acme", reply("c"))).await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.iter().any(|(name, value)| name == "retry-after" && value == "1"), "{:?}", refused.headers);
    assert_eq!(refused.json()["error"]["field"], "uplink:acme", "{}", refused.body);
    let refused = rig.public(Request::post("/receive/uplink/in", reply("c"))).await;
    assert_eq!((refused.status, refused.json()["code"] == 0), (503, false), "{}", refused.body);
    assert_eq!(rig.public(push()).await.status, 503);
    assert_eq!(rig.admin_json("/api/inbox").await["items"].as_array().map(Vec::len), Some(2), "nothing of it is kept");
    assert_eq!(counts(&rig).await["pending"], 5);

    let metrics = rig.admin(Request::get("/metrics")).await.body;
    for line in [r#"pushgate_refused_total{reason="queue"} 3"#, r#"pushgate_lane_pending{lane="uplink:acme"} 2"#] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    for lane in ["uplink:acme", "forward:in"] {
        pause(&rig, "resume", lane).await;
    }
    until("there is room again", async || (submit(&rig, "c").await == 202).then_some(())).await;
    until("it arrives", async || requests(&receiver).concat().contains(&"c".to_owned()).then_some(())).await;
}
