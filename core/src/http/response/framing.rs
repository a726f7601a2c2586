//! How long an answer's body is and what becomes of the connection, from the headers that say so.

use super::super::{Connection, ResponseError};

/// What the status line and the headers so far say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    /// Bytes of the body, or of the chunk under way: what is still to come of them.
    pub(super) left: u32,
    pub(super) has_length: bool,
    pub(super) chunked: bool,
    /// HTTP/1.0, which knows no chunks and closes unless it says otherwise.
    old: bool,
    keeps: bool,
    closes: bool,
}

impl Framing {
    pub(super) const fn new() -> Self {
        Self { left: 0, has_length: false, chunked: false, old: false, keeps: true, closes: false }
    }

    /// What is said before any header by the last digit of the version (RFC 9112, section 9.3).
    pub(super) const fn version(digit: u8) -> Self {
        let old = digit == b'0';
        Self { old, keeps: !old, ..Self::new() }
    }

    /// Takes a header; `None` = its value is not all there. Whether it is one of those that matter here is for this to
    /// find out.
    pub(super) fn header(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), Unheld> {
        if name.eq_ignore_ascii_case(b"content-length") {
            self.content_length(value.ok_or(Unheld::Cut)?)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encoding(value.ok_or(Unheld::Cut)?)?;
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.connection_options(value.ok_or(Unheld::Cut)?);
        }
        if self.chunked && self.has_length {
            return Err(Unheld::Refused(ResponseError::TwoLengths));
        }
        Ok(())
    }

    /// "a single Content-Length header field containing a comma-separated list of identical decimal values" counts as
    /// one, repeated headers likewise (RFC 9110, section 8.6).
    fn content_length(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        for element in elements(value) {
            let length = decimal(element).ok_or(ResponseError::ContentLength)?;
            if self.has_length && length != self.left {
                return Err(ResponseError::ContentLengths);
            }
            self.left = length;
            self.has_length = true;
        }
        Ok(())
    }

    /// Other codings have to be undone by who reads the body, and "a server MUST NOT apply chunked more than once"; one
    /// in HTTP/1.0 means that "the framing is faulty" (RFC 9112, section 6.1).
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), ResponseError> {
        if self.old || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ResponseError::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    fn connection_options(&mut self, value: &[u8]) {
        for option in elements(value) {
            self.closes |= option.eq_ignore_ascii_case(b"close");
            self.keeps |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Whether another request may follow (RFC 9112, section 9.3): close wins.
    pub(super) const fn connection(&self) -> Connection {
        if self.keeps && !self.closes { Connection::KeepAlive } else { Connection::Close }
    }
}

/// Why a header is not taken.
pub(super) enum Unheld {
    /// Its value has to be known, and is not all there.
    Cut,
    Refused(ResponseError),
}

impl From<ResponseError> for Unheld {
    fn from(error: ResponseError) -> Self {
        Self::Refused(error)
    }
}

fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// `None` when there is no digit, another character, or more than 32 bits hold.
fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}
