//! What an operator does to many deliveries at once, and how they are found.

use pushgate_tests::{Receiver, Request, Rig, now, texts, until};
use serde_json::{Value, json};

const BATCH: &str = r#"{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK","ReplyTime":1563867000}]}"#;

/// A gateway whose destination has refused `count` deliveries, and their ids, newest first.
async fn with_dead(count: usize) -> (Rig, Receiver, Vec<String>) {
    let receiver = Receiver::start(|_, _| (503, "x".repeat(1500))).await;
    let text = format!(
        "[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\nretries = 0\ncircuit_after = 0\nbatch_items = 1",
        receiver.url("/")
    );
    let rig = Rig::start(&text).await;
    let mut ids = Vec::new();
    for _ in 0..count {
        let answer = rig.admin(Request::post("/api/uplink/acme", BATCH)).await.json();
        ids.push(answer["ids"][0].as_str().expect("an id").to_owned());
    }
    until_dead(&rig, count).await;
    ids.reverse();
    (rig, receiver, ids)
}

async fn until_dead(rig: &Rig, count: usize) {
    let dead = async || (rig.admin_json("/api/status").await["deliveries"]["dead"] == count).then_some(());
    until("all are dead", dead).await;
}

async fn act(rig: &Rig, what: &str, body: &Value) -> (u16, Value) {
    let answer = rig.admin(Request::post(&format!("/api/deliveries/{what}"), body.to_string())).await;
    (answer.status, answer.json())
}

async fn listed(rig: &Rig, query: &str) -> Vec<String> {
    let page = rig.admin_json(&format!("/api/deliveries?{query}")).await;
    let page = page["deliveries"].as_array().expect("a list").iter();
    page.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_of_a_filter_are_replayed_and_then_dropped() {
    let (rig, receiver, ids) = with_dead(5).await;
    let filter = json!({ "state": "dead", "lane": "uplink:acme", "until": now() * 1000 + 60_000 });
    let (status, first) = act(&rig, "replay", &json!({ "filter": filter, "limit": 3 })).await;
    assert_eq!((status, &first), (200, &json!({ "done": 3, "refused": [], "next": ids[2] })));
    receiver.wait_for(8).await;
    until_dead(&rig, 5).await;
    let (_, second) = act(&rig, "replay", &json!({ "filter": filter, "limit": 3, "cursor": ids[2] })).await;
    assert_eq!(second, json!({ "done": 2, "refused": [], "next": null }), "none that died again meanwhile");
    receiver.wait_for(10).await;
    until_dead(&rig, 5).await;
    let (_, dropped) = act(&rig, "drop", &json!({ "filter": filter })).await;
    assert_eq!(dropped, json!({ "done": 5, "refused": [], "next": null }));
    assert_eq!(listed(&rig, "limit=10").await, [""; 0]);
}

#[tokio::test]
async fn a_destination_that_is_ordered_gets_them_as_they_were_accepted() {
    const COUNT: usize = 6;
    let receiver = Receiver::start(|n, _| (if n < COUNT { 503 } else { 200 }, r#"{"code":0}"#.to_owned())).await;
    let rig = Rig::start(&format!(
        "[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\nretries = 0\ncircuit_after = 0\nbatch_items = 1\nordered = true",
        receiver.url("/")
    ))
    .await;
    for n in 0..COUNT {
        let body = BATCH.replace("OK", &n.to_string());
        assert_eq!(rig.admin(Request::post("/api/uplink/acme", body)).await.status, 202);
    }
    until_dead(&rig, COUNT).await;
    let filter = json!({ "state": "dead", "lane": "uplink:acme", "until": now() * 1000 + 60_000 });
    let (_, all) = act(&rig, "replay", &json!({ "filter": filter })).await;
    assert_eq!(all["done"], COUNT);
    receiver.wait_for(2 * COUNT).await;
    let again: Vec<_> = receiver.received()[COUNT..].iter().flat_map(|received| texts(&received.body)).collect();
    assert_eq!(again, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn named_ones_are_done_whatever_becomes_of_the_others() {
    let (rig, _receiver, ids) = with_dead(2).await;
    let unknown = "018fabcd0000700080000000000000ff";
    let refused = json!([{ "id": unknown, "message": "no delivery has this id" }]);
    let (status, acted) = act(&rig, "replay", &json!({ "ids": [unknown, ids[0]] })).await;
    assert_eq!((status, &acted), (200, &json!({ "done": 1, "refused": refused, "next": null })));
    let (_, acted) = act(&rig, "drop", &json!({ "ids": [ids[0], unknown, ids[1]] })).await;
    assert_eq!(acted, json!({ "done": 2, "refused": refused, "next": null }));
}

#[tokio::test]
async fn what_could_empty_a_store_by_mistake_is_refused() {
    let rig = Rig::start("").await;
    let many: Vec<_> = (0..501).map(|n| format!("{n:032x}")).collect();
    let until = 1_700_000_000_000_u64;
    for (body, field) in [
        (json!({}), "ids"),
        (json!({ "ids": many }), "ids"),
        (json!({ "ids": [], "filter": { "until": until, "state": "dead" } }), "ids"),
        (json!({ "ids": ["x"] }), "body"),
        (json!({ "filter": {} }), "body"),
        (json!({ "filter": { "state": "dead" } }), "body"),
        (json!({ "filter": { "until": until } }), "filter"),
        (json!({ "filter": { "until": until, "stat": "dead" } }), "body"),
        (json!({ "filter": { "until": 1_u64 << 48, "state": "dead" } }), "until"),
        (json!({ "filter": { "until": until, "lane": "x" } }), "filter.lane"),
        (json!({ "filter": { "until": until, "state": "dead" }, "limit": 0 }), "limit"),
        (json!({ "filter": { "until": until, "state": "dead" }, "limit": 501 }), "limit"),
        (json!([]), "body"),
    ] {
        for what in ["replay", "drop"] {
            let (status, answer) = act(&rig, what, &body).await;
            assert_eq!((status, &answer["error"]["field"]), (400, &json!(field)), "{what} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn deliveries_are_found_by_time_and_by_what_their_id_begins_with() {
    let (rig, _receiver, ids) = with_dead(3).await;
    let detail = rig.admin_json(&format!("/api/deliveries/{}", ids[1])).await;
    let made = u64::from_str_radix(&ids[1][..12], 16).expect("a time");
    assert_eq!(listed(&rig, &format!("id={}", ids[1])).await, [ids[1].clone()]);
    assert_eq!(listed(&rig, &format!("id={}&state=delivered", &ids[1][..3])).await, [""; 0]);
    assert_eq!(listed(&rig, &format!("since={made}&until={}&lane=uplink:acme", made + 1)).await, [ids[1].clone()]);
    assert_eq!(listed(&rig, &format!("until={}&state=dead", made - 3_600_000)).await, [""; 0]);
    for query in ["id=x", "id=ABC", "since=281474976710656", "until=-1"] {
        assert_eq!(rig.admin(Request::get(&format!("/api/deliveries?{query}"))).await.status, 400, "{query}");
    }
    // What the destination said, and when it would have been tried again.
    let answer = &detail["attempts"][0]["answer"];
    assert_eq!((&answer["bytes"], &answer["cut"], &answer["base64"]), (&json!(1500), &json!(true), &json!(null)));
    assert_eq!(answer["text"].as_str().map(str::len), Some(1024));
    assert_eq!(detail["schedule"], json!({ "anchor": "failure", "waits": [], "answer_within": 5000 }));
    assert_eq!((&detail["replayed_at"], &detail["body_bytes"]), (&json!(null), &json!(BATCH.len())));
}

#[tokio::test]
async fn a_replay_that_has_no_attempt_yet_is_told() {
    let (rig, receiver, ids) = with_dead(1).await;
    assert_eq!(rig.admin(Request::post("/api/lanes/uplink:acme/pause", "")).await.status, 204);
    let before = now() * 1000;
    assert_eq!(act(&rig, "replay", &json!({ "ids": ids })).await.1["done"], 1);
    let path = format!("/api/deliveries/{}", ids[0]);
    let detail = rig.admin_json(&path).await;
    let replayed_at = detail["replayed_at"].as_u64().expect("a time");
    assert!(
        replayed_at >= before.saturating_sub(1000) && detail["attempts"].as_array().map(Vec::len) == Some(1),
        "{detail}"
    );
    assert_eq!(rig.admin(Request::post("/api/lanes/uplink:acme/resume", "")).await.status, 204);
    receiver.wait_for(2).await;
    until_dead(&rig, 1).await;
    assert_eq!(rig.admin_json(&path).await["replayed_at"], replayed_at, "its first attempt was planned for then");
}
