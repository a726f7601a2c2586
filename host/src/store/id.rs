//! The name of a delivery, in the API, in the store and in logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};
use uuid::Uuid;

use super::Millis;

/// Names a delivery: a UUID version 7, written as 32 lowercase hexadecimal digits.
///
/// Identifiers sort by the time they were made, and those of one process in the order they were made.
///
/// ```
/// use pushgate::store::DeliveryId;
///
/// let (first, second) = (DeliveryId::new(), DeliveryId::new());
/// assert!(first < second);
/// assert_eq!(first.to_string().parse(), Ok(first));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(Uuid);

impl DeliveryId {
    /// Makes an identifier that no other delivery has.
    #[expect(clippy::new_without_default, reason = "a default that differs every time would surprise")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the identifier's 16 bytes, which sort as it does.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns the identifier that these bytes spell.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the identifier that these bits spell, the time first.
    pub(super) fn from_bits(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// Returns when the identifier was made, in unix milliseconds.
    pub fn made_at(&self) -> Millis {
        let [a, b, c, d, e, f, ..] = *self.as_bytes();
        Millis::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Returns the identifier right before this one, if there is one: what a page that begins with this one starts behind.
    pub fn before(&self) -> Option<Self> {
        self.0.as_u128().checked_sub(1).map(|before| Self(Uuid::from_u128(before)))
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_simple(), f)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeliveryId {
    type Err = BadDeliveryId;

    fn from_str(text: &str) -> Result<Self, BadDeliveryId> {
        // Stricter than `Uuid`, which also takes braces, hyphens and capitals: one delivery, one spelling.
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BadDeliveryId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| BadDeliveryId)
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Owned, because a query string's value is not always borrowed.
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for DeliveryId {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A delivery's id: 32 lowercase hexadecimal digits, which sort by the time it was accepted.",
            ))
            .pattern(Some("^[0-9a-f]{32}$"))
            .examples(["018fabcd0000700080000000000000ff"]);
        RefOr::T(text.build().into())
    }
}

impl ToSchema for DeliveryId {}

/// Reports a text that names no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDeliveryId;

impl fmt::Display for BadDeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a delivery's id is 32 lowercase hexadecimal digits, as the gateway answered it")
    }
}

impl std::error::Error for BadDeliveryId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_delivery_has_one_spelling() {
        let id = DeliveryId::from_bytes([0x01, 0x8f, 0xab, 0xcd, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(id.to_string(), "018fabcd0000700080000000000000ff");
        assert_eq!("018fabcd0000700080000000000000ff".parse(), Ok(id));
        for text in [
            "",
            "018FABCD0000700080000000000000FF",
            "018fabcd-0000-7000-8000-0000000000ff",
            "{018fabcd0000700080000000000000}",
            "018fabcd0000700080000000000000f",
            "018fabcd0000700080000000000000fff",
            "018fabcd0000700080000000000000fg",
        ] {
            assert_eq!(text.parse::<DeliveryId>(), Err(BadDeliveryId), "{text}");
        }
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""018fabcd0000700080000000000000ff""#);
        assert_eq!(serde_json::from_str::<DeliveryId>(r#""018fabcd0000700080000000000000ff""#).unwrap(), id);
    }

    #[test]
    fn identifiers_sort_in_the_order_they_were_made() {
        let made: Vec<_> = (0..1000).map(|_| DeliveryId::new()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
