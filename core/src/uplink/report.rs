//! What became of an SMS that was sent: one item of a batch with `MsgType` 2.

use crate::{
    Error, Text,
    identity::{Identifier, Identity},
    json::{object::object, value::write_document},
};

object! {
    /// What became of an SMS that was sent.
    #[derive(Default)]
    #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(bound(deserialize = "'de: 'a")))]
    pub struct Report<'a> {
        /// The number of the sending this reports on.
        "SessionNo" session_no: Text<'a>,
        /// Phone number, opaque.
        "Phone" phone: Text<'a>,
        /// How many SMS it was charged as.
        "CostCount" cost_count: i64,
        /// When the receipt came, in unix seconds.
        "ReceiptTime" receipt_time: u64,
        /// The result in words; [`outcome`](Self::outcome) classifies it.
        "ReceiptResult" receipt_result: Text<'a>,
        /// The operator's code.
        "ReceiptCode" receipt_code: Text<'a>,
        /// The operator's description.
        "ReceiptDesc" receipt_desc: Text<'a>,
        /// The customer's own identification of the business.
        "UserId" user_id: Option<Text<'a>>,
    }
}

/// What a report's `ReceiptResult` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The SMS arrived.
    Success,
    /// The SMS did not arrive.
    Failure,
    /// The operator does not know.
    Unknown,
    /// Words nobody has seen yet.
    Other,
}

/// The words seen in `ReceiptResult`, among them the vendor's own spelling `Unknow` and two older ones (the uplink
/// page, from the vendor).
const RESULTS: [(&str, Outcome); 8] = [
    ("发送成功", Outcome::Success),
    ("Success", Outcome::Success),
    ("接收成功", Outcome::Success),
    ("发送失败", Outcome::Failure),
    ("Fail", Outcome::Failure),
    ("接收失败", Outcome::Failure),
    ("状态未知", Outcome::Unknown),
    ("Unknow", Outcome::Unknown),
];

impl Report<'_> {
    /// What the result's words mean.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let known = RESULTS.iter().find(|(words, _)| self.receipt_result == *words);
        known.map_or(Outcome::Other, |&(_, outcome)| outcome)
    }

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
        Identifier::new("report")
            .text(self.session_no)
            .text(self.phone)
            .integer(self.cost_count)
            .number(self.receipt_time)
            .text(self.receipt_result)
            .text(self.receipt_code)
            .text(self.receipt_desc)
            .optional(self.user_id)
            .finish()
    }
}
