//! What a sender makes of an HTTP answer whose body decides.

use core::fmt;

use crate::{
    Error,
    json::{MAX_INTEGER_LEN, decimal},
};

/// What an answer means for the delivery: the same three words for every protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The receiver does not have it; the schedule says when to send it again.
    TryAgain,
    /// The receiver will never take it: no further send.
    GiveUp,
}

/// What a sender makes of an answer whose body holds a reply `R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer<R> {
    /// The right status and a reply that says so: the batch has been received.
    Accepted,
    /// The right status and a reply that refuses.
    Refused(R),
    /// Another HTTP status, with the body when it is a reply.
    Status(u16, Option<R>),
    /// The right status and a body that is no reply.
    NotAReply(Error),
}

impl<R> Answer<R> {
    /// Judges `reply`, which came with `status`: one among `right` and `accepts` together are success.
    pub(crate) fn judge(
        status: u16,
        right: core::ops::RangeInclusive<u16>,
        reply: Result<R, Error>,
        accepts: fn(&R) -> bool,
    ) -> Self {
        if !right.contains(&status) {
            return Self::Status(status, reply.ok());
        }
        match reply {
            Ok(reply) if accepts(&reply) => Self::Accepted,
            Ok(reply) => Self::Refused(reply),
            Err(error) => Self::NotAReply(error),
        }
    }

    /// What it means for the delivery: nothing short of success ends the schedule early.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Accepted => Verdict::Delivered,
            Self::Refused(_) | Self::Status(..) | Self::NotAReply(_) => Verdict::TryAgain,
        }
    }
}

impl<R: fmt::Display> fmt::Display for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Refused(reply) => reply.fmt(f),
            Self::Status(status, reply) => {
                f.write_str("HTTP ")?;
                f.write_str(decimal(u64::from(*status), &mut [0; MAX_INTEGER_LEN]))?;
                match reply {
                    Some(reply) => {
                        f.write_str(", ")?;
                        reply.fmt(f)
                    }
                    None => Ok(()),
                }
            }
            Self::NotAReply(error) => {
                f.write_str("the body is no reply: ")?;
                error.fmt(f)
            }
        }
    }
}

/// Writes the code of a reply and its words, as in `code 3: busy`.
pub(crate) fn show_code(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    code: i64,
    words: Option<crate::Text<'_>>,
) -> fmt::Result {
    f.write_str(name)?;
    f.write_str(if code < 0 { " -" } else { " " })?;
    f.write_str(decimal(code.unsigned_abs(), &mut [0; MAX_INTEGER_LEN]))?;
    match words.filter(|words| !words.is_empty()) {
        Some(words) => {
            f.write_str(": ")?;
            fmt::Display::fmt(&words, f)
        }
        None => Ok(()),
    }
}
