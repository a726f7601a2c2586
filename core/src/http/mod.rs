//! HTTP/1.1 for a device that pushes: a request's head written, an answer read, in bounded memory.
//!
//! - [`Request`]: what to ask, written into the caller's buffer as a head that no value of it can break out of
//! - [`Response`]: what comes back, fed in slices of any size: the status, each header, the body in pieces, and at the
//!   end whether the connection may be used again
//! - [`Exchange`]: one after the other over one connection, in one buffer, and still without I/O
//!
//! Nothing here opens connections or knows TLS: that is the board's. With the features `embedded-io` and
//! `embedded-io-async` the modules `blocking` and `asynch` carry an [`Exchange`] out over streams of those traits.
//!
//! The rules are those of RFC 9110 (what messages mean) and RFC 9112 (how they stand on the wire), read as the one who
//! asks. Where they leave a choice between mending and refusing, an answer is refused: what two readers could take for
//! different messages is the stuff of attacks, and an honest server sends none of it.

#[cfg(feature = "embedded-io-async")]
pub mod asynch;
#[cfg(feature = "embedded-io")]
pub mod blocking;
mod error;
mod exchange;
mod grammar;
mod request;
mod response;

pub use error::{ExchangeError, RequestError, ResponseError};
pub use exchange::{Exchange, Step};
pub use request::{Method, Request};
pub use response::{Header, Limits, Part, Response};

/// What becomes of a connection after a message (RFC 9112, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Connection {
    /// Another request may follow.
    #[default]
    KeepAlive,
    /// It ends.
    Close,
    /// It speaks another protocol from here on (RFC 9110, section 7.8): after an answer, one with status 101.
    Upgrade,
}
