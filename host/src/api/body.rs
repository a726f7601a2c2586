//! Reading a request's body within a size and a time.
//!
//! A handler takes [`UnreadBody`], runs every check that needs only the head, and reads the body after them: a foreign
//! caller is refused before a byte of its body is held. What went wrong comes back as a [`BodyError`], so that each
//! protocol words the refusal in its own shape around [`BodyError::status`].

use std::{convert::Infallible, error::Error, fmt, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// How large a request's body may be, and how long all of it may take.
///
/// The server puts its own into every request's extensions; a route with other needs puts another there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// The most bytes a body may have. 1 MiB unless set (ours).
    pub bytes: usize,
    /// The time from the start of reading to the last byte. 10 s unless set (ours).
    pub timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, timeout: Duration::from_secs(10) }
    }
}

/// A request's body that nothing has been read of yet, with the limits it will be read under.
///
/// As an extractor it never refuses, and it comes last among a handler's arguments.
#[derive(Debug)]
pub struct UnreadBody {
    body: Body,
    limits: BodyLimits,
}

impl UnreadBody {
    /// Reads all of the body.
    ///
    /// # Errors
    ///
    /// As [`read_body`].
    pub async fn read(self) -> Result<Bytes, BodyError> {
        read_body(self.body, self.limits.bytes, self.limits.timeout).await
    }
}

impl<S: Send + Sync> FromRequest<S> for UnreadBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Infallible> {
        let limits = request.extensions().get().copied().unwrap_or_default();
        Ok(Self { body: request.into_body(), limits })
    }
}

/// Reads all of `body`, at most `limit` bytes of it and for no longer than `timeout`.
///
/// A declared length over the limit is refused before anything is read, so a client that waits for `100 Continue` gets
/// its answer without sending the body.
///
/// # Errors
///
/// [`BodyError::TooLarge`] and [`BodyError::Timeout`] for the two limits, [`BodyError::Broken`] when the body ended
/// early or its framing is wrong.
pub async fn read_body(body: Body, limit: usize, timeout: Duration) -> Result<Bytes, BodyError> {
    let declared = body.size_hint().lower();
    if usize::try_from(declared).map_or(true, |declared| declared > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    tokio::time::timeout(timeout, collect(body, limit)).await.unwrap_or(Err(BodyError::Timeout { limit: timeout }))
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body is larger than it may be.
    TooLarge {
        /// The most bytes it may have.
        limit: usize,
    },
    /// The body was not complete in time.
    Timeout {
        /// The time it may take.
        limit: Duration,
    },
    /// The body ended before its declared length, or its framing is not HTTP's.
    Broken,
}

impl BodyError {
    /// Returns the HTTP status that says this.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(f, "body: larger than {limit} bytes, the most that is read; send less in one request")
            }
            Self::Timeout { limit } => {
                write!(f, "body: not complete within {limit:?}, the longest that is waited; send it without pauses")
            }
            Self::Broken => f.write_str("body: ended early or badly framed; send as many bytes as Content-Length says"),
        }
    }
}

impl Error for BodyError {}

/// Answers in plain text, for surfaces without a shape of their own.
impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    // Most bodies arrive in one piece: it is handed on as it is. Nothing is reserved for a declared length, so what a
    // client costs is what it sent.
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let held = whole.len().saturating_add(pieces.len());
        if data.len() > limit.saturating_sub(held) {
            return Err(BodyError::TooLarge { limit });
        }
        if held == 0 {
            whole = data;
            continue;
        }
        if pieces.is_empty() {
            pieces.extend_from_slice(&whole);
            whole = Bytes::new();
        }
        pieces.extend_from_slice(&data);
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Frame, SizeHint};

    use super::*;

    const LIMIT: usize = 8;

    /// A body that gives `pieces` and says `declared`; reading past a `None` never ends.
    struct Script {
        pieces: VecDeque<Option<&'static str>>,
        declared: Option<u64>,
    }

    impl HttpBody for Script {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.pieces.front() == Some(&None) {
                return Poll::Pending;
            }
            let piece = self.pieces.pop_front().flatten();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }

        fn size_hint(&self) -> SizeHint {
            self.declared.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    async fn read(pieces: &[Option<&'static str>], declared: Option<u64>) -> Result<Bytes, BodyError> {
        let body = Body::new(Script { pieces: pieces.iter().copied().collect(), declared });
        read_body(body, LIMIT, Duration::from_millis(20)).await
    }

    #[tokio::test]
    async fn a_body_is_read_within_its_limit_however_it_is_cut() {
        let cases: &[(&[Option<&'static str>], &str)] = &[
            (&[], ""),
            (&[Some("12345678")], "12345678"),
            (&[Some("1234"), Some("5678")], "12345678"),
            (&[Some(""), Some("1"), Some(""), Some("2"), Some("3")], "123"),
        ];
        for (pieces, expected) in cases {
            assert_eq!(read(pieces, None).await.as_deref(), Ok(expected.as_bytes()), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn one_byte_over_the_limit_is_refused() {
        let too_large = Err(BodyError::TooLarge { limit: LIMIT });
        assert_eq!(read(&[Some("123456789")], None).await, too_large);
        assert_eq!(read(&[Some("12345678"), Some("9")], None).await, too_large);
        assert_eq!(read(&[Some("1234"), Some("5678"), Some("9")], None).await, too_large);
    }

    #[tokio::test]
    async fn a_declared_length_over_the_limit_is_refused_unread() {
        // Reading would never end: only the declared length can give this answer.
        assert_eq!(read(&[None], Some(9)).await, Err(BodyError::TooLarge { limit: LIMIT }));
        assert_eq!(read(&[None], Some(u64::MAX)).await, Err(BodyError::TooLarge { limit: LIMIT }));
    }

    #[tokio::test]
    async fn a_body_that_stops_is_given_up() {
        let stalled = read(&[Some("1234"), None], Some(8)).await;
        assert_eq!(stalled, Err(BodyError::Timeout { limit: Duration::from_millis(20) }));
    }

    #[test]
    fn each_error_has_its_status_and_names_its_limit() {
        let cases = [
            (BodyError::TooLarge { limit: 1_048_576 }, 413, "1048576 bytes"),
            (BodyError::Timeout { limit: Duration::from_secs(10) }, 408, "10s"),
            (BodyError::Broken, 400, "Content-Length"),
        ];
        for (error, status, names) in cases {
            assert_eq!(error.status().as_u16(), status);
            assert!(error.to_string().contains(names), "{error}");
        }
    }
}
