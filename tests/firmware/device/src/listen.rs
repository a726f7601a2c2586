//! Listens on the device link: every message is told once and acknowledged, however often it comes.
//!
//! The stream behind the UART is opened by what is at its other end, and whether it is open cannot be seen from here. A
//! gateway that is gone is noticed by its silence; one that is new, because it asks for a hello where a ping came.

use pushgate_core::{
    Instant,
    lingyang::Msg,
    link::{
        Device, LineBuffer, Outgoing,
        device::{End, Event, Step},
    },
};

use crate::{
    board::{self, OPEN_AGAIN_WITHIN, Uart},
    console::{Check, Console},
};

/// Bytes of the longest line that a device writes: a hello with its token.
const LINE_LEN: usize = 160;

/// What the caller keeps.
pub(crate) struct Memory {
    device: Device<'static>,
    lines: LineBuffer,
    shown: Shown,
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self { device: Device::idle(), lines: LineBuffer::new(), shown: Shown([0; 32]) }
    }
}

/// Which of the messages that end in a number have been told: the device's own check that none is told twice.
#[derive(Debug)]
struct Shown([u8; 32]);

impl Shown {
    /// Notes a message; one that was there before fails.
    fn note(&mut self, msg: Msg<'_>) -> Check {
        let Some(number) = last_number(msg.bytes()) else { return Check::Holds };
        let Some(byte) = self.0.get_mut(usize::from(number >> 3)) else { return Check::Holds };
        let bit = 1 << (number & 7);
        let was_there = *byte & bit != 0;
        *byte |= bit;
        Check::from(!was_there)
    }
}

/// The number that a text ends in, if it is less than 256.
fn last_number(text: impl Iterator<Item = u8>) -> Option<u8> {
    text.fold(None, |number: Option<u8>, byte| match byte {
        b'0'..=b'9' => number.unwrap_or(0).checked_mul(10)?.checked_add(byte - b'0'),
        _ => None,
    })
}

/// The device's end of the link on its line.
#[derive(Debug)]
pub(crate) struct Listener {
    uart: Uart,
    device: &'static mut Device<'static>,
    lines: &'static mut LineBuffer,
    shown: &'static mut Shown,
    stream: Stream,
}

/// What is known of the stream behind the line.
#[derive(Clone, Copy, Debug)]
enum Stream {
    /// Nobody has asked for one.
    Unwanted,
    /// It was opened.
    Open,
    /// It is open again at this instant.
    OpenAt(Instant),
    /// The gateway will not have this device.
    Refused,
}

impl Listener {
    pub(crate) fn new(uart: Uart, memory: &'static mut Memory) -> Self {
        let Memory { device, lines, shown } = memory;
        Self { uart, device, lines, shown, stream: Stream::Unwanted }
    }

    /// Listens from now on, as the device of this token.
    pub(crate) fn listen(&mut self, token: &'static str) {
        self.device.renew(token);
        self.stream = Stream::OpenAt(board::now());
    }

    /// Does all that is to be done now.
    #[inline(never)]
    pub(crate) fn turn(&mut self, console: &mut Console) {
        if let Stream::Unwanted | Stream::Refused = self.stream {
            return;
        }
        loop {
            let now = board::now();
            match self.device.poll(now) {
                Step::Connect => match self.stream {
                    Stream::OpenAt(at) if now < at => return self.discard(now),
                    _ => self.open(now),
                },
                Step::Send(frame) => {
                    write(&mut self.uart, frame);
                    self.device.sent(now);
                }
                Step::WaitUntil(_) => match self.stream {
                    Stream::Open => {
                        if !self.read(now, console) {
                            return;
                        }
                    }
                    _ => return self.discard(now),
                },
                Step::Close(end) => {
                    tell(end, console);
                    self.device.closed(now, board::chance());
                    self.stream = Stream::OpenAt(now.plus(OPEN_AGAIN_WITHIN));
                }
                Step::Stop(_) => {
                    self.stream = Stream::Refused;
                    return console.check("the gateway takes this device's token", Check::Fails);
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.lines.clear();
        self.device.opened(now);
        self.stream = Stream::Open;
    }

    /// Throws away what comes while no stream is open here. It shows that one is being closed at the other end.
    fn discard(&mut self, now: Instant) {
        while self.uart.read(&mut [0; 16]) > 0 {
            self.stream = Stream::OpenAt(now.plus(OPEN_AGAIN_WITHIN));
        }
    }

    /// Takes what has come, and says whether that was anything.
    #[inline(never)]
    fn read(&mut self, now: Instant, console: &mut Console) -> bool {
        let mut chunk = [0; 64];
        let len = self.uart.read(&mut chunk);
        let mut input = chunk.get(..len).unwrap_or_default();
        while let Some(line) = self.lines.feed(&mut input) {
            match self.device.received(line, now) {
                Event::Nothing | Event::Receipt(_) => {}
                Event::Welcome(welcome) => {
                    let line = console.event("welcome").number("cid", welcome.cid.value().into());
                    drop(line.number("heartbeat", welcome.heartbeat.into()));
                }
                Event::Message(message) => {
                    let line = console.event("message").text("id", message.id).number("from", message.from.into());
                    drop(line.raw("text", message.msg.bytes()));
                    console.check("a message is told once", self.shown.note(message.msg));
                    // Told is kept, for this device; one with more to lose writes it to flash first.
                    self.device.acknowledge(message.id);
                }
                Event::Copy(message) => drop(console.event("copy").text("id", message.id)),
                Event::Refused(problem) => {
                    drop(console.event("refused").number("code", problem.code.into()).text("why", problem.message));
                }
            }
        }
        len > 0
    }
}

#[inline(never)]
fn write(uart: &mut Uart, frame: Outgoing<'_>) {
    // A device's frames fit: its token and a message's id have their longest.
    if let Ok(line) = frame.write(&mut [0; LINE_LEN]) {
        uart.write(line);
    }
}

fn tell(end: End, console: &mut Console) {
    let line = console.event("closed");
    match end {
        End::NoWelcome => line.text("why", "no welcome"),
        End::Silent => line.text("why", "silence"),
        End::Malformed(error) => line.says("why", &error),
        End::LongId => line.text("why", "a message's id is too long"),
        End::Refused(code) => line.number("code", code.into()),
    };
}
