//! The device's end of the link: what to write, what the application is told, when to close and connect again.
//!
//! A [`Device`] does no I/O and has no clock. **Ask [`poll`](Device::poll) what to do and do it, until it says
//! [`WaitUntil`](Step::WaitUntil); then wait for that instant or for a line, whichever is first, and give the line to
//! [`received`](Device::received).** To ask is free: a poll too many changes nothing.
//!
//! The application sees a message once, however many copies come and over however many connections: it gets
//! [`Event::Message`], makes sure that it has it, and says so with [`acknowledge`](Device::acknowledge), from when on
//! further copies are acknowledged without it. What it cannot take now it leaves without an answer: the host sends it
//! again, and it is new again.
//!
//! ```
//! use pushgate_core::link::{Frame, device::{Device, Event, Step}};
//! use pushgate_core::{Instant, Text};
//!
//! let mut now = Instant::from_millis(0);
//! let mut device: Device<'_> = Device::new("5003062_0_1475031947_00000000000000000000000000000000");
//! assert_eq!(device.poll(now), Step::Connect); // open the stream, then
//! device.opened(now);
//! let mut buf = [0; 128];
//! let Step::Send(hello) = device.poll(now) else { panic!() };
//! assert!(hello.write(&mut buf)?.starts_with(b"{\"hello\":{\"token\":\"5003062_"));
//! device.sent(now);
//!
//! device.received(Ok(b"{\"welcome\":{\"cid\":5003062,\"time\":1452666295,\"heartbeat\":30}}"), now);
//! let line = b"{\"message\":{\"id\":\"m1\",\"from\":0,\"created\":1452666295,\"msg\":\"aGVsbG8=\"}}";
//! let Event::Message(message) = device.received(Ok(line), now) else { panic!() };
//! assert!(message.msg.bytes().eq(*b"hello")); // keep it, and then
//! device.acknowledge(message.id);
//! assert_eq!(device.poll(now), Step::Send(Frame::Ack(Text::from("m1"))));
//! device.sent(now);
//! assert!(matches!(device.received(Ok(line), now), Event::Copy(_))); // acknowledged without the application
//! # Ok::<(), pushgate_core::Error>(())
//! ```

use crate::{Error, Instant, Text, Verdict, lingyang};

use super::{
    Backoff, Frame, HEARTBEAT_SECS, Hello, Message, Problem, Receipt, Welcome,
    heart::{Beat, Heart},
    id::{Id, RECENT_IDS, Recent},
};

/// How long the host may take to say welcome, in milliseconds (the device link; ours).
pub const WELCOME_WITHIN: u32 = 10_000;

/// The device's end of the link, over all its connections.
///
/// `RECENT` is how many ids it remembers, 33 bytes each. A message's copies come within 11 s, so make it at least the
/// number of messages the device may get in that time; one more and the application may see a message twice.
#[derive(Clone, Debug)]
pub struct Device<'t, const RECENT: usize = RECENT_IDS> {
    token: &'t str,
    state: State,
    heart: Heart,
    backoff: Backoff,
    pong: Option<u64>,
    ack: Option<Id>,
    /// What the last poll gave out to be written.
    given: Option<Given>,
    recent: Recent<RECENT>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is open; at this instant the next try is due.
    Closed(Instant),
    /// The hello has to go out.
    Hello {
        until: Instant,
    },
    /// The welcome is waited for.
    Greeted {
        until: Instant,
    },
    Welcome,
    /// The stream is to be closed.
    Closing(End),
    /// There is no use in another try.
    Stopped(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Hello,
    Ack(Id),
    Pong(u64),
    Ping(u64),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing happens until it is done"]
pub enum Step<'s> {
    /// Open a stream, then call [`Device::opened`] (or [`Device::opened_without_hello`]); when that fails,
    /// [`Device::closed`].
    Connect,
    /// Write this frame, then call [`Device::sent`]; when that fails, close the stream and call [`Device::closed`].
    Send(Frame<'s>),
    /// Nothing to do before this instant, unless a line comes or the stream ends ([`Device::closed`]).
    WaitUntil(Instant),
    /// Close the stream, then call [`Device::closed`].
    Close(End),
    /// The host refuses this device for good. After it has a better token, [`Device::renew`].
    Stop(End),
}

/// What a line means for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'l> {
    /// Nothing.
    Nothing,
    /// The host has let the device in.
    Welcome(Welcome),
    /// A message that the application has not had: take it, then [`Device::acknowledge`] it.
    Message(Message<'l>),
    /// Another copy of a message that the application has taken; it is acknowledged without it.
    Copy(Message<'l>),
    /// What became of a message that this device sent with callback 1, for one receiver.
    Receipt(Receipt<'l>),
    /// Why the host closes; [`End::Refused`] follows.
    Refused(Problem<'l>),
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The host did not say welcome within [`WELCOME_WITHIN`].
    NoWelcome,
    /// The host was silent for [`SILENT_HEARTBEATS`](super::SILENT_HEARTBEATS) heartbeats.
    Silent,
    /// A line that is none of this protocol.
    Malformed(Error),
    /// A message whose id is longer than [`MAX_ID_LEN`](super::MAX_ID_LEN).
    LongId,
    /// The host said so, with this code.
    Refused(u32),
}

impl End {
    /// Whether another connection may fare better: what a client would try again after the same HTTP status (ours).
    ///
    /// Among what it would not is 409, a newer connection of the same device: two that replace each other would never
    /// end.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::Refused(code) => {
                u16::try_from(code).is_ok_and(|status| matches!(lingyang::verdict(status), Verdict::TryAgain))
            }
            _ => true,
        }
    }
}

impl<'t, const RECENT: usize> Device<'t, RECENT> {
    /// Makes a device that is to connect at once.
    #[must_use]
    pub const fn new(token: &'t str) -> Self {
        Self {
            token,
            state: State::Closed(Instant::from_millis(0)),
            heart: Heart::new(HEARTBEAT_SECS, Instant::from_millis(0)),
            backoff: Backoff::new(),
            pong: None,
            ack: None,
            given: None,
            recent: Recent::new(),
        }
    }

    /// Says what to do now.
    pub fn poll(&mut self, now: Instant) -> Step<'_> {
        let beat = self.heart.at(now);
        match self.state {
            State::Hello { until } | State::Greeted { until } if now >= until => {
                self.state = State::Closing(End::NoWelcome);
            }
            State::Welcome if beat == Beat::Silent => self.state = State::Closing(End::Silent),
            _ => {}
        }
        self.given = self.due(beat);
        match (&self.given, self.state) {
            (Some(Given::Hello), _) => Step::Send(Frame::Hello(Hello { token: Text::from(self.token) })),
            (Some(Given::Ack(id)), _) => Step::Send(Frame::Ack(Text::from(id.text()))),
            (Some(Given::Pong(number)), _) => Step::Send(Frame::Pong(*number)),
            (Some(Given::Ping(number)), _) => Step::Send(Frame::Ping(*number)),
            (None, State::Closed(at)) if now >= at => Step::Connect,
            (None, State::Closed(until) | State::Hello { until } | State::Greeted { until }) => Step::WaitUntil(until),
            (None, State::Welcome) => match beat {
                Beat::WaitUntil(later) => Step::WaitUntil(later),
                // These two are a frame and an end, above.
                Beat::Ping(_) | Beat::Silent => Step::WaitUntil(now),
            },
            (None, State::Closing(end)) => Step::Close(end),
            (None, State::Stopped(end)) => Step::Stop(end),
        }
    }

    /// What is to be written next.
    fn due(&self, beat: Beat) -> Option<Given> {
        match (self.state, beat) {
            (State::Hello { .. }, _) => Some(Given::Hello),
            (State::Greeted { .. } | State::Welcome, beat) => {
                let answer = self.ack.map(Given::Ack).or(self.pong.map(Given::Pong));
                match (answer, self.state, beat) {
                    (None, State::Welcome, Beat::Ping(number)) => Some(Given::Ping(number)),
                    _ => answer,
                }
            }
            _ => None,
        }
    }

    /// Notes that the frame of the last [`poll`](Self::poll) has been written whole.
    pub fn sent(&mut self, now: Instant) {
        match self.given.take() {
            Some(Given::Hello) => {
                if let State::Hello { until } = self.state {
                    self.state = State::Greeted { until };
                }
            }
            // What has come meanwhile waits for its own turn.
            Some(Given::Ack(id)) => self.ack = self.ack.filter(|waiting| *waiting != id),
            Some(Given::Pong(number)) => self.pong = self.pong.filter(|waiting| *waiting != number),
            Some(Given::Ping(_)) => self.heart.pinged(now),
            None => {}
        }
    }

    /// Notes that a raw stream is open, on which the device says hello.
    pub fn opened(&mut self, now: Instant) {
        self.open(State::Hello { until: now.plus(WELCOME_WITHIN) }, now);
    }

    /// Notes that a stream is open whose host knows the device already, as on a WebSocket, and has only to say welcome.
    pub fn opened_without_hello(&mut self, now: Instant) {
        self.open(State::Greeted { until: now.plus(WELCOME_WITHIN) }, now);
    }

    fn open(&mut self, state: State, now: Instant) {
        self.state = state;
        self.heart = Heart::new(HEARTBEAT_SECS, now);
        // The last connection's answers mean nothing on this one: what was not acknowledged comes again.
        (self.pong, self.ack, self.given) = (None, None, None);
    }

    /// Notes that the stream is closed, by whichever side, or could not be opened. `random` is any number, a new one
    /// each time: chance keeps the devices of one gateway from coming back in step.
    pub fn closed(&mut self, now: Instant, random: u32) {
        self.state = match self.state {
            State::Closing(end) | State::Stopped(end) if !end.may_pass() => State::Stopped(end),
            _ => State::Closed(now.plus(self.backoff.next_wait(random))),
        };
    }

    /// Takes another token and connects again, also after [`Step::Stop`]; call it when no stream is open.
    pub fn renew(&mut self, token: &'t str) {
        self.token = token;
        self.backoff = Backoff::new();
        self.state = State::Closed(Instant::from_millis(0));
    }

    /// Takes a line as [`LineBuffer::feed`](super::LineBuffer::feed) returns it, or a WebSocket's text message.
    ///
    /// Poll until nothing is left to send before the next one: one acknowledgement is kept at a time.
    pub fn received<'l>(&mut self, line: Result<&'l [u8], Error>, now: Instant) -> Event<'l> {
        if !matches!(self.state, State::Hello { .. } | State::Greeted { .. } | State::Welcome) {
            return Event::Nothing;
        }
        self.heart.heard(now);
        match line.and_then(Frame::read) {
            Ok(frame) => self.take(frame, now),
            Err(error) => {
                self.state = State::Closing(End::Malformed(error));
                Event::Nothing
            }
        }
    }

    fn take<'l>(&mut self, frame: Frame<'l>, now: Instant) -> Event<'l> {
        match frame {
            Frame::Welcome(welcome) if !matches!(self.state, State::Welcome) => {
                self.state = State::Welcome;
                self.heart = Heart::new(welcome.heartbeat, now);
                self.backoff = Backoff::new();
                Event::Welcome(welcome)
            }
            Frame::Message(message) if matches!(self.state, State::Welcome) => self.message(message),
            Frame::Receipt(receipt) => Event::Receipt(receipt),
            Frame::Ping(number) => {
                self.pong = Some(number);
                Event::Nothing
            }
            Frame::Error(problem) => {
                self.state = State::Closing(End::Refused(problem.code));
                Event::Refused(problem)
            }
            // Signs of life and no more; what only a device says; what a later version may say.
            _ => Event::Nothing,
        }
    }

    fn message<'l>(&mut self, message: Message<'l>) -> Event<'l> {
        let Some(id) = Id::new(message.id) else {
            self.state = State::Closing(End::LongId);
            return Event::Nothing;
        };
        if !self.recent.holds(&id) {
            return Event::Message(message);
        }
        self.ack = Some(id);
        Event::Copy(message)
    }

    /// Acknowledges a message that the application has: the end of its schedule.
    ///
    /// From here on the id is remembered, also over further connections.
    pub fn acknowledge(&mut self, id: Text<'_>) {
        if let Some(id) = Id::new(id) {
            self.recent.note(id);
            self.ack = Some(id);
        }
    }

    /// Whether the host has let the device in on the stream that is open.
    #[must_use]
    pub const fn is_welcome(&self) -> bool {
        matches!(self.state, State::Welcome)
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(device.poll(at(0)), Step::Send(Frame::Hello(Hello { token: "t".into() })));
        device.sent(at(0));
        assert_eq!(device.poll(at(0)), Step::WaitUntil(at(WELCOME_WITHIN.into())));
        assert!(matches!(device.received(Ok(WELCOME), at(0)), Event::Welcome(_)));
        device
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
        let ack = Step::Send(Frame::Ack("a".into()));
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
        assert_eq!(device.poll(at(10)), Step::Send(Frame::Pong(3)));
        device.received(Ok(b"{\"ping\":4}"), at(11));
        device.sent(at(11));
        assert_eq!(device.poll(at(11)), Step::Send(Frame::Pong(4)), "the later one is not taken for the one written");
        device.sent(at(11));
        assert_eq!(device.poll(at(2011)), Step::Send(Frame::Ping(1)));
        device.sent(at(2011));
        assert_eq!(device.poll(at(6010)), Step::Send(Frame::Ping(2)));
        assert_eq!(device.poll(at(6011)), Step::Close(End::Silent));
    }

    #[test]
    fn a_refusal_is_final_or_it_is_not() {
        for (code, stops) in [(400, true), (401, true), (409, true), (408, false), (429, false), (503, false)] {
            let mut device = welcome();
            let line = std::format!(r#"{{"error":{{"code":{code},"message":"no"}}}}"#);
            assert!(matches!(device.received(Ok(line.as_bytes()), at(1)), Event::Refused(_)));
            assert_eq!(device.poll(at(1)), Step::Close(End::Refused(code)));
            assert_eq!(device.received(Ok(&message("a")), at(1)), Event::Nothing, "it is over");
            device.closed(at(1), u32::MAX);
            let next = if stops { Step::Stop(End::Refused(code)) } else { Step::WaitUntil(at(501)) };
            assert_eq!(device.poll(at(2)), next, "{code}");
            device.renew("better");
            assert_eq!(device.poll(at(2)), Step::Connect);
        }
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
}
