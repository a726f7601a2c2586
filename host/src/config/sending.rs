//! How a destination is sent to: the keys that every kind of destination has.

use super::reader::Section;

/// How a destination is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Sends after the first one fails, from 0 to 100.
    pub retries: u32,
    /// Milliseconds from the failure of a send to the next, from 1 to 86 400 000 (a day).
    pub retry_every_ms: u32,
    /// Milliseconds to wait for an answer, from 1 to 600 000.
    pub timeout_ms: u32,
    /// Sends under way at a time, from 1 to 1 024.
    pub concurrency: usize,
}

impl Sending {
    pub(super) fn read(section: &mut Section<'_>, default: Self) -> Self {
        Self {
            retries: section.or("retries", default.retries, |value| value.integer(0..=100)),
            retry_every_ms: section.or("retry_every_ms", default.retry_every_ms, |value| value.integer(1..=86_400_000)),
            timeout_ms: section.or("timeout_ms", default.timeout_ms, |value| value.integer(1..=600_000)),
            concurrency: section.or("concurrency", default.concurrency, |value| value.integer(1..=1_024)),
        }
    }
}
