//! The host's end of the link: who may speak, what is written and when, and why a connection ends.
//!
//! A [`Host`] is one connection. It does no I/O, has no clock and knows neither keys nor messages: it is told the time
//! and the lines that come, and says what they mean. **Ask [`poll`](Host::poll) what to do and do it, until it says
//! [`WaitUntil`](Step::WaitUntil); then wait for that instant, for a line ([`received`](Host::received)), or, once
//! [`is_open`](Host::is_open), for a message to write ([`wrote_message`](Host::wrote_message)).** To ask is free: a
//! poll too many changes nothing. Reading need not wait for writing: however many pings come, one answer is kept.
//!
//! ```
//! use pushgate_core::link::host::{Event, Host, Step, Terms};
//! use pushgate_core::{Instant, lingyang::Token};
//!
//! let key: &[u8] = b"d57559a82027b7d846318a0c1596d645";
//! let line = br#"{"hello":{"token":"10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424"}}"#;
//! let (mut now, unix) = (Instant::from_millis(0), 1_475_031_940);
//! let mut host = Host::new(Terms::DEFAULT, now);
//! let Event::Hello(token) = host.received(Ok(line), now) else { panic!() };
//! let token = Token::parse_chars(token.chars())?;
//! token.verify([key], unix)?;
//! host.welcome(token.cid(), unix, token.expire(), now);
//!
//! let mut buf = [0; 256];
//! let Step::Send(welcome) = host.poll(now) else { panic!() };
//! assert_eq!(welcome.write(&mut buf)?, b"{\"welcome\":{\"cid\":10000,\"time\":1475031940,\"heartbeat\":30}}\n");
//! host.sent(now);
//! now = now.plus(8000); // a second after the token's last one
//! let Step::Refuse(refusal) = host.poll(now) else { panic!() };
//! assert_eq!(refusal.code(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    Error, Instant, Text,
    lingyang::{Cid, token::TokenError},
};

use super::{
    Frame, HEARTBEAT_SECS, Hello, Refusal, Welcome,
    allowance::Allowance,
    heart::{Beat, Heart},
};

/// How long a connection may take to say who it is, in milliseconds (the device link; ours).
pub const HELLO_WITHIN: u32 = 10_000;

/// Lines a second that a device may send without being asked (the device link; ours).
pub const LINES_PER_SECOND: u32 = 20;

/// What a connection is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Milliseconds to say hello.
    pub hello_within: u32,
    /// Seconds between two signs of life.
    pub heartbeat: u32,
    /// Lines a second that answer nothing the host has sent, five seconds' worth of them at once; more end the
    /// connection. What answers a message or a ping is free. 0 = no limit.
    pub lines_per_second: u32,
}

impl Terms {
    /// [`HELLO_WITHIN`], [`HEARTBEAT_SECS`], [`LINES_PER_SECOND`].
    pub const DEFAULT: Self =
        Self { hello_within: HELLO_WITHIN, heartbeat: HEARTBEAT_SECS, lines_per_second: LINES_PER_SECOND };
}

impl Default for Terms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The host's end of one connection.
#[derive(Clone, Debug)]
pub struct Host {
    terms: Terms,
    state: State,
    heart: Heart,
    pong: Option<u64>,
    /// What the last poll gave out to be written.
    given: Option<Given>,
    /// Lines the device has been asked for and has not sent.
    owed: u32,
    allowance: Allowance,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The hello is waited for.
    Silent { until: Instant },
    /// The hello has come, and the caller has yet to say what it is worth.
    Hello,
    /// The welcome has to go out.
    Welcome { welcome: Welcome, expire: Expire },
    /// Messages may be written.
    Open(Expire),
    /// The device has to be told why.
    Refusing(Refusal),
    /// The stream is to be closed.
    Over,
}

/// When the device's token is over.
#[derive(Clone, Copy, Debug)]
struct Expire {
    at: Instant,
    /// The last second it is good for, in unix seconds.
    secs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Welcome,
    Pong(u64),
    Ping,
    Refusal,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing happens until it is done"]
pub enum Step {
    /// Write this frame, then call [`Host::sent`].
    Send(Frame<'static>),
    /// Write the line of this refusal, then call [`Host::sent`].
    Refuse(Refusal),
    /// Nothing to do before this instant, unless a line comes or there is a message to write.
    WaitUntil(Instant),
    /// Close the stream. It is what follows a refusal.
    Close,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'l> {
    /// Nothing that the caller has to do something about.
    Nothing,
    /// The device says who it is: check its token, then call [`Host::welcome`] or [`Host::refuse`].
    Hello(Text<'l>),
    /// The device has the message with this id, if it is one of its own.
    Ack(Text<'l>),
}

impl Host {
    /// Makes the host's end of a raw stream that has just been opened, on which the device has to say hello.
    #[must_use]
    pub const fn new(terms: Terms, now: Instant) -> Self {
        Self {
            state: State::Silent { until: now.plus(terms.hello_within) },
            heart: Heart::new(terms.heartbeat, now),
            pong: None,
            given: None,
            owed: 0,
            allowance: Allowance::new(terms.lines_per_second, now),
            terms,
        }
    }

    /// Lets the device in: its token holds. Also the first call on a stream whose device is known already, as on a
    /// WebSocket. `time` is the present and `expire` the token's last second, both in unix seconds: when it is over,
    /// the connection is too.
    pub fn welcome(&mut self, cid: Cid, time: u64, expire: u32, now: Instant) {
        if !matches!(self.state, State::Silent { .. } | State::Hello) {
            return;
        }
        // "Expired iff expire < now" (the Lingyang page): with the second after the last one.
        let left = u64::from(expire).saturating_add(1).saturating_sub(time).saturating_mul(1000);
        let at = Instant::from_millis(now.as_millis().saturating_add(left));
        let welcome = Welcome { cid, time, heartbeat: self.terms.heartbeat };
        self.heart = Heart::new(self.terms.heartbeat, now);
        self.state = State::Welcome { welcome, expire: Expire { at, secs: expire } };
    }

    /// Ends the connection: the device is told why, then the stream is closed. The first reason stays.
    pub fn refuse(&mut self, refusal: Refusal) {
        if !matches!(self.state, State::Refusing(_) | State::Over) {
            self.state = State::Refusing(refusal);
        }
    }

    /// Says what to do now.
    pub fn poll(&mut self, now: Instant) -> Step {
        let beat = self.heart.at(now);
        match self.state {
            State::Silent { until } if now >= until => self.refuse(Refusal::NoHello(self.terms.hello_within)),
            State::Open(Expire { at, secs }) if now >= at => {
                self.refuse(Refusal::Token(TokenError::Expired { expire: secs }));
            }
            State::Open(_) if beat == Beat::Silent => self.refuse(Refusal::Silent),
            _ => {}
        }
        let (given, step) = match (self.state, self.pong, beat) {
            (State::Silent { until }, _, _) => (None, Step::WaitUntil(until)),
            (State::Hello, _, _) => (None, Step::WaitUntil(Instant::NEVER)),
            (State::Welcome { welcome, .. }, _, _) => (Some(Given::Welcome), Step::Send(Frame::Welcome(welcome))),
            (State::Open(_), Some(number), _) => (Some(Given::Pong(number)), Step::Send(Frame::Pong(number))),
            (State::Open(_), None, Beat::Ping(number)) => (Some(Given::Ping), Step::Send(Frame::Ping(number))),
            (State::Open(expire), None, Beat::WaitUntil(later)) => (None, Step::WaitUntil(later.min(expire.at))),
            (State::Refusing(refusal), _, _) => (Some(Given::Refusal), Step::Refuse(refusal)),
            // An open connection that is silent has been refused above.
            (State::Over | State::Open(_), _, _) => (None, Step::Close),
        };
        self.given = given;
        step
    }

    /// Notes that what the last [`poll`](Self::poll) gave out has been written whole.
    pub fn sent(&mut self, now: Instant) {
        match (self.given.take(), self.state) {
            (Some(Given::Welcome), State::Welcome { expire, .. }) => self.state = State::Open(expire),
            (Some(Given::Refusal), State::Refusing(_)) => self.state = State::Over,
            // What has come meanwhile waits for its own turn.
            (Some(Given::Pong(number)), _) => self.pong = self.pong.filter(|waiting| *waiting != number),
            (Some(Given::Ping), _) => {
                self.heart.pinged(now);
                self.ask();
            }
            _ => {}
        }
    }

    /// Notes that a message has been written, for which the device owes an acknowledgement.
    pub const fn wrote_message(&mut self) {
        self.ask();
    }

    const fn ask(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// Notes a sign of life below the lines, such as a WebSocket's own ping, which counts against the lines a second.
    pub fn heard(&mut self, now: Instant) {
        self.heart.heard(now);
        if !self.allowance.take(now) {
            self.refuse(Refusal::TooManyLines(self.terms.lines_per_second));
        }
    }

    /// Takes a line as [`LineBuffer::feed`](super::LineBuffer::feed) returns it, or a WebSocket's text message.
    pub fn received<'l>(&mut self, line: Result<&'l [u8], Error>, now: Instant) -> Event<'l> {
        if matches!(self.state, State::Refusing(_) | State::Over) {
            return Event::Nothing;
        }
        self.heart.heard(now);
        match line.and_then(Frame::read) {
            Ok(frame) => self.take(frame, now),
            Err(error) => {
                self.refuse(Refusal::Line(error));
                Event::Nothing
            }
        }
    }

    fn take<'l>(&mut self, frame: Frame<'l>, now: Instant) -> Event<'l> {
        if matches!(self.state, State::Silent { .. }) {
            let Frame::Hello(Hello { token }) = frame else {
                self.refuse(Refusal::NotAHello);
                return Event::Nothing;
            };
            self.state = State::Hello;
            return Event::Hello(token);
        }
        let is_answer = matches!(frame, Frame::Ack(_) | Frame::Pong(_)) && self.owed > 0;
        if is_answer {
            self.owed = self.owed.saturating_sub(1);
        } else {
            self.heard(now);
            if matches!(self.state, State::Refusing(_)) {
                return Event::Nothing;
            }
        }
        match frame {
            Frame::Ack(id) if self.is_open() => Event::Ack(id),
            Frame::Hello(_) => {
                self.refuse(Refusal::SecondHello);
                Event::Nothing
            }
            Frame::Ping(number) => {
                self.pong = Some(number);
                Event::Nothing
            }
            // Signs of life and no more; what only a host says; what a later version may say.
            _ => Event::Nothing,
        }
    }

    /// Whether messages may be written: from the welcome's being written on, until the end.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: u32 = 7;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn terms() -> Terms {
        Terms { hello_within: 500, heartbeat: 2, lines_per_second: 4 }
    }

    /// A connection whose token is over at 100 s.
    fn open() -> Host {
        let mut host = Host::new(terms(), at(0));
        assert_eq!(host.received(Ok(b"{\"hello\":{\"token\":\"t\"}}"), at(0)), Event::Hello("t".into()));
        assert_eq!(host.poll(at(0)), Step::WaitUntil(Instant::NEVER), "the caller's turn");
        host.welcome(Cid::new(CID).unwrap(), 1_000_000, 1_000_099, at(0));
        assert!(matches!(host.poll(at(0)), Step::Send(Frame::Welcome(_))));
        assert!(!host.is_open(), "messages come after the welcome");
        host.sent(at(0));
        assert!(host.is_open());
        host
    }

    fn refused(host: &mut Host, now: Instant) -> Refusal {
        let Step::Refuse(refusal) = host.poll(now) else { panic!("{:?}", host.poll(now)) };
        host.sent(now);
        assert_eq!(host.poll(now), Step::Close);
        refusal
    }

    #[test]
    fn who_does_not_say_hello_in_time_is_told_so() {
        let mut host = Host::new(terms(), at(1000));
        assert_eq!(host.poll(at(1499)), Step::WaitUntil(at(1500)));
        assert_eq!(refused(&mut host, at(1500)), Refusal::NoHello(500));
        for line in [&b"{\"ping\":1}"[..], b"{\"ack\":\"m\"}", b"{}"] {
            let mut host = Host::new(terms(), at(0));
            assert_eq!(host.received(Ok(line), at(0)), Event::Nothing);
            assert_eq!(refused(&mut host, at(0)), Refusal::NotAHello);
        }
    }

    #[test]
    fn a_connection_lasts_as_long_as_its_token() {
        let mut host = open();
        for second in (1..100).map(|second| at(second * 1000)) {
            host.received(Ok(b"{\"pong\":0}"), second);
        }
        assert_eq!(host.poll(at(99_999)), Step::WaitUntil(at(100_000)));
        let over = Refusal::Token(TokenError::Expired { expire: 1_000_099 });
        assert_eq!(refused(&mut host, at(100_000)), over);
    }

    #[test]
    fn silence_is_asked_about_and_then_ends_it() {
        let mut host = open();
        assert_eq!(host.poll(at(0)), Step::WaitUntil(at(2000)));
        for (millis, number) in [(2000, 1), (4000, 2)] {
            assert_eq!(host.poll(at(millis)), Step::Send(Frame::Ping(number)));
            host.sent(at(millis));
        }
        assert_eq!(host.poll(at(5999)), Step::WaitUntil(at(6000)));
        assert_eq!(refused(&mut host, at(6000)), Refusal::Silent);
    }

    #[test]
    fn lines_that_answer_nothing_are_rationed_and_answers_are_free() {
        let mut host = open();
        for _ in 0..100 {
            host.wrote_message();
        }
        for _ in 0..100 {
            assert_eq!(host.received(Ok(b"{\"ack\":\"m\"}"), at(0)), Event::Ack("m".into()));
        }
        // Five seconds' worth at once, then four a second.
        for _ in 0..20 {
            assert_eq!(host.received(Ok(b"{\"ack\":\"m\"}"), at(0)), Event::Ack("m".into()));
        }
        for quarter in 1..=8 {
            host.received(Ok(b"{\"ping\":1}"), at(quarter * 250));
        }
        assert!(matches!(host.poll(at(2000)), Step::Send(Frame::Pong(1))));
        assert_eq!(host.received(Ok(b"{\"ack\":\"m\"}"), at(2000)), Event::Nothing);
        assert_eq!(refused(&mut host, at(2000)), Refusal::TooManyLines(4));
    }

    #[test]
    fn one_answer_is_kept_however_many_pings_come() {
        let mut host = open();
        host.received(Ok(b"{\"ping\":1}"), at(0));
        assert_eq!(host.poll(at(0)), Step::Send(Frame::Pong(1)));
        host.received(Ok(b"{\"ping\":2}"), at(0));
        host.received(Ok(b"{\"ping\":3}"), at(0));
        host.sent(at(0));
        assert_eq!(host.poll(at(0)), Step::Send(Frame::Pong(3)));
        host.sent(at(0));
        assert_eq!(host.poll(at(0)), Step::WaitUntil(at(2000)));
    }

    #[test]
    fn a_device_that_begins_anew_behind_its_modem_is_told_to_connect_again() {
        let mut host = open();
        assert_eq!(host.received(Ok(b"{\"hello\":{\"token\":\"t\"}}"), at(9)), Event::Nothing);
        assert_eq!(refused(&mut host, at(9)), Refusal::SecondHello);
    }

    #[test]
    fn nothing_is_acknowledged_before_the_device_is_in() {
        let mut host = Host::new(terms(), at(0));
        host.welcome(Cid::new(CID).unwrap(), 1_000_000, 1_000_099, at(0));
        assert_eq!(host.received(Ok(b"{\"ack\":\"m\"}"), at(0)), Event::Nothing);
    }

    #[test]
    fn the_first_reason_to_end_stays_and_nothing_is_heard_after_it() {
        let mut host = open();
        host.received(Ok(b"[]"), at(0));
        host.refuse(Refusal::Stopping);
        assert_eq!(host.received(Ok(b"{\"ack\":\"m\"}"), at(0)), Event::Nothing);
        assert_eq!(refused(&mut host, at(0)).code(), 400);
        host.refuse(Refusal::Stopping);
        assert_eq!(host.poll(at(0)), Step::Close);
    }
}
