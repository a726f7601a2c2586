//! Reading an answer from slices of any size.

mod framing;
mod head;
mod part;
#[cfg(test)]
mod tests;

use super::{Connection, Method, ResponseError, grammar::between};
use framing::Framing;

pub use part::{Header, Part};

/// What an answer may take (ours). Each is a bound on what a server can make a device do without getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// Bytes of the head, those of interim answers included; of the trailers again as many.
    pub head: u16,
    /// Headers, likewise.
    pub headers: u16,
    /// Bytes of a chunk.
    pub chunk: u32,
}

impl Limits {
    /// 4 KiB and 64 headers, chunks of 16 MiB.
    pub const DEFAULT: Self = Self { head: 4096, headers: 64, chunk: 1 << 24 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A reader of one answer.
///
/// It is fed with what the stream delivers and gives out one [`Part`] at a time: the status, each header in turn, the
/// body in pieces that are slices of the input, the end. It holds one line of the head in a buffer of the caller's, and
/// itself takes no more than 64 bytes. The parts are the same wherever the input is cut, but for the number of pieces
/// that the body comes in.
///
/// ```
/// use pushgate_core::http::{Connection, Method, Part, Response};
///
/// let mut line = [0; 64];
/// let mut answer = Response::new(Method::Post, &mut line);
/// let mut input = &b"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait"[..];
/// while let Some(part) = answer.feed(&mut input)? {
///     match part {
///         Part::Status(status) => assert_eq!(status, 429),
///         Part::Header(header) if header.is("Retry-After") => assert_eq!(header.value, Some(&b"7"[..])),
///         Part::Header(_) => {}
///         Part::Body(piece) => assert_eq!(piece, b"wait"),
///         Part::End(connection) => assert_eq!(connection, Connection::KeepAlive),
///     }
/// }
/// # Ok::<(), pushgate_core::http::ResponseError>(())
/// ```
///
/// # What is taken and what is refused
///
/// - HTTP/1.1 and HTTP/1.0, a status from 100 to 599, with or without a reason (RFC 9112, section 4).
/// - Interim answers (1xx) are passed over (RFC 9110, section 15.2), but 101 is the last: after it the connection speaks
///   another protocol, and what is left of the input is the first of that.
/// - A line of the head may end in a line feed alone (RFC 9112, section 2.2, allows it); a chunk's may not.
/// - A folded header, white space before a colon, a carriage return by itself and other control characters are refused.
/// - A body is as long as `Content-Length` says, or in chunks, or lasts until the connection ends (RFC 9112, section
///   6.3). There is none in an answer to `HEAD` and after 204 and 304.
/// - `Content-Length` together with `Transfer-Encoding` is refused, which RFC 9112, section 6.3, leaves to the reader.
///   So is any coding but `chunked`.
/// - Extensions of chunks are passed over, and so are trailers (RFC 9112, section 7.1).
#[derive(Debug)]
#[repr(C)] // the small ones first, where the short instructions reach them: 40 bytes of flash
pub struct Response<'b> {
    state: State,
    /// Why it has failed, once it has.
    error: ResponseError,
    /// The last byte that was taken into a line.
    last: u8,
    without_body: bool,
    framing: Framing,
    /// Bytes of the line, those that had no room included.
    len: u16,
    /// Bytes that the lines under way may still take.
    bytes_left: u16,
    headers_left: u16,
    status: u16,
    limits: Limits,
    line: &'b mut [u8],
    /// The length of what was found: of a header's name, or of a piece of the body, the last taken from the input.
    found_len: usize,
}

/// Where the reader is, in an order that [`Response::end`] counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    StatusLine,
    Headers,
    ChunkSize,
    Chunk,
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    /// A body of known length.
    Length,
    /// A body as long as the connection.
    UntilClose,
    /// All has been read; the end is to be told.
    Ending,
    Ended,
    Failed,
}

/// What a step found. It has no borrow, so that the caller's may end where it must.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Nothing,
    Status,
    Header,
    Body,
    End,
    Fault,
}

impl<'b> Response<'b> {
    /// Makes a reader of the answer to a request with `method`, with a buffer for one `line` of the head.
    ///
    /// 64 bytes are enough for the lines that matter to the reader itself. A header whose line does not fit is told
    /// without its value, and refused only when its name does not fit or the reader has to know the value.
    #[must_use]
    pub const fn new(method: Method, line: &'b mut [u8]) -> Self {
        Self::with_limits(method, line, Limits::DEFAULT)
    }

    /// As [`new`](Self::new), with other limits.
    #[must_use]
    pub const fn with_limits(method: Method, line: &'b mut [u8], limits: Limits) -> Self {
        Self {
            line,
            len: 0,
            last: b'\n',
            state: State::StatusLine,
            error: ResponseError::Closed,
            framing: Framing::new(0),
            limits,
            bytes_left: limits.head,
            headers_left: limits.headers,
            status: 0,
            without_body: matches!(method, Method::Head),
            found_len: 0,
        }
    }

    /// Takes bytes from the front of `input` up to the end of the next part and returns that part; `None` when the input
    /// is used up before. After the end nothing is taken.
    ///
    /// Call it until it returns `None` or [`Part::End`]: a part may be due when the input is used up already.
    ///
    /// # Errors
    ///
    /// What came is no answer; the same error again from then on.
    pub fn feed<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Part<'_, 'i>>, ResponseError> {
        let whole = *input;
        match self.advance(input) {
            Found::Nothing => Ok(None),
            Found::Fault => Err(self.error()),
            found => {
                let taken = whole.len().saturating_sub(input.len());
                Ok(Some(self.part(found, whole, taken)))
            }
        }
    }

    /// Notes that the stream has ended. `Ok` = the answer is complete, or was before; [`feed`](Self::feed) tells so too.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Closed`] before the first byte, and otherwise where the answer was cut off. A body in chunks
    /// without the last one is cut off, however it looks (RFC 9112, section 8).
    pub fn closed(&mut self) -> Result<Connection, ResponseError> {
        match self.end() {
            Found::Fault => Err(self.error()),
            _ => Ok(self.connection()),
        }
    }

    /// As [`closed`](Self::closed), without an outcome to move about.
    pub(super) fn end(&mut self) -> Found {
        if self.state < State::UntilClose {
            return self.fail(if self.state > State::Headers {
                ResponseError::EndsInBody
            } else if self.state == State::StatusLine && self.bytes_left == self.limits.head {
                ResponseError::Closed
            } else {
                ResponseError::EndsInHead
            });
        }
        match self.state {
            State::Failed => return Found::Fault,
            State::UntilClose => self.state = State::Ending,
            _ => {}
        }
        Found::End
    }

    /// As [`feed`](Self::feed), without a borrow that lasts. Its state says which part was found: [`part`](Self::part).
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn advance(&mut self, input: &mut &[u8]) -> Found {
        loop {
            match self.state {
                State::Chunk | State::Length | State::UntilClose => return self.body(input),
                State::Ending => {
                    self.state = State::Ended;
                    return Found::End;
                }
                State::Ended => return Found::Nothing,
                State::Failed => return Found::Fault,
                _ => {}
            }
            let Some((&byte, rest)) = input.split_first() else { return Found::Nothing };
            *input = rest;
            match self.byte(byte) {
                Found::Nothing => {}
                found => return found,
            }
        }
    }

    /// The part that was found in `input`, of which so much is `taken`.
    pub(super) fn part<'i>(&self, found: Found, input: &'i [u8], taken: usize) -> Part<'_, 'i> {
        match found {
            Found::Status => Part::Status(self.status),
            Found::Header => Part::Header(Header::of(self.held(), self.found_len, self.is_cut())),
            Found::End => Part::End(self.connection()),
            _ => Part::Body(between(input, taken.saturating_sub(self.found_len), taken)),
        }
    }

    /// Why there is no answer.
    pub(super) fn error(&self) -> ResponseError {
        self.error
    }

    /// Has the connection closed after the answer, whatever the answer says.
    pub(super) fn end_connection(&mut self) {
        self.framing.say(framing::CLOSES);
    }

    /// What becomes of the connection after the answer.
    fn connection(&self) -> Connection {
        if self.status == 101 { Connection::Upgrade } else { self.framing.connection() }
    }

    /// Takes what there is of the body.
    fn body(&mut self, input: &mut &[u8]) -> Found {
        let until_close = matches!(self.state, State::UntilClose);
        let len = if until_close { input.len() } else { input.len().min(self.framing.left as usize) };
        if len == 0 {
            return Found::Nothing;
        }
        *input = input.get(len..).unwrap_or_default();
        self.found_len = len;
        if !until_close {
            // The length is the lesser of the two.
            self.framing.left = self.framing.left.wrapping_sub(u32::try_from(len).unwrap_or(0));
            if self.framing.left == 0 {
                self.state = if matches!(self.state, State::Chunk) { State::ChunkEnd } else { State::Ending };
            }
        }
        Found::Body
    }

    fn fail(&mut self, error: ResponseError) -> Found {
        self.state = State::Failed;
        self.error = error;
        Found::Fault
    }

    /// What the buffer holds of the line.
    fn held(&self) -> &[u8] {
        self.line.get(..usize::from(self.len)).unwrap_or(self.line)
    }

    /// Whether the line is longer than its buffer.
    const fn is_cut(&self) -> bool {
        self.len as usize > self.line.len()
    }
}
