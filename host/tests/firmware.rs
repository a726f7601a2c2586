//! A device on bare metal pushes for real: the image of `tests/firmware/device` on an emulated Cortex-M3, its UARTs
//! joined to a gateway's own listeners, does a device's work, and both ends agree on what happened. On two other cores it
//! reads all that there is to read.
//!
//! QEMU joins the UARTs to the gateway itself, with nothing in between. What that lacks is what many a serial line
//! lacks: the device cannot open, close or see a stream, and what it writes while there is none is gone.
//!
//! Where QEMU or the target is missing the test says which, and how to get it, and is left out; in CI (`CI=true`) it
//! fails. `--nocapture` shows what the device says.

mod machine;

use std::time::Duration;

use machine::{CORTEX_M0, CORTEX_M3, Core, Event, Machine, Mute, RISC_V};
use pushgate_core::{
    Text, json as core_json,
    lingyang::{BatchPush, Cid, Msg, ServerPush},
    tencent,
};
use pushgate_tests::{APP_ID, BOUND, Device, KEY, Place, Process, Request, admin_json, token, until_bound};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_pushgate");
/// Heartbeats short enough for a test to wait for the silence of three.
const REST: &str = "[limits]\nheartbeat_s = 2\n";

/// The board, and a device on the host.
const BOARD: u32 = 5_003_062;
const OTHER: u32 = 1_003_200;

/// What all of the board's work but the vectors may take of its RAM, in bytes: a little more than it does.
const STACK: u64 = 3072;
const STATICS: u64 = 8704;

/// A device's schedule takes 11 s, and what happens beside it some more.
const LONG: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_device_on_bare_metal_does_its_work() {
    let Some(image) = CORTEX_M3.image() else { return };
    let place = Place::new(BINARY, REST);
    let mut gateway = place.start().await;
    place.configure_as(&gateway, REST);
    let mut board = Machine::start("device", &CORTEX_M3, &image, gateway.link, gateway.public).await;

    reads_every_golden_vector(&mut board).await;
    board.tell("took").await;
    board.event("took").await;
    board.tell(&format!("token {}", token(BOARD))).await;
    pushes_over_http(&mut board, &gateway).await;
    listens_and_acknowledges(&mut board, &gateway).await;
    gateway = outlives_a_gateway_that_is_killed(&mut board, gateway, &place).await;
    keeps_its_schedule_when_nobody_answers(&mut board, gateway).await;
    reads_batches_as_they_come(&mut board).await;

    board.tell("took").await;
    let took = board.event("took").await;
    assert!(took.number("stack") <= STACK && took.number("statics") <= STATICS, "{took:?}");
    let (events, status) = board.end().await;
    assert!(!events.iter().any(|event| event.what == "FAILED"), "the board's own checks");
    assert_eq!(status.code(), Some(0), "the board's verdict");
}

/// The verdict is worth something: a board one of whose checks does not hold says so with its status.
#[tokio::test]
async fn a_check_that_does_not_hold_is_the_boards_verdict() {
    let Some(image) = CORTEX_M3.image() else { return };
    let nobody = Mute::at("127.0.0.1:0".parse().unwrap()).await;
    let mut board = Machine::start("verdict", &CORTEX_M3, &image, nobody.address(), nobody.address()).await;
    board.tell("no such command").await;
    board.event("FAILED").await;
    let (_, status) = board.end().await;
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_smaller_core_reads_the_same() {
    reads_all_there_is("smaller", &CORTEX_M0).await;
}

#[tokio::test]
async fn a_core_that_is_not_arms_reads_the_same() {
    reads_all_there_is("risc-v", &RISC_V).await;
}

async fn reads_all_there_is(name: &'static str, core: &Core) {
    let Some(image) = core.image() else { return };
    let nobody = Mute::at("127.0.0.1:0".parse().unwrap()).await;
    let mut board = Machine::start(name, core, &image, nobody.address(), nobody.address()).await;
    reads_every_golden_vector(&mut board).await;
    reads_batches_as_they_come(&mut board).await;
    let (_, status) = board.end().await;
    assert_eq!(status.code(), Some(0), "the board's verdict");
}

async fn reads_every_golden_vector(board: &mut Machine) {
    board.tell("vectors").await;
    let told = board.event("vectors").await;
    assert_eq!(told.number("differ"), 0, "{told:?}");
    // More of both than any one of their sources has, so that none is left out unseen.
    let (bodies, refused) = (told.number("bodies"), told.number("refused"));
    assert!(bodies - refused >= 150 && refused >= 700, "{told:?}");
    assert!(told.number("runs") >= 2 * bodies, "{told:?}");
}

async fn pushes_over_http(board: &mut Machine, gateway: &Process) {
    let mut other = Device::hello(gateway.link, &token(OTHER)).await;
    board.tell(&format!("push {} 23.5 °C at the door", token(OTHER))).await;
    let answer = board.event("answer").await;
    assert_eq!(answer.number("status"), 200, "{answer:?}");
    let request = answer.part("request");
    assert!(request.len() == 32 && request.bytes().all(|byte| byte.is_ascii_hexdigit()), "{answer:?}");
    let message = other.take_message().await;
    assert_eq!((&message["from"], text(&message)), (&json!(BOARD), "23.5 °C at the door".to_owned()));
    let accepted = |events: &[Event]| events.iter().find(|event| event.what == "accepted").cloned();
    board.until(BOUND, "accepted", accepted).await;
    until_delivered(gateway, OTHER, 1).await;
}

async fn listens_and_acknowledges(board: &mut Machine, gateway: &Process) {
    board.tell("listen").await;
    let welcome = board.event("welcome").await;
    assert_eq!((welcome.number("cid"), welcome.number("heartbeat")), (BOARD.into(), 2));
    for number in 1..=3 {
        server_push(gateway, number).await;
    }
    until_shown(board, 1..=3).await;
    until_delivered(gateway, BOARD, 3).await;

    // A board that does not answer for a while is sent copies, and then has them all at once.
    board.signal("STOP");
    server_push(gateway, 4).await;
    until_bound(BOUND, "a second send", async || {
        let deliveries = deliveries(gateway, BOARD).await;
        deliveries.iter().any(|delivery| delivery["attempts"].as_u64() >= Some(2)).then_some(())
    })
    .await;
    board.signal("CONT");
    board.event("copy").await;
    until_shown(board, 4..=4).await;
    until_delivered(gateway, BOARD, 4).await;
}

/// Nobody tells the board that its streams are gone, nor that they are back.
async fn outlives_a_gateway_that_is_killed(board: &mut Machine, mut gateway: Process, place: &Place) -> Process {
    for number in 10..15 {
        server_push(&gateway, number).await;
    }
    gateway.kill();
    board.tell(&format!("push {} while the gateway is away", token(OTHER))).await;
    board.event("send").await;
    let gateway = place.start().await;
    let mut other = Device::hello(gateway.link, &token(OTHER)).await;
    board
        .until(LONG, "another welcome", |events| {
            let welcomes = events.iter().filter(|event| event.what == "welcome");
            (welcomes.count() >= 2).then_some(())
        })
        .await;
    for number in 20..22 {
        server_push(&gateway, number).await;
    }
    until_shown(board, (10..15).chain(20..22)).await;
    until_delivered(&gateway, BOARD, 4 + 5 + 2).await;

    board
        .until(LONG, "the push is accepted", |events| {
            events.iter().find(|event| event.what == "accepted" && event.number("push") == 2).map(drop)
        })
        .await;
    // A request whose answer was lost has been made twice.
    let message = other.take_message().await;
    assert_eq!(text(&message), "while the gateway is away");
    gateway
}

/// "the waits between sends being 1, 2, 3, 5 s (t = 0, 1, 3, 6, 11 s)" (the Lingyang page).
async fn keeps_its_schedule_when_nobody_answers(board: &mut Machine, mut gateway: Process) {
    const PLANNED: [u64; 5] = [0, 1000, 3000, 6000, 11_000];
    gateway.kill();
    let mute = Mute::at(gateway.public).await;
    let mut heard = mute.connected().await;
    let before = board.events("send").len();
    board.tell(&format!("no-push {} is anybody there", token(OTHER))).await;
    let mut came = Vec::new();
    for _ in PLANNED {
        came.push(heard.request(BOUND).await);
    }
    let gave_up = board
        .until(LONG, "the push is given up", |events| events.iter().find(|event| event.what == "gave-up").cloned())
        .await;
    let sends = board.events("send").split_off(before);
    let attempts: Vec<_> = sends.iter().map(|send| (send.number("push"), send.number("attempt"))).collect();
    assert_eq!(attempts, [(3, 1), (3, 2), (3, 3), (3, 4), (3, 5)]);
    let first = sends[0].at;
    let own: Vec<_> = sends.iter().map(|send| send.at - first).collect();
    let theirs = came.iter().map(|at| u64::try_from(at.duration_since(came[0]).as_millis()).unwrap_or(u64::MAX));
    let theirs: Vec<_> = theirs.collect();
    eprintln!("sends by the board's clock at {own:?} ms, by the host's at {theirs:?} ms");
    for ((planned, own), theirs) in PLANNED.into_iter().zip(own).zip(theirs) {
        assert!(is_near(own, planned, 900) && is_near(theirs, planned, 1500), "planned {planned}, {own}, {theirs}");
    }
    assert!(is_near(gave_up.at - first, 11_000 + 5000, 900), "five seconds for the last answer: {gave_up:?}");
}

async fn reads_batches_as_they_come(board: &mut Machine) {
    let good = batch(|_, _| {});
    board.tell(&format!("batch {}", good.len())).await;
    board.send(good.as_bytes()).await;
    let last = board.event("last").await;
    assert_eq!((last.part("id"), last.number("time")), ("1400000000_660_1669872211_99", 1_669_872_211));
    assert_eq!((last.part("to"), last.number("code")), ("app_user_000000000099", 99));
    assert_eq!(last.rest("info"), "设备离线 😀");
    let told =
        board.until(BOUND, "the batch", |events| events.iter().find(|event| event.what == "batch").cloned()).await;
    assert_eq!((told.number("bytes"), told.number("events")), (good.len() as u64, 100), "{told:?}");
    assert!(good.len() > 34_000 && told.number("pieces") > 100, "{told:?}");

    let bad = batch(|n, event| {
        if n == 57 {
            event["PushStage"] = json!("delivered");
        }
    });
    let error = tencent::read(bad.as_bytes(), |_| ()).unwrap_err();
    board.tell(&format!("no-batch {}", bad.len())).await;
    board.send(bad.as_bytes()).await;
    let told = board.event("batch").await;
    assert_eq!((told.number("offset"), told.rest("refused")), (error.offset() as u64, error.to_string().as_str()));
    assert!(bad[error.offset()..].starts_with("\"delivered\""), "{error:?}");
}

/// A batch of 100 events with all their members.
fn batch(change: impl Fn(u32, &mut Value)) -> String {
    let event = |n: u32| {
        let time = 1_669_872_112 + n;
        let mut event = json!({
            "CallbackCommand": "Push.OfflinePush", "EventType": 1, "EventTime": time,
            "From_Account": format!("app_user_{:012}", n + 1), "To_Account": format!("app_user_{n:012}"),
            "PushPlatform": n % 9, "PushStage": n % 3 + 1, "MsgKey": format!("48374_2345_{time}"), "GroupID": "",
            "MsgSeq": 48_374 + n, "MsgRandom": 2_345 + 7 * n, "MsgTime": time,
            "PushID": format!("1400000000_660_{time}_{n}"), "ErrCode": n, "ErrInfo": "设备离线 😀",
        });
        change(n, &mut event);
        event
    };
    json!({ "Events": (0..100).map(event).collect::<Vec<_>>() }).to_string()
}

/// Whether something was on time, or late by no more than what a busy machine adds; a clock may round.
fn is_near(taken: u64, planned: u64, late: u64) -> bool {
    (planned.saturating_sub(50)..=planned + late).contains(&taken)
}

/// Pushes a numbered message to the board as the application server.
async fn server_push(gateway: &Process, number: u8) {
    let text = format!("number {number}");
    let msg = Msg::from_bytes(text.as_bytes()).unwrap();
    let clients = [Cid::new(BOARD).unwrap()];
    let push = BatchPush { msg, flag: None, clients: clients.as_slice().into() };
    let body = core_json::to_vec(|buf| ServerPush::Batch(push).write(buf)).unwrap();
    let request = Request::post("/v2/message/server/push", body).header("X-APP-ID", APP_ID).header("X-APP-Key", KEY);
    let answer = request.send(gateway.public).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Waits until the board has shown these messages, each once.
async fn until_shown(board: &mut Machine, numbers: impl IntoIterator<Item = u8> + Clone) {
    let shown = |events: &[Event], number: u8| {
        let text = format!("number {number}");
        events.iter().filter(|event| event.what == "message" && event.rest("text") == text).count()
    };
    let wanted = numbers.clone();
    board
        .until(LONG, "the messages", |events| {
            wanted.clone().into_iter().all(|number| shown(events, number) > 0).then_some(())
        })
        .await;
    let told = board.all();
    assert!(numbers.into_iter().all(|number| shown(told, number) == 1), "shown twice: {told:?}");
}

/// Waits until the gateway has delivered so many messages to a device, and has no others for it.
async fn until_delivered(gateway: &Process, cid: u32, count: usize) {
    until_bound(LONG, &format!("{count} messages delivered to {cid}"), async || {
        let deliveries = deliveries(gateway, cid).await;
        let delivered = deliveries.iter().filter(|delivery| delivery["state"] == "delivered").count();
        (delivered == count && deliveries.len() == count).then_some(())
    })
    .await;
}

async fn deliveries(gateway: &Process, cid: u32) -> Vec<Value> {
    let page = admin_json(gateway.admin, &format!("/api/deliveries?lane=device:{cid}&limit=1000")).await;
    page["deliveries"].as_array().expect("a list").clone()
}

/// What a message says.
fn text(message: &Value) -> String {
    let msg = Msg::from_base64(Text::from(message["msg"].as_str().expect("a text"))).expect("base64");
    String::from_utf8(msg.bytes().collect()).expect("UTF-8")
}
