//! What is counted of the device link: who comes, who goes and why, and what is said meanwhile.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use pushgate_core::link::Refusal;

use super::page::{Family, Page};

/// What a connection travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP as it is.
    Tcp,
    /// TCP with TLS.
    Tls,
    /// A WebSocket of the public listener.
    WebSocket,
}

/// A line of the link, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A device says who it is.
    Hello,
    /// A device has a message.
    Ack,
    /// A sign of life from a device, or a line that is wrong.
    Sign,
    /// A message for a device, or its receipt.
    Message,
    /// A welcome, a ping, a pong.
    Course,
    /// Why the connection ends.
    Refusal,
}

/// Counts what happens on the device link.
#[derive(Debug)]
pub(crate) struct LinkCounts {
    connections: [AtomicU64; TRANSPORTS.len()],
    closed: [AtomicU64; REASONS.len()],
    devices: [AtomicU64; 2],
    lines: [AtomicU64; LINES.len()],
    bytes: [AtomicU64; 2],
}

const TRANSPORTS: [&str; 3] = ["tcp", "tls", "websocket"];

/// Directions and kinds of lines, in the order of [`Line`].
const LINES: [(&str, &str); 6] =
    [("in", "hello"), ("in", "ack"), ("in", "sign"), ("out", "message"), ("out", "course"), ("out", "refusal")];

/// Why connections end.
const REASONS: [&str; 17] = [
    "left",
    "io",
    "abandoned",
    "handshake",
    "line",
    "no_text",
    "not_a_hello",
    "token",
    "no_app",
    "no_hello",
    "silent",
    "replaced",
    "second_hello",
    "too_many_lines",
    "too_many_connects",
    "full",
    "stopping",
];

/// Why a connection ended, in one word of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(&'static str);

impl Reason {
    /// The device closed it.
    pub(crate) const LEFT: Self = Self("left");
    /// The network ended it, or a device that does not read.
    pub(crate) const IO: Self = Self("io");
    /// The gateway stopped and did not wait.
    pub(crate) const ABANDONED: Self = Self("abandoned");
    /// TLS did not come about.
    pub(crate) const HANDSHAKE: Self = Self("handshake");
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        Self(match refusal {
            Refusal::NoText => "no_text",
            Refusal::NotAHello => "not_a_hello",
            Refusal::Token(_) => "token",
            Refusal::NoApp(_) => "no_app",
            Refusal::NoHello(_) => "no_hello",
            Refusal::Silent => "silent",
            Refusal::Replaced => "replaced",
            Refusal::SecondHello => "second_hello",
            Refusal::TooManyLines(_) => "too_many_lines",
            Refusal::TooManyConnects => "too_many_connects",
            Refusal::Full => "full",
            Refusal::Stopping => "stopping",
            // A refusal that is new to this list is about what the device has said.
            _ => "line",
        })
    }
}

impl Default for LinkCounts {
    fn default() -> Self {
        Self {
            connections: Default::default(),
            closed: array::from_fn(|_| AtomicU64::default()),
            devices: Default::default(),
            lines: Default::default(),
            bytes: Default::default(),
        }
    }
}

impl LinkCounts {
    /// Counts a connection that has begun.
    pub(crate) fn connected(&self, transport: Transport) {
        add(&self.connections, transport as usize, 1);
    }

    /// Counts a connection that is over, or that there was no place for.
    pub(crate) fn closed(&self, reason: Reason) {
        let place = REASONS.iter().position(|known| *known == reason.0);
        add(&self.closed, place.unwrap_or(REASONS.len()), 1);
    }

    /// Counts a device that was let in.
    pub(crate) fn welcomed(&self) {
        add(&self.devices, 0, 1);
    }

    /// Counts a device that has gone.
    pub(crate) fn left(&self) {
        add(&self.devices, 1, 1);
    }

    /// Counts a line.
    pub(crate) fn line(&self, line: Line, bytes: usize) {
        let place = line as usize;
        add(&self.lines, place, 1);
        let is_out = LINES.get(place).is_some_and(|(direction, _)| *direction == "out");
        add(&self.bytes, usize::from(is_out), bytes as u64);
    }

    /// A number that grows whenever a device comes or goes.
    pub(crate) fn changes(&self) -> u64 {
        self.devices.iter().map(|count| count.load(Relaxed)).sum()
    }

    pub(super) fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        let connections = Family::new("link_connections", "Connections of the device link, by what they travel on");
        page.counters(connections, by("transport", TRANSPORTS, &self.connections))?;
        let closed =
            Family::new("link_closed", "Connections of the device link that ended or were turned away, by why");
        page.counters(closed, by("reason", REASONS, &self.closed))?;
        let welcomed = Family::new("link_welcomed", "Devices let in, by the token they showed");
        page.counters(welcomed, [([], self.devices[0].load(Relaxed))])?;
        let lines = Family::new("link_lines", "Lines of the device link, by what they are for");
        let by_kind = LINES
            .iter()
            .zip(&self.lines)
            .map(|((direction, kind), count)| ([("direction", *direction), ("kind", *kind)], count.load(Relaxed)));
        page.counters(lines, by_kind)?;
        let bytes = Family::bytes("link_line", "Bytes of the device link's lines");
        page.counters(bytes, by("direction", ["in", "out"], &self.bytes))
    }
}

/// Series of one label, one a word.
pub(super) fn by<'c, const N: usize>(
    label: &'static str,
    words: [&'static str; N],
    counts: &'c [AtomicU64; N],
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> + 'c {
    words.into_iter().zip(counts).map(move |(word, count)| ([(label, word)], count.load(Relaxed)))
}

fn add(counts: &[AtomicU64], place: usize, by: u64) {
    if let Some(count) = counts.get(place) {
        count.fetch_add(by, Relaxed);
    }
}
