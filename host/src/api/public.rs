//! The document of the public API: the device API and the receivers, described out of the code that answers.
//!
//! It is the admin API that serves it: whoever calls the public listener has no business with its words.

use bytes::Bytes;
use utoipa::openapi::{
    HttpMethod,
    path::Operation,
    security::{ApiKey, ApiKeyValue, SecurityScheme},
    server::ServerBuilder,
};

use super::{
    lingyang,
    openapi::{self, Refusable, has_body},
    receive,
};
use crate::config::Listen;

/// The refusals that many operations may meet. A status that an operation describes itself stays as it is.
const REFUSALS: [Refusable; 17] = [
    push("400", "PushBadRequest", "The body is not what it should be; the field names the member.", pushes_body),
    push("401", "PushUnauthorized", "The caller does not say who it is, or a token does not hold.", pushes),
    push("408", "PushTimeout", "The body was not complete in time (`limits.body_timeout_ms`).", pushes_body),
    push("413", "PushTooLarge", "The body is larger than the gateway reads (`limits.body_bytes`).", pushes_body),
    push("429", "PushTooOften", "The device pushes more often than it may (`limits.device_pushes`).", device_pushes),
    push("500", "PushInternalError", "A bug in the gateway, which its log tells of.", pushes),
    push("503", "PushUnavailable", "There is no room, or the store cannot keep it now: nothing was accepted.", pushes),
    uplink("400", "UplinkBadRequest", "The body is not what it should be; the message names the member."),
    uplink("408", "UplinkTimeout", "The body was not complete in time (`limits.body_timeout_ms`)."),
    uplink("413", "UplinkTooLarge", "The body is larger than the gateway reads (`limits.body_bytes`)."),
    uplink("503", "UplinkUnavailable", "There is no room, or the store cannot keep it now: nothing was accepted."),
    tencent("400", "TencentBadRequest", "The query or the body is not what it should be; the text names the part."),
    tencent("408", "TencentTimeout", "The body was not complete in time (`limits.body_timeout_ms`)."),
    tencent("413", "TencentTooLarge", "The body is larger than the gateway reads (`limits.body_bytes`)."),
    tencent("503", "TencentUnavailable", "There is no room, or the store cannot keep it now: nothing was accepted."),
    Refusable {
        status: "500",
        name: "InternalError",
        answer: None,
        says: "A bug in the gateway, which its log tells of.",
        met_by: |path, _, _| path.starts_with("/receive/"),
    },
    Refusable {
        status: "431",
        name: "HeadersTooLarge",
        answer: None,
        says: "The request's head is larger than the gateway reads (`limits.header_bytes`), or has more than 100 \
            fields. Answered without a body.",
        met_by: |_, _, _| true,
    },
];

type MetBy = fn(&str, &HttpMethod, &Operation) -> bool;

const fn push(status: &'static str, name: &'static str, says: &'static str, met_by: MetBy) -> Refusable {
    Refusable { status, name, answer: Some("PushReply"), says, met_by }
}

const fn uplink(status: &'static str, name: &'static str, says: &'static str) -> Refusable {
    let met_by: MetBy = |path, _, _| path.starts_with("/receive/uplink/");
    Refusable { status, name, answer: Some("UplinkReply"), says, met_by }
}

const fn tencent(status: &'static str, name: &'static str, says: &'static str) -> Refusable {
    let met_by: MetBy = |path, _, _| path.starts_with("/receive/tencent/");
    Refusable { status, name, answer: Some("TencentReply"), says, met_by }
}

fn pushes(path: &str, _: &HttpMethod, _: &Operation) -> bool {
    path.starts_with("/v2/message/")
}

fn pushes_body(path: &str, method: &HttpMethod, operation: &Operation) -> bool {
    pushes(path, method, operation) && has_body(path, method, operation)
}

fn device_pushes(path: &str, _: &HttpMethod, _: &Operation) -> bool {
    path == "/v2/message/client/push"
}

/// The document, for a gateway that listens so.
pub(super) fn document(listen: &Listen) -> Bytes {
    let mut words = openapi::begun(
        "pushgate public API",
        include_str!("public.md"),
        &[
            ("pushes", "Send messages to devices."),
            ("link", "Be a device."),
            ("receivers", "Push to the gateway, as a vendor does."),
        ],
    );
    words.merge(lingyang::words());
    words.merge(receive::words());
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let server = ServerBuilder::new().url(format!("{scheme}://{}", listen.public));
    words.servers = Some(vec![server.description(Some("`listen.public` of the gateway's configuration.")).build()]);
    let components = words.components.get_or_insert_default();
    for (name, key) in [
        ("device_token", ApiKey::Header(described("X-Client-Token", "A device's own token."))),
        ("device_token_in_query", ApiKey::Query(described("client_token", "The same, for what cannot set a header."))),
        ("app_id", ApiKey::Header(described("X-APP-ID", "The app's id (`lingyang.apps`)."))),
        ("app_key", ApiKey::Header(described("X-APP-Key", "One of the app's keys."))),
    ] {
        components.add_security_scheme(name, SecurityScheme::ApiKey(key));
    }
    openapi::complete(words, &REFUSALS)
}

fn described(name: &str, description: &str) -> ApiKeyValue {
    ApiKeyValue::with_description(name, description)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::openapi::tests::{each_operation, is_whole};

    #[test]
    fn the_document_is_whole() {
        let document: Value = serde_json::from_slice(&document(&Listen::default())).unwrap();
        assert_eq!(is_whole(&document), 5);
        assert_eq!(document["servers"][0]["url"], "http://127.0.0.1:8080");
        for (name, operation) in each_operation(&document) {
            let has = |status: &str| operation["responses"].get(status).is_some();
            assert!(has("431") && has("500") && has("503"), "{name}");
            assert_eq!(has("413"), operation.get("requestBody").is_some(), "{name}");
            assert_eq!(has("429"), name == "post /v2/message/client/push", "{name}");
        }
    }
}
