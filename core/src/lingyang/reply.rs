//! The answer to a push, from both ends.

use crate::{
    Error, Text, Verdict,
    json::{
        flat::read_document,
        object::{object, payload},
        value::write_document,
    },
};

object! {
    /// The body of an answer: `{"request_id":"…"}`, and what is wrong when something is.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Reply<'a> {
        /// The request's own id, also in the header `X-Request-ID`: 32 lowercase hex characters when we make it,
        /// opaque when we read it.
        "request_id" request_id: Text<'a>,
        /// What is wrong. The vendor does not document the body of a failure (ours).
        "error" error: Option<Refusal<'a>>,
    }
}

object! {
    /// Why a push is refused.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Refusal<'a> {
        /// The HTTP status.
        "code" code: u32,
        /// The member or header at fault.
        "field" field: Option<Text<'a>>,
        /// What is wrong with it.
        "message" message: Text<'a>,
    }
}

payload!(Reply);

impl<'a> Reply<'a> {
    /// Reads an answer's body.
    ///
    /// # Errors
    ///
    /// What is no such JSON, by the rules of [`json`](crate::json).
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        read_document(body)
    }

    /// Writes the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        write_document(self, buf)
    }
}

/// What a pushing client makes of an answer: "clients judge by the status alone" (the Lingyang page).
///
/// 2xx = accepted; 408, 429 and 5xx may pass, so the push may be tried again; any other status stays (ours).
#[must_use]
pub const fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        408 | 429 | 500.. => Verdict::TryAgain,
        _ => Verdict::GiveUp,
    }
}

/// What the gateway makes of a webhook's answer: "success = any 2xx" (the Lingyang page; ours).
#[must_use]
pub const fn webhook_verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        _ => Verdict::TryAgain,
    }
}
