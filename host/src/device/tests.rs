use pushgate_core::{
    lingyang::{Cid, Msg},
    link::{Problem, Receipt, ReceiptState},
};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, Lines, duplex, split};

use super::*;

const TOKEN: &str = "5003062_0_4294967295_00000000000000000000000000000000";

/// The gateway's end of a session that runs in a task of its own, on virtual time.
struct Gateway {
    lines: Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    writer: tokio::io::WriteHalf<DuplexStream>,
    session: tokio::task::JoinHandle<(Ended, Vec<Event>)>,
}

impl Gateway {
    fn of(answering: Answering) -> Self {
        let (ours, theirs) = duplex(MAX_LINE_LEN);
        let device = Device { address: String::new(), token: Secret::new(TOKEN).unwrap(), answering };
        let session = tokio::spawn(async move {
            let mut events = Vec::new();
            let mut recent = Recent::new(REMEMBERED_IDS);
            let mut tell = |event| {
                events.push(event);
                Ok(())
            };
            let mut session = Session { device: &device, recent: &mut recent, tell: &mut tell, welcomed: false };
            let ended = session.run(theirs).await;
            (ended, events)
        });
        let (reader, writer) = split(ours);
        Self { lines: BufReader::new(reader).lines(), writer, session }
    }

    /// A session after hello and welcome.
    async fn welcoming(answering: Answering, heartbeat: u32) -> Self {
        let mut gateway = Self::of(answering);
        assert_eq!(gateway.line().await, format!(r#"{{"hello":{{"token":"{TOKEN}"}}}}"#));
        let cid = Cid::new(5_003_062).unwrap();
        gateway.send(Frame::Welcome(Welcome { cid, time: 1_452_666_295, heartbeat })).await;
        gateway
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("the device closed the connection")
    }

    async fn send(&mut self, frame: Frame<'_>) {
        send(&mut self.writer, &frame).await.unwrap().unwrap();
    }

    async fn message(&mut self, id: &str) {
        let msg = Msg::from_bytes(b"hello").unwrap();
        let message = Message { id: Text::from(id), from: 1_003_200, created: 1_452_666_295, msg };
        self.send(Frame::Message(message)).await;
    }

    /// Closes the connection; returns how the session ended and the copies it told of.
    async fn copies(self) -> Vec<(String, u32)> {
        let Self { lines, writer, session } = self;
        drop((lines, writer));
        let (_, events) = session.await.unwrap();
        let copies = events.into_iter().filter_map(|event| match event {
            Event::Message { id, copy, .. } => Some((id, copy)),
            _ => None,
        });
        copies.collect()
    }
}

fn copies(copies: &[(&str, u32)]) -> Vec<(String, u32)> {
    copies.iter().map(|(id, copy)| ((*id).to_owned(), *copy)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_copy_is_acknowledged_and_the_application_can_tell_them() {
    let mut gateway = Gateway::welcoming(Answering::Always, 30).await;
    for id in ["m", "m", "n", "m"] {
        gateway.message(id).await;
        assert_eq!(gateway.line().await, format!(r#"{{"ack":"{id}"}}"#));
    }
    assert_eq!(gateway.copies().await, copies(&[("m", 1), ("m", 2), ("n", 1), ("m", 3)]));
}

#[tokio::test(start_paused = true)]
async fn a_device_may_be_slow_to_answer_or_deaf() {
    let mut gateway = Gateway::welcoming(Answering::AfterCopies(2), 30).await;
    for _ in 0..3 {
        gateway.message("m").await;
    }
    assert_eq!(gateway.line().await, r#"{"ack":"m"}"#);
    assert_eq!(gateway.copies().await, copies(&[("m", 1), ("m", 2), ("m", 3)]));

    let mut gateway = Gateway::welcoming(Answering::Never, 30).await;
    gateway.message("m").await;
    gateway.send(Frame::Ping(7)).await;
    assert_eq!(gateway.line().await, r#"{"pong":7}"#, "no ack before it");
    assert_eq!(gateway.copies().await, copies(&[("m", 1)]));
}

#[tokio::test(start_paused = true)]
async fn pings_go_out_each_heartbeat_and_three_silent_ones_end_it() {
    let mut gateway = Gateway::welcoming(Answering::Always, 30).await;
    let start = Instant::now();
    for number in 1..=4u64 {
        assert_eq!(gateway.line().await, format!(r#"{{"ping":{number}}}"#));
        assert_eq!(start.elapsed().as_secs(), 30 * number);
        if number <= 2 {
            gateway.send(Frame::Pong(number)).await;
        }
    }
    // Heard last at 60 s.
    let (ended, _) = gateway.session.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 150);
    assert!(matches!(&ended, Ended::Lost(reason) if reason.contains("silent for 3 heartbeats")), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_welcome_is_left() {
    let gateway = Gateway::of(Answering::Always);
    let start = Instant::now();
    let (ended, events) = gateway.session.await.unwrap();
    assert_eq!(start.elapsed(), WELCOME_WITHIN);
    assert!(matches!(&ended, Ended::Lost(reason) if reason.contains("no welcome")), "{ended:?}");
    assert_eq!(events, []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_would_come_again_is_the_end() {
    for (code, ends) in
        [(401, true), (400, true), (409, true), (70_000, true), (408, false), (429, false), (503, false)]
    {
        let mut gateway = Gateway::of(Answering::Always);
        gateway.send(Frame::Error(Problem { code, message: Text::from("no") })).await;
        let (ended, _) = gateway.session.await.unwrap();
        let gave_up =
            matches!(&ended, Ended::GaveUp(GaveUp::Refused { code: c, message }) if *c == code && message == "no");
        assert_eq!(gave_up, ends, "{code}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_reach_the_application() {
    let mut gateway = Gateway::welcoming(Answering::Always, 30).await;
    let to = Cid::new(7).unwrap();
    gateway.send(Frame::Receipt(Receipt { id: Text::from("m"), to, state: ReceiptState::Dropped })).await;
    gateway.send(Frame::Error(Problem { code: 401, message: Text::from("no") })).await;
    let (_, events) = gateway.session.await.unwrap();
    assert_eq!(events[1], Event::Receipt { id: "m".to_owned(), to: 7, state: "dropped".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn what_is_no_line_of_the_link_ends_the_connection() {
    for (bytes, words) in [
        (&b"{\"ping\":-1}\n"[..], "no line of the device link: ping: must be from 0"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no line of the device link: body: expected an object"),
        (&[b'x'; MAX_LINE_LEN], "a line longer than 1024 bytes"),
    ] {
        let mut gateway = Gateway::welcoming(Answering::Always, 30).await;
        gateway.writer.write_all(bytes).await.unwrap();
        let (ended, _) = gateway.session.await.unwrap();
        assert!(matches!(&ended, Ended::Lost(reason) if reason.contains(words)), "{ended:?}");
    }
}

#[tokio::test]
async fn a_token_that_fits_no_line_is_no_token() {
    let (_ours, theirs) = duplex(MAX_LINE_LEN);
    let token = Secret::new(&"x".repeat(MAX_LINE_LEN)).unwrap();
    let device = Device { address: String::new(), token, answering: Answering::Always };
    let (mut recent, mut tell) = (Recent::new(1), |_| Ok(()));
    let mut session = Session { device: &device, recent: &mut recent, tell: &mut tell, welcomed: false };
    assert!(matches!(session.run(theirs).await, Ended::GaveUp(GaveUp::TokenTooLong)));
}

#[test]
fn waits_double_up_to_half_a_minute() {
    let mut waits = Waits::default();
    let millis: Vec<_> = (0..9).map(|_| waits.take().as_millis()).collect();
    assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
}
