//! The device link promises: who is let in, what reaches a device and when, and what the host says before it closes.

use std::time::Duration;

use pushgate_tests::{BOUND, Device, KEY, Rig, message_id, now, token, token_with, until, within_bound};
use serde_json::{Value, json};

const CID: u32 = 5_003_062;
const SENDER: u32 = 1_003_200;

fn lane() -> String {
    format!("device:{CID}")
}

fn batch(flag: u8, msg: &str) -> String {
    json!({ "proxy": 0, "payload": { "msg": msg, "flag": flag, "clients": [CID] } }).to_string()
}

/// Waits until the gateway has the device's connection.
async fn until_connected(rig: &Rig, cid: u32) {
    until("the device is connected", async || {
        let devices = rig.admin_json("/api/devices").await;
        devices["devices"].as_array()?.iter().any(|device| device["cid"] == cid).then_some(())
    })
    .await;
}

/// When each attempt was planned, in milliseconds after the first one began, which starts the grid.
fn offsets(delivery: &Value) -> Vec<u64> {
    let begun = attempts(delivery)[0]["started"].as_u64().unwrap();
    let planned = attempts(delivery).iter().skip(1).map(|attempt| attempt["planned"].as_u64().unwrap() - begun);
    [0].into_iter().chain(planned).collect()
}

fn attempts(delivery: &Value) -> &Vec<Value> {
    delivery["attempts"].as_array().expect("a list of attempts")
}

#[tokio::test]
async fn a_device_with_a_token_is_welcome() {
    let rig = Rig::start("[limits]\nheartbeat_s = 17").await;
    let mut device = Device::connect(rig.gateway.link).await;
    device.send(&json!({ "hello": { "token": token(CID) }, "more": [1, { "x": null }] })).await;
    let welcome = device.next().await.unwrap();
    assert_eq!((&welcome["welcome"]["cid"], &welcome["welcome"]["heartbeat"]), (&json!(CID), &json!(17)));
    let time = welcome["welcome"]["time"].as_u64().unwrap();
    assert!(time.abs_diff(now()) <= 2, "{time} is the host's clock");
    until_connected(&rig, CID).await;
}

#[tokio::test]
async fn a_connection_that_is_wrong_is_told_why_before_the_host_closes() {
    let rig = Rig::start("").await;
    let valid = u32::try_from(now() + 60).unwrap();
    let hello = |token: &str| format!("{}\n", json!({ "hello": { "token": token } })).into_bytes();
    let long = |length: usize| [vec![b'x'; length], vec![b'\n']].concat();
    let cases: [(&str, Vec<u8>, u64, &str); 13] = [
        ("the digest is of another key", hello(&token_with("another key", CID, valid)), 401, "hello.token"),
        ("expired", hello(&token_with(KEY, CID, 1_000_000)), 401, "hello.token"),
        ("no app owns the cid", hello(&token_with(KEY, 9, valid)), 401, "no app here owns cid 9"),
        ("no token at all", hello("abc"), 401, "hello.token"),
        ("a hello without its token", b"{\"hello\":{}}\n".to_vec(), 400, "hello.token: required"),
        ("the first line is no hello", b"{\"ping\":1}\n".to_vec(), 401, "the first line must be a hello"),
        ("an unknown frame first", b"{\"noise\":1}\n".to_vec(), 401, "the first line must be a hello"),
        ("an acknowledgement first", b"{\"ack\":\"0\"}\n".to_vec(), 401, "the first line must be a hello"),
        ("not JSON", b"GET / HTTP/1.1\r\n".to_vec(), 400, "expected an object"),
        ("not UTF-8", b"{\"hello\":{\"token\":\"\xff\"}}\n".to_vec(), 400, "UTF-8"),
        ("nothing but a line feed", b"\n".to_vec(), 400, "ends too early"),
        ("a line of 1025 bytes", long(1024), 413, "1024 bytes"),
        ("200 KB that never end a line", vec![b'['; 200_000], 413, "1024 bytes"),
    ];
    for (what, bytes, code, says) in cases {
        let mut device = Device::connect(rig.gateway.link).await;
        device.send_bytes(&bytes).await;
        let (found, message) = device.refused().await;
        assert_eq!(found, code, "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
    }
    assert_eq!(rig.admin_json("/api/devices").await, json!({ "devices": [], "next": null }));
}

#[tokio::test]
async fn a_welcome_device_is_held_to_the_same_rules() {
    let rig = Rig::start("").await;
    let cases: [(&str, &[u8], u64); 3] = [
        ("invalid UTF-8", b"{\"ack\":\"\xc3\x28\"}\n", 400),
        ("two frames in one line", b"{\"ping\":1,\"pong\":1}\n", 400),
        ("a line over 1 KiB", &[b' '; 3000], 413),
    ];
    for (what, bytes, code) in cases {
        let mut device = rig.device(CID).await;
        device.send_bytes(bytes).await;
        assert_eq!(device.refused().await.0, code, "{what}");
    }
    // A line may have 1 KiB, its line feed included; what is unknown is ignored.
    let mut device = rig.device(CID).await;
    let unknown = format!("{{\"noise\":\"{}\"}}\n", "x".repeat(1024 - 13));
    assert_eq!(unknown.len(), 1024);
    device.send_bytes(unknown.as_bytes()).await;
    device.settle().await;
}

#[tokio::test]
async fn a_device_that_leaves_in_the_middle_of_a_line_leaves_nothing_behind() {
    let rig = Rig::start("").await;
    for half in [&b""[..], b"{\"hello\":{\"tok", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut device = Device::connect(rig.gateway.link).await;
        device.send_bytes(half).await;
        device.finish().await;
        assert_eq!(device.next().await, None, "{half:?}");
    }
    let mut device = rig.device(CID).await;
    until_connected(&rig, CID).await;
    device.send_bytes(b"{\"ack\":\"01").await;
    device.finish().await;
    until("the device is gone", async || {
        (rig.admin_json("/api/devices").await == json!({ "devices": [], "next": null })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pings_are_answered_with_their_own_number() {
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    for number in [0, 7, u64::MAX] {
        device.send(&json!({ "ping": number })).await;
        assert_eq!(device.next().await, Some(json!({ "pong": number })));
    }
}

#[tokio::test]
async fn silence_for_three_heartbeats_closes_and_a_sign_of_life_does_not() {
    let rig = Rig::start("[limits]\nheartbeat_s = 1").await;
    let (mut silent, mut alive) = (rig.device(CID).await, rig.device(CID + 1).await);
    let living = async {
        for number in 1..=4 {
            assert_eq!(alive.expect("ping").await, number);
            alive.send(&json!({ "pong": number })).await;
        }
    };
    let dying = async {
        assert_eq!(
            (silent.next().await, silent.next().await),
            (Some(json!({ "ping": 1 })), Some(json!({ "ping": 2 })))
        );
        let (code, message) = silent.refused().await;
        assert_eq!((code, message.as_str()), (408, "silent for 3 heartbeats"));
    };
    tokio::join!(living, dying);
    alive.settle().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_after_ten_seconds() {
    let rig = Rig::start("").await;
    let (mut mute, mut slow) = (Device::connect(rig.gateway.link).await, Device::connect(rig.gateway.link).await);
    slow.send_bytes(b"{\"hello\":").await;
    // With the clock paused, time passes only while everything waits: the ten seconds take none.
    tokio::time::pause();
    for device in [&mut mute, &mut slow] {
        let frame = device.next_unbounded().await.unwrap();
        assert_eq!(frame, json!({ "error": { "code": 408, "message": "no hello within 10 s" } }));
        assert_eq!(device.next_unbounded().await, None);
    }
}

#[tokio::test]
async fn the_newest_connection_of_a_device_replaces_the_others() {
    let rig = Rig::start("").await;
    let mut old = rig.device(CID).await;
    until_connected(&rig, CID).await;
    let mut new = rig.device(CID).await;
    assert_eq!(old.refused().await.0, 409);
    rig.server_push(batch(2, "aGVsbG8=")).await;
    let message = new.take_message().await;
    rig.until_state(&message_id(&message), "delivered").await;
}

#[tokio::test]
async fn a_message_is_delivered_once_the_device_says_so() {
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    until_connected(&rig, CID).await;
    let answer = rig.server_push(batch(2, "aGVsbG8=")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let message = device.expect("message").await;
    assert_eq!((&message["from"], &message["msg"]), (&json!(0), &json!("aGVsbG8=")));
    assert!(message["created"].as_u64().unwrap().abs_diff(now()) <= 2);

    // What says nothing about this message changes nothing.
    let mut stranger = rig.device(CID + 1).await;
    stranger.send(&json!({ "ack": message["id"] })).await;
    stranger.settle().await;
    for id in ["", "nonsense", "00000000000000000000000000000000"] {
        device.send(&json!({ "ack": id })).await;
    }
    device.settle().await;
    let id = message_id(&message);
    assert_eq!(rig.admin_json(&format!("/api/deliveries/{id}")).await["state"], "pending");

    device.send(&json!({ "ack": id })).await;
    let delivery = rig.until_state(&id, "delivered").await;
    assert_eq!((offsets(&delivery), &attempts(&delivery)[0]["class"]), (vec![0], &json!("sent")));
    assert_eq!((&delivery["last_error"], delivery["finished_at"].is_u64()), (&Value::Null, true));
    // Every copy is acknowledged; the second acknowledgement says nothing new.
    device.send(&json!({ "ack": id })).await;
    device.settle().await;
    assert_eq!(rig.until_state(&id, "delivered").await, delivery);
}

#[tokio::test]
async fn a_device_that_connects_gets_what_waits_at_once_and_the_schedule_holds() {
    let rig = Rig::start("").await;
    rig.server_push(batch(2, "bGF0ZQ==")).await;
    let id = rig.only_delivery(&lane()).await;
    until("the first send has failed", async || {
        let delivery = rig.admin_json(&format!("/api/deliveries/{id}")).await;
        (attempts(&delivery).len() == 1).then_some(())
    })
    .await;
    // Somewhere between the first send and the second.
    let mut device = rig.device(CID).await;
    assert_eq!(message_id(&device.expect("message").await), id);
    // "the remaining schedule still holds": the third send stands at 3 s, the second was the one brought forward.
    assert_eq!(message_id(&device.expect("message").await), id);
    device.send(&json!({ "ack": id })).await;
    let delivery = rig.until_state(&id, "delivered").await;
    let classes: Vec<_> = attempts(&delivery).iter().map(|attempt| attempt["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["offline", "sent", "sent"]);
    let offsets = offsets(&delivery);
    assert!(offsets[1] < 1000, "{offsets:?}: at once, not at 1 s");
    assert_eq!(offsets[2], 3000, "{offsets:?}");
}

#[tokio::test]
async fn a_message_nobody_answers_is_sent_as_its_flag_says_and_then_dropped() {
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    until_connected(&rig, CID).await;
    rig.server_push(batch(3, "b25jZQ==")).await;
    let once = message_id(&device.expect("message").await);
    rig.server_push(batch(2, "c2lsZW5jZQ==")).await;
    let mut copies = Vec::new();
    while copies.len() < 5 {
        let frame = device.next().await.expect("the host stays");
        let Some(message) = frame.get("message") else { continue };
        assert_ne!(message_id(message), once, "flag 3 is sent once");
        copies.push(message_id(message));
    }
    copies.dedup();
    assert_eq!(copies.len(), 1, "one message, five times: {copies:?}");

    let dropped = rig.until_state(&once, "dropped").await;
    assert_eq!(offsets(&dropped), [0]);
    let dropped = rig.until_state(&copies[0], "dropped").await;
    // "t = 0, 1, 3, 6, 11 s"
    assert_eq!(offsets(&dropped), [0, 1000, 3000, 6000, 11_000]);
    for attempt in attempts(&dropped) {
        let late = attempt["started"].as_u64().unwrap() - attempt["planned"].as_u64().unwrap();
        assert!(late < 500, "{late} ms late: {attempt}");
    }
    // "no answer within 5 s (ours) of the last send = dropped"
    let last = attempts(&dropped)[4]["started"].as_u64().unwrap();
    let waited = dropped["finished_at"].as_u64().unwrap() - last;
    assert!((5000..5500).contains(&waited), "{waited} ms");
    assert_eq!(dropped["next_at"], Value::Null);
}

#[tokio::test]
async fn the_sender_hears_what_became_of_its_message() {
    let rig = Rig::start("").await;
    let (mut sender, mut taker) = (rig.device(SENDER).await, rig.device(CID).await);
    until_connected(&rig, CID).await;
    let body = json!({
        "msg": "aGVsbG8=", "flag": 3, "callback": 1, "access_tokens": [token(CID), token(CID + 1)]
    });
    let answer = rig.client_push(SENDER, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let message = taker.take_message().await;
    assert_eq!(message["from"], SENDER);
    let push = &answer.json()["request_id"];
    assert_eq!(sender.expect("receipt").await, json!({ "id": push, "to": CID, "state": "delivered" }));
    // The other one is not connected, and flag 3 is sent once.
    assert_eq!(sender.expect("receipt").await, json!({ "id": push, "to": CID + 1, "state": "dropped" }));

    let silent = json!({ "msg": "aGVsbG8=", "callback": 0, "access_tokens": [token(CID)] });
    rig.client_push(SENDER, silent.to_string()).await;
    rig.until_state(&message_id(&taker.take_message().await), "delivered").await;
    sender.send(&json!({ "ping": 1 })).await;
    assert_eq!(sender.next().await, Some(json!({ "pong": 1 })), "callback 0 asks for no receipt");
}

#[tokio::test]
async fn a_devices_messages_come_in_the_order_they_were_accepted() {
    const MESSAGES: usize = 40;
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    until_connected(&rig, CID).await;
    let push = async |number: usize| {
        let payload: Vec<_> = (0..2)
            .map(|half| json!({ "from": SENDER, "to": CID, "msg": base64(&format!("{number}.{half}")) }))
            .collect();
        let answer = rig.server_push(json!({ "proxy": 1, "payload": payload }).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let expected: Vec<_> =
        (0..MESSAGES).flat_map(|number| [0, 1].map(|half| base64(&format!("{number}.{half}")))).collect();
    let accepted = async {
        for number in 0..MESSAGES / 2 {
            push(number).await;
        }
    };
    let taken = async {
        let mut taken = Vec::new();
        while taken.len() < MESSAGES {
            taken.push(device.take_message().await["msg"].as_str().unwrap().to_owned());
        }
        taken
    };
    let ((), mut taken) = tokio::join!(accepted, taken);
    drop(device);
    until("the device is gone", async || {
        (rig.admin_json("/api/devices").await == json!({ "devices": [], "next": null })).then_some(())
    })
    .await;
    // The second half waits for the device.
    for number in MESSAGES / 2..MESSAGES {
        push(number).await;
    }
    let mut device = rig.device(CID).await;
    while taken.len() < 2 * MESSAGES {
        taken.push(device.take_message().await["msg"].as_str().unwrap().to_owned());
    }
    assert_eq!(taken, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_delivered_in_the_store_too_however_fast_it_was() {
    const PUSHES: usize = 60;
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    until_connected(&rig, CID).await;
    let payload: Vec<_> = (0..50).map(|_| json!({ "from": SENDER, "to": CID, "msg": "eA==" })).collect();
    let body = json!({ "proxy": 1, "payload": payload }).to_string();
    let pushing = async {
        for _ in 0..PUSHES {
            assert_eq!(rig.server_push(&body).await.status, 200);
        }
    };
    let taking = async {
        for _ in 0..PUSHES * 50 {
            device.take_message().await;
        }
    };
    within_bound(BOUND * 3, async { tokio::join!(pushing, taking) }).await;
    let delivered = json!({ "delivered": PUSHES * 50, "pending": 0, "dead": 0, "dropped": 0 });
    until("every message is delivered in the store", async || {
        (rig.admin_json("/api/status").await["deliveries"] == delivered).then_some(())
    })
    .await;
    // And stays so: a gateway that starts again has nothing to send.
    let rig = rig.restart().await;
    assert_eq!(rig.admin_json("/api/status").await["deliveries"], delivered);
}

#[tokio::test]
async fn coming_and_going_costs_no_sends() {
    let rig = Rig::start("").await;
    rig.server_push(batch(2, "aGVsbG8=")).await;
    let id = rig.only_delivery(&lane()).await;
    // A device that is gone before it could be sent anything was never there.
    for _ in 0..8 {
        let mut device = Device::connect(rig.gateway.link).await;
        let hello = format!("{}\nnot JSON\n", json!({ "hello": { "token": token(CID) } }));
        device.send_bytes(hello.as_bytes()).await;
        device.finish().await;
        while device.next().await.is_some() {}
    }
    let mut device = rig.device(CID).await;
    let message = within_bound(Duration::from_secs(8), device.take_message()).await;
    assert_eq!(message_id(&message), id, "the message was not used up");
    rig.until_state(&id, "delivered").await;
}

#[tokio::test]
async fn a_gateway_that_stops_tells_its_devices() {
    let rig = Rig::start("").await;
    let mut device = rig.device(CID).await;
    let (rig, (code, _)) = tokio::join!(rig.restart(), device.refused());
    assert_eq!(code, 503);
    rig.device(CID).await.settle().await;
}

/// Standard base64 of a short text: the one thing a test needs it for.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            out.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    out
}
