//! Why a send brought no answer: one stable word for metrics and one sentence for people.
//!
//! A sentence names the host and port, the reason and what to do. It never holds the path, the query or a header of
//! the request: tokens and signatures travel there.

use std::error::Error;
use std::fmt;
use std::io;

use super::target::Place;
use super::tls;

/// Why there is no answer.
///
/// An answer with any status, a 500 or a redirect too, is a [`Reply`](super::Reply) and no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, for metrics and for code.
    pub class: Class,
    /// The sentence, for people.
    pub detail: String,
}

/// The kinds of failure, in the order in which a send can meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// The URL cannot be sent to.
    Url,
    /// Every address of the host is private, and `network.allow_private` is off.
    Blocked,
    /// The host name has no address, or the name server did not say.
    Dns,
    /// The host answered that nothing listens on the port.
    Refused,
    /// The host cannot be reached.
    Unreachable,
    /// There is no trusted, encrypted connection.
    Tls,
    /// The whole answer did not arrive in time.
    Timeout,
    /// The connection was lost before the whole answer arrived.
    Closed,
    /// What arrived is not HTTP.
    Protocol,
    /// The answer is larger than the courier reads.
    AnswerTooLarge,
}

impl Class {
    /// Every class, so that each metric series exists before its first event.
    pub const ALL: [Self; 10] = [
        Self::Url,
        Self::Blocked,
        Self::Dns,
        Self::Refused,
        Self::Unreachable,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Protocol,
        Self::AnswerTooLarge,
    ];

    /// Names the class in one lower-case word, the same in attempts, the admin API and metrics, for good.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Blocked => "blocked",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::AnswerTooLarge => "oversized",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for Failure {}

impl Failure {
    pub(super) fn new(class: Class, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into() }
    }

    /// Tells what an error of the HTTP stack means, on a connection to `place`.
    pub(super) fn read(error: &(dyn Error + 'static), place: &Place) -> Self {
        if let Some(failure) = find::<Self>(error) {
            return failure.clone();
        }
        if tls::cause(error).is_some() {
            return tls::untrusted(place, "broke the TLS connection", error);
        }
        let reason = reason(error);
        if causes(error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large)) {
            let detail = format!(
                "{place} answered with too many or too large headers: at most {} fields in {} bytes are read",
                super::http::ANSWER_HEADERS,
                super::http::ANSWER_HEAD_BYTES
            );
            return Self::new(Class::AnswerTooLarge, detail);
        }
        if causes(error).any(is_not_http) {
            let advice = "is this the port of a web server, and should the URL begin with https://?";
            return Self::new(Class::Protocol, format!("{place} did not answer in HTTP: {reason}; {advice}"));
        }
        Self::new(Class::Closed, format!("{place} closed the connection before the whole answer arrived: {reason}"))
    }
}

/// Joins an error and its causes into one line, leaving out a text that only repeats its predecessor.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error)
        // "client error (SendRequest)" says nothing to whoever reads the line.
        .filter(|cause| !cause.is::<hyper_util::client::legacy::Error>())
        .map(ToString::to_string)
        .collect();
    texts.dedup();
    texts.join(": ")
}

/// Walks from an error to its first cause. An `io::Error` names what is *inside its* content as its source, so the
/// content itself has to be asked for.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let error = *error;
        match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(content) => Some(content),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), cause)
}

pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn is_not_http(cause: &(dyn Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        // A peer that speaks first (SSH, SMTP) has a kind of its own in hyper, and no other way to see it than its text.
        return error.is_parse() || error.to_string() == "received unexpected message from connection";
    }
    // What hyper calls a broken chunk or length.
    let kind = cause.downcast_ref().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_one_lower_case_word_of_its_own() {
        let mut words: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Class::ALL.len());
    }

    #[test]
    fn a_reason_holds_every_cause_once() {
        let inner = io::Error::other("the cable is out");
        let outer = io::Error::other(inner);
        assert_eq!(reason(&outer), "the cable is out");
    }
}
