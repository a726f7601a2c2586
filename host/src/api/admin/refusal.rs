//! Why an admin request is refused, in the one shape all of them have.

use std::fmt;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pushgate_core::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{body::BodyError, state::NotAccepted},
    store::{self, StoreError},
    telemetry::seldom::seldom,
};

/// Why an admin request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    field: String,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, field: field.into(), message: message.into() }
    }

    pub(super) fn bad_request(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, field, message)
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn no_delivery() -> Self {
        Self::new(StatusCode::NOT_FOUND, "id", "no delivery has this id")
    }

    fn of_store(error: &StoreError) -> Self {
        if error.kind() == store::ErrorKind::Invalid {
            return Self::bad_request("request", error.to_string());
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string())
    }
}

/// The answer to every request that is refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refusal)]
pub(super) struct Answer {
    error: Problem,
}

/// What is wrong with a request, and what to do about it.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// The HTTP status again.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    code: u16,
    /// The parameter, header, member of the body or part of the gateway that is to blame.
    #[schema(example = "limit")]
    field: String,
    /// What is wrong with it, for people.
    #[schema(example = "must be a whole number from 1 to 1000")]
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, field, message } = self;
        let error = Problem { code: status.as_u16(), field, message };
        let mut response = (status, Json(Answer { error })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = match error.kind() {
            // Found while writing: its byte is none of the submission's.
            ErrorKind::NotSendable(_) | ErrorKind::TooFew { .. } => error.kind().to_string(),
            _ => format!("{} (byte {})", error.kind(), error.offset()),
        };
        Self::bad_request(error.field().to_string(), message)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        Self::new(error.status(), "body", message.strip_prefix("body: ").unwrap_or(&message))
    }
}

impl From<NotAccepted> for Refusal {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Full(full) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, full.lane.to_string(), full.to_string())
            }
            // Told where it was not accepted.
            NotAccepted::Store(error) => Self::of_store(&error),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.kind() != store::ErrorKind::Invalid {
            seldom!(error, %error, "the store failed an admin request");
        }
        Self::of_store(&error)
    }
}
