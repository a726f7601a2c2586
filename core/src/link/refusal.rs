//! Why the host closes a connection, in the words that the device is told.

use core::fmt::{self, Write};

use crate::{
    Error, ErrorKind, Field, Text,
    json::{self, MAX_INTEGER_LEN},
    lingyang::{Cid, token::TokenError},
};

use super::{Frame, Problem};

/// Why the host closes a connection. `Display` gives the words; [`code`](Self::code) is in the manner of an HTTP
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400, or 413 for one that is too long: a line that is none of this protocol.
    Line(Error),
    /// 400: a WebSocket message that is no text.
    NoText,
    /// 401: the first line is another one than a hello.
    NotAHello,
    /// 401: the token does not hold, or does not any more.
    Token(TokenError),
    /// 401: no app owns the token's cid.
    NoApp(Cid),
    /// 408: no hello within so many milliseconds.
    NoHello(u32),
    /// 408: silence for [`SILENT_HEARTBEATS`](super::SILENT_HEARTBEATS) heartbeats.
    Silent,
    /// 409: the device has another connection, which is newer.
    Replaced,
    /// 409: a hello on a connection that has had one: the device has started anew behind a modem or a bridge that kept
    /// the connection, and has to begin where the host does.
    SecondHello,
    /// 429: more lines than so many a second that answer nothing.
    TooManyLines(u32),
    /// 429: the device connects too often.
    TooManyConnects,
    /// 503: no room for a connection more.
    Full,
    /// 503: the host is stopping.
    Stopping,
}

impl Refusal {
    /// The code, in the manner of an HTTP status: what a client would do after that status is right here too.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Line(error) if is_of_the_line(error) => 413,
            Self::Line(_) | Self::NoText => 400,
            Self::NotAHello | Self::Token(_) | Self::NoApp(_) => 401,
            Self::NoHello(_) | Self::Silent => 408,
            Self::Replaced | Self::SecondHello => 409,
            Self::TooManyLines(_) | Self::TooManyConnects => 429,
            Self::Full | Self::Stopping => 503,
        }
    }

    /// Writes the line that tells the device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes, 300 bytes at most.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut words = Words { bytes: [0; 256], len: 0 };
        // What does not fit is cut off; no refusal is that long.
        let _ = write!(words, "{self}");
        Frame::Error(Problem { code: u32::from(self.code()), message: Text::from(words.text()) }).write(buf)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Line(error) if is_of_the_line(&error) => {
                f.write_str("the line is ")?;
                error.kind().fmt(f)
            }
            Self::Line(error) if error.field() == Field::BODY => {
                f.write_str("line: ")?;
                error.kind().fmt(f)
            }
            Self::Line(error) => error.fmt(f),
            Self::NoText => f.write_str("the message is no text: send each frame as a text message"),
            Self::NotAHello => f.write_str("the first line must be a hello with the device's token"),
            Self::Token(error) => {
                f.write_str("hello.token: ")?;
                error.fmt(f)
            }
            Self::NoApp(cid) => {
                f.write_str("hello.token: no app here owns cid ")?;
                decimal(f, cid.value())
            }
            Self::NoHello(millis) => {
                f.write_str("no hello within ")?;
                match (millis / 1000, millis % 1000) {
                    (secs, 0) => decimal(f, secs).and_then(|()| f.write_str(" s")),
                    _ => decimal(f, millis).and_then(|()| f.write_str(" ms")),
                }
            }
            Self::Silent => f.write_str("silent for 3 heartbeats"),
            Self::Replaced => f.write_str("replaced by a newer connection of the same device"),
            Self::SecondHello => f.write_str("this connection has its device already; for a hello, connect again"),
            Self::TooManyLines(limit) => {
                f.write_str("more than ")?;
                decimal(f, limit)?;
                f.write_str(" lines a second that answer nothing; send fewer pings and acknowledge each copy once")
            }
            Self::TooManyConnects => {
                f.write_str("this device connects too often; keep the connection, or wait longer between two")
            }
            Self::Full => f.write_str("as many devices as limits.connections allows are connected; try again later"),
            Self::Stopping => f.write_str("the gateway is stopping; connect again in a moment"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Whether the line itself is too long, and not a text in it.
fn is_of_the_line(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TooLong { .. }) && error.field() == Field::BODY
}

fn decimal(f: &mut fmt::Formatter<'_>, number: u32) -> fmt::Result {
    f.write_str(json::decimal(number.into(), &mut [0; MAX_INTEGER_LEN]))
}

/// Words in a buffer of their own; those that do not fit are left out.
struct Words {
    bytes: [u8; 256],
    len: usize,
}

impl Words {
    fn text(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    #[test]
    fn every_refusal_is_a_line_of_its_own_words() {
        let limit = ErrorKind::TooLong { limit: 1024, unit: Unit::Bytes };
        for (refusal, code, words) in [
            (Refusal::Line(Error::new(limit, Field::BODY, 1024)), 413, "the line is longer than 1024 bytes"),
            (Refusal::Line(Frame::read(b"{\"ack\":7}").unwrap_err()), 400, "ack: must be a string"),
            (Refusal::Line(Frame::read(b"x").unwrap_err()), 400, "line: expected an object, found `x`"),
            (Refusal::NotAHello, 401, "the first line must be a hello with the device's token"),
            (
                Refusal::Token(TokenError::Expired { expire: 7 }),
                401,
                "hello.token: the token expired at 7 (unix seconds); issue a new one",
            ),
            (Refusal::NoApp(Cid::new(9).unwrap()), 401, "hello.token: no app here owns cid 9"),
            (Refusal::NoHello(10_000), 408, "no hello within 10 s"),
            (Refusal::NoHello(1_500), 408, "no hello within 1500 ms"),
            (
                Refusal::TooManyLines(20),
                429,
                "more than 20 lines a second that answer nothing; send fewer pings and acknowledge each copy once",
            ),
        ] {
            let mut buf = [0; 300];
            let line = refusal.write(&mut buf).unwrap();
            let told = Frame::Error(Problem { code, message: words.into() });
            assert_eq!(Frame::read(line), Ok(told), "{refusal}");
        }
    }
}
