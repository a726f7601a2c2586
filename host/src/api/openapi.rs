//! What the documents of both APIs have in common: how they begin, the refusals and the header that are added to every
//! operation, and the bodies that are described by hand.
//!
//! A route is registered together with its words (`utoipa_axum::routes!`), so that none can be without; here the words
//! of all of them are brought together. The protocols' bodies are core's to read, which knows nothing of documents, and
//! of members that exclude each other the macros cannot speak: `bodies.json` describes them by hand, and tests hold it to
//! the limits in the code.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response,
    ResponseBuilder,
    header::HeaderBuilder,
    path::{Operation, Parameter},
    schema::{ObjectBuilder, Schema, SchemaType, Type},
    tag::TagBuilder,
};

/// Bodies that are described by hand, by the names of their schemas.
const BODIES: &str = include_str!("bodies.json");

/// What every answer says of itself, whichever it is.
const REQUEST_ID: &str = "X-Request-ID";

/// A refusal that many operations may meet, none of them by its own doing.
pub(super) struct Refusable {
    pub(super) status: &'static str,
    /// The name of the response, which the document describes once.
    pub(super) name: &'static str,
    /// The schema of its body, if it has one.
    pub(super) answer: Option<&'static str>,
    pub(super) says: &'static str,
    /// Which operations may meet it: by path, method, and what they say of themselves.
    pub(super) met_by: fn(&str, &HttpMethod, &Operation) -> bool,
}

/// Says whether an operation may change something.
pub(super) fn changes(_: &str, method: &HttpMethod, _: &Operation) -> bool {
    !matches!(method, HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace)
}

/// Says whether an operation takes a body.
pub(super) fn has_body(_: &str, _: &HttpMethod, operation: &Operation) -> bool {
    operation.request_body.is_some()
}

/// A document before its routes: what the API is, and its parts.
pub(super) fn begun(title: &str, description: &str, tags: &[(&str, &str)]) -> OpenApi {
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(license.build()));
    let tag = |&(name, description): &(&str, &str)| TagBuilder::new().name(name).description(Some(description)).build();
    OpenApiBuilder::new().info(info).tags(Some(tags.iter().map(tag).collect::<Vec<_>>())).build()
}

/// Adds to what the routes say of themselves what all of them share. A status that an operation describes itself stays
/// as it is.
pub(super) fn complete(mut document: OpenApi, refusals: &[Refusable]) -> Bytes {
    let components = document.components.get_or_insert_default();
    for refusal in refusals {
        components.responses.insert(refusal.name.to_owned(), described(refusal).into());
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            for refusal in refusals {
                if (refusal.met_by)(path, &method, operation) {
                    let response = RefOr::Ref(Ref::from_response_name(refusal.name));
                    operation.responses.responses.entry(refusal.status.to_owned()).or_insert(response);
                }
            }
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    never_null(parameter);
                }
            }
        }
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    plain_numbers(&mut document);
    lift_words(&mut document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.remove("u64");
    }
    in_the_formats_own_words(&mut document);
    name_requests(&mut document);
    add_bodies(&mut document);
    document.to_string().into()
}

/// The response that a shared refusal is answered with.
fn described(refusal: &Refusable) -> Response {
    let header = |description: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
    };
    let response = ResponseBuilder::new().description(refusal.says);
    let response = match refusal.status {
        "429" | "503" => response.header("Retry-After", header("In how many seconds to try again.")),
        _ => response,
    };
    let Some(answer) = refusal.answer else { return response.build() };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(answer))).build();
    response.content("application/json", content).build()
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

/// Writes a number where the macros, which see the name of an alias, refer to one.
fn plain_numbers(value: &mut Value) {
    const NUMBER: &str = "#/components/schemas/u64";
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => {
            members.values_mut().for_each(plain_numbers);
            if members.get("$ref").is_some_and(|reference| reference == NUMBER) {
                members.remove("$ref");
                members.extend([
                    ("type".to_owned(), "integer".into()),
                    ("format".to_owned(), "int64".into()),
                    ("minimum".to_owned(), 0.into()),
                ]);
            }
            let optional = match members.get("oneOf").and_then(Value::as_array).map(Vec::as_slice) {
                Some([number, null]) if number["type"] == "integer" && null["type"] == "null" => number.as_object(),
                _ => None,
            };
            if let Some(mut number) = optional.cloned() {
                number.insert("type".to_owned(), json!(["integer", "null"]));
                members.remove("oneOf");
                members.extend(number);
            }
        }
        _ => {}
    }
}

/// Says what a member is beside the choice of what it may be, where the macros say it inside of the first.
fn lift_words(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(lift_words),
        Value::Object(members) => {
            members.values_mut().for_each(lift_words);
            let optional = match members.get_mut("oneOf").and_then(Value::as_array_mut).map(Vec::as_mut_slice) {
                Some([some, null]) if null["type"] == "null" => some.as_object_mut(),
                _ => None,
            };
            if let Some(words) = optional.and_then(|some| some.remove("description")) {
                members.insert("description".to_owned(), words);
            }
        }
        _ => {}
    }
}

/// Says what the macros have no words for: a body that is asked for is required, and a parameter without a value counts
/// as not given.
fn in_the_formats_own_words(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut) {
            body.insert("required".to_owned(), true.into());
        }
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten().filter(|parameter| parameter["in"] == "query") {
            if let Some(parameter) = parameter.as_object_mut().filter(|parameter| parameter["required"] == false) {
                parameter.insert("allowEmptyValue".to_owned(), true.into());
            }
        }
    }
}

/// Says of every answer that it names its request. A head that is too large is answered before there is one.
fn name_requests(document: &mut Value) {
    document["components"]["headers"][REQUEST_ID] = json!({
        "description": "Names the request in the gateway's log and traces: the caller's own, if it is visible ASCII of at \
            most 80 bytes, or a new one.",
        "required": true,
        "schema": { "type": "string", "pattern": "^[!-~]{1,80}$" },
    });
    let each_member = |value: &mut Value, see: &mut dyn FnMut(&str, &mut Value)| {
        value.as_object_mut().into_iter().flatten().for_each(|(name, member)| see(name, member));
    };
    let mut name = |status: &str, response: &mut Value| {
        if response.get("$ref").is_none() && status != "431" && status != "HeadersTooLarge" {
            response["headers"][REQUEST_ID] = json!({ "$ref": format!("#/components/headers/{REQUEST_ID}") });
        }
    };
    each_member(&mut document["components"]["responses"], &mut name);
    each_member(&mut document["paths"], &mut |_, item| {
        each_member(item, &mut |_, operation| each_member(&mut operation["responses"], &mut name));
    });
}

/// Adds the bodies described by hand that the document speaks of, and what those speak of in turn.
fn add_bodies(document: &mut Value) {
    let bodies: Map<String, Value> = serde_json::from_str(BODIES).unwrap_or_default();
    let mut speaks_of = vec![document.to_string()];
    while let Some(text) = speaks_of.pop() {
        let schemas = document["components"].as_object_mut().map(|parts| parts.entry("schemas").or_insert(json!({})));
        let Some(schemas) = schemas.and_then(Value::as_object_mut) else { return };
        for (name, schema) in &bodies {
            if !schemas.contains_key(name) && text.contains(&format!("\"#/components/schemas/{name}\"")) {
                speaks_of.push(schema.to_string());
                schemas.insert(name.clone(), schema.clone());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use pushgate_core::{lingyang, tencent, uplink};

    use super::*;
    use crate::store::MAX_SELECTED;

    /// Every operation, as `get /api/status`.
    pub(in crate::api) fn each_operation(document: &Value) -> impl Iterator<Item = (String, &Value)> {
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

    /// Says how many operations a document has in which nothing is without its words.
    pub(in crate::api) fn is_whole(document: &Value) -> usize {
        every_member_has_its_words(document);
        every_reference_leads_somewhere(document);
        let tags: HashSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        let mut ids = HashSet::new();
        for (name, operation) in each_operation(document) {
            assert!(says(operation, "summary") && says(operation, "description"), "{name}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}");
            assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag)), "{name}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(says(parameter, "description"), "{name}: {parameter}");
                assert!(!parameter["schema"].to_string().contains("null"), "{name}: {parameter}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = response
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map_or(response, |name| document.pointer(name.trim_start_matches('#')).expect("the response"));
                assert_eq!(response["headers"].get(REQUEST_ID).is_some(), status != "431", "{name}: {status}");
                assert!(says(response, "description"), "{name}: {status}");
            }
        }
        ids.len()
    }

    fn every_member_has_its_words(document: &Value) {
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(says(schema, "description"), "{name}");
            for (member, described) in schema["properties"].as_object().into_iter().flatten() {
                // What is described elsewhere is, also where it may be missing.
                let elsewhere = described.get("$ref").or(described.get("oneOf")).is_some();
                assert!(elsewhere || says(described, "description"), "{name}.{member}");
            }
        }
    }

    fn every_reference_leads_somewhere(document: &Value) {
        let mut references = 0;
        each_value(document, &mut |value| {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                references += 1;
            }
        });
        assert!(references > 20, "{references}");
    }

    #[test]
    fn bodies_are_described_within_the_codes_limits() {
        let bodies: Value = serde_json::from_str(BODIES).unwrap();
        let said = |pointer: &str| bodies.pointer(pointer).and_then(Value::as_u64).unwrap();
        assert_eq!(said("/TencentBatch/properties/Events/maxItems"), u64::from(tencent::MAX_EVENTS));
        for shape in ["0/properties/Data/items", "1/properties/Data/items", "2/items"] {
            let user_id = format!("/UplinkBatch/anyOf/{shape}/allOf/1/properties/UserId/maxLength");
            assert_eq!(said(&user_id), uplink::MAX_USER_ID_CHARS as u64);
        }
        assert_eq!(said("/ReceivedTencentBatch/properties/Events/maxItems"), u64::from(tencent::MAX_EVENTS));
        assert_eq!(said("/Msg/maxLength"), lingyang::MAX_MSG_BASE64_LEN as u64);
        for pointer in ["/Act/oneOf/0/properties/ids/maxItems", "/Act/oneOf/1/properties/limit/maximum"] {
            assert_eq!(said(pointer), MAX_SELECTED as u64);
        }
        let receivers = u64::from(lingyang::MAX_RECEIVERS);
        assert_eq!(said("/ClientPush/properties/access_tokens/maxItems"), receivers);
        assert_eq!(said("/ServerPush/oneOf/0/properties/payload/properties/clients/maxItems"), receivers);
        assert_eq!(said("/ServerPush/oneOf/1/properties/payload/maxItems"), receivers);
    }

    #[test]
    fn the_examples_are_what_core_takes() {
        let bodies: Value = serde_json::from_str(BODIES).unwrap();
        let example = |name: &str| bodies[name]["examples"][0].to_string().into_bytes();
        for name in ["UplinkBatch", "ReceivedUplinkBatch"] {
            assert_eq!(uplink::read(&example(name), |_| {}).unwrap().items, 1);
        }
        for name in ["TencentBatch", "ReceivedTencentBatch"] {
            assert_eq!(tencent::read(&example(name), |_| {}).unwrap(), 1);
        }
        lingyang::ClientPush::read(&example("ClientPush"), 1).unwrap();
        lingyang::ServerPush::read(&example("ServerPush"), 1).unwrap();
        lingyang::Reply::read(&example("PushReply")).unwrap();
        assert!(uplink::Reply::read(&example("UplinkReply")).is_ok());
        assert!(tencent::Reply::read(&example("TencentReply")).is_ok());
    }
}
