//! How long an answer's body is and what becomes of the connection, from the headers that say so.

use crate::http::{
    Connection, ResponseError,
    grammar::{Word, number, trim},
};

/// What the status line and the headers so far say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    /// Bytes of the body, or of the chunk under way: what is still to come of them.
    pub(super) left: u32,
    said: u8,
}

/// The body has a length.
pub(super) const LENGTH: u8 = 1;
/// The body comes in chunks.
pub(super) const CHUNKED: u8 = 2;
/// HTTP/1.0, which knows no chunks.
pub(super) const OLD: u8 = 4;
/// The connection is closed unless it is said to be kept alive.
pub(super) const FADES: u8 = 8;
/// The connection is closed.
pub(super) const CLOSES: u8 = 16;

impl Framing {
    /// What is said before any header: nothing, or what HTTP/1.0 means.
    pub(super) const fn new(said: u8) -> Self {
        Self { left: 0, said }
    }

    pub(super) const fn says(&self, any: u8) -> bool {
        self.said & any != 0
    }

    pub(super) const fn say(&mut self, this: u8) {
        self.said |= this;
    }

    /// Takes one of the headers that matter here, and returns what is wrong with it.
    pub(super) fn header(&mut self, name: Word, value: &[u8]) -> Option<ResponseError> {
        let mut rest = value;
        loop {
            let len = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
            let (element, after) = rest.split_at_checked(len).unwrap_or_default();
            let element = trim(element);
            match name {
                Word::ContentLength => {
                    // "a single Content-Length header field containing a comma-separated list of identical decimal
                    // values" counts as one, repeated headers likewise (RFC 9110, section 8.6).
                    let (length, digits) = number(element, 10);
                    if digits == 0 || digits < element.len() {
                        return Some(ResponseError::ContentLength);
                    }
                    if self.says(LENGTH) && length != self.left {
                        return Some(ResponseError::ContentLengths);
                    }
                    self.left = length;
                    self.say(LENGTH);
                }
                Word::TransferEncoding => {
                    // Other codings have to be undone by who reads the body, and "a server MUST NOT apply chunked more
                    // than once"; one in HTTP/1.0 means that "the framing is faulty" (RFC 9112, section 6.1).
                    if self.says(OLD | CHUNKED) || Word::of(element) != Some(Word::Chunked) {
                        return Some(ResponseError::TransferEncoding);
                    }
                    self.say(CHUNKED);
                }
                _ => match Word::of(element) {
                    Some(Word::Close) => self.say(CLOSES),
                    Some(Word::KeepAlive) => self.said &= !FADES,
                    _ => {}
                },
            }
            let Some((_, next)) = after.split_first() else { break };
            rest = next;
        }
        (self.says(CHUNKED) && self.says(LENGTH)).then_some(ResponseError::TwoLengths)
    }

    /// Whether another request may follow (RFC 9112, section 9.3): close wins.
    pub(super) const fn connection(&self) -> Connection {
        if self.says(FADES | CLOSES) { Connection::Close } else { Connection::KeepAlive }
    }
}
