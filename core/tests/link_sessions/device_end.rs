//! The device's end: a `Device`, its stream, and an application that does not always take what it is given.

use pushgate_core::{
    Text,
    link::{
        Device, Frame, LineBuffer, MAX_LINE_LEN, Outgoing,
        device::{End, Event, Step},
    },
};

use crate::{
    chance::Chance,
    gateway::{TOKEN, at},
    network::{Medium, Network, Way},
    record::{RECENT, Record},
};

/// How long an application waits before it tries a token once more that was refused, in milliseconds.
pub(crate) const RENEW_AFTER: u64 = 60_000;

#[derive(Debug)]
pub(crate) struct DeviceEnd {
    medium: Medium,
    chance: Chance,
    device: Device<'static, RECENT>,
    lines: LineBuffer,
    stream: Stream,
    /// When the application tries again with the same token.
    renew: Option<u64>,
    /// What the application is still storing, and when it has it.
    storing: Vec<(u64, String)>,
    heard: u64,
    heartbeat: u64,
    /// Whether the application takes everything at once, and no write fails.
    pub(crate) steady: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    None,
    Opening { id: u64, until: u64, fails: bool },
    Open(u64),
}

impl DeviceEnd {
    pub(crate) fn new(medium: Medium, heartbeat: u32, chance: Chance) -> Self {
        Self {
            medium,
            chance,
            device: Device::new(TOKEN),
            lines: LineBuffer::new(),
            stream: Stream::None,
            renew: None,
            storing: Vec::new(),
            heard: 0,
            heartbeat: heartbeat.into(),
            steady: false,
        }
    }

    pub(crate) fn is_welcome(&self) -> bool {
        self.device.is_welcome()
    }

    pub(crate) fn stream(&self) -> Option<u64> {
        match self.stream {
            Stream::Open(id) => Some(id),
            _ => None,
        }
    }

    /// Loses everything that is not in flash; the stream is forgotten without a word.
    pub(crate) fn crash(&mut self, record: &mut Record) {
        self.device = Device::new(TOKEN);
        self.stream = Stream::None;
        self.renew = None;
        self.storing.clear();
        record.crashed();
    }

    /// The stream has ended, by the other end or by the network.
    pub(crate) fn ended(&mut self, id: u64, now: u64) {
        if self.stream == Stream::Open(id) {
            self.stream = Stream::None;
            self.device.closed(at(now), self.chance.u32());
        }
    }

    pub(crate) fn received(&mut self, id: u64, bytes: &[u8], now: u64, network: &mut Network, record: &mut Record) {
        if self.stream != Stream::Open(id) {
            return;
        }
        let (mut rest, mut unsaid) = (bytes, 0);
        while let Some(line) = self.lines.feed(&mut rest) {
            self.heard = now;
            let early = !self.device.is_welcome() && matches!(line.and_then(Frame::read), Ok(Frame::Message(_)));
            assert!(!early || self.medium == Medium::Wire, "a message before the welcome");
            match self.device.received(line, at(now)) {
                Event::Nothing => {}
                Event::Welcome(welcome) => {
                    record.welcomed();
                    assert!(self.medium == Medium::Wire || u64::from(welcome.heartbeat) == self.heartbeat);
                }
                Event::Message(message) => {
                    let id = message.id.to_cow().into_owned();
                    record.presented(&id);
                    // One in ten it has no room for now, and one in ten takes it some time.
                    let fate = if self.steady { 9 } else { self.chance.below(10) };
                    match fate {
                        0 => {}
                        1 => self.storing.push((now + self.chance.below(3000), id)),
                        _ => self.acknowledge(&id, record),
                    }
                }
                Event::Copy(message) => record.copied(&message.id.to_cow()),
                Event::Receipt(receipt) => panic!("nobody asked for one: {receipt:?}"),
                Event::Refused(_) => {}
            }
            // Some read much of what has come before they write.
            unsaid += 1;
            if unsaid == RECENT || self.chance.one_in(2) {
                unsaid = 0;
                self.drive(now, network, record);
                if self.stream != Stream::Open(id) {
                    return;
                }
            }
        }
    }

    fn acknowledge(&mut self, id: &str, record: &mut Record) {
        record.acknowledged(id);
        self.device.acknowledge(Text::from(id));
    }

    /// Does all there is to do; the answer is when there is more.
    pub(crate) fn drive(&mut self, now: u64, network: &mut Network, record: &mut Record) -> u64 {
        if let Stream::Opening { id, until, fails } = self.stream
            && now >= until
        {
            self.opened(id, fails, now, record);
        }
        for (_, id) in self.storing.extract_if(.., |(until, _)| now >= *until).collect::<Vec<_>>() {
            self.acknowledge(&id, record);
        }
        if self.renew.is_some_and(|renew| now >= renew) {
            self.renew = None;
            self.device.renew(TOKEN);
        }
        let next = self.steps(now, network, record);
        self.storing.iter().map(|(until, _)| *until).chain(self.renew).fold(next, u64::min)
    }

    fn opened(&mut self, id: u64, fails: bool, now: u64, record: &mut Record) {
        if fails {
            self.stream = Stream::None;
            return self.device.closed(at(now), self.chance.u32());
        }
        self.stream = Stream::Open(id);
        self.lines = LineBuffer::new();
        self.heard = now;
        record.opened();
        self.device.opened(at(now));
    }

    fn steps(&mut self, now: u64, network: &mut Network, record: &mut Record) -> u64 {
        loop {
            let welcome = self.device.is_welcome();
            let step = self.device.poll(at(now));
            let end = match step {
                Step::Connect => match self.stream {
                    Stream::Opening { until, .. } => return until,
                    _ => {
                        let (id, until) = network.open(now);
                        let fails = !network.healed && self.medium == Medium::Stream && self.chance.one_in(10);
                        self.stream = Stream::Opening { id, until, fails };
                        if now >= until {
                            self.opened(id, fails, now, record);
                        }
                        continue;
                    }
                },
                Step::Send(frame) => {
                    let Stream::Open(id) = self.stream else { panic!("{frame:?} has nowhere to go") };
                    if matches!(frame, Outgoing::Ack(_)) {
                        assert!(welcome, "acknowledgements are for who has let the device in");
                    }
                    let mut buf = [0; MAX_LINE_LEN];
                    let line = record.device_says(frame, &mut buf, now);
                    if !self.steady && self.chance.one_in(200) {
                        // The write fails after some bytes.
                        network.write(id, Way::Up, &line[..self.chance.index(line.len())], now);
                        None
                    } else {
                        network.write(id, Way::Up, line, now);
                        self.device.sent(at(now));
                        continue;
                    }
                }
                Step::WaitUntil(later) => {
                    assert!(later > at(now), "the past is not waited for");
                    if welcome {
                        record.all_said();
                    }
                    let silence = now.saturating_sub(self.heard);
                    assert!(
                        self.medium == Medium::Wire || !welcome || silence < self.heartbeat * 3000,
                        "silence for 3 heartbeats closes"
                    );
                    return later.as_millis();
                }
                Step::Close(end) => Some(end),
                Step::Stop(end) => {
                    assert_eq!(
                        self.medium,
                        Medium::Wire,
                        "its token is good, and a stream does not change it: {end:?}"
                    );
                    self.renew = self.renew.or(Some(now + RENEW_AFTER));
                    return u64::MAX;
                }
            };
            assert!(
                self.medium == Medium::Wire || !matches!(end, Some(End::Malformed(_) | End::LongId)),
                "what a stream carries is what was written: {end:?}"
            );
            if let Stream::Open(id) = self.stream {
                network.close(id, Way::Up, now);
            }
            self.stream = Stream::None;
            self.device.closed(at(now), self.chance.u32());
        }
    }
}
