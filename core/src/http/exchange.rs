//! A request and its answer over one connection, without I/O: what to write, when to read, what was found.

use super::{Part, Request, RequestError, Response, ResponseError, grammar::between, response::Found};

/// A request on its way and its answer on the way back.
///
/// It does no I/O. **Ask [`step`](Self::step) what to do, do it and say so, until [`Part::End`].** Nothing changes until
/// it is said that something was done, so a wait that is broken off loses nothing: the same step comes again.
///
/// ```
/// use pushgate_core::http::{Connection, Exchange, Method, Part, Request, Step};
///
/// /// What the board has.
/// trait Socket {
///     fn write(&mut self, bytes: &[u8]) -> usize;
///     fn read(&mut self, room: &mut [u8]) -> usize;
/// }
///
/// fn push(socket: &mut impl Socket, body: &[u8]) -> Option<u16> {
///     let request = Request {
///         method: Method::Post,
///         target: "/v2/message/client/push",
///         host: "push.example.com",
///         headers: &[("Content-Type", "application/json")],
///         body_len: 0, // the exchange knows it
///         connection: Connection::Close,
///     };
///     let (mut buf, mut line) = ([0; 256], [0; 64]);
///     let mut exchange = Exchange::new(&request, body, &mut buf, &mut line).ok()?;
///     let mut answered = None;
///     loop {
///         match exchange.step().ok()? {
///             Step::Write(bytes) => {
///                 let len = socket.write(bytes);
///                 exchange.written(len);
///             }
///             Step::Flush => exchange.flushed(),
///             Step::Read(room) => {
///                 let len = socket.read(room);
///                 exchange.received(len).ok()?;
///             }
///             Step::Part(Part::Status(status)) => answered = Some(status),
///             Step::Part(Part::End(_)) => return answered,
///             Step::Part(_) => {}
///         }
///     }
/// }
/// # struct Canned;
/// # impl Socket for Canned {
/// #     fn write(&mut self, bytes: &[u8]) -> usize { bytes.len() }
/// #     fn read(&mut self, room: &mut [u8]) -> usize {
/// #         let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
/// #         room[..answer.len()].copy_from_slice(answer);
/// #         answer.len()
/// #     }
/// # }
/// # assert_eq!(push(&mut Canned, b"{}"), Some(200));
/// ```
///
/// The whole request goes out before the answer is looked at. A server that refuses a large body early may close the
/// connection meanwhile; a device's bodies are small enough to be underway by then.
#[derive(Debug)]
#[repr(C)] // as in `Response`
pub struct Exchange<'x> {
    stage: Stage,
    /// First the head, then what was read.
    buf: &'x mut [u8],
    /// Where in the buffer what is to be written, or looked at, begins and ends.
    start: usize,
    end: usize,
    body: &'x [u8],
    response: Response<'x>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head,
    Body,
    Flush,
    Answer,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing happens until it is done"]
pub enum Step<'s> {
    /// Write these bytes, or some of them, then call [`Exchange::written`].
    Write(&'s [u8]),
    /// See that all that was written goes out, if the stream keeps it back, then call [`Exchange::flushed`].
    Flush,
    /// Read into this as much as there is, then call [`Exchange::received`].
    Read(&'s mut [u8]),
    /// The next part of the answer. [`Part::End`] is the last: whether the connection may be used again.
    Part(Part<'s, 's>),
}

/// A step without its borrow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    Write,
    Flush,
    Read,
    Part(Found),
    Fail,
}

impl<'x> Exchange<'x> {
    /// Makes an exchange of `request` with `body`, whose length counts, not [`Request::body_len`].
    ///
    /// `buf` holds first the whole head, then what is read at a time; `line` holds one line of the answer's head, for
    /// which 64 bytes are enough (see [`Response::new`]).
    ///
    /// # Errors
    ///
    /// Those of [`Request::write`].
    pub fn new(
        request: &Request<'_>,
        body: &'x [u8],
        buf: &'x mut [u8],
        line: &'x mut [u8],
    ) -> Result<Self, RequestError> {
        let end = request.write_head(body.len(), buf)?;
        Ok(Self { buf, start: 0, end, body, stage: Stage::Head, response: Response::new(request.method, line) })
    }

    /// Says what to do now.
    ///
    /// # Errors
    ///
    /// What came is no answer; the connection is to be closed.
    pub fn step(&mut self) -> Result<Step<'_>, ResponseError> {
        Ok(match self.want() {
            Want::Write => Step::Write(self.unwritten()),
            Want::Flush => Step::Flush,
            Want::Read => Step::Read(self.room()),
            Want::Part(found) => Step::Part(self.part(found)),
            Want::Fail => return Err(self.error()),
        })
    }

    /// Notes that `len` bytes of [`Step::Write`] have been written.
    pub fn written(&mut self, len: usize) {
        if !matches!(self.stage, Stage::Head | Stage::Body) {
            return;
        }
        self.start = self.start.saturating_add(len);
        if self.start < self.end {
            return;
        }
        let body_len = if matches!(self.stage, Stage::Head) { self.body.len() } else { 0 };
        (self.start, self.end) = (0, body_len);
        self.stage = if body_len > 0 { Stage::Body } else { Stage::Flush };
    }

    /// Notes that what was written is on its way.
    pub fn flushed(&mut self) {
        if let Stage::Flush = self.stage {
            self.stage = Stage::Answer;
        }
    }

    /// Notes that `len` bytes have been read into the room of [`Step::Read`]; 0 = the stream has ended.
    ///
    /// # Errors
    ///
    /// The stream has ended before the answer ([`Response::closed`]).
    pub fn received(&mut self, len: usize) -> Result<(), ResponseError> {
        if len == 0 {
            return match self.response.end() {
                Found::Fault => Err(self.error()),
                _ => Ok(()),
            };
        }
        (self.start, self.end) = (0, len.min(self.buf.len()));
        Ok(())
    }

    /// What was read beyond the answer: after [`Connection::Upgrade`](super::Connection::Upgrade), the first bytes of the other protocol.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        match self.stage {
            Stage::Answer => between(self.buf, self.start, self.end),
            _ => &[],
        }
    }

    pub(super) fn want(&mut self) -> Want {
        match self.stage {
            Stage::Head | Stage::Body => return Want::Write,
            Stage::Flush => return Want::Flush,
            Stage::Answer => {}
        }
        let mut input = between(self.buf, self.start, self.end);
        let found = self.response.advance(&mut input);
        self.start = self.end.saturating_sub(input.len());
        if self.start < self.end && matches!(found, Found::End) {
            // Bytes that nobody asked for: whatever they are, they would pass for the next answer.
            self.response.end_connection();
        }
        match found {
            Found::Nothing => Want::Read,
            Found::Fault => Want::Fail,
            found => Want::Part(found),
        }
    }

    /// Why there is no answer.
    pub(super) fn error(&self) -> ResponseError {
        self.response.error()
    }

    pub(super) fn unwritten(&self) -> &[u8] {
        let bytes = if matches!(self.stage, Stage::Head) { &*self.buf } else { self.body };
        between(bytes, self.start, self.end)
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        self.buf
    }

    pub(super) fn part(&self, found: Found) -> Part<'_, '_> {
        self.response.part(found, self.buf, self.start)
    }
}
