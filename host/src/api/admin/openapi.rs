//! `GET /api/openapi.json`: the admin API described, out of the code that answers.
//!
//! Every route is registered together with its words, and what all of them share is added here, once: the refusals that
//! any request may meet, and the token.

use std::sync::Arc;

use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use utoipa::openapi::{
    Components, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
    Response as Described, ResponseBuilder,
    header::HeaderBuilder,
    path::{Operation, Parameter},
    schema::{ObjectBuilder, Schema, SchemaType, Type},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::{Tag, TagBuilder},
};

use super::query::{Nothing, Query};

/// The name of the token's scheme.
const TOKEN: &str = "admin_token";

/// A refusal that many operations may meet, none of them by its own doing.
struct Shared {
    status: &'static str,
    name: &'static str,
    says: &'static str,
    /// Which operations may meet it.
    met_by: fn(&HttpMethod, &Operation) -> bool,
}

/// The refusals that many operations may meet. A status that an operation describes itself stays as it is.
const SHARED: [Shared; 9] = [
    Shared {
        status: "400",
        name: "BadRequest",
        says: "A parameter or the body is not what it should be; the field names it, the message says what it may be.",
        met_by: any,
    },
    Shared {
        status: "401",
        name: "Unauthorized",
        says: "The gateway has an admin token (`listen.admin_token`), and the request does not carry it.",
        met_by: needs_token,
    },
    Shared {
        status: "403",
        name: "Forbidden",
        says: "The request would change something and comes from another site's page.",
        met_by: changes,
    },
    Shared {
        status: "408",
        name: "RequestTimeout",
        says: "The body was not complete in time (`limits.body_timeout_ms`).",
        met_by: has_body,
    },
    Shared {
        status: "413",
        name: "PayloadTooLarge",
        says: "The body is larger than the gateway reads (`limits.body_bytes`).",
        met_by: has_body,
    },
    Shared {
        status: "421",
        name: "MisdirectedRequest",
        says: "The gateway has no admin token, and the request asks for a host that is not this listener.",
        met_by: any,
    },
    Shared {
        status: "431",
        name: "HeadersTooLarge",
        says: "The request's head is larger than the gateway reads (`limits.header_bytes`), or has more than 100 \
            fields. Answered without a body.",
        met_by: any,
    },
    Shared { status: "500", name: "InternalError", says: "A bug in the gateway, which its log tells of.", met_by: any },
    Shared {
        status: "503",
        name: "Unavailable",
        says: "The store cannot be read or written now, or a lane has no room; `Retry-After` says in how many seconds \
            to try again.",
        met_by: any,
    },
];

fn any(_: &HttpMethod, _: &Operation) -> bool {
    true
}

/// Says whether an operation asks for the token where there is one: all do but those that say that they do not.
fn needs_token(_: &HttpMethod, operation: &Operation) -> bool {
    operation.security.is_none()
}

fn changes(method: &HttpMethod, _: &Operation) -> bool {
    !matches!(method, HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace)
}

fn has_body(_: &HttpMethod, operation: &Operation) -> bool {
    operation.request_body.is_some()
}

/// The document, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Document(Bytes);

impl Document {
    /// Completes what the routes say of themselves.
    pub(super) fn new(mut routes: OpenApi) -> Self {
        complete(&mut routes);
        Self(routes.to_json().unwrap_or_default().into())
    }
}

/// Describe the API.
///
/// This document: `OpenAPI` 3.1, made from the code that answers.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "describe", tag = "gateway",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json"))
)]
pub(super) async fn show(Extension(document): Extension<Arc<Document>>, Query(Nothing {}): Query<Nothing>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.0.clone()).into_response()
}

/// The document before its routes: what the API is, and its parts.
pub(super) fn begun() -> OpenApi {
    let info = InfoBuilder::new()
        .title("pushgate admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()));
    OpenApiBuilder::new().info(info).tags(Some(tags())).build()
}

fn tags() -> Vec<Tag> {
    [
        ("submissions", "Hand in what is to be delivered."),
        ("deliveries", "Find, replay and drop what was accepted."),
        ("lanes", "See, pause and resume destinations and devices."),
        ("inbox", "Read what the receivers took in."),
        ("devices", "See who is connected."),
        ("gateway", "See how the gateway stands."),
    ]
    .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())
    .to_vec()
}

fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    for shared in &SHARED {
        components.responses.insert(shared.name.to_owned(), described(shared).into());
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`listen.admin_token` of the configuration, where it has one."));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
    document.security = Some(vec![SecurityRequirement::new(TOKEN, [] as [&str; 0])]);

    for (method, operation) in document.paths.paths.values_mut().flat_map(operations) {
        for shared in &SHARED {
            if !(shared.met_by)(&method, operation) {
                continue;
            }
            let refusal = RefOr::Ref(Ref::from_response_name(shared.name));
            operation.responses.responses.entry(shared.status.to_owned()).or_insert(refusal);
        }
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                never_null(parameter);
            }
        }
    }
}

/// The response that a shared refusal is answered with.
fn described(shared: &Shared) -> Described {
    let header = |description: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
    };
    let refusal = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
    let response = ResponseBuilder::new().description(shared.says);
    let response = match shared.status {
        // It is the server below that refuses, before there is a request.
        "431" => return response.build(),
        "401" => response.header("WWW-Authenticate", header("The scheme to use: `Bearer`.")),
        "503" => response.header("Retry-After", header("Seconds.")),
        _ => response,
    };
    response.content("application/json", refusal).build()
}

/// The operations of a path, each with its method.
fn operations(path: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [
        (HttpMethod::Get, get),
        (HttpMethod::Put, put),
        (HttpMethod::Post, post),
        (HttpMethod::Delete, delete),
        (HttpMethod::Patch, patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Takes `null` out of what a parameter may be: one that is not given is not there.
fn never_null(parameter: &mut Parameter) {
    let Some(RefOr::T(schema)) = &mut parameter.schema else { return };
    match schema {
        Schema::Object(object) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|kind| *kind != Type::Null);
                if let [only] = &types[..] {
                    object.schema_type = SchemaType::Type(only.clone());
                }
            }
        }
        Schema::OneOf(one_of) => {
            let is_null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
            one_of.items.retain(|schema| !is_null(schema));
            if let [_] = &one_of.items[..] {
                parameter.schema = one_of.items.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::api::admin::described;

    fn document() -> Value {
        let (open, guarded) = described();
        let mut document = open.into_openapi();
        document.merge(guarded.into_openapi());
        serde_json::from_slice(&Document::new(document).0).unwrap()
    }

    /// Every operation, as `get /api/status`.
    fn each_operation(document: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
    }

    fn each_value<'v>(value: &'v Value, see: &mut impl FnMut(&'v Value)) {
        see(value);
        match value {
            Value::Array(items) => items.iter().for_each(|item| each_value(item, see)),
            Value::Object(members) => members.values().for_each(|member| each_value(member, see)),
            _ => {}
        }
    }

    fn says(value: &Value, member: &str) -> bool {
        value[member].as_str().is_some_and(|text| text.ends_with('.'))
    }

    #[test]
    fn every_operation_has_its_words() {
        let document = document();
        let tags: HashSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        let mut ids = HashSet::new();
        for (name, operation) in each_operation(&document) {
            assert!(says(operation, "summary") && says(operation, "description"), "{name}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}");
            assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag)), "{name}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(says(parameter, "description"), "{name}: {parameter}");
                assert!(!parameter["schema"].to_string().contains("null"), "{name}: {parameter}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response.get("$ref").is_some() || says(response, "description"), "{name}: {status}");
            }
        }
        assert!(ids.len() >= 15, "{ids:?}");
    }

    #[test]
    fn every_member_of_an_answer_has_its_words_and_is_always_there() {
        let document = document();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(says(schema, "description"), "{name}");
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (member, described) in schema["properties"].as_object().into_iter().flatten() {
                assert!(described.get("$ref").is_some() || says(described, "description"), "{name}.{member}");
                assert!(required.contains(&Value::from(member.as_str())), "{name}.{member} is not required");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut references = 0;
        each_value(&document, &mut |value| {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                references += 1;
            }
        });
        assert!(references > 50, "{references}");
    }

    #[test]
    fn what_any_request_may_meet_is_said_of_each() {
        let document = document();
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
