//! `[limits]`: what the gateway takes before it says no.

use pushgate_core::link::host;

use super::reader::Section;

/// What the gateway takes before it says no. All are ours: the vendors document none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body; more is answered 413. Default 1 MiB, from 1 KiB to 64 MiB.
    pub body_bytes: usize,
    /// Bytes of a request's head; more is answered 431. Default 16 KiB, from 8 KiB (the HTTP server's least) to 1 MiB.
    pub header_bytes: usize,
    /// Milliseconds for a request's body to arrive whole; later is answered 408. Default 10 000, from 100 to 600 000.
    pub body_timeout_ms: u32,
    /// Bytes of a destination's answer that are read; a longer answer fails the send. Default 64 KiB, from 1 KiB to
    /// 16 MiB.
    pub answer_bytes: usize,
    /// Receivers of one Lingyang push; more is answered 400. Default 100, from 1 to 10 000.
    pub receivers_per_request: usize,
    /// Connections of devices at a time, on all transports. When all are taken, the oldest that has not said hello makes
    /// room; without one, a further device is told 503. Default 10 000, from 1 to 1 000 000.
    pub connections: usize,
    /// Milliseconds a device's connection has to say hello; later is told 408. Default 10 000, from 100 to 600 000.
    pub hello_timeout_ms: u32,
    /// Seconds between heartbeats of a device; three without a word close its connection. Default 30, from 1 to 3 600.
    pub heartbeat_s: u32,
    /// Lines a second that a connected device may send unasked, beside its acknowledgements and pongs; five seconds'
    /// worth may come at once, and more end its connection with 429. Default 20, from 0 (no limit) to 1 000 000.
    pub device_lines: u32,
    /// Seconds in which a received item that comes again counts as the same one. Default 86 400 (a day), from 0 (keep
    /// every copy) to 2 592 000 (30 days).
    pub dedup_window_s: u32,
    /// Deliveries waiting on one lane; what would make it more is answered 503. Default 100 000, from 1 to 10 000 000.
    pub queue: usize,
    /// Messages waiting for one device; what would make it more is answered 503. Default 1 000, from 1 to 1 000 000.
    pub device_queue: usize,
    /// Pushes that one device may make in a second, and at once; more is answered 429. Default 100, from 0 (as many as
    /// it likes) to 1 000 000.
    pub device_pushes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            header_bytes: 16 << 10,
            body_timeout_ms: 10_000,
            answer_bytes: 64 << 10,
            receivers_per_request: 100,
            connections: 10_000,
            hello_timeout_ms: host::HELLO_WITHIN,
            heartbeat_s: 30,
            device_lines: host::LINES_PER_SECOND,
            dedup_window_s: 86_400,
            queue: 100_000,
            device_queue: 1_000,
            device_pushes: 100,
        }
    }
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            body_bytes: section.or("body_bytes", default.body_bytes, |value| value.integer(1 << 10..=64 << 20)),
            header_bytes: section.or("header_bytes", default.header_bytes, |value| value.integer(8 << 10..=1 << 20)),
            body_timeout_ms: section
                .or("body_timeout_ms", default.body_timeout_ms, |value| value.integer(100..=600_000)),
            answer_bytes: section.or("answer_bytes", default.answer_bytes, |value| value.integer(1 << 10..=16 << 20)),
            receivers_per_request: section
                .or("receivers_per_request", default.receivers_per_request, |value| value.integer(1..=10_000)),
            connections: section.or("connections", default.connections, |value| value.integer(1..=1_000_000)),
            hello_timeout_ms: section
                .or("hello_timeout_ms", default.hello_timeout_ms, |value| value.integer(100..=600_000)),
            heartbeat_s: section.or("heartbeat_s", default.heartbeat_s, |value| value.integer(1..=3_600)),
            device_lines: section.or("device_lines", default.device_lines, |value| value.integer(0..=1_000_000)),
            dedup_window_s: section.or("dedup_window_s", default.dedup_window_s, |value| value.integer(0..=2_592_000)),
            queue: section.or("queue", default.queue, |value| value.integer(1..=10_000_000)),
            device_queue: section.or("device_queue", default.device_queue, |value| value.integer(1..=1_000_000)),
            device_pushes: section.or("device_pushes", default.device_pushes, |value| value.integer(0..=1_000_000)),
        }
    }
}
