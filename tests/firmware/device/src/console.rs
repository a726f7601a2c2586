//! Lines to and from whoever commands the device.
//!
//! Every event is a line: the device's clock, what happened, and its parts as `name=value`, with a text that may hold
//! spaces last.

use core::fmt::{self, Display, Write};

use pushgate_core::{Text, link::LineBuffer};

use crate::board::{self, Uart};

/// The longest command: a push with the receiver's token and 256 bytes of text.
pub(crate) const MAX_COMMAND_LEN: usize = 384;

/// Where events are told, and which of the device's own checks have failed.
#[derive(Debug)]
pub(crate) struct Console {
    uart: Uart,
    failed: u32,
}

impl Console {
    pub(crate) fn new(uart: Uart) -> Self {
        Self { uart, failed: 0 }
    }

    /// Begins the line of an event; it ends where the result is dropped.
    pub(crate) fn event(&mut self, what: &str) -> Line<'_> {
        let mut line = Line { uart: &mut self.uart };
        line.digits(board::now().as_millis());
        line.bytes(b" ");
        line.bytes(what.as_bytes());
        line
    }

    /// Notes one of the device's own checks. One that does not hold is told, and the device ends with another status.
    pub(crate) fn check(&mut self, what: &str, holds: Check) {
        if let Check::Fails = holds {
            self.failed = self.failed.saturating_add(1);
            self.event("FAILED").text("check", what);
        }
    }

    /// How many checks have failed.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }
}

/// Whether something is as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Holds,
    Fails,
}

impl From<bool> for Check {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// The line of an event under way.
#[derive(Debug)]
pub(crate) struct Line<'c> {
    uart: &'c mut Uart,
}

impl Line<'_> {
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.digits(value);
        self
    }

    pub(crate) fn text<'t>(mut self, name: &str, value: impl Into<Text<'t>>) -> Self {
        self.name(name);
        for char in value.into().chars() {
            self.bytes(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self
    }

    /// What tells of itself, as an error does.
    pub(crate) fn says(mut self, name: &str, value: &dyn Display) -> Self {
        self.name(name);
        // Nothing here fails to be written.
        let _ = write!(self, "{value}");
        self
    }

    /// Bytes that are a text to people, as they are.
    pub(crate) fn raw(mut self, name: &str, value: impl IntoIterator<Item = u8>) -> Self {
        self.name(name);
        for byte in value {
            // A line feed would begin another event.
            self.bytes(&[if byte.is_ascii_control() { b'?' } else { byte }]);
        }
        self
    }

    fn name(&mut self, name: &str) {
        self.bytes(b" ");
        self.bytes(name.as_bytes());
        self.bytes(b"=");
    }

    fn digits(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut rest = number;
        let mut len = 0;
        for digit in digits.iter_mut().rev() {
            // A remainder of 10 fits every integer.
            *digit = b'0' + (rest % 10) as u8;
            len += 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes(digits.split_at_checked(digits.len() - len).unwrap_or_default().1);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.uart.write(bytes);
    }
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.bytes(b"\n");
    }
}

/// What the device is told to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command<'l> {
    /// Read every golden vector.
    Vectors,
    /// Be the device of this token.
    Token(&'l str),
    /// Push this text to the device of that token; what must become of it.
    Push { to: &'l str, text: &'l str, ends: Ends },
    /// Connect the link and listen from now on.
    Listen,
    /// Read a batch of so many bytes, which follow; what must become of it.
    Batch { len: usize, ends: Ends },
    /// Tell how much RAM it took since this was last asked.
    Took,
    /// Send what is left to be sent, and end with a verdict.
    Exit,
    /// None of these.
    Unknown,
}

/// How a thing must end for the device's own checks to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Well,
    Badly,
}

impl<'l> Command<'l> {
    fn read(line: &'l [u8]) -> Self {
        let Ok(line) = str::from_utf8(line) else { return Self::Unknown };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let ends = if verb.starts_with("no-") { Ends::Badly } else { Ends::Well };
        match verb {
            "vectors" => Self::Vectors,
            "token" => Self::Token(rest),
            "push" | "no-push" => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Push { to, text, ends }
            }
            "listen" => Self::Listen,
            "batch" | "no-batch" => rest.parse().map_or(Self::Unknown, |len| Self::Batch { len, ends }),
            "took" => Self::Took,
            "exit" => Self::Exit,
            _ => Self::Unknown,
        }
    }
}

/// The commands, as they come.
#[derive(Debug)]
pub(crate) struct Commands {
    uart: Uart,
    lines: &'static mut LineBuffer<MAX_COMMAND_LEN>,
}

impl Commands {
    pub(crate) fn new(uart: Uart, lines: &'static mut LineBuffer<MAX_COMMAND_LEN>) -> Self {
        Self { uart, lines }
    }

    /// The next command, if a whole one has come. Nothing is read beyond its line: the bytes of a batch may follow.
    pub(crate) fn next(&mut self) -> Option<Command<'_>> {
        let mut byte = [0];
        while self.uart.read(&mut byte) > 0 {
            // What a terminal sends for the end of a line.
            if byte == *b"\r" {
                byte = *b"\n";
            }
            match self.lines.feed(&mut &byte[..]) {
                None | Some(Ok([])) => {}
                // Looked at anew, for that borrow ends here.
                Some(Ok(_)) => return Some(Command::read(self.lines.line())),
                Some(Err(_)) => return Some(Command::Unknown),
            }
        }
        None
    }
}
