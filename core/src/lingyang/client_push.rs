//! A device's push to other devices: `POST /v2/message/client/push`.

use core::str;

use crate::{
    Error, Text,
    json::{
        list::list,
        object::{object, payload},
        slice::{Slice, read_document},
        value::{read_document as read_by_table, write_document},
    },
};

use super::{Callback, Flag, Msg};

list! {
    /// The receivers' tokens, as texts: [`Token::parse`](super::Token::parse) reads each.
    pub struct AccessTokens of Text<'a>
}

object! {
    /// The body of a device's push.
    pub struct ClientPush<'a> {
        /// The message.
        "msg" msg: Msg<'a>,
        /// How hard to try; `None` counts as [`Flag::UntilAnswered`].
        "flag" flag: Option<Flag>,
        /// Whether the sender wants to know.
        "callback" callback: Callback,
        /// To whom; empty = to no device.
        "access_tokens" access_tokens: AccessTokens<'a>,
    }
}

payload!(ClientPush, super::MAX_RECEIVERS);

impl<'a> ClientPush<'a> {
    /// Reads a body with at most `max_receivers` tokens ([`MAX_RECEIVERS`](super::MAX_RECEIVERS) by default).
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule.
    pub fn read(body: &'a [u8], max_receivers: u32) -> Result<Self, Error> {
        let fast = str::from_utf8(body).ok().and_then(|text| Self::read_fast(text, max_receivers));
        fast.map_or_else(|| read_by_table(body, max_receivers), Ok)
    }

    /// Reads a body that keeps every rule.
    pub(crate) fn read_fast(text: &'a str, max_receivers: u32) -> Option<Self> {
        let mut slice = Slice::new(text);
        slice.most_elements = max_receivers;
        read_document(slice)
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
