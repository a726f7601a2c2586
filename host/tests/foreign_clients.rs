//! Clients that nobody here wrote get on with the built gateway: curl on the device API; nc, Python's sockets, `openssl
//! s_client` and Python's `websockets` on the device link.
//!
//! Where one of them is missing its test says which, and how to get it, and is left out; in CI (`CI=true`) it fails.
//! `--nocapture` shows what they say.

mod binary;
mod foreign;

use std::{fs, time::Instant};

use binary::{
    BOUND,
    gateway::{Gateway, KEY, folder, request},
};
use foreign::{CURL, Client, curl, file, has};
use pushgate_tests::{Answer, token, token_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const CID: u32 = 5_003_062;
const OTHER: u32 = 1_003_200;

/// The gateway's own default of `[limits] body_bytes`.
const BODY_BYTES: usize = 1 << 20;

/// Whether the public listener and the link have TLS.
#[derive(Clone, Copy)]
enum Tls {
    Off,
    On,
}

fn gateway(tls: Tls) -> (TempDir, Gateway) {
    let tls = match tls {
        Tls::Off => String::new(),
        Tls::On => format!(
            "[listen]\ntls = {{ cert = '{}', key = '{}' }}\n",
            file("tls/server.pem").display(),
            file("tls/server.key").display()
        ),
    };
    let folder = folder(&format!("{tls}[[lingyang.apps]]\nid = 'Test'\nkeys = ['{KEY}']\ncids = [[{OTHER}, {CID}]]\n"));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    (folder, gateway)
}

/// Waits until a delivery is delivered, and returns all that is known of it.
fn until_delivered(gateway: &Gateway, id: &str) -> Value {
    let start = Instant::now();
    loop {
        let (status, body) = request(&gateway.admin, &format!("GET /api/deliveries/{id}"), &[], "");
        assert_eq!(status, 200, "{body}");
        let delivery: Value = serde_json::from_str(&body).expect("JSON");
        if delivery["state"] == "delivered" {
            return delivery;
        }
        assert!(start.elapsed() < BOUND, "{delivery}");
    }
}

/// The id that an answer has in its body and in its header alike.
fn request_id(answer: &Answer) -> String {
    let id = answer.json()["request_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("x-request-id"), Some(id.as_str()), "{answer:?}");
    assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    id
}

fn assert_refused(answer: &Answer, status: u16, words: &str) {
    request_id(answer);
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (status, &json!(status)), "{}", answer.body);
    assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{}", answer.body);
}

fn client_push(token: &str) -> String {
    json!({ "msg": "aGVsbG8=", "callback": 1, "access_tokens": [token] }).to_string()
}

fn server_push(cid: u32) -> String {
    json!({ "proxy": 0, "payload": { "msg": "aGVsbG8=", "clients": [cid] } }).to_string()
}

/// Pushes to `cid` as the application server.
fn push(gateway: &Gateway, cid: u32) {
    let args = ["-H", "X-APP-ID: Test", "-H", &format!("X-APP-Key: {KEY}"), "-d", &server_push(cid)];
    let answer = curl(gateway, "/v2/message/server/push", &args);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// With TLS curl speaks HTTP/2. It calls each body here a form, which the gateway leaves to it.
#[test]
fn curl_is_answered_on_the_device_api() {
    if !has(&[CURL]) {
        return;
    }
    for tls in [Tls::Off, Tls::On] {
        let (folder, gateway) = gateway(tls);
        let (header, body) = (format!("X-Client-Token: {}", token(OTHER)), client_push(&token(CID)));
        let app = ["-H", "x-app-id: Test", "-H", &format!("x-app-key: {KEY}")];
        let other_app = ["-H", "X-APP-ID: Test", "-H", "X-APP-Key: 0123456789abcdef0123456789abcdef"];
        let large = folder.path().join("large");
        fs::write(&large, vec![b' '; BODY_BYTES + 1]).expect("there is room for it");
        let large = format!("@{}", large.display());

        let by_header = curl(&gateway, "/v2/message/client/push", &["-H", &header, "-d", &body]);
        let by_query = format!("/v2/message/client/push?client_token={}", token(OTHER));
        let by_query = curl(&gateway, &by_query, &["-d", &body]);
        let by_app = curl(&gateway, "/v2/message/server/push", &[&app[..], &["-d", &server_push(CID)]].concat());
        for answer in [by_header, by_query, by_app] {
            assert_eq!(answer.json(), json!({ "request_id": request_id(&answer) }), "and nothing else");
            assert_eq!(answer.status, 200);
        }
        let chunked = ["-H", "Transfer-Encoding: chunked", "-d", &server_push(CID)];
        let answer = curl(&gateway, "/v2/message/server/push", &[&app[..], &chunked].concat());
        assert_eq!(answer.status, 200, "{}", answer.body);

        // What is refused before its body is read: curl 7.88 loses an answer over HTTP/2 when its stream is reset while
        // it still sends.
        let refused = |path, args: &[&[&str]]| curl(&gateway, path, &args.concat());
        let wrong_key = refused("/v2/message/server/push", &[&other_app, &["-d", &server_push(CID)]]);
        assert_refused(&wrong_key, 401, "key");
        assert_refused(&refused("/v2/message/client/push", &[&["-d", &body]]), 401, "required");
        // Whether curl asks before it sends the body, or sends it without a word, or without its length.
        for how in ["Expect: 100-continue", "Expect:", "Transfer-Encoding: chunked"] {
            let large = refused("/v2/message/server/push", &[&app, &["-H", how, "--data-binary", &large]]);
            assert_refused(&large, 413, "1048576 bytes");
        }

        let link = "/v2/message/client/link";
        let answer = curl(&gateway, link, &["-H", &header]);
        assert_refused(&answer, 426, "WebSocket");
        let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
        let upgrade = [&upgrade[..], &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Client-Token: 1"]].concat();
        let upgrade: Vec<_> = upgrade.into_iter().flat_map(|field| ["-H", field]).collect();
        assert_refused(&refused(link, &[&["--http1.1"], &upgrade]), 401, "section");
    }
}

#[test]
fn nc_is_a_device() {
    is_a_device(Client::Netcat);
}

#[test]
fn a_python_socket_is_a_device() {
    is_a_device(Client::PythonSocket);
}

#[test]
fn openssl_s_client_is_a_device() {
    is_a_device(Client::Openssl);
}

#[test]
fn a_python_websocket_is_a_device() {
    is_a_device(Client::WebSocket);
}

#[test]
fn a_python_websocket_over_tls_is_a_device() {
    is_a_device(Client::WebSocketTls);
}

fn is_a_device(client: Client) {
    if !has(client.needs()) {
        return;
    }
    let (_folder, gateway) = gateway(if client.has_tls() { Tls::On } else { Tls::Off });
    it_is_welcome_and_takes_what_comes(client, &gateway);
    it_is_told_why_it_is_refused(client, &gateway);
    it_is_told_what_was_wrong(client, &gateway);
}

fn it_is_welcome_and_takes_what_comes(client: Client, gateway: &Gateway) {
    let mut device = client.start(gateway, &token(CID));
    let welcome = device.expect("welcome");
    assert_eq!((&welcome["cid"], &welcome["heartbeat"]), (&json!(CID), &json!(30)));
    device.say(r#"{"ping":7}"#);
    assert_eq!(device.expect("pong"), 7);
    if client.is_websocket() {
        device.say("/ping");
        assert_eq!(device.next().as_deref(), Some("/pong"));
    }

    // "flag 2: sent up to 5 times until the receiver answers, the waits between sends being 1, 2, 3, 5 s".
    push(gateway, CID);
    let message = device.message_from(0);
    assert_eq!(message["msg"], "aGVsbG8=");
    assert_eq!(device.expect("message"), message, "the same again");
    let id = message["id"].as_str().expect("an id");
    device.say(&json!({ "ack": id }).to_string());
    let delivery = until_delivered(gateway, id);
    let attempts = delivery["attempts"].as_array().expect("a list");
    let times = |name: &str| attempts.iter().map(|attempt| attempt[name].as_u64().expect(name)).collect::<Vec<_>>();
    assert_eq!(times("planned")[1] - times("started")[0], 1000, "{delivery}");

    // "the sending device, if connected, gets a receipt of each receiver's outcome over its link"
    let mut other = client.start(gateway, &token(OTHER));
    assert_eq!(other.expect("welcome")["cid"], OTHER);
    let args = ["-H", &format!("X-Client-Token: {}", token(OTHER)), "-d", &client_push(&token(CID))];
    let answer = curl(gateway, "/v2/message/client/push", &args);
    let message = device.message_from(OTHER);
    device.say(&json!({ "ack": message["id"] }).to_string());
    assert_eq!(other.expect("receipt"), json!({ "id": request_id(&answer), "to": CID, "state": "delivered" }));

    let mut newer = client.start(gateway, &token(CID));
    newer.expect("welcome");
    let (code, words) = device.refused();
    assert_eq!(code, 409, "{words}");
    newer.say(r#"{"ping":8}"#);
    assert_eq!(newer.expect("pong"), 8, "the newer one stays");
}

fn it_is_told_why_it_is_refused(client: Client, gateway: &Gateway) {
    let wrong = token_with("another key", CID, u32::MAX);
    let mut stranger = client.start(gateway, &wrong);
    if !client.is_websocket() {
        assert_eq!(stranger.refused().0, 401);
        return;
    }
    // Like any request: before there is a WebSocket.
    let line = stranger.next().expect("what became of it");
    let id = line.strip_prefix("/refused 401 ").unwrap_or_else(|| panic!("{line}"));
    assert_eq!(id.len(), 32, "{line}");
    assert_eq!(stranger.next(), None);
}

fn it_is_told_what_was_wrong(client: Client, gateway: &Gateway) {
    let long = "x".repeat(1025);
    for (line, code, says) in [("what?", 400, "expected an object"), (&long, 413, "1024 bytes")] {
        let mut device = client.start(gateway, &token(CID));
        device.expect("welcome");
        device.say(line);
        let (found, words) = device.refused();
        assert_eq!(found, code, "{words}");
        assert!(words.contains(says), "{words}");
    }
}
