//! Why an admin request is refused, in the one shape all of them have.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pushgate_core::{Error, ErrorKind};
use serde_json::json;

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

    fn of_store(error: &StoreError) -> Self {
        if error.kind() == store::ErrorKind::Invalid {
            return Self::new(StatusCode::BAD_REQUEST, "request", error.to_string());
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string())
    }

    pub(super) fn no_delivery() -> Self {
        Self::new(StatusCode::NOT_FOUND, "id", "no delivery has this id")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.status.as_u16(), "field": self.field, "message": self.message });
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = match error.kind() {
            // Found while writing: its byte is none of the submission's.
            ErrorKind::NotSendable(_) | ErrorKind::TooFew { .. } => error.kind().to_string(),
            _ => format!("{} (byte {})", error.kind(), error.offset()),
        };
        Self::new(StatusCode::BAD_REQUEST, error.field().to_string(), message)
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
