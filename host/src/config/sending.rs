//! How a destination is sent to: the keys that every kind of destination has.

use super::reader::{Section, Value};

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
    /// Items of one request at the most, gathered from as many submissions, from 1 to 100; with 1 each submission is a
    /// request of its own. Default 100: "batch at most 100 items a request" (the uplink page), "1 to 100" events (the
    /// Tencent page).
    pub batch_items: u8,
    /// Milliseconds that a request which is not full waits for more items, from 0 to 60 000. Default 50: "batch linger
    /// 50 ms" (the uplink page, ours).
    pub linger_ms: u32,
    /// Whether items arrive in the order they were accepted: one request at a time, and none before the one ahead of it
    /// is delivered or dead. Default false.
    pub ordered: bool,
    /// Requests a second, the excess waiting; from 1 to 1 000 000, no limit when `None`.
    pub rate_per_second: Option<u32>,
    /// Deliveries that must exhaust their schedules one after the other, none delivered between them, before the lane
    /// stops beginning new ones; from 1 to 1 000 000, and 0 for never. Default 10 (ours).
    pub circuit_after: u32,
    /// Milliseconds between the deliveries that probe a destination whose lane has stopped, from 100 to 86 400 000 (a
    /// day). Default 10 000 (ours).
    pub circuit_probe_ms: u32,
}

impl Sending {
    /// What is the same for every kind of destination: the page's batches, and no limit on the rate.
    pub const DEFAULT: Self = Self {
        retries: 3,
        retry_every_ms: 1_000,
        timeout_ms: 5_000,
        concurrency: 8,
        batch_items: 100,
        linger_ms: 50,
        ordered: false,
        rate_per_second: None,
        circuit_after: 10,
        circuit_probe_ms: 10_000,
    };
}

impl Sending {
    pub(super) fn read(section: &mut Section<'_>, default: Self) -> Self {
        Self {
            retries: section.or("retries", default.retries, |value| value.integer(0..=100)),
            retry_every_ms: section.or("retry_every_ms", default.retry_every_ms, |value| value.integer(1..=86_400_000)),
            timeout_ms: section.or("timeout_ms", default.timeout_ms, |value| value.integer(1..=600_000)),
            concurrency: section.or("concurrency", default.concurrency, |value| value.integer(1..=1_024)),
            batch_items: section.or("batch_items", default.batch_items, |value| value.integer(1..=100)),
            linger_ms: section.or("linger_ms", default.linger_ms, |value| value.integer(0..=60_000)),
            ordered: section.or("ordered", default.ordered, Value::boolean),
            rate_per_second: match default.rate_per_second {
                Some(default) => Some(section.or("rate_per_second", default, rate)),
                None => section.optional("rate_per_second", rate),
            },
            circuit_after: section.or("circuit_after", default.circuit_after, |value| value.integer(0..=1_000_000)),
            circuit_probe_ms: section
                .or("circuit_probe_ms", default.circuit_probe_ms, |value| value.integer(100..=86_400_000)),
        }
    }
}

fn rate(value: &Value<'_>) -> Option<u32> {
    value.integer(1..=1_000_000)
}
