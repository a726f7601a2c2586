//! The parameter in a request's path, read by its own type.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};

use super::refusal::Refusal;

/// The one parameter of a request's path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let given = RawPathParams::from_request_parts(parts, state).await;
        let given = given.map_err(|_| Refusal::bad_request("path", "must be UTF-8, percent-encoded"))?;
        let (name, text) = given.iter().next().unwrap_or(("path", ""));
        text.parse().map(Self).map_err(|error: T::Err| Refusal::bad_request(name, error.to_string()))
    }
}
