//! Reading an answer from slices of any size.

mod framing;
#[cfg(test)]
mod tests;

use super::{Connection, Method, ResponseError, is_control, is_token};
use framing::{Framing, Unheld};

/// What an answer may take (ours). Each is a bound on what a server can make a device do without getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Bytes that the line before a chunk may take, extensions and all (ours): each chunk may have one.
const CHUNK_LINE: u16 = 256;

/// The most digits of a chunk's size (ours): 32 bits.
const SIZE_DIGITS: u8 = 8;

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
pub struct Response<'b> {
    line: &'b mut [u8],
    /// Bytes of the line, those that had no room included.
    len: u16,
    framing: Framing,
    limits: Limits,
    /// Bytes that the lines under way may still take.
    bytes_left: u16,
    headers_left: u16,
    status: u16,
    state: State,
    /// Whether the last byte was a carriage return.
    return_seen: bool,
    /// Whether the line has been read: another begins with the next byte.
    line_read: bool,
    without_body: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    StatusLine,
    Headers,
    /// A body of known length.
    Length,
    ChunkSize,
    Chunk,
    /// The line end after a chunk.
    ChunkEnd,
    Trailers,
    /// A body as long as the connection.
    UntilClose,
    /// All has been read; the end is to be told.
    Ending(Connection),
    Ended(Connection),
    Failed(ResponseError),
}

/// What an answer holds, in this order: a status, headers, pieces of a body, the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'h, 'i> {
    /// The status of the answer, from 100 to 599. It comes once.
    Status(u16),
    /// A header of it.
    Header(Header<'h>),
    /// The next piece of the body, never empty.
    Body(&'i [u8]),
    /// The answer is complete; what is left of the input is no part of it, and came too early unless the connection is
    /// upgraded. A connection with such bytes is not to be used again.
    End(Connection),
}

/// A header as it came, without the white space around its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'h> {
    /// Its name, a token; upper and lower case are the same ([`is`](Self::is)).
    pub name: &'h [u8],
    /// Its value, which need not be UTF-8; `None` when the line is longer than its buffer.
    pub value: Option<&'h [u8]>,
}

impl Header<'_> {
    /// Whether this is the header called `name` (RFC 9110, section 5.1: "field names are case-insensitive").
    #[must_use]
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'h> Header<'h> {
    /// The header in a line, of which a part is held, and whose name has this length.
    fn of(held: &'h [u8], name_len: usize, is_cut: bool) -> Self {
        let (name, value) = held.split_at_checked(name_len).unwrap_or_default();
        // Of white space only spaces and tabs came this far.
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Self { name, value: (!is_cut).then_some(value) }
    }
}

/// What a step found. It has no borrow, so that the caller's may end where it must.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Nothing,
    Status,
    /// A header, with the length of its name.
    Header(usize),
    /// A piece of the body of this length, the last taken from the input.
    Body(usize),
    End(Connection),
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
            framing: Framing::new(),
            limits,
            bytes_left: limits.head,
            headers_left: limits.headers,
            status: 0,
            state: State::StatusLine,
            return_seen: false,
            line_read: false,
            without_body: matches!(method, Method::Head),
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
        let found = self.advance(input)?;
        Ok(self.part(found, whole.get(..whole.len().saturating_sub(input.len())).unwrap_or_default()))
    }

    /// The part that was found at the end of what was `taken`.
    pub(super) fn part<'i>(&self, found: Found, taken: &'i [u8]) -> Option<Part<'_, 'i>> {
        Some(match found {
            Found::Nothing => return None,
            Found::Status => Part::Status(self.status),
            Found::Header(name_len) => Part::Header(Header::of(self.held(), name_len, self.is_cut())),
            Found::Body(len) => Part::Body(taken.get(taken.len().saturating_sub(len)..).unwrap_or_default()),
            Found::End(connection) => Part::End(connection),
        })
    }

    /// Notes that the stream has ended. `Ok` = the answer is complete, or was before; [`feed`](Self::feed) tells so too.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Closed`] before the first byte, and otherwise where the answer was cut off. A body in chunks
    /// without the last one is cut off, however it looks (RFC 9112, section 8).
    pub fn closed(&mut self) -> Result<Connection, ResponseError> {
        let error = match self.state {
            State::StatusLine if self.bytes_left == self.limits.head => ResponseError::Closed,
            State::StatusLine | State::Headers => ResponseError::EndsInHead,
            State::Length | State::ChunkSize | State::Chunk | State::ChunkEnd | State::Trailers => {
                ResponseError::EndsInBody
            }
            State::UntilClose => {
                self.state = State::Ending(Connection::Close);
                return Ok(Connection::Close);
            }
            State::Ending(connection) | State::Ended(connection) => return Ok(connection),
            State::Failed(error) => error,
        };
        self.state = State::Failed(error);
        Err(error)
    }

    /// As [`feed`](Self::feed), without a borrow that lasts.
    pub(super) fn advance(&mut self, input: &mut &[u8]) -> Result<Found, ResponseError> {
        let outcome = self.next(input);
        if let Err(error) = outcome {
            self.state = State::Failed(error);
        }
        outcome
    }

    fn next(&mut self, input: &mut &[u8]) -> Result<Found, ResponseError> {
        loop {
            match self.state {
                State::Length | State::Chunk | State::UntilClose => return Ok(self.body(input)),
                State::ChunkEnd => {
                    let Some(byte) = take(input) else { return Ok(Found::Nothing) };
                    match (byte, self.return_seen) {
                        (b'\r', false) => self.return_seen = true,
                        (b'\n', true) => self.begin(State::ChunkSize, CHUNK_LINE),
                        _ => return Err(ResponseError::ChunkEnd),
                    }
                }
                State::Ending(connection) => {
                    self.state = State::Ended(connection);
                    return Ok(Found::End(connection));
                }
                State::Ended(_) => return Ok(Found::Nothing),
                State::Failed(error) => return Err(error),
                State::StatusLine | State::Headers | State::ChunkSize | State::Trailers => {
                    if !self.read_line(input)? {
                        return Ok(Found::Nothing);
                    }
                    match self.take_line()? {
                        Found::Nothing => {}
                        found => return Ok(found),
                    }
                }
            }
        }
    }

    fn begin(&mut self, state: State, bytes: u16) {
        self.state = state;
        self.bytes_left = bytes;
        self.return_seen = false;
    }

    /// Takes bytes into the line, and says whether it has ended.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<bool, ResponseError> {
        if self.line_read {
            self.line_read = false;
            self.len = 0;
        }
        while let Some(byte) = take(input) {
            self.bytes_left = self.bytes_left.checked_sub(1).ok_or_else(|| self.too_long())?;
            if byte == b'\n' {
                if matches!(self.state, State::ChunkSize) && !self.return_seen {
                    return Err(ResponseError::ChunkSize);
                }
                self.return_seen = false;
                self.line_read = true;
                return Ok(true);
            }
            if self.return_seen {
                return Err(ResponseError::Control);
            }
            if byte == b'\r' {
                self.return_seen = true;
                continue;
            }
            if is_control(byte) {
                return Err(ResponseError::Control);
            }
            if let Some(place) = self.line.get_mut(usize::from(self.len)) {
                *place = byte;
            }
            self.len = self.len.saturating_add(1);
        }
        Ok(false)
    }

    fn too_long(&self) -> ResponseError {
        match self.state {
            State::ChunkSize => ResponseError::ChunkSize,
            _ => ResponseError::HeadTooLong { limit: self.limits.head },
        }
    }

    fn take_line(&mut self) -> Result<Found, ResponseError> {
        match self.state {
            State::StatusLine => self.status_line(),
            State::ChunkSize => self.chunk_size(),
            _ if self.len == 0 => {
                self.end_headers();
                Ok(Found::Nothing)
            }
            _ => self.header_line(),
        }
    }

    fn status_line(&mut self) -> Result<Found, ResponseError> {
        let Some((head, rest)) = self.held().split_first_chunk::<12>() else {
            return Err(self.unheld(ResponseError::StatusLine));
        };
        let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', version @ (b'0' | b'1'), b' ', digits @ ..] = head else {
            return Err(ResponseError::StatusLine);
        };
        let digits: &[u8; 3] = digits;
        if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest, [] | [b' ', ..]) {
            return Err(ResponseError::StatusLine);
        }
        let status = digits.iter().fold(0, |status, &digit| status * 10 + u16::from(digit & 15));
        if !(100..600).contains(&status) {
            return Err(ResponseError::Status);
        }
        self.framing = Framing::version(*version);
        self.status = status;
        self.state = State::Headers;
        Ok(if self.is_interim() { Found::Nothing } else { Found::Status })
    }

    /// Whether another head follows this one.
    const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    fn header_line(&mut self) -> Result<Found, ResponseError> {
        let limit = self.limits.headers;
        self.headers_left = self.headers_left.checked_sub(1).ok_or(ResponseError::TooManyHeaders { limit })?;
        let line = self.held();
        if let [b' ' | b'\t', ..] = line {
            return Err(ResponseError::Folded);
        }
        let Some(name_len) = line.iter().position(|&byte| !is_token(byte)) else {
            return Err(self.unheld(ResponseError::HeaderName));
        };
        if name_len == 0 || line.get(name_len) != Some(&b':') {
            return Err(ResponseError::HeaderName);
        }
        if matches!(self.state, State::Trailers) {
            return Ok(Found::Nothing);
        }
        let is_cut = self.is_cut();
        let line = self.line.get(..usize::from(self.len)).unwrap_or(self.line);
        let Header { name, value } = Header::of(line, name_len, is_cut);
        self.framing.header(name, value).map_err(|why| match why {
            Unheld::Cut => self.line_too_long(),
            Unheld::Refused(error) => error,
        })?;
        Ok(if self.is_interim() { Found::Nothing } else { Found::Header(name_len) })
    }

    /// Decides what follows the head (RFC 9112, section 6.3), or ends the answer after the trailers.
    fn end_headers(&mut self) {
        let framing = self.framing;
        let connection = framing.connection();
        if self.is_interim() {
            self.state = State::StatusLine;
        } else if self.status == 101 {
            self.state = State::Ending(Connection::Upgrade);
        } else if self.without_body || matches!(self.status, 204 | 304) || matches!(self.state, State::Trailers) {
            self.state = State::Ending(connection);
        } else if framing.chunked {
            self.begin(State::ChunkSize, CHUNK_LINE);
        } else if framing.has_length {
            self.state = if framing.left == 0 { State::Ending(connection) } else { State::Length };
        } else {
            self.state = State::UntilClose;
        }
    }

    fn chunk_size(&mut self) -> Result<Found, ResponseError> {
        let (mut size, mut digits) = (0_u32, 0);
        let mut rest = self.held();
        while let [byte, after @ ..] = rest
            && let Some(digit) = char::from(*byte).to_digit(16)
        {
            size = size << 4 | digit;
            digits += 1;
            if digits > SIZE_DIGITS {
                return Err(ResponseError::ChunkSize);
            }
            rest = after;
        }
        // "A recipient MUST parse and remove such bad whitespace" (RFC 9112, section 7.1.1, with RFC 9110, section 5.6.3).
        match rest.trim_ascii() {
            [] if self.is_cut() => return Err(self.line_too_long()),
            [] | [b';', ..] if digits > 0 => {}
            _ => return Err(ResponseError::ChunkSize),
        }
        let limit = self.limits.chunk;
        if size > limit {
            return Err(ResponseError::ChunkTooLarge { limit });
        }
        self.framing.left = size;
        if size == 0 {
            self.headers_left = self.limits.headers;
            self.begin(State::Trailers, self.limits.head);
        } else {
            self.state = State::Chunk;
        }
        Ok(Found::Nothing)
    }

    /// Takes what there is of the body.
    fn body(&mut self, input: &mut &[u8]) -> Found {
        let all = input.len();
        let len = match self.state {
            State::UntilClose => all,
            _ => all.min(self.framing.left as usize),
        };
        if len == 0 {
            return Found::Nothing;
        }
        *input = input.get(len..).unwrap_or_default();
        self.framing.left = self.framing.left.saturating_sub(u32::try_from(len).unwrap_or(u32::MAX));
        if self.framing.left == 0 {
            match self.state {
                State::Length => self.state = State::Ending(self.framing.connection()),
                State::Chunk => self.begin(State::ChunkEnd, 0),
                _ => {}
            }
        }
        Found::Body(len)
    }

    /// What the buffer holds of the line.
    fn held(&self) -> &[u8] {
        self.line.get(..usize::from(self.len)).unwrap_or(self.line)
    }

    /// Whether the line is longer than its buffer.
    const fn is_cut(&self) -> bool {
        self.len as usize > self.line.len()
    }

    /// The error of a line that does not have what it must: it may be there, and had no room.
    fn unheld(&self, error: ResponseError) -> ResponseError {
        if self.is_cut() { self.line_too_long() } else { error }
    }

    fn line_too_long(&self) -> ResponseError {
        ResponseError::LineTooLong { capacity: u16::try_from(self.line.len()).unwrap_or(u16::MAX) }
    }
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = input.split_first()?;
    *input = rest;
    Some(byte)
}
