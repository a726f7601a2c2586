//! What the probes are fed with: bodies that lie outside of what is counted, in chunks as a socket delivers them.
#![expect(unsafe_code, reason = "a link section of its own keeps the bodies out of what is counted")]

use core::{hint::black_box, iter};

macro_rules! body {
    ($(#[$meta:meta])* $name:ident = $bytes:expr) => {
        $(#[$meta])*
        #[unsafe(link_section = ".input")]
        pub static $name: [u8; $bytes.len()] = *$bytes;
    };
}

body! {
    /// A Tencent batch of 100 events, about 34 KiB.
    EVENTS = include_bytes!(concat!(env!("OUT_DIR"), "/events.json"))
}
body! {
    /// A UCloud batch of 100 messages.
    UPLINKS = include_bytes!(concat!(env!("OUT_DIR"), "/uplinks.json"))
}
body! {
    /// A Tencent batch with one event of each kind.
    EVENTS_OF_EACH_KIND = include_bytes!("../inputs/events.json")
}
body! {
    /// A Tencent answer.
    EVENTS_REPLY = include_bytes!("../inputs/events-reply.json")
}
body! {
    /// A UCloud batch of messages.
    MESSAGES = include_bytes!("../inputs/messages.json")
}
body! {
    /// A UCloud batch of status reports.
    REPORTS = include_bytes!("../inputs/reports.json")
}
body! {
    /// A UCloud answer.
    UPLINK_REPLY = include_bytes!("../inputs/uplink-reply.json")
}
body! {
    /// A device's push.
    CLIENT_PUSH = include_bytes!("../inputs/client-push.json")
}
body! {
    /// The application server's push, one message to many.
    SERVER_PUSH = include_bytes!("../inputs/server-push.json")
}
body! {
    /// The application server's push in devices' names.
    PROXIED_PUSH = include_bytes!("../inputs/proxied-push.json")
}
body! {
    /// A webhook call.
    WEBHOOK = include_bytes!("../inputs/webhook.json")
}
body! {
    /// The answer to a push, with a refusal.
    PUSH_REPLY = include_bytes!("../inputs/push-reply.json")
}
body! {
    /// The answer to a push that is accepted.
    PUSH_ACCEPTED = include_bytes!("../inputs/push-accepted.json")
}
body! {
    /// Each frame of the device link.
    FRAMES = include_bytes!("../inputs/frames.ndjson")
}
body! {
    /// What a gateway says on the device link.
    LINK = include_bytes!("../inputs/link.ndjson")
}

body! {
    /// An HTTP answer with its length.
    HTTP_ANSWER = include_bytes!("../inputs/answer.http")
}
body! {
    /// An HTTP answer in chunks, after an interim one.
    HTTP_CHUNKS = include_bytes!("../inputs/chunks.http")
}

/// Each line of a body that lies in memory as a whole, as a device has it in its buffer. The body is not known to the
/// compiler any more.
pub fn lines(body: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    let mut rest = black_box(body);
    iter::from_fn(move || {
        // Not `split_inclusive`, which can panic.
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |feed| feed + 1);
        let (line, after) = rest.split_at_checked(end)?;
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// The chunks of a body, each of the same length but the last.
#[derive(Clone, Debug)]
pub struct Chunks {
    rest: &'static [u8],
    len: usize,
}

impl Chunks {
    /// Cuts `body` into chunks of `len` bytes. Neither is known to the compiler any more.
    #[must_use]
    pub fn new(body: &'static [u8], len: usize) -> Self {
        Self { rest: black_box(body), len: black_box(len) }
    }
}

impl Iterator for Chunks {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (chunk, rest) = self.rest.split_at_checked(self.len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        Some(chunk)
    }
}
