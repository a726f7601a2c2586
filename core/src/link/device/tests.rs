//! What a device says and does, call by call.

use super::*;

const WELCOME: &[u8] = br#"{"welcome":{"cid":7,"time":1,"heartbeat":2}}"#;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn message(id: &str) -> std::vec::Vec<u8> {
    std::format!(r#"{{"message":{{"id":"{id}","from":0,"created":1,"msg":""}}}}"#).into_bytes()
}

/// A device that is welcome at 0 ms, with a heartbeat of 2 s.
fn welcome() -> Device<'static, 2> {
    let mut device = Device::new("t");
    assert_eq!(device.poll(at(0)), Step::Connect);
    device.opened(at(0));
    assert_eq!(device.poll(at(0)), Step::Send(Outgoing::Hello(Hello { token: "t".into() })));
    device.sent(at(0));
    assert_eq!(device.poll(at(0)), Step::WaitUntil(at(WELCOME_WITHIN.into())));
    assert!(matches!(device.received(Ok(WELCOME), at(0)), Event::Welcome(_)));
    device
}

#[test]
fn a_device_without_a_token_waits_for_it() {
    let mut device: Device<'_, 2> = Device::idle();
    assert_eq!(device.poll(at(7)), Step::WaitUntil(Instant::NEVER));
    assert_eq!(device.take(Incoming::Ping(1), at(7)), Event::Nothing);
    device.renew("t");
    for (tried, wait) in [(7, 500), (1000, 1000), (9000, 2000)] {
        assert_eq!(device.poll(at(tried)), Step::Connect);
        device.closed(at(tried), u32::MAX);
        assert_eq!(device.poll(at(tried)), Step::WaitUntil(at(tried + wait)), "no connection has lasted");
    }
    device.opened(at(20_000));
    assert_eq!(device.poll(at(20_000)), Step::Send(Outgoing::Hello(Hello { token: "t".into() })));
}

#[test]
fn a_host_that_says_nothing_is_left() {
    let mut device: Device<'_> = Device::new("t");
    device.opened(at(5));
    device.sent(at(5));
    assert!(matches!(device.poll(at(10_004)), Step::Send(_)), "a frame nobody polled for was not sent");
    assert_eq!(device.poll(at(10_005)), Step::Close(End::NoWelcome));
    device.closed(at(10_006), 0);
    assert_eq!(device.poll(at(10_006)), Step::WaitUntil(at(10_256)));
    assert_eq!(device.poll(at(10_256)), Step::Connect);
}

#[test]
fn a_message_is_the_applications_until_it_acknowledges_it() {
    let mut device = welcome();
    for _ in 0..3 {
        assert!(matches!(device.received(Ok(&message("a")), at(1)), Event::Message(_)));
    }
    assert_eq!(device.poll(at(1)), Step::WaitUntil(at(2001)), "what is not taken is not answered");
    device.acknowledge("a".into());
    let ack = Step::Send(Outgoing::Ack("a".into()));
    for _ in 0..3 {
        assert_eq!(device.poll(at(1)), ack, "until it is written");
    }
    device.sent(at(1));
    assert_eq!(device.poll(at(1)), Step::WaitUntil(at(2001)));
    assert!(matches!(device.received(Ok(&message("a")), at(2)), Event::Copy(_)));
    assert_eq!(device.poll(at(2)), ack);
}

#[test]
fn what_was_taken_is_remembered_over_connections_and_its_answer_is_not() {
    let mut device = welcome();
    device.acknowledge("a".into());
    device.closed(at(9), 0);
    device.opened_without_hello(at(400));
    assert_eq!(device.poll(at(400)), Step::WaitUntil(at(10_400)), "no hello, and no answer of the last connection");
    assert_eq!(device.received(Ok(&message("a")), at(400)), Event::Nothing, "not before the welcome");
    device.received(Ok(WELCOME), at(400));
    assert!(matches!(device.received(Ok(&message("a")), at(401)), Event::Copy(_)));
    device.acknowledge("b".into());
    device.acknowledge("c".into());
    assert!(matches!(device.received(Ok(&message("a")), at(402)), Event::Message(_)), "a window of 2 is full");
}

#[test]
fn pings_are_answered_and_made() {
    let mut device = welcome();
    device.received(Ok(b"{\"ping\":3}"), at(10));
    assert_eq!(device.poll(at(10)), Step::Send(Outgoing::Pong(3)));
    device.received(Ok(b"{\"ping\":4}"), at(11));
    device.sent(at(11));
    assert_eq!(device.poll(at(11)), Step::Send(Outgoing::Pong(4)), "the later one is not taken for the one written");
    device.sent(at(11));
    assert_eq!(device.poll(at(2011)), Step::Send(Outgoing::Ping(1)));
    device.sent(at(2011));
    assert_eq!(device.poll(at(6010)), Step::Send(Outgoing::Ping(2)));
    assert_eq!(device.poll(at(6011)), Step::Close(End::Silent));
}

#[test]
fn acknowledgements_wait_for_their_turn_and_for_the_welcome() {
    let mut device = welcome();
    for id in ["a", "b"] {
        assert!(matches!(device.received(Ok(&message(id)), at(1)), Event::Message(_)));
    }
    device.acknowledge("a".into());
    device.acknowledge("b".into());
    for id in ["a", "b"] {
        assert_eq!(device.poll(at(1)), Step::Send(Outgoing::Ack(id.into())));
        device.sent(at(1));
    }
    device.closed(at(9), 0);
    device.opened_without_hello(at(400));
    device.acknowledge("late".into());
    assert_eq!(device.poll(at(400)), Step::WaitUntil(at(10_400)));
    device.received(Ok(WELCOME), at(400));
    assert_eq!(device.poll(at(400)), Step::Send(Outgoing::Ack("late".into())));
}

#[test]
fn an_acknowledgement_that_was_given_out_settles_no_other_id() {
    let mut device = welcome();
    device.acknowledge("a".into());
    assert_eq!(device.poll(at(1)), Step::Send(Outgoing::Ack("a".into())));
    // A window of 2: the third takes the place of the first, while that is written.
    device.acknowledge("b".into());
    device.acknowledge("c".into());
    device.sent(at(1));
    for id in ["b", "c"] {
        assert_eq!(device.poll(at(1)), Step::Send(Outgoing::Ack(id.into())));
        device.sent(at(1));
    }
    assert!(matches!(device.poll(at(1)), Step::WaitUntil(_)));
}

#[test]
fn a_frame_that_came_without_a_line_is_taken_alike() {
    let mut device = welcome();
    assert_eq!(device.take(Incoming::Ping(3), at(1500)), Event::Nothing);
    assert_eq!(device.poll(at(1500)), Step::Send(Outgoing::Pong(3)));
    device.sent(at(1500));
    assert_eq!(device.poll(at(1500)), Step::WaitUntil(at(3500)), "a sign of life");
    device.closed(at(1500), 0);
    assert_eq!(device.take(Incoming::Ping(4), at(1600)), Event::Nothing, "it is over");
    device.opened_without_hello(at(2000));
    assert_eq!(device.poll(at(2000)), Step::WaitUntil(at(12_000)));
}

#[test]
fn a_refused_hello_is_final_or_it_is_not() {
    for (code, stops) in [(400, true), (401, true), (70_000, true), (409, false), (408, false), (503, false)] {
        let mut device: Device<'_, 2> = Device::new("t");
        device.opened_without_hello(at(0));
        refuse(&mut device, code);
        let next = if stops { Step::Stop(End::Refused(code)) } else { Step::WaitUntil(at(501)) };
        assert_eq!(device.poll(at(2)), next, "{code}");
        device.renew("better");
        assert_eq!(device.poll(at(2)), Step::Connect);
    }
}

#[test]
fn who_was_welcome_comes_back_whatever_the_refusal() {
    for code in [400, 401, 409, 413, 429, 503] {
        let mut device = welcome();
        refuse(&mut device, code);
        assert_eq!(device.poll(at(2)), Step::WaitUntil(at(501)), "{code}");
    }
}

fn refuse(device: &mut Device<'_, 2>, code: u32) {
    let line = std::format!(r#"{{"error":{{"code":{code},"message":"no"}}}}"#);
    assert!(matches!(device.received(Ok(line.as_bytes()), at(1)), Event::Refused(_)));
    assert_eq!(device.poll(at(1)), Step::Close(End::Refused(code)));
    assert_eq!(device.received(Ok(&message("a")), at(1)), Event::Nothing, "it is over");
    device.closed(at(1), u32::MAX);
}

#[test]
fn waits_begin_anew_after_a_connection_that_lasted() {
    let mut device = welcome();
    // As long as the next wait could be.
    for (lasted, wait) in [(0, 500), (999, 1000), (1999, 2000), (4000, 500), (999, 1000), (0, 2000), (60_000, 500)] {
        device.opened_without_hello(at(0));
        device.received(Ok(WELCOME), at(0));
        device.closed(at(lasted), u32::MAX);
        assert_eq!(device.poll(at(lasted)), Step::WaitUntil(at(lasted + wait)), "lasted {lasted} ms");
    }
}

#[test]
fn no_heartbeat_is_longer_than_an_hour() {
    let mut device: Device<'_> = Device::new("t");
    device.opened_without_hello(at(0));
    device.received(Ok(br#"{"welcome":{"cid":7,"time":1,"heartbeat":4294967295}}"#), at(0));
    assert_eq!(device.poll(at(0)), Step::WaitUntil(at(3_600_000)));
}

#[test]
fn a_line_that_is_none_ends_the_connection_and_the_waits_grow() {
    let mut device = welcome();
    let mut waits = std::vec::Vec::new();
    for _ in 0..3 {
        device.received(Ok(b"HTTP/1.1 400 Bad Request"), at(0));
        assert!(matches!(device.poll(at(0)), Step::Close(End::Malformed(_))));
        device.closed(at(0), u32::MAX);
        if let Step::WaitUntil(later) = device.poll(at(0)) {
            waits.push(later.as_millis());
        }
        device.opened(at(0));
    }
    assert_eq!(waits, [500, 1000, 2000]);
    let long = message(&"x".repeat(33));
    device.received(Ok(WELCOME), at(0));
    device.received(Ok(&long), at(0));
    assert_eq!(device.poll(at(0)), Step::Close(End::LongId));
}
