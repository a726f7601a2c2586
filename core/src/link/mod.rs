//! The device link: one JSON object a line between the gateway and a device, over any byte stream.
//!
//! The vendor's own wire is not public, so this one is ours. [`Frame`] is one line; [`LineBuffer`] finds the lines in
//! what a stream delivers. What is said when is decided by two machines without I/O, one for each end:
//! [`device::Device`] and [`host::Host`].
//!
//! ```text
//! device → host  {"hello":{"token":"…"}}
//! host → device  {"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}
//! host → device  {"message":{"id":"…","from":1003200,"created":1452666295,"msg":"aGVsbG8="}}
//! device → host  {"ack":"…"}
//! host → device  {"receipt":{"id":"…","to":5003062,"state":"delivered"}}
//! either         {"ping":1} / {"pong":1}
//! host → device  {"error":{"code":401,"message":"…"}}
//! ```
//!
//! On a WebSocket a line is a text message, and there is no hello: the request that opens it has shown the token.

mod allowance;
mod backoff;
pub mod device;
mod frame;
mod heart;
pub mod host;
mod id;
mod incoming;
mod line;
mod outgoing;
mod refusal;

pub use backoff::{Backoff, FIRST_WAIT, LONGEST_WAIT};
pub use device::Device;
pub use frame::{Frame, Hello, Message, Problem, Receipt, ReceiptState, Welcome};
pub use host::Host;
pub use id::{MAX_ID_LEN, RECENT_IDS};
pub use incoming::Incoming;
pub use line::LineBuffer;
pub use outgoing::Outgoing;
pub use refusal::Refusal;

/// Bytes a line may have, its line feed included: "at most 1 KiB" (the device link; ours).
pub const MAX_LINE_LEN: usize = 1024;

/// Seconds between two signs of life from each side, by default (the device link; ours).
pub const HEARTBEAT_SECS: u32 = 30;

/// Heartbeats without a word after which a side closes: "silence for 3 heartbeats closes" (the device link; ours).
pub const SILENT_HEARTBEATS: u32 = 3;

// A server holds tens of thousands of these, a device one.
const _: () = assert!(size_of::<Host>() <= 192);
