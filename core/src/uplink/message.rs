//! A reply somebody sent to an SMS: one item of a batch with `MsgType` 0.

use crate::{
    Error, Text,
    identity::{Identifier, Identity},
    json::{object::object, value::write_document},
};

object! {
    /// A reply somebody sent to an SMS.
    #[derive(Default)]
    #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(bound(deserialize = "'de: 'a")))]
    pub struct Message<'a> {
        /// Extension code; the vendor leaves it out by default.
        "ExtendCode" extend_code: Option<Text<'a>>,
        /// The customer's own identification of the business, at most [`MAX_USER_ID_CHARS`](super::MAX_USER_ID_CHARS)
        /// characters when sent; a longer one is accepted on input.
        "UserId" user_id: Option<Text<'a>>,
        /// Phone number, opaque: `18512345678`, masked `185****9057`, `(86)185…`.
        "Phone" phone: Text<'a>,
        /// What the reply says: any Unicode.
        "ReplyContent" reply_content: Text<'a>,
        /// When it was sent, in unix seconds.
        "ReplyTime" reply_time: u64,
    }
}

impl Message<'_> {
    /// Writes the item as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        write_document(self, buf)
    }

    /// What makes two copies of the item the same: every member ("a receiver removes duplicates by the whole item":
    /// the uplink page; ours).
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identifier::new("uplink")
            .optional(self.extend_code)
            .optional(self.user_id)
            .text(self.phone)
            .text(self.reply_content)
            .number(self.reply_time)
            .finish()
    }
}
