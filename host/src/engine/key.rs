//! The name of a lane, as the store and the admin API spell it.

use std::{fmt, str::FromStr, sync::Arc};

use pushgate_core::lingyang::Cid;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};

use crate::config::{App, Config, Name};

/// Names a lane, as the store and the admin API spell it: `uplink:acme`, `device:5003062`.
///
/// Keys sort as their names do, but devices come last, by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKey {
    /// A batch that an uplink receiver passes on.
    Forward(Arc<str>),
    /// A batch for a Tencent destination.
    Tencent(Arc<str>),
    /// A batch for an uplink destination.
    Uplink(Arc<str>),
    /// A call of an app's webhook.
    Webhook(Arc<str>),
    /// A message for a device.
    Device(u32),
}

/// Makes a lane of the name of what it leads to.
pub(super) type ByName = fn(Arc<str>) -> LaneKey;

impl LaneKey {
    /// The lane where the configuration bounds how many there are; `None` for a device's, of which there are as many as
    /// devices.
    pub(crate) fn configured(&self) -> Option<Self> {
        Some(self.clone()).filter(|lane| !matches!(lane, Self::Device(_)))
    }

    /// What the names of lanes that lead to URLs begin with, in their order, and what makes them of the rest.
    pub(super) const DESTINATIONS: [(&str, ByName); 4] =
        [("forward", Self::Forward), ("tencent", Self::Tencent), ("uplink", Self::Uplink), ("webhook", Self::Webhook)];

    /// Lists the lanes that lead to the URLs of a configuration.
    pub(super) fn all_of(config: &Config) -> impl Iterator<Item = Self> {
        let forwards = config.uplink.receivers.iter().filter(|receiver| receiver.forward.is_some());
        let forwards = forwards.map(|receiver| Self::Forward(receiver.name.as_str().into()));
        let tencent = config.tencent.destinations.iter().map(|to| Self::Tencent(to.name.as_str().into()));
        let uplink = config.uplink.destinations.iter().map(|to| Self::Uplink(to.name.as_str().into()));
        let apps = config.lingyang.apps().iter().filter(|app| app.webhook().is_some());
        forwards.chain(tencent).chain(uplink).chain(apps.map(|app| Self::Webhook(app.id().into())))
    }

    /// Says whether a configuration knows the lane: its URL, or the app its device belongs to.
    #[must_use]
    pub fn is_configured(&self, config: &Config) -> bool {
        match self {
            Self::Device(cid) => config.lingyang.app_of(*cid).is_some(),
            Self::Forward(name) => config.uplink.receivers.named(name).is_some_and(|from| from.forward.is_some()),
            Self::Tencent(name) => config.tencent.destinations.named(name).is_some(),
            Self::Uplink(name) => config.uplink.destinations.named(name).is_some(),
            Self::Webhook(id) => config.lingyang.app(id).is_some_and(|app| app.webhook().is_some()),
        }
    }

    /// The word its name begins with, and what follows, if that is no number.
    pub(super) fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Forward(name) => ("forward", Some(name)),
            Self::Tencent(name) => ("tencent", Some(name)),
            Self::Uplink(name) => ("uplink", Some(name)),
            Self::Webhook(app) => ("webhook", Some(app)),
            Self::Device(_) => ("device", None),
        }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uplink(name) => write!(f, "uplink:{name}"),
            Self::Tencent(name) => write!(f, "tencent:{name}"),
            Self::Webhook(app) => write!(f, "webhook:{app}"),
            Self::Forward(name) => write!(f, "forward:{name}"),
            Self::Device(cid) => write!(f, "device:{cid}"),
        }
    }
}

/// A text is no lane's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALane;

impl fmt::Display for NotALane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lane is uplink:NAME, tencent:NAME, webhook:APP, forward:NAME or device:CID")
    }
}

impl std::error::Error for NotALane {}

impl FromStr for LaneKey {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        // What no configuration takes is no lane either: names end up in the store, in logs and in metrics.
        let (kind, name) = text.split_once(':').ok_or(NotALane)?;
        let named = || name.parse::<Name>().map(|name| Arc::from(name.as_str())).map_err(|_| NotALane);
        Ok(match kind {
            "uplink" => Self::Uplink(named()?),
            "tencent" => Self::Tencent(named()?),
            "webhook" if App::is_id(name) => Self::Webhook(name.into()),
            "forward" => Self::Forward(named()?),
            "device" => Self::Device(cid(name).ok_or(NotALane)?.value()),
            _ => return Err(NotALane),
        })
    }
}

impl PartialSchema for LaneKey {
    fn schema() -> RefOr<Schema> {
        const NAMED: &str = "(uplink|tencent|forward):[A-Za-z0-9][A-Za-z0-9_.-]{0,63}|webhook:[!-~]{1,64}";
        // 1 to 4294967295, a span at a time.
        const CID: &str = "[1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|\
            4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5]";
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A lane's name: where it leads, and the name, app or cid of what is there."))
            .pattern(Some(format!("^({NAMED}|device:({CID}))$")))
            .examples(["uplink:acme", "device:4294967295"]);
        RefOr::T(text.build().into())
    }
}

impl ToSchema for LaneKey {}

/// Reads a cid in its one spelling.
fn cid(digits: &str) -> Option<Cid> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain).and_then(Cid::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_names_and_devices_last_by_number() {
        let names = ["forward:x", "tencent:a.b", "uplink:a", "uplink:b", "webhook:Test", "device:9", "device:10"];
        let keys: Vec<LaneKey> = names.iter().map(|name| name.parse().unwrap()).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for ((word, make), name) in LaneKey::DESTINATIONS.into_iter().zip(["f", "t", "u", "w"]) {
            assert_eq!(make(name.into()).parts(), (word, Some(name)));
        }
    }

    #[test]
    fn a_lanes_name_goes_both_ways() {
        for name in ["uplink:acme", "tencent:a.b", "webhook:Test:1", "forward:x", "device:5003062"] {
            assert_eq!(name.parse::<LaneKey>().unwrap().to_string(), name);
        }
        let (long, longest) = (format!("uplink:{}", "x".repeat(65)), format!("uplink:{}", "x".repeat(64)));
        assert!(longest.parse::<LaneKey>().is_ok());
        for name in [
            "",
            "uplink",
            "uplink:",
            "uplink:a b",
            "uplink:\0",
            "uplink:a:b",
            "uplink:é",
            &long,
            "webhook:a b",
            "webhook:\0",
            "device:x",
            "device:0",
            "device:07",
            "device:+7",
            "device:4294967296",
            "mail:a",
        ] {
            assert_eq!(name.parse::<LaneKey>(), Err(NotALane), "{name}");
        }
    }
}
