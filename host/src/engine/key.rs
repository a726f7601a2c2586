//! The name of a lane, as the store and the admin API spell it.

use std::{fmt, str::FromStr, sync::Arc};

/// Names a lane, as the store and the admin API spell it: `uplink:acme`, `device:5003062`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKey {
    /// A batch for an uplink destination.
    Uplink(Arc<str>),
    /// A batch for a Tencent destination.
    Tencent(Arc<str>),
    /// A call of an app's webhook.
    Webhook(Arc<str>),
    /// A batch that an uplink receiver passes on.
    Forward(Arc<str>),
    /// A message for a device.
    Device(u32),
}

impl LaneKey {
    /// The lane where the configuration bounds how many there are; `None` for a device's, of which there are as many as
    /// devices.
    pub(crate) fn configured(&self) -> Option<Self> {
        Some(self.clone()).filter(|lane| !matches!(lane, Self::Device(_)))
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
        let (kind, name) = text.split_once(':').ok_or(NotALane)?;
        let owned = || Some(Arc::from(name)).filter(|_| !name.is_empty()).ok_or(NotALane);
        Ok(match kind {
            "uplink" => Self::Uplink(owned()?),
            "tencent" => Self::Tencent(owned()?),
            "webhook" => Self::Webhook(owned()?),
            "forward" => Self::Forward(owned()?),
            "device" => Self::Device(name.parse().map_err(|_| NotALane)?),
            _ => return Err(NotALane),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lanes_name_goes_both_ways() {
        for name in ["uplink:acme", "tencent:a.b", "webhook:Test:1", "forward:x", "device:5003062"] {
            assert_eq!(name.parse::<LaneKey>().unwrap().to_string(), name);
        }
        for name in ["", "uplink", "uplink:", "device:x", "device:4294967296", "mail:a"] {
            assert_eq!(name.parse::<LaneKey>(), Err(NotALane), "{name}");
        }
    }
}
