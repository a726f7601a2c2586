//! The id of a request: in the answer, in every line that is logged of it, and in its trace.
//!
//! The listener gives one to every request, whichever surface it is for: the caller's own `X-Request-ID` where that can
//! be used, else a new one. Whoever answers the request, or logs of it, asks [`RequestId::current`].

use std::{fmt, sync::Arc};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use tokio::task_local;
use uuid::Uuid;

use crate::telemetry::trace::TraceContext;

/// The header that says the id.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller (ours): two UUIDs' worth, since some put one behind another.
const MOST_BYTES: usize = 80;

/// The id of a request: visible ASCII, at most 80 bytes; one of ours is 32 lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

task_local! {
    /// The request that this task answers.
    static CURRENT: Current;
}

#[derive(Clone)]
struct Current {
    id: RequestId,
    trace: Option<TraceContext>,
}

impl RequestId {
    /// Takes the caller's id where it is visible ASCII of a bearable length, and makes one where it is not.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let given = given.filter(|id| (1..=MOST_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
        given.map_or_else(Self::new, |id| Self(id.into()))
    }

    /// The id of the request that is being answered. Where none is, in a test's call of a handler say, a new one.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(|current| current.id.clone()).unwrap_or_else(|_| Self::new())
    }

    /// Answers the request in `answer`, which is traced below `trace`.
    pub(super) async fn scope<T>(self, trace: Option<TraceContext>, answer: impl Future<Output = T>) -> T {
        CURRENT.scope(Current { id: self, trace }, answer).await
    }

    /// Says the id in an answer's header.
    pub(super) fn mark(&self, response: &mut Response) {
        if let Ok(id) = HeaderValue::from_str(self.text()) {
            response.headers_mut().insert(HEADER, id);
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the spans of the request that is being answered belong to, if it is recorded.
pub(super) fn current_trace() -> Option<TraceContext> {
    CURRENT.try_with(|current| current.trace).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> RequestId {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        RequestId::of(&[(HEADER, value)].into_iter().collect())
    }

    #[test]
    fn a_callers_id_is_taken_when_it_can_stand_in_a_log() {
        for id in ["a", "f3a1-22/9:x", &"x".repeat(MOST_BYTES)] {
            assert_eq!(of(id).text(), id);
        }
        for id in ["", "a b", "a\tb", "ünsichtbar", &"x".repeat(MOST_BYTES + 1)] {
            let made = of(id);
            assert_ne!(made.text(), id);
            assert_eq!(made.text().len(), 32, "{id}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn whoever_answers_knows_the_id() {
        let id = of("mine");
        let seen = id.clone().scope(None, async { (RequestId::current(), RequestId::current()) }).await;
        assert_eq!(seen, (id.clone(), id));
        assert_ne!(RequestId::current(), RequestId::current(), "nobody is answered here");
    }
}
