//! The libraries that are compared, each in a file of its own.

mod json_bourne;
mod picojson;
mod pushgate;
mod serde_json;
mod serde_json_core;
mod simd_json;
mod sonic_rs;

use crate::{results::Results, rows::Input};

/// One run of a row: reads or writes everything once and hands over the results.
pub(crate) type Operation<'r> = Box<dyn FnMut(&mut Results) + 'r>;

/// A library that is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The crate's name.
    pub(crate) name: &'static str,
    /// Prepares a row's operation, or says why the library cannot do it.
    pub(crate) operation: for<'r> fn(&'r Input) -> Result<Operation<'r>, &'static str>,
}

/// What all are compared with.
pub(crate) const BASELINE: Peer = Peer { name: "serde_json", operation: serde_json::operation };

/// What all this is about.
pub(crate) const OURS: Peer = Peer { name: "pushgate-core", operation: pushgate::operation };

/// All, the baseline first and ours last, as the table has them.
pub(crate) const PEERS: [Peer; 8] = [
    BASELINE,
    Peer { name: "simd-json", operation: simd_json::operation },
    Peer { name: "sonic-rs", operation: sonic_rs::operation },
    Peer { name: "json-bourne", operation: json_bourne::operation },
    Peer { name: "serde-json-core", operation: serde_json_core::operation },
    Peer { name: "picojson", operation: picojson::operation },
    Peer { name: "ours in chunks", operation: pushgate::operation_in_chunks },
    OURS,
];

/// What an operation panics with when a library refuses a good body.
const REFUSED: &str = "every body here is a good one";

/// What an operation panics with when a library cannot write good values.
const UNWRITTEN: &str = "all values can be written, and the buffer holds them";

/// Room for the largest body.
const ROOM: usize = 64 * 1024;
