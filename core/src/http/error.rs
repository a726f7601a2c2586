//! What cannot be written, and what is no answer.

use core::fmt;

use crate::{
    Blame,
    json::{MAX_INTEGER_LEN, decimal},
};

/// Why a request's head is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RequestError {
    /// The target is no path with or without a query (RFC 9112, section 3.2.1).
    Target,
    /// The host is none, or more than a host and a port (RFC 9112, section 3.2).
    Host,
    /// The name of this header, counted from 0, is no token (RFC 9110, section 5.1).
    HeaderName(usize),
    /// The value of this header, counted from 0, has a control character (RFC 9110, section 5.5).
    HeaderValue(usize),
    /// This header, counted from 0, is one that the head has anyway: it would stand there twice.
    OwnHeader(usize),
    /// The buffer cannot hold the head.
    BufferFull {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        capacity: usize,
    },
}

impl RequestError {
    /// Who has to act for the next try to succeed.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::BufferFull { .. } => Blame::Capacity,
            _ => Blame::Configuration,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Target => f.write_str(
                "target: must begin with `/` and hold visible ASCII only, without `#`; percent-encode the rest",
            ),
            Self::Host => f.write_str("host: must be a host with or without `:` and a port, as in a URL"),
            Self::HeaderName(index) => {
                numbered(f, "headers[", index, "]: the name must be letters, digits and !#$%&'*+-.^_`|~")
            }
            Self::HeaderValue(index) => {
                numbered(f, "headers[", index, "]: the value holds a control character; remove line ends and the like")
            }
            Self::OwnHeader(index) => numbered(
                f,
                "headers[",
                index,
                "]: Host, Content-Length, Transfer-Encoding and Connection are written by the request itself; leave it out",
            ),
            Self::BufferFull { needed, capacity } => {
                numbered(f, "head: needs ", needed, " bytes")?;
                numbered(f, ", the buffer has ", capacity, "")
            }
        }
    }
}

impl core::error::Error for RequestError {}

/// Why what came is no answer, or none that can be told apart from what follows it. The connection is of no use any
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ResponseError {
    /// The connection ended before the first byte of an answer. One that was used before was idle for too long: the
    /// request may be sent again over a new one, if sending it twice does no harm (RFC 9112, section 9.3.1).
    Closed,
    /// The connection ended within the head, or after an interim answer.
    EndsInHead,
    /// The connection ended within the body: what came of it is not all (RFC 9112, section 8).
    EndsInBody,
    /// The first line is not `HTTP/1.1` or `HTTP/1.0`, a space and three digits (RFC 9112, section 4).
    StatusLine,
    /// The status is not from 100 to 599 (RFC 9110, section 15).
    Status,
    /// A line of the head has no header's name and colon, or white space between the two (RFC 9112, section 5.1).
    HeaderName,
    /// A header goes on in another line, which has been obsolete for long (RFC 9112, section 5.2).
    Folded,
    /// A control character, or a carriage return without a line feed (RFC 9110, section 5.5; RFC 9112, section 2.2).
    Control,
    /// The head, with those of interim answers, is longer than [`Limits::head`](super::Limits::head), or the trailers are.
    HeadTooLong,
    /// The head, with those of interim answers, has more headers than [`Limits::headers`](super::Limits::headers), or the
    /// trailers have.
    TooManyHeaders,
    /// The buffer for a line cannot hold what must be known of this one.
    LineTooLong,
    /// `Content-Length` is no number (RFC 9110, section 8.6), or one of more than 32 bits (ours).
    ContentLength,
    /// `Content-Length` stands there twice with different numbers (RFC 9112, section 6.3).
    ContentLengths,
    /// `Transfer-Encoding` is anything but `chunked`, once, in HTTP/1.1 (RFC 9112, section 6.1).
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`: an attempt to have the message read in two ways (RFC 9112, section
    /// 6.3).
    TwoLengths,
    /// A chunk does not begin with one to eight hexadecimal digits and a line end (RFC 9112, section 7.1).
    ChunkSize,
    /// A chunk is larger than [`Limits::chunk`](super::Limits::chunk).
    ChunkTooLarge,
    /// A chunk is longer than its size says: no line end follows it (RFC 9112, section 7.1).
    ChunkEnd,
}

impl ResponseError {
    /// Who has to act for the next try to succeed.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::LineTooLong => Blame::Capacity,
            _ => Blame::Peer,
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::Closed => "answer: the connection was closed before one began; connect again",
            Self::EndsInHead => "head: the connection was closed within it",
            Self::EndsInBody => "body: the connection was closed within it",
            Self::StatusLine => "status line: must be HTTP/1.1 or HTTP/1.0, a space and three digits",
            Self::Status => "status: must be from 100 to 599",
            Self::HeaderName => "header: must be a name, a colon right after it, and a value",
            Self::Folded => "header: must stand in one line",
            Self::Control => "head: holds a control character, or a carriage return without a line feed",
            Self::HeadTooLong => "head: longer than Limits::head allows; raise it if the server may send so much",
            Self::TooManyHeaders => {
                "head: more headers than Limits::headers allows; raise it if the server may send so many"
            }
            Self::LineTooLong => "head: a line that must be read is longer than the buffer for a line; make it larger",
            Self::ContentLength => "Content-Length: must be a number of decimal digits, at most 4294967295",
            Self::ContentLengths => "Content-Length: stands there twice with different numbers",
            Self::TransferEncoding => "Transfer-Encoding: must be chunked, once, in HTTP/1.1",
            Self::TwoLengths => "Transfer-Encoding: must not stand beside Content-Length",
            Self::ChunkSize => "chunk: must begin with one to eight hexadecimal digits and a line end",
            Self::ChunkTooLarge => "chunk: larger than Limits::chunk allows; raise it if the server may send so much",
            Self::ChunkEnd => "chunk: longer than its size says",
        })
    }
}

impl core::error::Error for ResponseError {}

/// Why an exchange over a stream came to nothing. The stream is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ExchangeError<E> {
    /// The stream's own error.
    Stream(E),
    /// The stream takes no more bytes.
    NotWritten,
    /// What came is no answer.
    Response(ResponseError),
}

impl<E> From<ResponseError> for ExchangeError<E> {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

impl<E: fmt::Display> fmt::Display for ExchangeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => {
                f.write_str("stream: ")?;
                error.fmt(f)
            }
            Self::NotWritten => f.write_str("request: the stream takes no more bytes; connect again"),
            Self::Response(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for ExchangeError<E> {}

fn numbered(f: &mut fmt::Formatter<'_>, before: &str, number: usize, after: &str) -> fmt::Result {
    f.write_str(before)?;
    f.write_str(decimal(number as u64, &mut [0; MAX_INTEGER_LEN]))?;
    f.write_str(after)
}
