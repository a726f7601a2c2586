//! A device against a gateway that the test plays, on virtual time.

use pushgate_core::{
    Text,
    lingyang::{Cid, Msg},
    link::{Frame, MAX_LINE_LEN, Message, Problem, Receipt, ReceiptState, Welcome, device::WELCOME_WITHIN},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex, split},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time,
};
use tokio_tungstenite::{WebSocketStream, tungstenite};
use tungstenite::protocol::Role;

use super::{
    dial::{Dial, Unopened},
    wire::Wire,
    *,
};

const TOKEN: &str = "5003062_0_4294967295_00000000000000000000000000000000";

/// What the test lets a device's tries to connect come to, one after the other.
struct Door(UnboundedReceiver<Result<Wire, Unopened>>);

impl Dial for Door {
    async fn dial(&mut self) -> Result<Wire, Unopened> {
        match self.0.recv().await {
            Some(dialled) => dialled,
            None => std::future::pending().await,
        }
    }
}

/// The network of a device that runs in a task of its own.
struct Network {
    door: UnboundedSender<Result<Wire, Unopened>>,
    events: UnboundedReceiver<Event>,
    device: JoinHandle<GaveUp>,
}

impl Network {
    fn of(answering: Answering) -> Self {
        Self::told(answering, |_| Ok(()))
    }

    /// Of a device whose application answers as `tell` does.
    fn told(answering: Answering, tell: impl Fn(&Event) -> Result<(), Stop> + Send + 'static) -> Self {
        Self::with_token(TOKEN, answering, tell)
    }

    fn with_token(
        token: &str,
        answering: Answering,
        tell: impl Fn(&Event) -> Result<(), Stop> + Send + 'static,
    ) -> Self {
        let (door, tries) = unbounded_channel();
        let (told, events) = unbounded_channel();
        let token = Secret::new(token).unwrap();
        let device = Device { answering, ..Device::new("gateway.example:8082".parse().unwrap(), token) };
        let device = tokio::spawn(async move {
            let tell = move |event| {
                let answer = tell(&event);
                let _ = told.send(event);
                answer
            };
            device.run_on(Door(tries), tell).await
        });
        Self { door, events, device }
    }

    /// Lets the next try come to a connection on which nothing has been said.
    fn open(&self) -> Gateway {
        let (ours, theirs) = duplex(MAX_LINE_LEN);
        self.door.send(Ok(Wire::lines(theirs))).ok().unwrap();
        let (reader, writer) = split(ours);
        Gateway { lines: BufReader::new(reader).lines(), writer }
    }

    /// Lets the next try come to a connection after hello and welcome.
    async fn welcome(&mut self, heartbeat: u32) -> Gateway {
        let mut gateway = self.open();
        assert_eq!(gateway.line().await, format!(r#"{{"hello":{{"token":"{TOKEN}"}}}}"#));
        gateway.send(welcome(heartbeat)).await;
        assert!(matches!(self.event().await, Event::Welcome { cid: 5_003_062, time: 1_452_666_295, .. }));
        gateway
    }

    /// Lets the next try come to a WebSocket; returns its other end, which speaks bytes.
    fn upgrade(&self) -> DuplexStream {
        let (ours, theirs) = duplex(4 * MAX_LINE_LEN);
        let door = self.door.clone();
        tokio::spawn(async move {
            let config = Some(Wire::websocket_config());
            let stream: Box<dyn wire::Stream> = Box::new(theirs);
            door.send(Ok(Wire::messages(WebSocketStream::from_raw_socket(stream, Role::Client, config).await)))
                .ok()
                .unwrap();
        });
        ours
    }

    async fn event(&mut self) -> Event {
        self.events.recv().await.expect("the device has ended")
    }

    /// Why the connection was lost, and the wait until the next.
    async fn lost(&mut self) -> (String, Duration) {
        match self.event().await {
            Event::Lost { reason, again_in } => (reason, again_in),
            other => panic!("not lost: {other:?}"),
        }
    }
}

/// The gateway's end of one connection.
struct Gateway {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Gateway {
    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("the device closed the connection")
    }

    async fn closed(&mut self) -> bool {
        self.lines.next_line().await.unwrap().is_none()
    }

    async fn send(&mut self, frame: Frame<'_>) {
        self.writer.write_all(frame.write(&mut [0; MAX_LINE_LEN]).unwrap()).await.unwrap();
    }

    async fn message(&mut self, id: &str) {
        self.send(message(id)).await;
    }
}

fn welcome(heartbeat: u32) -> Frame<'static> {
    Frame::Welcome(Welcome { cid: Cid::new(5_003_062).unwrap(), time: 1_452_666_295, heartbeat })
}

fn message(id: &str) -> Frame<'_> {
    let msg = Msg::from_bytes(b"hello").unwrap();
    Frame::Message(Message { id: Text::from(id), from: 1_003_200, created: 1_452_666_295, msg })
}

fn copy_of(event: &Event) -> Option<(&str, u32)> {
    match event {
        Event::Message { id, copy, .. } => Some((id, *copy)),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn every_copy_is_acknowledged_and_the_application_can_tell_them() {
    let mut network = Network::of(Answering::Always);
    let mut gateway = network.welcome(30).await;
    for (id, copy) in [("m", 1), ("m", 2), ("n", 1), ("m", 3)] {
        gateway.message(id).await;
        assert_eq!(gateway.line().await, format!(r#"{{"ack":"{id}"}}"#));
        assert_eq!(copy_of(&network.event().await), Some((id, copy)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_may_be_slow_to_answer_or_deaf() {
    let mut network = Network::of(Answering::AfterCopies(2));
    let mut gateway = network.welcome(30).await;
    for copy in 1..=3 {
        gateway.message("m").await;
        assert_eq!(copy_of(&network.event().await), Some(("m", copy)));
    }
    assert_eq!(gateway.line().await, r#"{"ack":"m"}"#);

    let mut network = Network::of(Answering::Never);
    let mut gateway = network.welcome(30).await;
    gateway.message("m").await;
    gateway.send(Frame::Ping(7)).await;
    assert_eq!(gateway.line().await, r#"{"pong":7}"#, "no ack before it");
}

#[tokio::test(start_paused = true)]
async fn what_the_application_took_is_acknowledged_before_it_leaves_and_what_it_did_not_is_not() {
    for (stop, answer) in [(Stop::Taken, Some(r#"{"ack":"m"}"#)), (Stop::Untaken, None)] {
        let mut network = Network::told(Answering::Always, move |event| match event {
            Event::Message { .. } => Err(stop),
            _ => Ok(()),
        });
        let mut gateway = network.welcome(30).await;
        gateway.message("m").await;
        if let Some(answer) = answer {
            assert_eq!(gateway.line().await, answer);
        }
        assert!(gateway.closed().await, "{stop:?}");
        assert_eq!(network.device.await.unwrap(), GaveUp::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_still_known_after_a_reconnect() {
    let mut network = Network::of(Answering::Always);
    for copy in 1..=3 {
        let mut gateway = network.welcome(30).await;
        gateway.message("m").await;
        assert_eq!(gateway.line().await, r#"{"ack":"m"}"#);
        assert_eq!(copy_of(&network.event().await), Some(("m", copy)));
        drop(gateway);
        assert_eq!(network.lost().await.0, "the gateway closed the connection");
    }
}

#[tokio::test(start_paused = true)]
async fn tries_to_connect_wait_twice_as_long_each_time_up_to_half_a_minute_until_one_is_welcome() {
    let mut network = Network::of(Answering::Always);
    let mut tried = time::Instant::now();
    let mut wait = Duration::ZERO;
    for most in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        network.door.send(Err(Unopened::Failed("nobody is there".to_owned()))).unwrap();
        let (reason, next) = network.lost().await;
        assert_eq!(reason, "nobody is there");
        assert_eq!(tried.elapsed(), wait, "the try is made when it was said to be");
        let most = Duration::from_millis(most);
        assert!((most / 2..=most).contains(&next), "{next:?} of {most:?}");
        (tried, wait) = (time::Instant::now(), next);
    }
    drop(network.welcome(60).await);
    assert!(network.lost().await.1.as_millis() >= 15_000, "a welcome alone is no connection yet");
    let gateway = network.welcome(60).await;
    time::sleep(Duration::from_secs(30)).await;
    drop(gateway);
    assert!(network.lost().await.1.as_millis() <= 500, "one that lasts as long as the wait begins anew");
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_each_heartbeat_and_three_silent_ones_end_it() {
    let mut network = Network::of(Answering::Always);
    let mut gateway = network.welcome(30).await;
    let start = time::Instant::now();
    for number in 1..=4u64 {
        assert_eq!(gateway.line().await, format!(r#"{{"ping":{number}}}"#));
        assert_eq!(start.elapsed().as_secs(), 30 * number);
        if number <= 2 {
            gateway.send(Frame::Pong(number)).await;
        }
    }
    // Heard last at 60 s.
    assert!(gateway.closed().await);
    assert_eq!(start.elapsed().as_secs(), 150);
    assert_eq!(network.lost().await.0, "the gateway was silent for 3 heartbeats");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_welcome_is_left() {
    for drips in [false, true] {
        let mut network = Network::of(Answering::Always);
        let mut gateway = network.open();
        let start = time::Instant::now();
        if drips {
            // A byte a second is too slow for a welcome.
            let mut line = [0; MAX_LINE_LEN];
            let line = welcome(30).write(&mut line).unwrap().to_vec();
            let mut writer = gateway.writer;
            tokio::spawn(async move {
                for byte in line {
                    time::sleep(Duration::from_secs(1)).await;
                    if writer.write_all(&[byte]).await.is_err() {
                        break;
                    }
                }
            });
            gateway.lines.next_line().await.unwrap();
            assert!(gateway.lines.next_line().await.unwrap().is_none());
        } else {
            gateway.line().await;
            assert!(gateway.closed().await);
        }
        assert_eq!(start.elapsed(), Duration::from_millis(WELCOME_WITHIN.into()));
        assert_eq!(network.lost().await.0, "no welcome within 10s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_comes_a_byte_a_second_is_a_line() {
    let mut network = Network::of(Answering::Always);
    let mut gateway = network.welcome(30).await;
    let mut line = [0; MAX_LINE_LEN];
    for byte in message("m").write(&mut line).unwrap() {
        time::sleep(Duration::from_secs(1)).await;
        gateway.writer.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(copy_of(&network.event().await), Some(("m", 1)));
    let answers = [gateway.line().await, gateway.line().await, gateway.line().await];
    assert_eq!(answers, [r#"{"ping":1}"#, r#"{"ping":2}"#, r#"{"ack":"m"}"#], "it asked meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_would_come_again_is_the_end() {
    for (code, ends) in
        [(401, true), (400, true), (404, true), (409, false), (408, false), (429, false), (500, false), (503, false)]
    {
        // Said on the link, and instead of an upgrade, it is the same.
        for upgrade in [false, true] {
            let mut network = Network::of(Answering::Always);
            if upgrade {
                network.door.send(Err(Unopened::Refused { status: code, message: "no".to_owned() })).unwrap();
            } else {
                let mut gateway = network.open();
                gateway.send(Frame::Error(Problem { code: code.into(), message: Text::from("no") })).await;
                // Or it is read on for a second.
                drop(gateway);
            }
            if ends {
                let refused = GaveUp::Refused { code: code.into(), message: "no".to_owned() };
                assert_eq!(network.device.await.unwrap(), refused, "{code} {upgrade}");
            } else {
                let (reason, wait) = network.lost().await;
                assert_eq!(reason, format!("the gateway said {code}: no"), "{upgrade}");
                assert!((250..=500).contains(&wait.as_millis()), "{wait:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_reach_the_application() {
    let mut network = Network::of(Answering::Always);
    let mut gateway = network.welcome(30).await;
    let to = Cid::new(7).unwrap();
    gateway.send(Frame::Receipt(Receipt { id: Text::from("m"), to, state: ReceiptState::Dropped })).await;
    assert_eq!(network.event().await, Event::Receipt { id: "m".to_owned(), to: 7, state: "dropped".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn what_is_no_line_of_the_link_ends_the_connection_and_the_next_one_is_new() {
    let long_id = format!("{{\"message\":{{\"id\":\"{}\",\"from\":0,\"created\":1,\"msg\":\"\"}}}}\n", "x".repeat(33));
    let mut network = Network::of(Answering::Always);
    for (bytes, words) in [
        (&b"{\"ping\":-1}\n"[..], "the gateway sent what is no line of the device link: ping: must be from 0"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no line of the device link: body: expected an object"),
        (b"{\"ack\":\"\xff\xfe\"}\n", "no line of the device link: "),
        (b"{\"ping\":1} {\"ping\":2}\n", "no line of the device link: "),
        (b"\n", "no line of the device link: body: the input ends too early"),
        (&[b'x'; 10 * MAX_LINE_LEN], "longer than 1024 bytes"),
        (b"{\"ping\":", "the gateway closed the connection in the middle of a line"),
        (b"{\"ping\":1}\n", "the gateway closed the connection"),
        (long_id.as_bytes(), "a message whose id is longer than 32 bytes"),
    ] {
        let mut gateway = network.welcome(30).await;
        // The device may have left in the middle of it.
        let _ = gateway.writer.write_all(bytes).await;
        drop(gateway);
        let (reason, _) = network.lost().await;
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_welcome_asks_for_the_port() {
    let mut network = Network::of(Answering::Always);
    for bytes in [&b""[..], b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01"] {
        let mut gateway = network.open();
        gateway.writer.write_all(bytes).await.unwrap();
        drop(gateway);
        let (reason, _) = network.lost().await;
        let words = " (is gateway.example:8082 the port of a device link, and without TLS?)";
        assert!(reason.ends_with(words), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_read_is_left() {
    let mut network = Network::of(Answering::Always);
    let mut gateway = network.welcome(30).await;
    let start = time::Instant::now();
    // Their answers fill what is on its way.
    loop {
        let mut line = [0; MAX_LINE_LEN];
        let line = Frame::Ping(u64::MAX).write(&mut line).unwrap();
        if time::timeout(Duration::from_secs(60), gateway.writer.write_all(line)).await.is_err() {
            break;
        }
        if start.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    assert_eq!(network.lost().await.0, "the gateway took no line for 10s");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_fits_no_line_is_no_token() {
    let network = Network::with_token(&"x".repeat(MAX_LINE_LEN), Answering::Always, |_| Ok(()));
    let _gateway = network.open();
    assert_eq!(network.device.await.unwrap(), GaveUp::UnsendableToken);
}

/// A gateway's message on a WebSocket: an unmasked frame.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..=125 => frame.push(u8::try_from(short).unwrap()),
        long => {
            frame.push(126);
            frame.extend(long.to_be_bytes());
        }
    }
    [frame, payload.to_vec()].concat()
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const WELCOME: &[u8] = br#"{"welcome":{"cid":7,"time":1,"heartbeat":30}}"#;

#[tokio::test(start_paused = true)]
async fn what_is_no_message_of_the_link_ends_a_websocket() {
    let mut network = Network::of(Answering::Always);
    for (bytes, words) in [
        (frame(BINARY, WELCOME), "the gateway sent a binary message; the device link's are text"),
        (frame(TEXT, b"\xff\xfe"), "the gateway sent text that is not UTF-8"),
        (frame(TEXT, &[b'x'; MAX_LINE_LEN + 1]), "the gateway sent a message longer than 1024 bytes"),
        (frame(TEXT, b"[]"), "the gateway sent what is no line of the device link: body: must be an object"),
        (frame(TEXT, b""), "the gateway sent what is no line of the device link: body: the input ends too early"),
        (frame(TEXT, b"{\"ping\":1}\n{\"ping\":2}"), "the gateway sent what is no line of the device link: "),
        (
            frame(CLOSE, b"\x03\xf5the gateway is stopping"),
            "the gateway closed the connection: 1013: the gateway is stopping",
        ),
        (frame(CLOSE, b""), "the gateway closed the connection"),
        (vec![0x81, 0x7e], "the gateway closed the connection"),
        (vec![0xff, 0x00], "the WebSocket broke: "),
    ] {
        let mut gateway = network.upgrade();
        gateway.write_all(&frame(TEXT, WELCOME)).await.unwrap();
        assert!(matches!(network.event().await, Event::Welcome { cid: 7, .. }));
        gateway.write_all(&bytes).await.unwrap();
        if bytes == [0x81, 0x7e] {
            drop(gateway);
        }
        let (reason, _) = network.lost().await;
        assert!(reason.starts_with(words), "{words}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_says_no_hello_and_waits_for_the_welcome() {
    let mut network = Network::of(Answering::Always);
    let _silent = network.upgrade();
    let start = time::Instant::now();
    assert_eq!(network.lost().await.0, "no welcome within 10s");
    assert!(start.elapsed() >= Duration::from_millis(WELCOME_WITHIN.into()));
}
