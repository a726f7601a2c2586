//! What a connection's lines travel on.

use std::{
    fmt, io,
    task::{Context, Poll},
};

use pushgate_core::{Error, link::Refusal};

use crate::metrics::Reason;

/// Lines in, lines out, without waiting: what a raw stream and a WebSocket have in common.
pub(super) trait Wire: Unpin + Send {
    /// Takes in some of what has come and gives each line in it to `take`; what is wrong with a line is given in its
    /// place.
    fn poll_receive(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Heard<'_>)) -> Poll<Result<(), Ended>>;

    /// Takes a line, with its line feed, to be written.
    fn put(&mut self, line: &[u8]) -> Result<(), Ended>;

    /// Whether what was put before is little enough for another line.
    fn has_room(&self) -> bool;

    /// Writes what was put; ready when all of it has gone out.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>>;

    /// Says goodbye after the last line.
    fn poll_close(&mut self, cx: &mut Context<'_>, code: Option<u16>) -> Poll<Result<(), Ended>>;
}

/// What has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'l> {
    /// A line, or what is wrong with it.
    Line(Result<&'l [u8], Error>),
    /// A message that is no line at all.
    NoText,
    /// A sign of life below the lines, such as a WebSocket's own ping.
    Sign,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ended {
    /// The device closed it.
    Left,
    /// The host closes it, and said why.
    Refused(Refusal),
    /// The network, or a device that does not read, ended it.
    Io(io::Error),
    /// It was cut off: the gateway has stopped.
    Abandoned,
}

impl From<&Ended> for Reason {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Left => Self::LEFT,
            Ended::Refused(refusal) => refusal.into(),
            Ended::Io(_) => Self::IO,
            Ended::Abandoned => Self::ABANDONED,
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the device left"),
            Self::Refused(refusal) => write!(f, "{}: {refusal}", refusal.code()),
            Self::Io(error) => error.fmt(f),
            Self::Abandoned => f.write_str("the gateway has stopped"),
        }
    }
}
