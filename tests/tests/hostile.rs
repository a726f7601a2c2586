//! What a hostile client is promised: an answer that says what is wrong, or the end of its connection, while everybody
//! else is served.

use pushgate_tests::{APP_ID, BOUND, Device, KEY, Request, Rig, Socket, exchange, token, within_bound};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONFIG: &str = "
    [[uplink.receivers]]
    name = 'ucloud'
    [[uplink.destinations]]
    name = 'acme'
    url = 'http://127.0.0.1:9/'
    [[tencent.receivers]]
    name = 'im'
    sdk_app_id = '1400000000'
    [[tencent.destinations]]
    name = 'im'
    url = 'http://127.0.0.1:9/'
    sdk_app_id = '1400000000'";

/// Every endpoint that reads a body, with what lets a caller in.
fn endpoints(rig: &Rig) -> Vec<(std::net::SocketAddr, Request)> {
    let (public, admin) = (rig.gateway.public, rig.gateway.admin);
    let client = |body| Request::post("/v2/message/client/push", body).header("X-Client-Token", &token(1_003_200));
    let server =
        |body| Request::post("/v2/message/server/push", body).header("X-APP-ID", APP_ID).header("X-APP-Key", KEY);
    vec![
        (public, client(BRACKETS.as_slice())),
        (public, server(BRACKETS.as_slice())),
        (public, Request::post("/receive/uplink/ucloud", BRACKETS)),
        (public, Request::post("/receive/tencent/im?SdkAppid=1400000000&contenttype=json", BRACKETS)),
        (admin, Request::post("/api/uplink/acme", BRACKETS)),
        (admin, Request::post("/api/tencent/im", BRACKETS)),
    ]
}

static BRACKETS: [u8; 200_000] = [b'['; 200_000];

/// Proves that somebody else is served.
async fn assert_serves_others(rig: &Rig) {
    let body = json!({ "proxy": 0, "payload": { "msg": "aGVsbG8=", "clients": [5_003_062] } });
    assert_eq!(rig.server_push(body.to_string()).await.status, 200);
    assert_eq!(rig.admin(Request::get("/readyz")).await.status, 200);
    rig.device(5_003_000).await.settle().await;
}

#[tokio::test]
async fn two_hundred_thousand_brackets_are_a_400_everywhere() {
    let rig = Rig::start(CONFIG).await;
    // What the pages say a refusal looks like, in the order of the endpoints.
    let refusals: [fn(&Value) -> bool; 6] = [
        |body| body["error"]["code"] == 400 && body["request_id"].is_string(),
        |body| body["error"]["code"] == 400 && body["request_id"].is_string(),
        |body| body["code"].as_i64().is_some_and(|code| code != 0) && body["message"].is_string(),
        |body| body["ErrorCode"] == 1 && body["ActionStatus"] == "FAILURE" && body["ErrorInfo"].is_string(),
        |body| body["error"]["code"] == 400 && body["error"]["field"].is_string(),
        |body| body["error"]["code"] == 400 && body["error"]["field"].is_string(),
    ];
    for ((address, request), is_refusal) in endpoints(&rig).into_iter().zip(refusals) {
        let answer = request.send(address).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(is_refusal(&answer.json()), "{}", answer.body);
        assert!(answer.body.len() < 1000, "an answer does not echo its request");
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_before_it_is_read() {
    let rig = Rig::start(CONFIG).await;
    for (address, request) in endpoints(&rig) {
        let bytes = request.to_bytes();
        let head = String::from_utf8_lossy(&bytes[..bytes.len() - BRACKETS.len()]).into_owned();
        // Only the head is sent: the declared length alone is refused.
        let declared = head.replace("Content-Length: 200000", "Content-Length: 1048577");
        let answer = exchange(address, declared.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, 413, "{}", answer.body);
        assert!(answer.body.contains("1048576 bytes"), "{}", answer.body);
        // A length that is not declared is found out on the way.
        let chunked = head.replace("Content-Length: 200000", "Transfer-Encoding: chunked");
        let body = [b"180000\r\n".as_slice(), &vec![b' '; 0x0018_0000], b"\r\n0\r\n\r\n"].concat();
        let answer = exchange(address, &[chunked.as_bytes(), &body].concat()).await.expect("an answer");
        assert_eq!(answer.status, 413, "{}", answer.body);
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_body_is_given_up_and_holds_up_nobody() {
    let rig = Rig::start(&format!("{CONFIG}\n[limits]\nbody_timeout_ms = 300")).await;
    let mut stopped = Vec::new();
    for (address, request) in endpoints(&rig) {
        let bytes = request.to_bytes();
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(&bytes[..bytes.len() - 1]).await.expect("the gateway reads");
        stopped.push(stream);
    }
    assert_serves_others(&rig).await;
    for mut stream in stopped {
        let mut answer = String::new();
        within_bound(BOUND, stream.read_to_string(&mut answer)).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("300ms"), "{answer}");
    }
    // One that leaves instead is nobody's loss.
    for (address, request) in endpoints(&rig) {
        let bytes = request.to_bytes();
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(&bytes[..bytes.len() / 2]).await.expect("the gateway reads");
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn a_flood_of_headers_is_a_431_while_others_are_served() {
    let rig = Rig::start(CONFIG).await;
    let field = |n: usize| format!("X-Flood-{n}: {}\r\n", "x".repeat(100));
    let many: String = (0..300).map(field).collect();
    let one = format!("X-Flood: {}\r\n", "x".repeat(1 << 20));
    for flood in [many, one] {
        for address in [rig.gateway.public, rig.gateway.admin] {
            let head = format!("POST /v2/message/client/push HTTP/1.1\r\nHost: x\r\n{flood}\r\n");
            let (answer, ()) = tokio::join!(exchange(address, head.as_bytes()), assert_serves_others(&rig));
            assert_eq!(answer.expect("an answer").status, 431);
        }
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn bytes_that_are_no_http_end_their_connection_alone() {
    let rig = Rig::start(CONFIG).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"{\"hello\":{\"token\":\"x\"}}\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /receive/uplink/ucloud HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /receive/uplink/ucloud HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ] {
        for address in [rig.gateway.public, rig.gateway.admin] {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(bytes).await.expect("the gateway reads");
            let mut answer = Vec::new();
            // A reset is an end too.
            let _ = within_bound(BOUND, stream.read_to_end(&mut answer)).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        }
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn device_connections_that_never_say_hello_take_no_place_for_long() {
    let rig = Rig::start("[limits]\nconnections = 3").await;
    let mut mute = Vec::new();
    for _ in 0..3 {
        let mut device = Device::connect(rig.gateway.link).await;
        device.send_bytes(b"{\"hello\":").await;
        mute.push(device);
    }
    // As many as there may be are connected, and a device that says who it is finds a place all the same.
    let mut device = rig.device(5_003_000).await;
    let (code, message) = mute.remove(0).refused().await;
    assert_eq!(code, 503, "the oldest of them made room: {message}");
    assert!(message.contains("limits.connections"), "{message}");
    // HTTP has places of its own.
    assert_eq!(rig.admin(Request::get("/readyz")).await.status, 200);
    // With the clock paused, the ten seconds pass as soon as everything waits.
    tokio::time::pause();
    for device in &mut mute {
        let frame = device.next_unbounded().await.expect("an error");
        assert_eq!(frame["error"]["code"], 408);
        assert_eq!(device.next_unbounded().await, None);
    }
    drop(mute);
    tokio::time::resume();
    let mut others = (rig.device(5_003_001).await, rig.device(5_003_002).await);
    // Nobody makes room for anybody who may be nobody.
    let mut late = Device::connect(rig.gateway.link).await;
    assert_eq!(late.refused().await.0, 503);
    let answer = Socket::refused(rig.gateway.public, &token(5_003_003)).await;
    assert_eq!((answer.0, answer.1["error"]["code"].as_u64()), (503, Some(503)), "{}", answer.1);
    for device in [&mut device, &mut others.0, &mut others.1] {
        device.settle().await;
    }
}
