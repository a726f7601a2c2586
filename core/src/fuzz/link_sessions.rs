//! Both ends of the device link, called in any order, at any time, with any line.

use alloc::{vec, vec::Vec};

use crate::{
    Error, ErrorKind, Field, Instant, Text, Unit,
    lingyang::Cid,
    link::{
        Device, Frame, Host, MAX_LINE_LEN, Refusal,
        device::{self, End},
        host::{self, Terms},
    },
};

const TOKEN: &str = "7_0_4000000000_00000000000000000000000000000000";
const RECENT: usize = 3;

/// Takes bytes as a script of calls, one a line, whose first byte says which.
///
/// # Panics
///
/// When an end says two things at one moment, waits for the past, closes without a reason, has no end of frames to write,
/// or makes a line that is too long or not read as it was meant.
pub fn link_sessions(data: &[u8]) {
    let mut script = Script {
        now: Instant::from_millis(0),
        device: Device::new(TOKEN),
        host: Host::new(Terms::DEFAULT, Instant::from_millis(0)),
        told: false,
    };
    for line in data.split(|&byte| byte == b'\n') {
        script.call(line);
        script.check_device();
        script.check_host();
    }
}

struct Script<'t> {
    now: Instant,
    device: Device<'t, RECENT>,
    host: Host,
    /// Whether the host has written why it closes.
    told: bool,
}

/// What an end wants, by value: a frame as its line.
#[derive(Debug, PartialEq, Eq)]
enum Wants {
    Connect,
    Line(Vec<u8>),
    Refusal(Vec<u8>),
    Wait(Instant),
    Close(Option<End>),
    Stop(End),
}

impl Script<'_> {
    /// The calls, by the byte that stands for them in seeds. A line with any other goes to both ends as it is.
    fn call(&mut self, line: &[u8]) {
        let (code, rest) = line.split_first().map_or((0, line), |(code, rest)| (*code, rest));
        let text = core::str::from_utf8(rest).unwrap_or_default();
        match code {
            // The time: milliseconds on, to its end, to its beginning.
            b'+' => self.now = self.now.plus(text.parse().unwrap_or(1000)),
            b'N' => self.now = Instant::NEVER,
            b'0' => self.now = Instant::from_millis(0),
            b'o' => self.device.opened(self.now),
            b'O' => self.device.opened_without_hello(self.now),
            b'c' => self.device.closed(self.now, text.parse().unwrap_or(7)),
            b'r' => self.device.renew(TOKEN),
            b's' => self.device.sent(self.now),
            b'a' => self.acknowledge(text),
            b'<' => drop(self.device.received(Ok(rest), self.now)),
            b'>' => self.host_hears(rest),
            b'n' => {
                let terms = Terms { heartbeat: text.parse().unwrap_or(30), ..Terms::DEFAULT };
                (self.host, self.told) = (Host::new(terms, self.now), false);
            }
            b'w' => self.welcome(text.parse().unwrap_or(u32::MAX)),
            b'm' => self.host.wrote_message(),
            b'x' => self.host.refuse(Refusal::Replaced),
            b'S' => self.host_sent(),
            // A line that was too long to be kept.
            b'!' => {
                let limit = ErrorKind::TooLong { limit: 1024, unit: Unit::Bytes };
                let error = Error::new(limit, Field::BODY, 1024);
                let _ = self.device.received(Err(error), self.now);
                let _ = self.host.received(Err(error), self.now);
            }
            b'=' => self.talk(),
            _ => {
                let _ = self.device.received(Ok(line), self.now);
                self.host_hears(line);
            }
        }
    }

    /// What is acknowledged is not shown again, while a connection lasts and over the next.
    fn acknowledge(&mut self, id: &str) {
        self.device.acknowledge(Text::from(id));
        let message = alloc::format!("{{\"message\":{{\"id\":\"{id}\",\"from\":0,\"created\":1,\"msg\":\"\"}}}}");
        let mut device = self.device.clone();
        if let device::Event::Message(message) = device.received(Ok(message.as_bytes()), self.now) {
            assert_ne!(message.id, *id, "an acknowledged message is shown again");
        }
    }

    fn welcome(&mut self, expire: u32) {
        if let Some(cid) = Cid::new(7) {
            self.host.welcome(cid, 1_452_666_295, expire, self.now);
        }
    }

    fn host_hears(&mut self, line: &[u8]) {
        let was_open = self.host.is_open();
        match self.host.received(Ok(line), self.now) {
            host::Event::Nothing => {}
            host::Event::Hello(token) => {
                if token == *TOKEN {
                    self.welcome(u32::MAX);
                }
            }
            host::Event::Ack(_) => assert!(was_open, "an acknowledgement of who is not in"),
        }
    }

    /// Lets both ends say all they have to, over a line that works.
    fn talk(&mut self) {
        for _ in 0..4 {
            while let Wants::Line(line) = of_device(&mut self.device, self.now) {
                self.device.sent(self.now);
                self.host_hears(&line);
            }
            while let Wants::Line(line) | Wants::Refusal(line) = of_host(&mut self.host, self.now) {
                self.host_sent();
                let _ = self.device.received(Ok(&line), self.now);
            }
        }
    }

    fn host_sent(&mut self) {
        self.told |= matches!(self.host.poll(self.now), host::Step::Refuse(_));
        self.host.sent(self.now);
    }

    fn check_device(&mut self) {
        let wants = of_device(&mut self.device, self.now);
        assert_eq!(of_device(&mut self.device, self.now), wants, "to ask is free");
        if let Wants::Wait(later) = wants {
            assert!(later > self.now || later == Instant::NEVER, "the past is not waited for");
        }
        let mut device = self.device.clone();
        // The acknowledgements that wait, a hello, a pong and a ping.
        let ends = (0..RECENT + 4).any(|_| {
            let ends = !matches!(of_device(&mut device, self.now), Wants::Line(_));
            device.sent(self.now);
            ends
        });
        assert!(ends, "a device with no end of frames");
    }

    fn check_host(&mut self) {
        let wants = of_host(&mut self.host, self.now);
        assert_eq!(of_host(&mut self.host, self.now), wants, "to ask is free");
        match wants {
            Wants::Wait(later) => assert!(later > self.now || later == Instant::NEVER, "the past is not waited for"),
            Wants::Close(_) => assert!(self.told, "the device is told why"),
            _ => {}
        }
        let mut host = self.host.clone();
        // A welcome, a pong, a ping and a refusal.
        let ends = (0..5).any(|_| {
            let ends = !matches!(of_host(&mut host, self.now), Wants::Line(_) | Wants::Refusal(_));
            host.sent(self.now);
            ends
        });
        assert!(ends, "a host with no end of frames");
    }
}

fn of_device<const N: usize>(device: &mut Device<'_, N>, now: Instant) -> Wants {
    match device.poll(now) {
        device::Step::Connect => Wants::Connect,
        device::Step::Send(frame) => {
            Wants::Line(line(frame.write(&mut [0; MAX_LINE_LEN]).unwrap_or_default(), frame.into()))
        }
        device::Step::WaitUntil(later) => Wants::Wait(later),
        device::Step::Close(end) => Wants::Close(Some(end)),
        device::Step::Stop(end) => Wants::Stop(end),
    }
}

fn of_host(host: &mut Host, now: Instant) -> Wants {
    match host.poll(now) {
        host::Step::Send(frame) => Wants::Line(line(frame.write(&mut [0; MAX_LINE_LEN]).unwrap_or_default(), frame)),
        host::Step::Refuse(refusal) => {
            let mut buf = vec![0; MAX_LINE_LEN];
            let line = refusal.write(&mut buf).unwrap_or_default();
            let is_error =
                matches!(Frame::read(line), Ok(Frame::Error(told)) if told.code == u32::from(refusal.code()));
            assert!(is_error, "a refusal that is not understood: {refusal}");
            Wants::Refusal(line.to_vec())
        }
        host::Step::WaitUntil(later) => Wants::Wait(later),
        host::Step::Close => Wants::Close(None),
    }
}

/// A frame as it is written, which is read as it was meant.
fn line(line: &[u8], frame: Frame<'_>) -> Vec<u8> {
    assert_eq!(Frame::read(line), Ok(frame));
    line.to_vec()
}
