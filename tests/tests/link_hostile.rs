//! The device link promises in a hostile world: what a device does wrong it is told, it costs little, and the others
//! notice nothing.

use std::time::{Duration, Instant};

use pushgate_tests::{Device, KEY, NEXT_KEY, Rig, message_id, now, token, token_with, until, until_bound, within};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

const CID: u32 = 5_003_000;

fn batch(cids: &[u32], msg: &str) -> String {
    json!({ "proxy": 0, "payload": { "msg": msg, "clients": cids } }).to_string()
}

/// Pushes to a device that behaves, and sees that it gets it at once.
async fn assert_serves_others(rig: &Rig) {
    const OTHER: u32 = 5_003_999;
    let mut device = rig.device(OTHER).await;
    let begun = Instant::now();
    assert_eq!(rig.server_push(batch(&[OTHER], "aGVsbG8=")).await.status, 200);
    let message = device.take_message().await;
    rig.until_state(&message_id(&message), "delivered").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: the first send, not a later one", begun.elapsed());
}

#[tokio::test]
async fn floods_of_pings_and_of_strangers_acknowledgements_are_ended() {
    let rig = Rig::start("").await;
    let flood = |line: &str| line.repeat(3000).into_bytes();
    for (number, line) in
        ["{\"ping\":1}\n", "{\"ack\":\"0197f9a0c0de70000000000000000000\"}\n", "{\"pong\":1}\n", "{\"x\":[]}\n"]
            .into_iter()
            .enumerate()
    {
        let mut device = rig.device(CID + u32::try_from(number).unwrap()).await;
        device.send_bytes(&flood(line)).await;
        let error = device.expect("error").await;
        assert_eq!(error["code"], 429, "{line}: {error}");
        assert_eq!(device.next().await, None);
    }
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn what_a_device_owes_is_never_a_flood() {
    let rig = Rig::start("[limits]\ndevice_lines = 1").await;
    let mut device = rig.device(CID).await;
    // Far more than five seconds' worth of lines, and each of them an answer.
    for _ in 0..100 {
        assert_eq!(rig.server_push(batch(&[CID], "aGVsbG8=")).await.status, 200);
        device.take_message().await;
    }
    device.settle().await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let rig = Rig::start("").await;
    let expire = u32::try_from(now() + 1).unwrap();
    let mut device = Device::hello(rig.gateway.link, &token_with(KEY, CID, expire)).await;
    let mut socket = pushgate_tests::Socket::hello(rig.gateway.public, &token_with(KEY, CID + 1, expire)).await;
    let (code, message) = device.refused().await;
    assert_eq!(code, 401);
    assert!(message.contains(&format!("expired at {expire}")), "{message}");
    assert!(now() > u64::from(expire), "not before its time");
    assert_eq!(socket.told().await.0, 401);
}

#[tokio::test]
async fn a_key_that_is_gone_lets_nobody_stay() {
    let rig = Rig::start("").await;
    let expire = u32::try_from(now() + 3600).unwrap();
    let mut old = Device::hello(rig.gateway.link, &token_with(KEY, CID, expire)).await;
    let mut new = Device::hello(rig.gateway.link, &token_with(NEXT_KEY, CID + 1, expire)).await;
    rig.reload_without(KEY);
    assert_eq!(old.refused().await.0, 401);
    new.settle().await;
}

#[tokio::test]
async fn a_device_that_comes_back_all_the_time_is_slowed_down_and_keeps_what_it_has() {
    let rig = Rig::start("").await;
    let mut last = rig.device(CID).await;
    let mut refused = 0;
    for _ in 0..30 {
        let mut next = Device::connect(rig.gateway.link).await;
        next.send(&json!({ "hello": { "token": token(CID) } })).await;
        let frame = next.next().await.expect("a word");
        if frame.get("welcome").is_some() {
            last = next;
        } else {
            assert_eq!(frame["error"]["code"], 429, "{frame}");
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
    last.settle().await;
    assert_serves_others(&rig).await;
}

#[tokio::test]
async fn a_device_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let rig = Rig::start("").await;
    // The least of windows, so that little is on its way unread.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stream = within(socket.connect(rig.gateway.link)).await.unwrap();
    stream.write_all(format!("{}\n", json!({ "hello": { "token": token(CID) } })).as_bytes()).await.unwrap();
    assert_is_cut_off(&rig).await;
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_websocket_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let rig = Rig::start("").await;
    let device = rig.socket(CID).await;
    assert_is_cut_off(&rig).await;
    drop(device);
}

/// Sends the connected device far more than its connection may hold, none of which it reads.
async fn assert_is_cut_off(rig: &Rig) {
    until("it is connected", async || (rig.admin_json("/api/devices").await["devices"][0]["cid"] == CID).then_some(()))
        .await;
    // What it does not answer it is sent again: a megabyte, if anybody kept it.
    let msg = "A".repeat(340);
    for _ in 0..800 {
        assert_eq!(rig.server_push(batch(&[CID], &msg)).await.status, 200);
    }
    assert_serves_others(rig).await;
    until_gone(rig).await;
}

/// Waits until the device's connection has ended, for longer than a device that does not read is given.
async fn until_gone(rig: &Rig) {
    until_bound(Duration::from_secs(30), "the device is gone", async || {
        let devices = rig.admin_json("/api/devices").await;
        let mut devices = devices["devices"].as_array()?.iter();
        devices.all(|device| device["cid"] != CID).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_device_that_drips_is_held_to_its_heartbeats() {
    let rig = Rig::start("[limits]\nheartbeat_s = 1").await;
    let mut device = rig.device(CID).await;
    // Bytes of a line that never ends are no sign of life.
    let dripping = async {
        loop {
            device.send_bytes(b" ").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = dripping => {}
        () = until_gone(&rig) => {}
    }
    let error = device.expect("error").await;
    assert_eq!(error["code"], 408, "{error}");
    assert_serves_others(&rig).await;
}
