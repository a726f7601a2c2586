//! The answer to a callback, from both ends.

use core::fmt;

use crate::{
    Error, Text,
    answer::show_code,
    json::{
        flat::read_document,
        object::{object, payload},
        open_enum::open_words,
        value::write_document,
    },
};

object! {
    /// The body of an answer: `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`.
    #[derive(Default)]
    pub struct Reply<'a> {
        /// Whether the request has been handled.
        "ActionStatus" action_status: Option<ActionStatus<'a>>,
        /// Why not.
        "ErrorInfo" error_info: Option<Text<'a>>,
        /// 0 = handled, 1 = failed.
        "ErrorCode" error_code: i64,
    }
}

open_words! {
    /// What an answer says of the request as a whole. `ErrorCode` decides, this is its echo in words.
    pub enum ActionStatus {
        /// `OK`.
        Ok = "OK",
        /// `FAILURE`, as the seed page prints it.
        Failure = "FAILURE",
        /// `FAIL`, as every other page of the vendor prints it.
        Fail = "FAIL",
    }
}

payload!(Reply);

impl<'a> Reply<'a> {
    /// The answer to a batch that is safely stored.
    pub const OK: Reply<'static> =
        Reply { action_status: Some(ActionStatus::Ok), error_info: Some(Text::from_json("", false)), error_code: 0 };

    /// An answer that refuses the batch: `ErrorCode` 1 and the reason. `status` is [`ActionStatus::Failure`] or
    /// [`ActionStatus::Fail`]: the vendor's pages disagree.
    #[must_use]
    pub const fn refusal(status: ActionStatus<'a>, reason: Text<'a>) -> Self {
        Self { action_status: Some(status), error_info: Some(reason), error_code: 1 }
    }

    /// Reads an answer's body. Only `ErrorCode` is required.
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

/// What a sender makes of an answer.
pub type Answer<'a> = crate::Answer<Reply<'a>>;

impl<'a> Answer<'a> {
    /// Reads an HTTP answer: "Success = HTTP 200 with a JSON body whose ErrorCode is 0" (the Tencent page).
    #[must_use]
    pub fn read(status: u16, body: &'a [u8]) -> Self {
        Self::judge(status, 200..=200, Reply::read(body), |reply| reply.error_code == 0)
    }
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_code(f, "ErrorCode", self.error_code, self.error_info)
    }
}
