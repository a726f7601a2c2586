//! The lines of an answer: of its head, of the trailers, and before and after each chunk.

use super::{Found, Framing, Response, State, framing};
use crate::http::{
    ResponseError,
    grammar::{TOKEN, VALUE, Word, number, trim_from},
};

/// Bytes that the line before a chunk may take, extensions and all (ours): each chunk may have one.
const CHUNK_LINE: u16 = 256;

/// The versions, as numbers, which are quick to compare.
const HTTP_1_1: u64 = u64::from_le_bytes(*b"HTTP/1.1");
const HTTP_1_0: u64 = u64::from_le_bytes(*b"HTTP/1.0");

/// The status of an answer that another head follows.
const INTERIM: u16 = 0;

/// Bytes of the line end after a chunk.
const CHUNK_END: u16 = 2;

/// The most digits of a chunk's size (ours): 32 bits.
const SIZE_DIGITS: usize = 8;

impl Response<'_> {
    /// Takes a byte into the line, and the line when that was its end.
    pub(super) fn byte(&mut self, byte: u8) -> Found {
        let last = self.last;
        self.last = byte;
        if last == b'\n' {
            self.len = 0;
        }
        let returned = last == b'\r';
        let Some(bytes_left) = self.bytes_left.checked_sub(1) else {
            return self.fail(if matches!(self.state, State::ChunkSize) {
                ResponseError::ChunkSize
            } else {
                ResponseError::HeadTooLong
            });
        };
        self.bytes_left = bytes_left;
        if matches!(self.state, State::ChunkEnd) && byte != if returned { b'\n' } else { b'\r' } {
            return self.fail(ResponseError::ChunkEnd);
        }
        match byte {
            b'\n' if matches!(self.state, State::ChunkSize) && !returned => return self.fail(ResponseError::ChunkSize),
            b'\n' => return self.line(),
            _ if returned => return self.fail(ResponseError::Control),
            b'\r' => return Found::Nothing,
            _ if !VALUE.has(byte) => return self.fail(ResponseError::Control),
            _ => {}
        }
        if let Some(place) = self.line.get_mut(usize::from(self.len)) {
            *place = byte;
        }
        // No line is longer than the limit of its bytes.
        self.len = self.len.wrapping_add(1);
        Found::Nothing
    }

    /// Takes a line whose end was read.
    fn line(&mut self) -> Found {
        match self.state {
            State::StatusLine => self.status_line(),
            State::ChunkSize => self.chunk_size(),
            State::ChunkEnd => {
                self.state = State::ChunkSize;
                self.bytes_left = CHUNK_LINE;
                Found::Nothing
            }
            _ if self.len == 0 => {
                self.state = self.after_head();
                Found::Nothing
            }
            _ => self.header_line(),
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn status_line(&mut self) -> Found {
        let Some((head, rest)) = self.held().split_first_chunk::<12>() else {
            return self.fail(if self.is_cut() { ResponseError::LineTooLong } else { ResponseError::StatusLine });
        };
        let [v0, v1, v2, v3, v4, v5, v6, v7, b' ', digits @ ..] = head else {
            return self.fail(ResponseError::StatusLine);
        };
        let version = u64::from_le_bytes([*v0, *v1, *v2, *v3, *v4, *v5, *v6, *v7]);
        let digits: &[u8; 3] = digits;
        let (status, len) = number(digits, 10);
        if !matches!(version, HTTP_1_0 | HTTP_1_1) || len < digits.len() || !matches!(rest, [] | [b' ', ..]) {
            return self.fail(ResponseError::StatusLine);
        }
        let Ok(status @ 100..600) = u16::try_from(status) else { return self.fail(ResponseError::Status) };
        self.framing = Framing::new(if version == HTTP_1_0 { framing::OLD | framing::FADES } else { 0 });
        self.state = State::Headers;
        self.status = status;
        if status < 200 && status != 101 {
            self.status = INTERIM;
            return Found::Nothing;
        }
        Found::Status
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn header_line(&mut self) -> Found {
        let Some(headers_left) = self.headers_left.checked_sub(1) else {
            return self.fail(ResponseError::TooManyHeaders);
        };
        self.headers_left = headers_left;
        let is_cut = self.is_cut();
        let line = self.line.get(..usize::from(self.len)).unwrap_or(self.line);
        let name_len = TOKEN.span(line);
        match line.get(name_len) {
            Some(b':') if name_len > 0 => {}
            Some(b' ' | b'\t') if name_len == 0 => return self.fail(ResponseError::Folded),
            None if is_cut => return self.fail(ResponseError::LineTooLong),
            _ => return self.fail(ResponseError::HeaderName),
        }
        if matches!(self.state, State::Trailers) {
            return Found::Nothing;
        }
        self.found_len = name_len;
        if let Some(name @ (Word::ContentLength | Word::TransferEncoding | Word::Connection)) =
            Word::of(line.get(..name_len).unwrap_or_default())
        {
            if is_cut {
                return self.fail(ResponseError::LineTooLong);
            }
            if let Some(error) = self.framing.header(name, trim_from(line, name_len.saturating_add(1))) {
                return self.fail(error);
            }
        }
        if self.status == INTERIM { Found::Nothing } else { Found::Header }
    }

    /// What follows the head (RFC 9112, section 6.3), or the trailers.
    fn after_head(&mut self) -> State {
        if self.status == INTERIM {
            return State::StatusLine;
        }
        let is_bare = self.without_body || matches!(self.status, 101 | 204 | 304);
        if is_bare || matches!(self.state, State::Trailers) {
            State::Ending
        } else if self.framing.says(framing::CHUNKED) {
            self.bytes_left = CHUNK_LINE;
            State::ChunkSize
        } else if !self.framing.says(framing::LENGTH) {
            self.framing.say(framing::CLOSES);
            State::UntilClose
        } else if self.framing.left == 0 {
            State::Ending
        } else {
            State::Length
        }
    }

    fn chunk_size(&mut self) -> Found {
        let held = self.held();
        let (size, digits) = number(held, 16);
        // "A recipient MUST parse and remove such bad whitespace" (RFC 9112, section 7.1.1, with RFC 9110, section 5.6.3).
        match trim_from(held, digits) {
            [] if self.is_cut() && digits <= SIZE_DIGITS => return self.fail(ResponseError::LineTooLong),
            [] | [b';', ..] if (1..=SIZE_DIGITS).contains(&digits) => {}
            _ => return self.fail(ResponseError::ChunkSize),
        }
        if size > self.limits.chunk {
            return self.fail(ResponseError::ChunkTooLarge);
        }
        self.framing.left = size;
        if size == 0 {
            self.state = State::Trailers;
            self.headers_left = self.limits.headers;
            self.bytes_left = self.limits.head;
        } else {
            self.state = State::Chunk;
            self.bytes_left = CHUNK_END;
        }
        Found::Nothing
    }
}
