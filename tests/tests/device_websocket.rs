//! The device link promises on a WebSocket what it promises on TCP, to who has shown a token before there is one.

use pushgate_tests::{KEY, Request, Rig, Socket, message_id, now, token, token_with, until};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

const PATH: &str = "/v2/message/client/link";
const CID: u32 = 5_003_062;
const SENDER: u32 = 1_003_200;

fn batch(msg: &str) -> String {
    json!({ "proxy": 0, "payload": { "msg": msg, "clients": [CID] } }).to_string()
}

#[tokio::test]
async fn a_device_is_welcome_with_its_token_in_the_header_or_the_query() {
    let rig = Rig::start("[limits]\nheartbeat_s = 17").await;
    let query = format!("{PATH}?client_token={}", token(CID));
    let by_query = Socket::connect(rig.gateway.public, &query, None).await;
    let by_header = Socket::connect(rig.gateway.public, PATH, Some(&token(CID + 1))).await;
    for (socket, cid) in [(by_query, CID), (by_header, CID + 1)] {
        let mut socket = socket.unwrap_or_else(|answer| panic!("{answer:?}"));
        let welcome = socket.next().await.unwrap();
        assert_eq!((&welcome["welcome"]["cid"], &welcome["welcome"]["heartbeat"]), (&json!(cid), &json!(17)));
        assert!(welcome["welcome"]["time"].as_u64().unwrap().abs_diff(now()) <= 2);
        socket.settle().await;
    }
}

#[tokio::test]
async fn messages_acknowledgements_and_receipts_travel_as_text_messages() {
    let rig = Rig::start("").await;
    let (mut device, mut sender) = (rig.socket(CID).await, rig.socket(SENDER).await);
    let push = json!({ "msg": "aGVsbG8=", "callback": 1, "access_tokens": [token(CID)] });
    let answer = rig.client_push(SENDER, push.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let message = device.expect("message").await;
    assert_eq!((&message["from"], &message["msg"]), (&json!(SENDER), &json!("aGVsbG8=")));
    // A line feed at the end of a text message is as good as none.
    device.send_message(Message::text(format!("{}\n", json!({ "ack": message["id"] })))).await;
    let request: Value = serde_json::from_str(&answer.body).unwrap();
    let receipt = json!({ "id": request["request_id"], "to": CID, "state": "delivered" });
    assert_eq!(sender.expect("receipt").await, receipt);
    rig.until_state(&message_id(&message), "delivered").await;
}

#[tokio::test]
async fn what_is_refused_before_there_is_a_websocket_is_refused_like_a_push() {
    let rig = Rig::start("").await;
    let valid = u32::try_from(now() + 60).unwrap();
    for (what, token, says) in [
        ("no token", None, "required"),
        ("the digest is of another key", Some(token_with("another key", CID, valid)), "digest"),
        ("expired", Some(token_with(KEY, CID, 1_000_000)), "expired at 1000000"),
        ("no app owns the cid", Some(token_with(KEY, 9, valid)), "no app here owns cid 9"),
        ("no token at all", Some("abc".to_owned()), "section"),
    ] {
        let Err((status, body)) = Socket::connect(rig.gateway.public, PATH, token.as_deref()).await else {
            panic!("{what}: let in");
        };
        assert_eq!((status, &body["error"]["code"]), (401, &json!(401)), "{what}: {body}");
        assert_eq!(body["error"]["field"], "X-Client-Token", "{what}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(says), "{what}: {body}");
        assert_eq!(body["request_id"].as_str().map(str::len), Some(32), "{what}: {body}");
    }
    assert_eq!(rig.admin_json("/api/devices").await, json!({ "devices": [], "next": null }));

    // What is no WebSocket is told how to become one.
    let answer = rig.public(Request::get(PATH).header("X-Client-Token", &token(CID))).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")), "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.header("x-request-id"), body["request_id"].as_str());
    let old = Request::get(PATH)
        .header("X-Client-Token", &token(CID))
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "8")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = rig.public(old).await;
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")), "{}", answer.body);
    assert_eq!(rig.public(Request::post(PATH, "{}")).await.status, 405);
}

#[tokio::test]
async fn a_message_that_is_wrong_is_told_why_before_the_host_closes() {
    let rig = Rig::start("").await;
    let long = "x".repeat(1025);
    let cases: [(&str, Message, u64, &str); 7] = [
        ("binary", Message::binary(b"{\"ping\":1}".to_vec()), 400, "text message"),
        ("not JSON", Message::text("hello"), 400, "expected an object"),
        ("nothing", Message::text(""), 400, "ends too early"),
        ("two frames", Message::text(r#"{"ping":1}{"ping":2}"#), 400, "line"),
        ("two frames in one object", Message::text(r#"{"ping":1,"pong":1}"#), 400, "the only frame of its line"),
        ("1025 bytes", Message::text(long.as_str()), 413, "1024 bytes"),
        ("200 KB", Message::text("[".repeat(200_000)), 413, "1024 bytes"),
    ];
    for (number, (what, message, code, says)) in cases.into_iter().enumerate() {
        let mut device = rig.socket(CID + u32::try_from(number).unwrap()).await;
        device.send_message(message).await;
        let (found, words, close) = device.told().await;
        assert_eq!((found, close), (code, CloseCode::Policy), "{what}: {words}");
        assert!(words.contains(says), "{what}: {words}");
    }
    // A text message that is no UTF-8: its final frame, masked with zeros.
    let mut device = rig.socket(CID).await;
    device.raw().write_all(b"\x81\x82\0\0\0\0\xc3\x28").await.unwrap();
    assert_eq!(device.told().await.0, 400);
    // 1 KiB is none too many; what is unknown is ignored; a ping of the WebSocket's own is answered by its own.
    let mut device = rig.socket(CID).await;
    let unknown = format!("{{\"noise\":\"{}\"}}", "x".repeat(1024 - 12));
    assert_eq!(unknown.len(), 1024);
    device.send_message(Message::text(unknown)).await;
    device.send_message(Message::Ping("are you there?".into())).await;
    assert_eq!(device.next_message().await, Some(Message::Pong("are you there?".into())));
    device.settle().await;
}

#[tokio::test]
async fn the_newest_connection_counts_whatever_it_travels_on() {
    let rig = Rig::start("").await;
    let mut first = rig.socket(CID).await;
    let mut second = rig.device(CID).await;
    let (code, _, close) = first.told().await;
    assert_eq!((code, close), (409, CloseCode::Policy));
    let mut third = rig.socket(CID).await;
    assert_eq!(second.refused().await.0, 409);
    rig.server_push(batch("aGVsbG8=")).await;
    let message = third.take_message().await;
    rig.until_state(&message_id(&message), "delivered").await;
}

#[tokio::test]
async fn a_device_that_leaves_is_gone_whether_it_says_so_or_not() {
    let rig = Rig::start("").await;
    let (mut polite, rude) = (rig.socket(CID).await, rig.socket(CID + 1).await);
    polite.send_message(Message::Close(None)).await;
    assert!(matches!(polite.next_message().await, Some(Message::Close(_))), "a close is answered");
    drop(rude);
    until("both are gone", async || {
        (rig.admin_json("/api/devices").await == json!({ "devices": [], "next": null })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_stops_tells_its_devices_to_come_again() {
    let rig = Rig::start("").await;
    let mut device = rig.socket(CID).await;
    let (rig, (code, words, close)) = tokio::join!(rig.restart(), device.told());
    assert_eq!((code, close), (503, CloseCode::Again), "{words}");
    rig.socket(CID).await.settle().await;
}
