//! The answer to a batch, from both ends: what the receiver writes, and what the sender makes of it.

use core::fmt;

use crate::{
    Error, Text,
    answer::show_code,
    json::{
        flat::read_document,
        object::{object, payload},
        schema::{Kind, SIGNED},
        slice::Slice,
        value::{Value, write_document},
        values::Values,
        write::Writer,
    },
};

object! {
    /// The body of an answer: `{"code":0,"message":"ok"}`.
    #[derive(Default)]
    pub struct Reply<'a> {
        /// 0 = received; anything else = not received.
        "code" code: Code,
        /// `ok`, or a description of the error.
        "message" message: Option<Text<'a>>,
    }
}

payload!(Reply);

impl<'a> Reply<'a> {
    /// The answer to a batch that is safely stored.
    pub const OK: Reply<'static> = Reply { code: Code::RECEIVED, message: Some(Text::from_json("ok", false)) };

    /// An answer that refuses the batch.
    #[must_use]
    pub const fn refusal(code: Code, message: Text<'a>) -> Self {
        Self { code, message: Some(message) }
    }

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

/// The `code` of an answer. On input a string of digits counts as its number ("also accept `"0"`": the uplink page;
/// ours).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Code(pub i64);

impl Code {
    /// "0 = received" (the uplink page).
    pub const RECEIVED: Self = Self(0);
}

impl<'a> Value<'a> for Code {
    const KIND: Kind = Kind::Digits(&(SIGNED, number));

    fn empty() -> Self {
        Self::RECEIVED
    }

    fn of(values: &Values<'_, 'a>, index: usize, members: usize) -> Self {
        Self(Value::of(values, index, members))
    }

    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        slice.signed().map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.signed(self.0);
    }
}

/// The number that `text` holds the decimal digits of, and nothing else.
fn number(text: Text<'_>) -> Option<i64> {
    let add = |number: i64, digit: char| number.checked_mul(10)?.checked_add(i64::from(digit.to_digit(10)?));
    if text.is_empty() { None } else { text.chars().try_fold(0, add) }
}

/// What a sender makes of an answer.
pub type Answer<'a> = crate::Answer<Reply<'a>>;

impl<'a> Answer<'a> {
    /// Reads an HTTP answer: "success only for HTTP 2xx and `code` 0. A 2xx with a body that is no such JSON is a
    /// failure" (the uplink page).
    #[must_use]
    pub fn read(status: u16, body: &'a [u8]) -> Self {
        Self::judge(status, 200..=299, Reply::read(body), |reply| reply.code == Code::RECEIVED)
    }
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_code(f, "code", self.code.0, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_digits_counts_however_it_is_spelled() {
        for (body, expected) in [
            (r#"{"code":"0"}"#, Some(0)),
            (r#"{"code":"\u0030"}"#, Some(0)),
            (r#"{"code":"1\u0032"}"#, Some(12)),
            (r#"{"code":"9223372036854775807"}"#, Some(i64::MAX)),
            (r#"{"code":"9223372036854775808"}"#, None),
            (r#"{"code":""}"#, None),
            (r#"{"code":"-1"}"#, None),
            (r#"{"code":" 0"}"#, None),
            (r#"{"code":"\uff10"}"#, None),
        ] {
            assert_eq!(Reply::read(body.as_bytes()).ok().map(|reply| reply.code.0), expected, "{body}");
        }
    }
}
