//! Both ends of the device link against each other, in virtual time, over networks that lose, delay, double and cut.
//!
//! A run is decided by its seed, which a failure names. `LINK_SEED=7 cargo test -p pushgate-core --test link_sessions`
//! runs one again, `LINK_SEEDS=100000` as many.

mod chance;
mod device_end;
mod gateway;
mod network;
mod record;
mod world;

use std::{env, panic};

use pushgate_core::{
    Instant, Text,
    lingyang::Cid,
    link::{
        Device, Frame, Host, Outgoing, Refusal,
        device::{self, WELCOME_WITHIN},
        host::{self, Terms},
    },
};

use network::Medium;
use record::Tally;
use world::World;

/// Runs `medium` with every seed; the first that fails is told. A run proves something only if there was trouble.
fn survives(medium: Medium) {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("LINK_SEED") {
        World::new(medium, seed).run();
        return;
    }
    let mut all = Tally::default();
    for seed in 0..number("LINK_SEEDS").unwrap_or(1000) {
        match panic::catch_unwind(|| World::new(medium, seed).run()) {
            Ok(tally) => all += tally,
            Err(cause) => {
                eprintln!("{medium:?} with LINK_SEED={seed}");
                panic::resume_unwind(cause);
            }
        }
    }
    println!("{medium:?}: {all:?}");
    let Tally { delivered, dropped, copies, shown_again, brought_forward, welcomes } = all;
    let rarest = [delivered, dropped, copies, shown_again, brought_forward, welcomes].into_iter().min();
    assert!(rarest > Some(10), "too little happened: {all:?}");
}

#[test]
fn a_stream_that_delays_cuts_and_falls_silent() {
    survives(Medium::Stream);
}

#[test]
fn a_wire_that_loses_changes_and_doubles() {
    survives(Medium::Wire);
}

/// A connection that is open, with a device that was asked for nothing.
fn open(now: Instant) -> Host {
    let mut host = Host::new(Terms::DEFAULT, now);
    host.welcome(Cid::new(7).unwrap(), 0, u32::MAX, now);
    assert!(matches!(host.poll(now), host::Step::Send(Frame::Welcome(_))));
    host.sent(now);
    host
}

/// "One that floods pings or acks of strangers' ids": the connection ends, and says why (the device link).
#[test]
fn floods_end_with_429() {
    let frames = [Frame::Ping(1), Frame::Pong(1), Frame::Ack(Text::from("a stranger's")), Frame::Unknown];
    for frame in frames {
        let mut now = Instant::from_millis(0);
        let mut host = open(now);
        let mut buf = [0; 64];
        let line = frame.write(&mut buf).unwrap();
        let mut lines = 0;
        while host.is_open() {
            now = now.plus(1);
            host.received(Ok(line), now);
            lines += 1;
            let answers = std::iter::from_fn(|| match host.poll(now) {
                host::Step::Send(answer) => {
                    host.sent(now);
                    Some(answer)
                }
                _ => None,
            });
            assert!(answers.count() <= 1, "one answer to a line at most");
            assert!(lines <= 5 * 20 + 20, "{frame:?}: a flood of {lines} lines goes on");
        }
        assert_eq!(host.poll(now), host::Step::Refuse(Refusal::TooManyLines(20)));
        assert_eq!(Refusal::TooManyLines(20).code(), 429);
    }
}

/// A hello that its device had given up comes late, and the host takes it for the newer connection: "a second connection
/// of a cid replaces the first". The device is cut off by a connection that nobody holds, and has to come back.
#[test]
fn a_device_that_its_own_late_hello_replaces_comes_back() {
    let at = Instant::from_millis;
    let mut device: Device<'_> = Device::new("t");
    let connect = |device: &mut Device<'_>, now| {
        assert_eq!(device.poll(now), device::Step::Connect);
        device.opened(now);
        assert!(matches!(device.poll(now), device::Step::Send(Outgoing::Hello(_))));
        device.sent(now);
    };
    connect(&mut device, at(0));
    assert_eq!(device.poll(at(10_000)), device::Step::Close(device::End::NoWelcome));
    device.closed(at(10_000), 0);
    connect(&mut device, at(10_250));
    let mut newer = open(at(10_250));
    device.received(Ok(br#"{"welcome":{"cid":7,"time":1,"heartbeat":30}}"#), at(10_250));
    assert!(device.is_welcome());

    // The first connection's hello comes to the host now.
    newer.refuse(Refusal::Replaced);
    let host::Step::Refuse(refusal) = newer.poll(at(11_000)) else { panic!("not refused") };
    device.received(Ok(refusal.write(&mut [0; 256]).unwrap()), at(11_000));
    assert!(matches!(device.poll(at(11_000)), device::Step::Close(_)));
    device.closed(at(11_000), u32::MAX);
    connect(&mut device, at(12_000));
}

/// Two devices with one token replace each other, but not in a storm: the waits grow to half a minute.
#[test]
fn two_devices_with_one_token_replace_each_other_ever_more_slowly() {
    let welcome = br#"{"welcome":{"cid":7,"time":1,"heartbeat":30}}"#;
    let replaced = br#"{"error":{"code":409,"message":"replaced by a newer connection of the same device"}}"#;
    let mut devices: [Device<'_>; 2] = [Device::new("t"), Device::new("t")];
    let mut connects = Vec::new();
    for now in (0..3_600_000).step_by(50).map(Instant::from_millis) {
        for (own, other) in [(0, 1), (1, 0)] {
            if devices[own].poll(now) != device::Step::Connect {
                continue;
            }
            connects.push(now);
            devices[own].opened_without_hello(now);
            devices[own].received(Ok(welcome), now);
            devices[other].received(Ok(replaced), now);
            if let device::Step::Close(_) = devices[other].poll(now) {
                devices[other].closed(now, if own == 0 { 0 } else { u32::MAX });
            }
        }
    }
    assert!(connects.len() < 10 + 2 * 3600 / 15, "{} connections in an hour", connects.len());
}

/// A clock that stands still, leaps to its end or runs backwards ends connections early or late, and nothing else.
#[test]
fn no_clock_makes_either_end_panic() {
    let times = [0, u64::MAX, 5, u64::MAX - 1, 1 << 40, 0, u64::MAX, 3].map(Instant::from_millis);
    for (first, second) in times.iter().flat_map(|first| times.iter().map(move |second| (*first, *second))) {
        let mut host = open(first);
        let mut device: Device<'_> = Device::new("t");
        device.opened(first);
        for now in [second, first, Instant::NEVER, second] {
            host.received(Ok(b"{\"ping\":1}"), now);
            if let host::Step::WaitUntil(later) = host.poll(now) {
                assert!(later > now || later == Instant::NEVER);
            }
            host.sent(now);
            device.received(Ok(b"{\"welcome\":{\"cid\":7,\"time\":1,\"heartbeat\":4294967295}}"), now);
            if let device::Step::WaitUntil(later) = device.poll(now) {
                assert!(later > now || later == Instant::NEVER);
            }
            device.sent(now);
            device.closed(now, 7);
            device.opened(now.plus(WELCOME_WITHIN));
        }
    }
}
