//! The gateway's end: a `Host` for each connection, a `Delivery` for each message, and the rules between them.

use std::collections::BTreeMap;

use pushgate_core::{
    Delivery, Instant, Schedule, Text, Verdict,
    delivery::{Action, Outcome},
    lingyang::{Cid, Msg},
    link::{
        Frame, Host, LineBuffer, MAX_LINE_LEN, Message, Refusal,
        host::{Event, Step, Terms},
    },
};

use crate::{
    chance::Chance,
    network::{Medium, Network, WIRE, Way},
    record::Record,
};

pub(crate) const TOKEN: &str = "7_0_4000000000_00000000000000000000000000000000";
const CID: u32 = 7;

#[derive(Debug)]
pub(crate) struct Gateway {
    medium: Medium,
    chance: Chance,
    terms: Terms,
    ends: BTreeMap<u64, End>,
    /// The newest connection that said a good hello.
    current: Option<u64>,
    pub(crate) messages: Vec<Sent>,
    /// Until when it is down.
    pub(crate) down: Option<u64>,
    /// When it let a device in.
    pub(crate) opened: Vec<u64>,
}

#[derive(Debug)]
struct End {
    host: Host,
    lines: LineBuffer,
    was_open: bool,
    was_refused: bool,
    heard: u64,
    /// Until when it is kept from writing.
    busy: u64,
}

/// A message, from its acceptance on.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) schedule: Schedule<'static>,
    pub(crate) delivery: Delivery,
    pub(crate) accepted: u64,
    /// When each send went out, or could not because nobody was connected.
    pub(crate) sends: Vec<u64>,
    pub(crate) ended: Option<(u64, Outcome)>,
}

impl Gateway {
    pub(crate) fn new(medium: Medium, heartbeat: u32, chance: Chance) -> Self {
        let mut gateway = Self {
            medium,
            chance,
            terms: Terms { heartbeat, ..Terms::DEFAULT },
            ends: BTreeMap::new(),
            current: None,
            messages: Vec::new(),
            down: None,
            opened: Vec::new(),
        };
        gateway.listen(0);
        gateway
    }

    /// Whether the device's newest connection may carry messages.
    pub(crate) fn is_open(&self) -> bool {
        self.current.and_then(|id| self.ends.get(&id)).is_some_and(|end| end.host.is_open())
    }

    pub(crate) fn accept(&mut self, id: String, schedule: Schedule<'static>, now: u64) {
        let delivery = Delivery::new(at(now));
        self.messages.push(Sent { id, schedule, delivery, accepted: now, sends: Vec::new(), ended: None });
    }

    /// The one connection of a wire is always there.
    fn listen(&mut self, now: u64) {
        if self.medium == Medium::Wire {
            self.open(WIRE, now);
        }
    }

    pub(crate) fn open(&mut self, id: u64, now: u64) {
        let host = Host::new(self.terms, at(now));
        self.ends.insert(
            id,
            End { host, lines: LineBuffer::new(), was_open: false, was_refused: false, heard: now, busy: 0 },
        );
    }

    pub(crate) fn ended(&mut self, id: u64) {
        self.ends.remove(&id);
        self.current = self.current.filter(|&current| current != id);
    }

    /// Loses every connection and whatever is not saved, and comes back at `back`.
    pub(crate) fn stop(&mut self, back: u64, now: u64, network: &mut Network) {
        for &id in self.ends.keys() {
            network.reset(id, now);
        }
        self.ends.clear();
        self.current = None;
        self.down = Some(back);
    }

    pub(crate) fn start(&mut self, now: u64) {
        self.down = None;
        for message in &mut self.messages {
            message.delivery = Delivery::resume(message.delivery.save(), &message.schedule, at(now));
        }
        self.listen(now);
    }

    pub(crate) fn received(&mut self, id: u64, mut bytes: &[u8], now: u64, record: &mut Record) {
        let Some(mut end) = self.ends.remove(&id) else { return };
        while let Some(line) = end.lines.feed(&mut bytes) {
            end.heard = now;
            match end.host.received(line, at(now)) {
                Event::Nothing => {}
                Event::Hello(token) => {
                    if token == *TOKEN {
                        // "A second connection of a cid replaces the first" (the device link).
                        let older = self.current.replace(id).and_then(|older| self.ends.get_mut(&older));
                        if let Some(older) = older {
                            older.host.refuse(Refusal::Replaced);
                        }
                        if self.chance.one_in(4) {
                            end.busy = now + self.chance.below(900);
                        }
                        end.host.welcome(Cid::new(CID).unwrap(), 1_000_000, 4_000_000_000, at(now));
                    } else {
                        end.host.refuse(Refusal::NoApp(Cid::new(CID).unwrap()));
                    }
                }
                Event::Ack(text) => {
                    assert!(end.host.is_open(), "nobody acknowledges who has not been let in");
                    // One of its own; a stranger's is ignored.
                    if let Some(message) = self.messages.iter_mut().find(|message| text == *message.id) {
                        message.delivery.answered(&message.schedule, at(now), Verdict::Delivered);
                        message.note_end(now, record);
                    }
                }
            }
        }
        self.ends.insert(id, end);
    }

    /// Does all there is to do; the answer is when there is more.
    pub(crate) fn drive(&mut self, now: u64, network: &mut Network, record: &mut Record) -> u64 {
        if let Some(back) = self.down {
            return back;
        }
        let mut next = u64::MAX;
        for id in self.ends.keys().copied().collect::<Vec<_>>() {
            next = next.min(self.drive_end(id, now, network, record));
        }
        let mut open = self.current.and_then(|id| Some((id, self.ends.get_mut(&id)?)));
        for message in &mut self.messages {
            next = next.min(message.drive(open.as_mut().map(|(id, end)| (*id, &mut end.host)), now, network, record));
        }
        next
    }

    fn drive_end(&mut self, id: u64, now: u64, network: &mut Network, record: &mut Record) -> u64 {
        let Some(end) = self.ends.get_mut(&id) else { return u64::MAX };
        if now < end.busy {
            return end.busy;
        }
        let mut buf = [0; MAX_LINE_LEN];
        loop {
            let step = end.host.poll(at(now));
            assert_eq!(end.host.poll(at(now)), step, "to ask is free");
            match step {
                Step::Send(frame) => network.write(id, Way::Down, record.host_says(&frame, &mut buf, now), now),
                Step::Refuse(refusal) => {
                    assert!(
                        self.medium == Medium::Wire || !matches!(refusal, Refusal::Line(_)),
                        "what a stream carries is what was written: {refusal}"
                    );
                    let line = refusal.write(&mut buf).unwrap();
                    record.host_refuses(now);
                    end.was_refused = true;
                    network.write(id, Way::Down, line, now);
                }
                Step::WaitUntil(later) => {
                    assert!(later > at(now), "the past is not waited for");
                    if end.host.is_open() && !end.was_open {
                        end.was_open = true;
                        self.opened.push(now);
                        // "A device that connects while sends remain gets the message at once" (the Lingyang page).
                        for message in self.messages.iter_mut().filter(|_| self.current == Some(id)) {
                            message.delivery.wake(&message.schedule, at(now));
                        }
                    }
                    let silence = now.saturating_sub(end.heard);
                    assert!(
                        !end.host.is_open() || silence < u64::from(self.terms.heartbeat) * 3000,
                        "silence for 3 heartbeats closes"
                    );
                    return later.as_millis();
                }
                Step::Close => {
                    assert!(end.was_refused, "the device is told why");
                    network.close(id, Way::Down, now);
                    self.ended(id);
                    self.listen(now);
                    return self.ends.get_mut(&id).map_or(u64::MAX, |_| now + 1);
                }
            }
            end.host.sent(at(now));
        }
    }
}

impl Sent {
    fn drive(
        &mut self,
        mut open: Option<(u64, &mut Host)>,
        now: u64,
        network: &mut Network,
        record: &mut Record,
    ) -> u64 {
        loop {
            match self.delivery.poll(&self.schedule, at(now)) {
                Action::Send { .. } => {
                    self.sends.push(now);
                    // Messages are written only once the session is open.
                    let Some((id, host)) = open.as_mut().filter(|(_, host)| host.is_open()) else {
                        // "A device that is not connected counts as no answer" (the Lingyang page).
                        self.delivery.failed(&self.schedule, at(now));
                        continue;
                    };
                    let frame = Frame::Message(Message {
                        id: Text::from(&*self.id),
                        from: 0,
                        created: 1_452_666_295,
                        msg: Msg::from_bytes(self.id.as_bytes()).unwrap(),
                    });
                    let mut buf = [0; MAX_LINE_LEN];
                    network.write(*id, Way::Down, record.host_says(&frame, &mut buf, now), now);
                    host.wrote_message();
                    self.delivery.sent(&self.schedule, at(now));
                }
                Action::WaitUntil(later) => return later.as_millis(),
                Action::Done(_) => {
                    self.note_end(now, record);
                    return u64::MAX;
                }
            }
        }
    }

    fn note_end(&mut self, now: u64, record: &mut Record) {
        if let Some(outcome) = self.delivery.outcome().filter(|_| self.ended.is_none()) {
            self.ended = Some((now, outcome));
            record.ended(&self.id, outcome);
        }
    }
}

pub(crate) const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}
