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
//! `examples/device.rs` is the whole loop over a socket. The lines' buffer is the caller's: begin a new one with each
//! stream.
//!
//! ```
//! use pushgate_core::link::{Outgoing, device::{Device, Event, Step}};
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
//! assert_eq!(device.poll(now), Step::Send(Outgoing::Ack(Text::from("m1"))));
//! device.sent(now);
//! assert!(matches!(device.received(Ok(line), now), Event::Copy(_))); // acknowledged without the application
//! # Ok::<(), pushgate_core::Error>(())
//! ```

use crate::{Error, Instant, Text, Verdict, lingyang};

use super::{
    Backoff, HEARTBEAT_SECS, Hello, Incoming, Message, Outgoing, Problem, Receipt, Welcome,
    heart::{Beat, Heart},
    id::{RECENT_IDS, Recent},
};

/// How long the host may take to say welcome, in milliseconds (the device link; ours).
pub const WELCOME_WITHIN: u32 = 10_000;

/// The longest heartbeat a device keeps to, in seconds (the device link; ours). Whatever the host says, silence does
/// not go unnoticed for days; to ping too often does no harm.
const LONGEST_HEARTBEAT: u32 = 3600;

/// The device's end of the link, over all its connections.
///
/// `RECENT` is how many ids it remembers, at least one, 34 bytes each. Make it at least the number of messages that the
/// device may get within the 11 s in which a message's copies mostly come (see [`RECENT_IDS`]); one more and the
/// application may see a message twice. A device that starts anew remembers none.
// In this order, because what lies near the beginning is reached by instructions of half the length.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Device<'t, const RECENT: usize = RECENT_IDS> {
    /// When the next try is due, or the welcome.
    until: Instant,
    heart: Heart,
    /// When the connection has lasted long enough for the waits to begin anew.
    steady: Instant,
    pong: Option<u64>,
    token: Option<&'t str>,
    backoff: Backoff,
    state: State,
    /// What the last poll gave out to be written.
    given: Given,
    /// Why the stream is to be closed, once it is. Beside the state and not in it, so that a step copies no error.
    end: End,
    recent: Recent<RECENT>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no token.
    Idle,
    /// The hello has to go out.
    Hello,
    /// The welcome is waited for.
    Greeted,
    Welcome,
    /// Nothing is open.
    Closed,
    /// The stream is to be closed.
    Closing,
    /// The stream is to be closed, and there is no use in another try.
    Stopping,
    Stopped,
}

/// A frame that the device has asked to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Hello,
    /// For the id with this place in the window.
    Ack(usize),
    Pong,
    Ping,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing happens until it is done"]
pub enum Step<'s> {
    /// Open a stream, then call [`Device::opened`] (or [`Device::opened_without_hello`]); when that fails,
    /// [`Device::closed`].
    Connect,
    /// Write this frame, then call [`Device::sent`]; when that fails, close the stream and call [`Device::closed`].
    Send(Outgoing<'s>),
    /// Nothing to do before this instant, unless a line comes or the stream ends ([`Device::closed`]).
    WaitUntil(Instant),
    /// Close the stream, then call [`Device::closed`].
    Close(End),
    /// The host refuses this device's hello, and would refuse it again. It is the application's turn: with a better
    /// token, or after a long wait with the same one, [`Device::renew`].
    Stop(End),
}

/// What a line means for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
// Its first value is zeros: see `Device::idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
    /// Whether another hello may fare better: what a client would try again after the same HTTP status, and 409 (ours).
    ///
    /// 409, a newer connection of the same device, may be this device's own: a hello that it had given up, late in the
    /// network, which the host takes for the newer one. Two devices with one token replace each other for ever, but
    /// ever more slowly: who is replaced before its connection has lasted as long as its next wait waits longer.
    #[must_use]
    pub fn may_pass(self) -> bool {
        match self {
            Self::Refused(409) => true,
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
        let mut device = Self::idle();
        device.begin(token);
        device
    }

    /// Makes a device that has no token yet: it waits until [`renew`](Self::renew) brings it.
    ///
    /// All of it is zeros: a static that begins with it takes no flash, and it is never on the stack.
    ///
    /// ```
    /// use pushgate_core::{Instant, link::device::{Device, Step}};
    ///
    /// let mut device: Device<'_> = Device::idle();
    /// assert_eq!(device.poll(Instant::from_secs(9)), Step::WaitUntil(Instant::NEVER));
    /// device.renew("5003062_0_1475031947_00000000000000000000000000000000");
    /// assert_eq!(device.poll(Instant::from_secs(9)), Step::Connect);
    /// ```
    #[must_use]
    pub const fn idle() -> Self {
        Self {
            until: Instant::from_millis(0),
            heart: Heart::STILL,
            steady: Instant::from_millis(0),
            pong: None,
            token: None,
            backoff: Backoff::NONE,
            state: State::Idle,
            given: Given::Nothing,
            end: End::NoWelcome,
            recent: Recent::new(),
        }
    }

    const fn begin(&mut self, token: &'t str) {
        self.token = Some(token);
        self.backoff = Backoff::new();
        self.steady = Instant::NEVER;
        self.state = State::Closed;
        self.until = Instant::from_millis(0);
    }

    /// Says what to do now.
    pub fn poll(&mut self, now: Instant) -> Step<'_> {
        self.given = Given::Nothing;
        let mut until = self.until;
        let mut ping = None;
        match self.state {
            State::Closed if now >= until => return Step::Connect,
            State::Hello | State::Greeted if now >= until => self.close(End::NoWelcome),
            State::Welcome => match self.heart.at(now) {
                Beat::WaitUntil(later) => until = later,
                Beat::Ping(number) => ping = Some(number),
                Beat::Silent => self.close(End::Silent),
            },
            _ => {}
        }
        match self.state {
            State::Hello => {
                self.given = Given::Hello;
                return Step::Send(Outgoing::Hello(Hello { token: Text::from(self.token.unwrap_or_default()) }));
            }
            State::Greeted | State::Welcome => {}
            State::Idle => return Step::WaitUntil(Instant::NEVER),
            State::Closed => return Step::WaitUntil(until),
            State::Closing | State::Stopping => return Step::Close(self.end),
            State::Stopped => return Step::Stop(self.end),
        }
        if let (State::Welcome, Some(place)) = (self.state, self.recent.waiting()) {
            self.given = Given::Ack(place);
            return Step::Send(Outgoing::Ack(self.recent.text(place)));
        }
        if let Some(number) = self.pong {
            self.given = Given::Pong;
            return Step::Send(Outgoing::Pong(number));
        }
        if let Some(number) = ping {
            self.given = Given::Ping;
            return Step::Send(Outgoing::Ping(number));
        }
        Step::WaitUntil(until)
    }

    fn close(&mut self, end: End) {
        self.state = State::Closing;
        self.end = end;
    }

    /// Notes that the frame of the last [`poll`](Self::poll) has been written whole.
    pub fn sent(&mut self, now: Instant) {
        match self.given {
            Given::Hello => self.state = State::Greeted,
            Given::Ack(place) => self.recent.settle(place),
            Given::Pong => self.pong = None,
            Given::Ping => self.heart.pinged(now),
            Given::Nothing => {}
        }
        self.given = Given::Nothing;
    }

    /// Notes that a raw stream is open, on which the device says hello.
    pub fn opened(&mut self, now: Instant) {
        self.open(State::Hello, now);
    }

    /// Notes that a stream is open whose host knows the device already, as on a WebSocket, and has only to say welcome.
    pub fn opened_without_hello(&mut self, now: Instant) {
        self.open(State::Greeted, now);
    }

    fn open(&mut self, state: State, now: Instant) {
        self.state = state;
        self.until = now.plus(WELCOME_WITHIN);
        self.heart = Heart::new(HEARTBEAT_SECS, now);
        self.steady = Instant::NEVER;
        // The last connection's answers mean nothing on this one: what was not acknowledged comes again.
        self.recent.settle_all();
        (self.pong, self.given) = (None, Given::Nothing);
    }

    /// Notes that the stream is closed, by whichever side, or could not be opened. `random` is any number, a new one
    /// each time: chance keeps the devices of one gateway from coming back in step.
    ///
    /// The waits between tries grow until a connection lasts, from its welcome, as long as the next wait at the most
    /// would: so connections that are lost again and again are no storm either, and one that held for as long as the
    /// device would wait is followed by a short wait.
    pub fn closed(&mut self, now: Instant, random: u32) {
        if now >= self.steady {
            self.backoff = Backoff::new();
        }
        self.steady = Instant::NEVER;
        if matches!(self.state, State::Stopping | State::Stopped) {
            self.state = State::Stopped;
            return;
        }
        self.state = State::Closed;
        self.until = now.plus(self.backoff.next_wait(random));
    }

    /// Takes another token and connects again, also after [`Step::Stop`]; call it when no stream is open.
    pub fn renew(&mut self, token: &'t str) {
        self.begin(token);
    }

    /// Takes a line as [`LineBuffer::feed`](super::LineBuffer::feed) returns it, or a WebSocket's text message.
    #[inline(never)]
    pub fn received<'l>(&mut self, line: Result<&'l [u8], Error>, now: Instant) -> Event<'l> {
        if self.is_open() {
            match line.and_then(Incoming::read) {
                Ok(frame) => return self.take(frame, now),
                Err(error) => self.close(End::Malformed(error)),
            }
        }
        Event::Nothing
    }

    /// Takes a frame that has been read already, from whatever carries frames in place of lines.
    #[inline(never)]
    pub fn take<'l>(&mut self, frame: Incoming<'l>, now: Instant) -> Event<'l> {
        if !self.is_open() {
            return Event::Nothing;
        }
        self.heart.heard(now);
        match frame {
            Incoming::Welcome(welcome) if !self.is_welcome() => {
                self.state = State::Welcome;
                self.heart = Heart::new(welcome.heartbeat.min(LONGEST_HEARTBEAT), now);
                self.steady = now.plus(self.backoff.most());
                Event::Welcome(welcome)
            }
            Incoming::Message(message) if self.is_welcome() => match self.recent.wait(message.id) {
                Some(true) => Event::Copy(message),
                Some(false) => Event::Message(message),
                None => {
                    self.close(End::LongId);
                    Event::Nothing
                }
            },
            Incoming::Receipt(receipt) => Event::Receipt(receipt),
            Incoming::Ping(number) => {
                // What has been given out does not answer this one, unless their numbers are the same.
                if self.given == Given::Pong && self.pong != Some(number) {
                    self.given = Given::Nothing;
                }
                self.pong = Some(number);
                Event::Nothing
            }
            Incoming::Error(problem) => {
                let end = End::Refused(problem.code);
                // Who was welcome with this token may be so again, or hears of it as the answer to the next hello.
                let is_final = !self.is_welcome() && !end.may_pass();
                self.close(end);
                if is_final {
                    self.state = State::Stopping;
                }
                Event::Refused(problem)
            }
            // Signs of life and no more; what a later version may say.
            _ => Event::Nothing,
        }
    }

    /// Acknowledges a message that the application has: the end of its schedule.
    ///
    /// From here on the id is remembered, also over further connections. The application may take its time, and take
    /// several messages before this is polled: up to `RECENT` acknowledgements wait for their turn.
    #[inline(never)]
    pub fn acknowledge(&mut self, id: Text<'_>) {
        let place = self.recent.note(id);
        // The one that has been given out has been forgotten for it.
        if place.is_some_and(|place| self.given == Given::Ack(place)) {
            self.given = Given::Nothing;
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Hello | State::Greeted | State::Welcome)
    }

    /// Whether the host has let the device in on the stream that is open.
    #[must_use]
    pub const fn is_welcome(&self) -> bool {
        matches!(self.state, State::Welcome)
    }
}

#[cfg(test)]
mod tests;
