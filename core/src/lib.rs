//! Three vendors' push protocols, for both sides, in bounded memory.
//!
//! - [`uplink`]: UCloud SMS replies and status reports, pushed in batches to a customer's URL.
//! - [`lingyang`]: Lingyang cloud messages to devices: client push, server push, webhook, device tokens.
//! - [`tencent`]: Tencent IM push callbacks: batches of push-result events.
//!
//! Each has the same parts: views that borrow what came and keep it, readers that check every rule, writers into the
//! caller's buffer, and a verdict on the answer to a send. [`schedule`] and [`delivery`] decide when to send what
//! again, and [`outbox`] is a device's sender, a few payloads at a time; [`link`] is the line protocol between a gateway
//! and a device, with a session for each end; [`http`] asks a gateway from a device.
//!
//! The crate has no allocator, no clock, no I/O and no unsafe code, and no input makes it panic.
#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
pub mod delivery;
mod error;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod hex;
pub mod http;
mod identity;
pub mod json;
pub mod lingyang;
pub mod link;
pub mod outbox;
pub mod schedule;
pub mod tencent;
mod text;
mod time;
pub mod uplink;

pub use answer::{Answer, Verdict};
pub use delivery::Delivery;
pub use error::{Blame, Error, ErrorKind, Expected, Field, Unit};
pub use identity::Identity;
pub use outbox::Outbox;
pub use schedule::Schedule;
pub use text::Text;
pub use time::Instant;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
