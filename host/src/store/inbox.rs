//! Reading the inbox: a durable log of what was received, read by cursor.

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Millis;

/// Chooses items of the inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxFilter {
    /// Only items behind this cursor; 0 starts at the oldest.
    pub after: u64,
    /// Only items in front of this cursor, if one is given.
    pub before: Option<u64>,
    /// How many to read, between 1 and [`MAX_PAGE`](super::MAX_PAGE); others are brought into that range.
    pub limit: usize,
    /// Only items of this kind.
    pub kind: Option<String>,
    /// Only items of this receiver.
    pub receiver: Option<String>,
    /// Which of those a page takes when there are more than its limit.
    pub end: InboxEnd,
}

/// Names an end of the inbox. A page is in the order of arrival whichever end it is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InboxEnd {
    /// What came first: reading on from a cursor.
    #[default]
    Oldest,
    /// What came last: beginning with the present.
    Newest,
}

/// Is an item of the inbox; serialises to the admin API's entry, the item itself embedded as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InboxItem {
    /// Its place: grows with every item, starts above 0, is never used again.
    #[schema(minimum = 1, example = 3)]
    pub cursor: u64,
    /// The receiver that took it, by its name in the configuration.
    #[schema(example = "ucloud")]
    pub receiver: String,
    /// What it is: `message`, `report` or `unsupported` of an uplink receiver, `event` of a Tencent receiver.
    #[schema(example = "message")]
    pub kind: String,
    /// When it was received, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    pub received_at: Millis,
    /// The item itself, as its protocol's page describes it: a JSON object, or whatever stands in a batch of a kind that
    /// is not known here.
    #[serde(serialize_with = "as_json")]
    #[schema(value_type = Value)]
    pub item: String,
}

/// Is a page of the inbox, oldest first; serialises to the admin API's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct InboxPage {
    /// The page, in the order of arrival.
    pub items: Vec<InboxItem>,
    /// What to ask for next, as `after`: there is always a next, if only later.
    #[schema(example = 3)]
    pub next: u64,
}

fn as_json<S: Serializer>(item: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(item).map_err(S::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_serialises_to_the_admin_api_answer() {
        let item = InboxItem {
            cursor: 3,
            receiver: "ucloud".into(),
            kind: "message".into(),
            received_at: 5,
            item: r#"{"b":1,"a":1.0}"#.into(),
        };
        assert_eq!(
            serde_json::to_string(&InboxPage { items: vec![item], next: 3 }).unwrap(),
            r#"{"items":[{"cursor":3,"receiver":"ucloud","kind":"message","received_at":5,"item":{"b":1,"a":1.0}}],"next":3}"#
        );
    }
}
