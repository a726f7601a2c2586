//! The core's machine driven: its steps done on a wire, its events told, its waits waited.

use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    mem,
    time::Duration,
};

use pushgate_core::{
    Error, Instant, Text,
    lingyang::MAX_MSG_BYTES,
    link::{
        Frame, MAX_ID_LEN, MAX_LINE_LEN, Message, Problem, SILENT_HEARTBEATS, Welcome,
        device::{self as machine, End, Step, WELCOME_WITHIN},
    },
};
use tokio::time;

use super::{
    Answering, Device, Event, GaveUp, REMEMBERED_IDS, Stop,
    dial::{Dial, Unopened},
    link::Over,
    wire::Wire,
};
use crate::recent::Recent;

/// How long a gateway that takes no more lines is listened to (ours).
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// To be woken too early is free, and an instant may be too far away for the runtime's clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// A device's life, over all its connections.
pub(super) struct Session<'d, F> {
    device: &'d Device,
    machine: Box<machine::Device<'d, REMEMBERED_IDS>>,
    /// How often each message came, for applications that look at copies.
    copies: Recent<String>,
    start: time::Instant,
    /// Whether the gateway has said welcome on this connection.
    welcome: bool,
    /// The gateway's words when it refused.
    refusal: String,
    /// Whether the application has what it wants.
    leaving: bool,
    tell: F,
}

impl<'d, F: FnMut(Event) -> Result<(), Stop>> Session<'d, F> {
    pub(super) fn new(device: &'d Device, tell: F) -> Self {
        Self {
            device,
            machine: Box::new(machine::Device::new(device.token.reveal())),
            copies: Recent::new(REMEMBERED_IDS),
            start: time::Instant::now(),
            welcome: false,
            refusal: String::new(),
            leaving: false,
            tell,
        }
    }

    pub(super) async fn run(mut self, mut network: impl Dial) -> Result<Infallible, GaveUp> {
        loop {
            match self.machine.poll(self.now()) {
                Step::WaitUntil(at) => time::sleep_until(self.moment(at)).await,
                Step::Connect => {
                    let reason = match network.dial().await {
                        Ok(mut wire) => self.converse(&mut wire).await?,
                        Err(unopened) => self.unopened(unopened)?,
                    };
                    self.lost(reason)?;
                }
                // No stream is open, so there is none to write to or to close.
                Step::Send(_) | Step::Close(_) => self.lost("there is no connection".to_owned())?,
                Step::Stop(end) => return Err(self.refused(end)),
            }
        }
    }

    /// Uses an open connection to its end, and says why it ended.
    async fn converse(&mut self, wire: &mut Wire) -> Result<String, GaveUp> {
        match wire {
            Wire::Lines(_) => self.machine.opened(self.now()),
            // The request said who it is.
            Wire::WebSocket(_) => self.machine.opened_without_hello(self.now()),
        }
        self.welcome = false;
        loop {
            match self.machine.poll(self.now()) {
                Step::Send(frame) => {
                    let mut line = [0; MAX_LINE_LEN];
                    // Of all frames only a hello has a text that did not come in a line.
                    let line = frame.write(&mut line).map_err(|_| GaveUp::UnsendableToken)?;
                    if let Err(reason) = wire.send(line).await {
                        return self.last_words(wire, reason).await;
                    }
                    self.machine.sent(self.now());
                }
                Step::WaitUntil(_) if self.leaving => {
                    wire.close().await;
                    return Err(GaveUp::Stopped);
                }
                Step::WaitUntil(at) => match time::timeout_at(self.moment(at), wire.next()).await {
                    Ok(Ok(line)) => self.received(line)?,
                    Ok(Err(reason)) => return Ok(self.ended_early(reason)),
                    Err(_) => {}
                },
                Step::Close(end) => {
                    let reason = self.reason(end);
                    wire.close().await;
                    return Ok(reason);
                }
                // The machine takes the stream for closed.
                Step::Connect | Step::Stop(_) => return Ok("the connection is over".to_owned()),
            }
        }
    }

    /// Reads what the gateway said before it stopped taking lines: often why.
    async fn last_words(&mut self, wire: &mut Wire, reason: String) -> Result<String, GaveUp> {
        let until = time::Instant::now() + LAST_WORDS_WITHIN;
        loop {
            match time::timeout_at(until, wire.next()).await {
                Ok(Ok(line)) => self.received(line)?,
                Ok(Err(reason)) => return Ok(self.ended_early(reason)),
                Err(_) => return Ok(self.ended_early(reason)),
            }
            if let Step::Close(end) = self.machine.poll(self.now()) {
                return Ok(self.reason(end));
            }
        }
    }

    /// Hands a line to the machine and what it means to the application.
    fn received(&mut self, line: Result<&[u8], Error>) -> Result<(), GaveUp> {
        match self.machine.received(line, self.now()) {
            machine::Event::Nothing => {}
            machine::Event::Welcome(Welcome { cid, time, heartbeat }) => {
                self.welcome = true;
                let heartbeat = Duration::from_secs(heartbeat.into());
                self.tell(Event::Welcome { cid: cid.value(), time, heartbeat })?;
            }
            machine::Event::Message(message) => {
                let copy = self.copy(&message)?;
                let answers = match self.device.answering {
                    Answering::Always => true,
                    Answering::AfterCopies(silent) => copy > silent,
                    Answering::Never => false,
                };
                if answers {
                    self.machine.acknowledge(message.id);
                }
            }
            machine::Event::Copy(message) => drop(self.copy(&message)?),
            machine::Event::Receipt(receipt) => {
                let (id, state) = (owned(receipt.id), owned(receipt.state.text()));
                self.tell(Event::Receipt { id, to: receipt.to.value(), state })?;
            }
            machine::Event::Refused(Problem { message, .. }) => self.refusal = owned(message),
        }
        Ok(())
    }

    /// Tells the application of a copy, and returns which one it is.
    fn copy(&mut self, message: &Message<'_>) -> Result<u32, GaveUp> {
        let id = owned(message.id);
        let copy = self.copies.note(id.clone()).saturating_add(1);
        let mut msg = [0; MAX_MSG_BYTES];
        let msg = message.msg.copy_to(&mut msg).map(<[u8]>::to_vec).unwrap_or_default();
        self.tell(Event::Message { id, from: message.from, created: message.created, msg, copy })?;
        Ok(copy)
    }

    fn tell(&mut self, event: Event) -> Result<(), GaveUp> {
        match (self.tell)(event) {
            Ok(()) => {}
            Err(Stop::Taken) => self.leaving = true,
            Err(Stop::Untaken) => return Err(GaveUp::Stopped),
        }
        Ok(())
    }

    /// Says why there is no connection, and to the machine what it would have been told on one.
    fn unopened(&mut self, unopened: Unopened) -> Result<String, GaveUp> {
        match unopened {
            Unopened::UnsendableToken => Err(GaveUp::UnsendableToken),
            Unopened::Failed(reason) => Ok(reason),
            Unopened::Refused { status, message } => {
                let mut line = [0; MAX_LINE_LEN];
                let problem = Problem { code: status.into(), message: Text::from("") };
                if let Ok(line) = Frame::Error(problem).write(&mut line) {
                    self.machine.opened_without_hello(self.now());
                    let _ = self.machine.received(Ok(line), self.now());
                    // Notices the refusal; there is no stream to close.
                    let _ = self.machine.poll(self.now());
                }
                self.refusal = message;
                Ok(self.reason(End::Refused(status.into())))
            }
        }
    }

    /// Notes that the connection is over; tells the application when the next one is tried.
    fn lost(&mut self, reason: String) -> Result<(), GaveUp> {
        let now = self.now();
        self.machine.closed(now, chance());
        match self.machine.poll(now) {
            Step::Stop(end) => Err(self.refused(end)),
            step => {
                let millis = if let Step::WaitUntil(at) = step { at.since(now) } else { 0 };
                if !self.leaving {
                    self.tell(Event::Lost { reason, again_in: Duration::from_millis(millis) })?;
                }
                if self.leaving { Err(GaveUp::Stopped) } else { Ok(()) }
            }
        }
    }

    fn refused(&mut self, end: End) -> GaveUp {
        let message = mem::take(&mut self.refusal);
        // Another end is none for good.
        let code = if let End::Refused(code) = end { code } else { 0 };
        GaveUp::Refused { code, message }
    }

    /// Why this end closes the connection.
    fn reason(&self, end: End) -> String {
        match end {
            End::NoWelcome => {
                format!("no welcome within {:?}", Duration::from_millis(WELCOME_WITHIN.into()))
            }
            End::Silent => format!("the gateway was silent for {SILENT_HEARTBEATS} heartbeats"),
            End::Malformed(error) => {
                self.ended_early(format!("the gateway sent what is no line of the device link: {error}"))
            }
            End::LongId => format!("the gateway sent a message whose id is longer than {MAX_ID_LEN} bytes"),
            End::Refused(code) => format!("the gateway said {code}: {}", self.refusal),
        }
    }

    /// Adds what may be wrong with the address to why a connection ended without a welcome.
    fn ended_early(&self, reason: String) -> String {
        let link = &self.device.link;
        match (self.welcome, link.over) {
            (false, Over::Tcp) => {
                format!("{reason} (is {} the port of a device link, and without TLS?)", link.authority())
            }
            (false, Over::Tls) => format!("{reason} (is {} the port of a device link?)", link.authority()),
            _ => reason,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// An instant of the machine's on the runtime's clock.
    fn moment(&self, at: Instant) -> time::Instant {
        let far = time::Instant::now() + LONGEST_SLEEP;
        self.start.checked_add(Duration::from_millis(at.as_millis())).map_or(far, |moment| moment.min(far))
    }
}

/// A number that nobody foresees, a new one each time.
fn chance() -> u32 {
    let bits = RandomState::new().hash_one(());
    u32::try_from(bits >> 32).unwrap_or_default()
}

fn owned(text: Text<'_>) -> String {
    text.to_cow().into_owned()
}
