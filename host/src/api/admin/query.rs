//! A request's query, read against its own documentation.
//!
//! A handler takes [`Query<T>`], where `T` derives `Deserialize` and `IntoParams`: the names, ranges and lengths that
//! the document of the API states are the ones a request is held to, so that the two cannot disagree. A refusal names
//! the parameter, what it may be, and for an unknown one the nearest that there is.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};
use std::fmt;
use utoipa::{
    IntoParams, Number,
    openapi::{
        RefOr,
        path::{Parameter, ParameterIn},
        schema::{Object, Schema},
    },
};

use super::refusal::Refusal;
use crate::config::nearest;

/// The parameters of a request's query. Each may be given once; one without a value counts as not given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

/// What a path that takes no parameters asks for.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Nothing {}

impl IntoParams for Nothing {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

impl<S: Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let given = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let given = given.map_err(|error| Refusal::bad_request("query", error.body_text()))?;
        let known = T::into_params(|| Some(ParameterIn::Query));
        let values = check(&given.0, &known)?;
        let values = MapDeserializer::new(values.into_iter().map(|value| (value.name(), value)));
        T::deserialize(values).map(Self).map_err(|wrong: Wrong| Refusal::bad_request(wrong.field, wrong.message))
    }
}

/// Brings each parameter together with what is known of it.
fn check<'a>(given: &'a [(String, String)], known: &'a [Parameter]) -> Result<Vec<Value<'a>>, Refusal> {
    let mut values = Vec::<Value<'a>>::with_capacity(given.len().min(known.len()));
    for (name, text) in given {
        let parameter = known.iter().find(|parameter| parameter.name == *name);
        let parameter = parameter.ok_or_else(|| unknown(name, known))?;
        // A loop that has no cursor yet says so with an empty one.
        if text.is_empty() {
            continue;
        }
        if values.iter().any(|value| value.name() == name) {
            return Err(Refusal::bad_request(name, "given more than once: once is enough"));
        }
        // What is not UTF-8 has become this character by now.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::bad_request(name, "must be UTF-8, percent-encoded"));
        }
        values.push(Value { text, parameter });
    }
    Ok(values)
}

fn unknown(name: &str, known: &[Parameter]) -> Refusal {
    // An unknown name may be any text, and of any length.
    let name: String = name.chars().take(64).collect();
    let mut names: Vec<_> = known.iter().map(|parameter| parameter.name.as_str()).collect();
    names.sort_unstable();
    let message = match nearest(&name, &names) {
        _ if names.is_empty() => "no such parameter: this path takes none".to_owned(),
        Some(name) => format!("no such parameter: did you mean {name}?"),
        None => format!("no such parameter: this path takes {}", names.join(", ")),
    };
    Refusal::bad_request(name, message)
}

/// A parameter's text, and what its documentation says of it.
#[derive(Clone, Copy)]
struct Value<'a> {
    text: &'a str,
    parameter: &'a Parameter,
}

impl<'a> Value<'a> {
    fn name(&self) -> &'a str {
        &self.parameter.name
    }

    fn rules(&self) -> Option<&'a Object> {
        match &self.parameter.schema {
            Some(RefOr::T(Schema::Object(object))) => Some(object),
            _ => None,
        }
    }

    fn whole(self) -> Result<u64, Wrong> {
        let bound = |bound: Option<&Number>, or: u64| match bound {
            Some(Number::UInt(bound)) => *bound as u64,
            Some(Number::Int(bound)) => u64::try_from(*bound).unwrap_or(or),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a documented bound is a small whole number, which the macro may write as a float"
            )]
            Some(Number::Float(bound)) => *bound as u64,
            None => or,
        };
        let rules = self.rules();
        let least = bound(rules.and_then(|rules| rules.minimum.as_ref()), 0);
        let most = bound(rules.and_then(|rules| rules.maximum.as_ref()), u64::MAX);
        // Digits alone: `+5` has another spelling.
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.text.parse().ok().filter(|number| digits && (least..=most).contains(number));
        number.ok_or_else(|| self.wrong(format!("must be a whole number from {least} to {most}")))
    }

    fn checked(self) -> Result<&'a str, Wrong> {
        let most = self.rules().and_then(|rules| rules.max_length);
        match most {
            Some(most) if self.text.chars().count() > most => {
                Err(self.wrong(format!("must be at most {most} characters")))
            }
            _ => Ok(self.text),
        }
    }

    fn wrong(self, message: String) -> Wrong {
        Wrong { field: self.name().to_owned(), message }
    }

    /// Says of which parameter something is wrong.
    fn named<T>(self, read: Result<T, Wrong>) -> Result<T, Wrong> {
        read.map_err(|wrong| self.wrong(wrong.message))
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.named(visitor.visit_u64(self.whole()?))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Value<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.named(visitor.visit_str(self.checked()?))
    }

    whole_numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.wrong("must be true or false".to_owned())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.named(visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.named(visitor.visit_enum(self.text.into_deserializer()))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What is wrong with a parameter.
#[derive(Debug)]
struct Wrong {
    field: String,
    message: String,
}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { field: "query".to_owned(), message: message.to_string() }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("must be one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: field.to_owned(), message: "required: give it in the query".to_owned() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for Wrong {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DeliveryId, State};
    use axum::http::Request;

    #[derive(Debug, Deserialize, IntoParams)]
    struct Sample {
        /// A number within bounds.
        #[param(minimum = 1, maximum = 1000)]
        limit: Option<usize>,
        /// A number without.
        after: Option<u64>,
        /// A text.
        #[param(max_length = 4)]
        kind: Option<String>,
        /// A word.
        state: Option<State>,
        /// A name.
        cursor: Option<DeliveryId>,
    }

    async fn read<T: DeserializeOwned + IntoParams>(query: &str) -> Result<T, String> {
        let request = Request::get(format!("/?{query}")).body(()).unwrap();
        let read = Query::<T>::from_request_parts(&mut request.into_parts().0, &()).await;
        read.map(|query| query.0).map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn what_is_documented_is_read() {
        let id = DeliveryId::new();
        let query = format!("limit=1000&after=18446744073709551615&kind=%c3%a9%20+x&state=dead&cursor={id}");
        let sample = read::<Sample>(&query).await.unwrap();
        assert_eq!((sample.limit, sample.after), (Some(1000), Some(u64::MAX)));
        assert_eq!(sample.kind.as_deref(), Some("é  x"));
        assert_eq!((sample.state, sample.cursor), (Some(State::Dead), Some(id)));

        for query in ["", "limit=&after&kind="] {
            let sample = read::<Sample>(query).await.unwrap();
            assert_eq!((sample.limit, sample.after, sample.kind), (None, None, None), "{query}");
        }
        read::<Nothing>("").await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_names_the_parameter_and_what_it_may_be() {
        for (query, told) in [
            ("limit=x", "limit: must be a whole number from 1 to 1000"),
            ("limit=0", "limit: must be a whole number from 1 to 1000"),
            ("limit=1001", "limit: must be a whole number from 1 to 1000"),
            ("limit=-1", "limit: must be a whole number from 1 to 1000"),
            ("limit=%2B5", "limit: must be a whole number from 1 to 1000"),
            ("after=18446744073709551616", "after: must be a whole number from 0 to 18446744073709551615"),
            ("limit=1&limit=1", "limit: given more than once: once is enough"),
            ("kind=12345", "kind: must be at most 4 characters"),
            ("kind=%ff", "kind: must be UTF-8, percent-encoded"),
            ("state=Dead", "state: must be one of pending, delivered, dead, dropped"),
            ("cursor=5", "cursor: a delivery's id is 32 lowercase hexadecimal digits, as the gateway answered it"),
            ("limti=5", "limti: no such parameter: did you mean limit?"),
            ("Limit=5", "Limit: no such parameter: did you mean limit?"),
            ("=", ": no such parameter: this path takes after, cursor, kind, limit, state"),
        ] {
            assert_eq!(read::<Sample>(query).await.unwrap_err(), told, "{query}");
        }
        assert_eq!(read::<Nothing>("x=1").await.unwrap_err(), "x: no such parameter: this path takes none");
        let long = read::<Nothing>(&"é".repeat(1000)).await.unwrap_err();
        assert!(long.starts_with(&"é".repeat(64)) && long.chars().count() < 120, "{long}");
    }
}
