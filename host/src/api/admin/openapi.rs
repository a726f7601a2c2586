//! `GET /api/openapi.json` and `/api/openapi-public.json`: both APIs described, out of the code that answers.

use std::sync::Arc;

use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use utoipa::openapi::{
    HttpMethod, OpenApi, SecurityRequirement,
    path::Operation,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{
    query::{Nothing, Query},
    token::Guard,
};
use crate::api::{
    openapi::{self, Refusable, changes, has_body},
    public,
};

/// The name of the token's scheme.
const TOKEN: &str = "admin_token";

/// The refusals that many operations may meet. A status that an operation describes itself stays as it is.
const REFUSALS: [Refusable; 9] = [
    Refusable {
        status: "400",
        name: "BadRequest",
        answer: Some("Refusal"),
        says: "A parameter or the body is not what it should be; the field names it, the message says what it may be.",
        met_by: any,
    },
    Refusable {
        status: "401",
        name: "Unauthorized",
        answer: Some("Refusal"),
        says: "The gateway has an admin token (`listen.admin_token`), and the request does not carry it.",
        met_by: needs_token,
    },
    Refusable {
        status: "403",
        name: "Forbidden",
        answer: Some("Refusal"),
        says: "The request would change something and comes from another site's page.",
        met_by: changes,
    },
    Refusable {
        status: "408",
        name: "RequestTimeout",
        answer: Some("Refusal"),
        says: "The body was not complete in time (`limits.body_timeout_ms`).",
        met_by: has_body,
    },
    Refusable {
        status: "413",
        name: "PayloadTooLarge",
        answer: Some("Refusal"),
        says: "The body is larger than the gateway reads (`limits.body_bytes`).",
        met_by: has_body,
    },
    Refusable {
        status: "421",
        name: "MisdirectedRequest",
        answer: Some("Refusal"),
        says: "The gateway has no admin token, and the request asks for a host that is not this listener.",
        met_by: any,
    },
    Refusable {
        status: "431",
        name: "HeadersTooLarge",
        answer: None,
        says: "The request's head is larger than the gateway reads (`limits.header_bytes`), or has more than 100 \
            fields. Answered without a body.",
        met_by: any,
    },
    Refusable {
        status: "500",
        name: "InternalError",
        answer: Some("Refusal"),
        says: "A bug in the gateway, which its log tells of.",
        met_by: any,
    },
    Refusable {
        status: "503",
        name: "Unavailable",
        answer: Some("Refusal"),
        says: "The store cannot be read or written now, or a lane has no room; `Retry-After` says in how many seconds \
            to try again.",
        met_by: any,
    },
];

fn any(_: &str, _: &HttpMethod, _: &Operation) -> bool {
    true
}

/// Says whether an operation asks for the token where there is one: all do but those that say that they do not.
fn needs_token(_: &str, _: &HttpMethod, operation: &Operation) -> bool {
    operation.security.is_none()
}

/// The documents, ready to be sent.
pub(super) struct Documents {
    guard: Guard,
    /// Where a token is asked for.
    guarded: Bytes,
    /// Where none is.
    open: Bytes,
    public: Bytes,
}

impl Documents {
    /// Completes what the routes say of themselves.
    pub(super) fn new(words: OpenApi, guard: Guard) -> Self {
        let public = public::document(&guard.listen());
        Self { guard, guarded: with_token(words.clone()), open: complete(words), public }
    }
}

/// Describe the admin API.
///
/// This document: `OpenAPI` 3.1, made from the code that answers. It names the token where the gateway asks for one.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "describe", tag = "gateway",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json"))
)]
pub(super) async fn show(
    Extension(documents): Extension<Arc<Documents>>,
    Query(Nothing {}): Query<Nothing>,
) -> Response {
    let document = if documents.guard.asks_for_token() { &documents.guarded } else { &documents.open };
    sent(document)
}

/// Describe the public API.
///
/// The device API and the receivers, which are on the gateway's public listener.
#[utoipa::path(
    get, path = "/api/openapi-public.json", operation_id = "describe_public", tag = "gateway",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json"))
)]
pub(super) async fn show_public(
    Extension(documents): Extension<Arc<Documents>>,
    Query(Nothing {}): Query<Nothing>,
) -> Response {
    sent(&documents.public)
}

fn sent(document: &Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.clone()).into_response()
}

/// The document before its routes: what the API is, and its parts.
pub(super) fn begun() -> OpenApi {
    openapi::begun(
        "pushgate admin API",
        include_str!("openapi.md"),
        &[
            ("submissions", "Hand in what is to be delivered."),
            ("deliveries", "Find, replay and drop what was accepted."),
            ("lanes", "See, pause and resume destinations and devices."),
            ("inbox", "Read what the receivers took in."),
            ("devices", "See who is connected."),
            ("gateway", "See how the gateway stands."),
        ],
    )
}

fn with_token(mut words: OpenApi) -> Bytes {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`listen.admin_token` of the gateway's configuration."));
    words.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
    words.security = Some(vec![SecurityRequirement::new(TOKEN, [] as [&str; 0])]);
    complete(words)
}

fn complete(words: OpenApi) -> Bytes {
    openapi::complete(words, &REFUSALS)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::{
        admin::described,
        openapi::tests::{each_operation, is_whole},
    };

    fn words() -> OpenApi {
        let (open, guarded) = described();
        let mut words = open.into_openapi();
        words.merge(guarded.into_openapi());
        words
    }

    #[test]
    fn the_document_is_whole() {
        for document in [complete(words()), with_token(words())] {
            let operations = is_whole(&serde_json::from_slice(&document).unwrap());
            assert!(operations >= 16, "{operations}");
        }
    }

    #[test]
    fn what_any_request_may_meet_is_said_of_each() {
        let document: Value = serde_json::from_slice(&with_token(words())).unwrap();
        for (name, operation) in each_operation(&document) {
            let has = |status: &str| operation["responses"].get(status).is_some();
            let open = name == "get /livez" || name == "get /readyz";
            assert_eq!(has("401"), !open, "{name}");
            assert_eq!(has("403"), !name.starts_with("get "), "{name}");
            assert_eq!(has("413"), operation.get("requestBody").is_some(), "{name}");
            assert!(has("400") && has("421") && has("431") && has("503"), "{name}");
        }
    }
}
