//! Reads a body of any kind, whole or in pieces, and sums up what it said.
//!
//! `build.rs` has this file too: what the host's core reads in a body is what the device's must. The sum is over what is
//! read written again, so the writers are held to it as well.

use core::fmt;

use pushgate_core::{
    Error,
    http::{Method, Part, Response, ResponseError},
    json::{self, ChunkReader, Payload},
    lingyang::{self, ClientPush, MAX_RECEIVERS, ServerPush, Token, Webhook, token},
    link::{Frame, LineBuffer},
    tencent, uplink,
};

/// The texts of one item, or of a payload, and as much again for what is written.
pub(crate) const ROOM: usize = 2 * 1536;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Any JSON document. It has no reader for pieces: the core keeps nothing of it.
    Json,
    /// A UCloud batch.
    Uplink,
    /// The answer to one.
    UplinkReply,
    /// A device's push.
    ClientPush,
    /// The application server's push.
    ServerPush,
    /// The answer to one.
    PushReply,
    /// A webhook call.
    Webhook,
    /// A batch of Tencent events.
    Tencent,
    /// The answer to one.
    TencentReply,
    /// Lines of the device link.
    Link,
    /// A device's token, which is too short for pieces.
    Token,
    /// An HTTP answer.
    Answer,
}

/// How a body is given to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All at once.
    Whole,
    /// In pieces of so many bytes.
    Pieces(usize),
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A payload.
    Payload(Error),
    /// A token.
    Token(token::MalformedToken),
    /// An HTTP answer.
    Answer(ResponseError),
}

impl Refusal {
    /// The byte where it shows; 0 where no byte is told.
    pub(crate) fn offset(&self) -> usize {
        match self {
            Self::Payload(error) => error.offset(),
            Self::Token(_) | Self::Answer(_) => 0,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(error) => error.fmt(f),
            Self::Token(error) => f.write_str(error.as_str()),
            Self::Answer(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Payload(error)
    }
}

/// Reads a body and sums up what it said; `None` where its kind is not read in pieces.
pub(crate) fn read(kind: Kind, body: &[u8], cut: Cut, room: &mut [u8; ROOM]) -> Option<Result<u32, Refusal>> {
    let mut sum = Sum::new();
    let (memory, out) = room.split_at_mut_checked(ROOM / 2).unwrap_or_default();
    let read = match kind {
        Kind::Json | Kind::Token if cut != Cut::Whole => return None,
        Kind::Json => json::compact(body, out).map(|text| sum.add(text)).map_err(Refusal::from),
        Kind::Token => read_token(body, &mut sum),
        Kind::Uplink => uplinks(body, cut, memory, out, &mut sum).map_err(Refusal::from),
        Kind::Tencent => events(body, cut, memory, out, &mut sum).map_err(Refusal::from),
        Kind::UplinkReply => payload(body, cut, memory, uplink::Reply::read, |it| sum.written(it.write(out))),
        Kind::ClientPush => {
            let whole = |body| ClientPush::read(body, MAX_RECEIVERS);
            payload(body, cut, memory, whole, |it| sum.written(it.write(out)))
        }
        Kind::ServerPush => {
            let whole = |body| ServerPush::read(body, MAX_RECEIVERS);
            payload(body, cut, memory, whole, |it| sum.written(it.write(out)))
        }
        Kind::PushReply => payload(body, cut, memory, lingyang::Reply::read, |it| sum.written(it.write(out))),
        Kind::Webhook => payload(body, cut, memory, Webhook::read, |it| sum.written(it.write(out))),
        Kind::TencentReply => payload(body, cut, memory, tencent::Reply::read, |it| sum.written(it.write(out))),
        Kind::Link => {
            lines(body, cut, out, &mut sum);
            Ok(())
        }
        Kind::Answer => answer(body, cut, memory, &mut sum).map_err(Refusal::Answer),
    };
    Some(read.map(|()| sum.0))
}

/// A payload that is one object.
fn payload<'b, P: Payload<'b>>(
    body: &'b [u8],
    cut: Cut,
    memory: &'b mut [u8],
    whole: impl FnOnce(&'b [u8]) -> Result<P, Error>,
    take: impl FnOnce(&P),
) -> Result<(), Refusal> {
    let read = match cut {
        Cut::Whole => whole(body)?,
        Cut::Pieces(len) => {
            let mut reader = ChunkReader::new(memory);
            // What has failed fails again, at the end.
            pieces(body, len).all(|piece| reader.feed(piece).is_ok());
            reader.finish()?
        }
    };
    take(&read);
    Ok(())
}

fn uplinks(body: &[u8], cut: Cut, memory: &mut [u8], out: &mut [u8], sum: &mut Sum) -> Result<(), Error> {
    let mut visit = |item: uplink::Item<'_, '_>| sum.written(item.write(out));
    let read = match cut {
        Cut::Whole => uplink::read(body, visit)?,
        Cut::Pieces(len) => {
            let mut reader = uplink::BatchReader::new(memory);
            pieces(body, len).all(|piece| reader.feed(piece, &mut visit).is_ok());
            reader.finish()?
        }
    };
    sum.number(u64::from(read.items));
    sum.number(i64::from(read.msg_type).unsigned_abs());
    Ok(())
}

fn events(body: &[u8], cut: Cut, memory: &mut [u8], out: &mut [u8], sum: &mut Sum) -> Result<(), Error> {
    let mut visit = |event: tencent::Event<'_, '_>| sum.written(event.write(out));
    let read = match cut {
        Cut::Whole => tencent::read(body, visit)?,
        Cut::Pieces(len) => {
            let mut reader = tencent::BatchReader::new(memory);
            pieces(body, len).all(|piece| reader.feed(piece, &mut visit).is_ok());
            reader.finish()?
        }
    };
    sum.number(u64::from(read));
    Ok(())
}

/// Every line counts, those that are refused too.
fn lines(body: &[u8], cut: Cut, out: &mut [u8], sum: &mut Sum) {
    let mut buffer = LineBuffer::<1024>::new();
    for mut piece in pieces(body, cut.len(body)) {
        while let Some(line) = buffer.feed(&mut piece) {
            match line.and_then(Frame::read) {
                Ok(frame) => sum.written(frame.write(out)),
                Err(error) => sum.refused(&error),
            }
        }
    }
}

fn answer(body: &[u8], cut: Cut, memory: &mut [u8], sum: &mut Sum) -> Result<(), ResponseError> {
    let (line, _) = memory.split_at_mut_checked(64).unwrap_or_default();
    let mut answer = Response::new(Method::Post, line);
    for mut piece in pieces(body, cut.len(body)) {
        while let Some(part) = answer.feed(&mut piece)? {
            match part {
                Part::Status(status) => sum.number(status.into()),
                Part::Header(header) => {
                    sum.add(header.name);
                    sum.add(header.value.unwrap_or(b"too long"));
                }
                Part::Body(bytes) => sum.add(bytes),
                Part::End(_) => return Ok(()),
            }
        }
    }
    answer.closed().map(drop)
}

fn read_token(body: &[u8], sum: &mut Sum) -> Result<(), Refusal> {
    let token = Token::parse(str::from_utf8(body).unwrap_or_default()).map_err(Refusal::Token)?;
    sum.add(token.encode(&mut [0; token::MAX_ENCODED_LEN]).as_bytes());
    Ok(())
}

impl Cut {
    fn len(self, body: &[u8]) -> usize {
        match self {
            Self::Whole => body.len(),
            Self::Pieces(len) => len,
        }
    }
}

/// A body in pieces, each of the same length but the last.
fn pieces(body: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = behind;
        Some(piece)
    })
}

/// A sum over bytes that tells their order too: FNV-1a.
struct Sum(u32);

impl Sum {
    fn new() -> Self {
        Self(0x811C_9DC5)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    fn written(&mut self, written: Result<&[u8], Error>) {
        match written {
            Ok(bytes) => self.add(bytes),
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &Error) {
        self.number(error.offset() as u64);
    }
}
