//! What the device API answers: `{"request_id":"…"}`, and on a refusal the error beside it.
//!
//! The page documents 200, 400, 401 and 500, and no error body. Ours is
//! `{"request_id":"…","error":{"code":400,"field":"payload.msg","message":"…"}}`, and ours are the further statuses:
//! 403 (a cid of another app), 404 and 405 (neither a push nor the link is there), 408 and 413 (a body too slow or too
//! large), 426 (the link, and no WebSocket), 429 (a device that pushes too often), 503 (no room, or a store that cannot
//! keep it now). "Clients judge by the status alone": 408, 429 and 5xx may pass, and 429 and 503 say after how long in
//! `Retry-After`.

use std::{
    fmt::Display,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pushgate_core::{
    Error, Text,
    json::to_vec,
    lingyang::{Refusal, Reply},
};

pub(super) use crate::api::request_id::RequestId;
use crate::{
    api::{body::BodyError, state::NotAccepted},
    telemetry::seldom::seldom,
};

impl RequestId {
    /// The whole answer to the request.
    pub(super) fn answer(&self, outcome: Result<(), Problem>) -> Response {
        let problem = outcome.err();
        let (status, error) = match &problem {
            None => (StatusCode::OK, None),
            Some(problem) => (problem.status, Some(problem.refusal())),
        };
        let reply = Reply { request_id: Text::from(self.text()), error };
        let body = to_vec(|buf| reply.write(buf)).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        self.mark(&mut response);
        if let Some(seconds) = problem.and_then(|problem| problem.retry_after) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Answers 500 in the API's own shape when a handler panics: a bug of ours, and that one request's alone.
pub(super) async fn or_internal_error(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut answer = pin!(next.run(request));
    let answered = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(response)) => Poll::Ready(Some(response)),
        Err(_) => Poll::Ready(None),
    });
    match answered.await {
        Some(response) => response,
        None => {
            let request = RequestId::current();
            // The path alone: a query may carry a token. What it panicked with is told already.
            seldom!(error, path = uri.path(), request_id = request.text(), "a handler panicked");
            let what = "internal error: it may be accepted or not; see the gateway's log for this request_id";
            request.answer(Err(Problem::of_request(StatusCode::INTERNAL_SERVER_ERROR, what)))
        }
    }
}

/// Why a push is refused.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    field: Option<String>,
    message: String,
    /// Seconds after which it may be tried again.
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, field: impl Into<String>, message: impl Display) -> Self {
        Self { field: Some(field.into()), ..Self::of_request(status, message) }
    }

    /// One that no field is to blame for.
    pub(super) fn of_request(status: StatusCode, message: impl Display) -> Self {
        Self { status, field: None, message: message.to_string(), retry_after: None }
    }

    /// One that passes by itself within `retry_after` seconds.
    pub(super) fn passing(status: StatusCode, message: impl Display, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::of_request(status, message) }
    }

    pub(super) fn unauthorized(field: impl Into<String>, message: impl Display) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, field, message)
    }

    fn refusal(&self) -> Refusal<'_> {
        Refusal {
            code: u32::from(self.status.as_u16()),
            field: self.field.as_deref().map(Text::from),
            message: Text::from(self.message.as_str()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = format!("{} (byte {})", error.kind(), error.offset());
        Self::new(StatusCode::BAD_REQUEST, error.field().to_string(), message)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        Self::new(error.status(), "body", message.strip_prefix("body: ").unwrap_or(&message))
    }
}

impl From<NotAccepted> for Problem {
    fn from(error: NotAccepted) -> Self {
        let message = match error {
            NotAccepted::Full(full) => full.to_string(),
            NotAccepted::Store(_) => "cannot store it now; nothing was accepted, send it again".to_owned(),
        };
        Self::passing(StatusCode::SERVICE_UNAVAILABLE, message, 1)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn told(response: Response) -> (StatusCode, serde_json::Value) {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(head.headers["x-request-id"].to_str().ok(), body["request_id"].as_str());
        assert_eq!(head.headers["content-type"], "application/json");
        (head.status, body["error"].clone())
    }

    /// "500 internal" (the Lingyang page), with what "every response carries".
    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_of_the_apis_own_shape() {
        async fn fails() -> StatusCode {
            panic!("a bug")
        }
        let api: Router = Router::new().route("/", get(fails)).layer(middleware::from_fn(or_internal_error));
        let response = api.oneshot(Request::new(Body::empty())).await.unwrap();
        let (status, error) = told(response).await;
        assert_eq!((status.as_u16(), &error["code"]), (500, &500.into()));
        assert!(error["message"].as_str().unwrap().contains("request_id"), "{error}");
    }

    #[tokio::test]
    async fn what_passes_says_after_how_long() {
        for (problem, seconds) in [
            (Problem::passing(StatusCode::SERVICE_UNAVAILABLE, "no room", 1), Some("1")),
            (Problem::passing(StatusCode::TOO_MANY_REQUESTS, "too often", 7), Some("7")),
            (Problem::unauthorized("X-Client-Token", "expired"), None),
        ] {
            let response = RequestId::current().answer(Err(problem));
            let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(header, seconds);
            told(response).await;
        }
    }
}
