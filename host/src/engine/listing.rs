//! Lanes as an operator sees them: one, a page of them, or how all of them stand.
//!
//! There may be a million lanes, of devices nearly all. A page is a walk along their names that begins where the last one
//! ended and looks at no lane that is not on it; what is told of all devices together is kept as they change.

use std::ops::{Bound, RangeInclusive};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    key::{ByName, LaneKey},
    lane::Lane,
    lanes::Lanes,
};
use crate::store::Millis;

/// Caps the lanes of one page (ours).
pub const MAX_LANES: usize = 1_000;

/// Lanes that the scheduler describes before it looks at its clock again (ours): some tens of microseconds of its time.
pub(super) const AT_ONCE: usize = 100;

/// A lane as an operator sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
pub struct LaneStatus {
    /// Its name: `uplink:NAME`, `tencent:NAME`, `webhook:APP`, `forward:NAME` or `device:CID`.
    #[schema(value_type = LaneKey)]
    pub lane: String,
    /// Deliveries not finished yet.
    pub pending: usize,
    /// Those of them that are due.
    pub queued: usize,
    /// Requests whose answer is outstanding.
    pub in_flight: usize,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Whether it begins new deliveries, or only probes its destination.
    pub circuit: CircuitState,
    /// When the next probe may begin, in unix milliseconds, while the circuit is open.
    #[schema(required, example = 1_700_000_030_000_u64)]
    pub probe_at: Option<Millis>,
    /// Deliveries that it holds at the most.
    pub limit: usize,
    /// Sends begun in a second, as the mean of the last ten.
    pub rate: f64,
    /// Sends that may begin in a second, if the configuration limits them.
    #[schema(required)]
    pub rate_limit: Option<u32>,
    /// When the one that has waited longest was accepted, in unix milliseconds.
    #[schema(required, example = 1_700_000_000_000_u64)]
    pub oldest_at: Option<Millis>,
    /// Whether the configuration has its destination.
    pub configured: bool,
    /// The URL it sends to, without its query.
    #[schema(required, example = "https://acme.example/push")]
    pub destination: Option<String>,
    /// What went wrong last, since it last delivered.
    #[schema(required, example = "status: the destination answered 503")]
    pub last_error: Option<String>,
    /// When that was, in unix milliseconds.
    #[schema(required, example = 1_700_000_000_000_u64)]
    pub last_error_at: Option<Millis>,
}

/// Whether a lane begins new deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Circuit)]
pub enum CircuitState {
    /// It does.
    Closed,
    /// Its destination took nothing for long enough: it waits for its next probe.
    Open,
    /// It waits for what becomes of a probe.
    Probing,
}

/// Chooses lanes to list: destinations in the order of their names, then devices by cid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneFilter {
    /// Only these.
    pub kind: LaneKind,
    /// Only those whose name begins so.
    pub prefix: String,
    /// Only those behind this one.
    pub after: Option<LaneKey>,
    /// How many, between 1 and [`MAX_LANES`]; others are brought into that range.
    pub limit: usize,
}

/// What lanes lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaneKind {
    /// Destinations and devices.
    #[default]
    Any,
    /// URLs: of destinations, webhooks and forwards.
    Destination,
    /// Devices.
    Device,
}

/// A page of lanes.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct LanePage {
    /// The page.
    pub lanes: Vec<LaneStatus>,
    /// The `after` of the next page, if there is one.
    #[schema(required, example = "device:5000049")]
    pub next: Option<String>,
}

/// How all lanes stand.
#[derive(Clone, Debug, Default)]
pub struct LaneLevels {
    /// Every destination of the configuration, and those that are not in it any more and have work left.
    pub destinations: Vec<LaneStatus>,
    /// All devices together.
    pub devices: DeviceLevels,
}

/// How the lanes of devices stand.
#[derive(Clone, Debug, Default)]
pub struct DeviceLevels {
    /// Lanes with work, and paused ones.
    pub lanes: usize,
    /// Messages not finished yet.
    pub pending: usize,
    /// Those of them that are due.
    pub queued: usize,
    /// Paused lanes.
    pub paused: usize,
    /// Lanes that hold as much as they may.
    pub full: usize,
    /// The first 20 of those that are paused or full.
    pub noted: Vec<LaneStatus>,
}

/// Lanes in [`DeviceLevels::noted`] at the most.
pub(super) const NOTED: usize = 20;

impl LaneKind {
    fn has_destinations(self) -> bool {
        self != Self::Device
    }

    fn has_devices(self) -> bool {
        self != Self::Destination
    }
}

impl Lanes {
    /// The lanes that `filter` chooses, in their order, however many.
    pub(super) fn walk(&self, filter: &LaneFilter) -> impl Iterator<Item = &Lane> {
        let LaneFilter { kind, prefix, after, .. } = filter;
        let words = LaneKey::DESTINATIONS.into_iter().filter(|_| kind.has_destinations());
        let destinations = words.flat_map(move |(word, key)| self.destinations_of(word, key, prefix, after.as_ref()));
        let after = match after {
            Some(LaneKey::Device(cid)) => Some(*cid),
            _ => None,
        };
        let ranges = if kind.has_devices() { device_ranges(prefix, *kind) } else { Vec::new() };
        let devices = ranges.into_iter().flat_map(move |range| self.devices_in(range, after));
        destinations.chain(devices).filter_map(|number| self.get(number))
    }

    /// The lanes of one kind whose names begin with `prefix`, behind `after`.
    fn destinations_of(
        &self,
        word: &'static str,
        key: ByName,
        prefix: &str,
        after: Option<&LaneKey>,
    ) -> impl Iterator<Item = u32> {
        let name = match prefix.split_once(':') {
            Some((kind, name)) => (kind == word).then_some(name),
            None => word.starts_with(prefix).then_some(""),
        };
        let walk = name.map(|name| {
            let first = key(name.into());
            let from = match after {
                Some(after) if *after >= first => Bound::Excluded(after.clone()),
                _ => Bound::Included(first),
            };
            let name = name.to_owned();
            self.destinations((from, Bound::Unbounded))
                .take_while(move |(key, _)| {
                    let (kind, this) = key.parts();
                    kind == word && this.is_some_and(|this| this.starts_with(&*name))
                })
                .map(|(_, number)| *number)
        });
        walk.into_iter().flatten()
    }
}

/// The cids whose names begin with `prefix`, as ranges in their order.
fn device_ranges(prefix: &str, kind: LaneKind) -> Vec<RangeInclusive<u32>> {
    let digits = match prefix.split_once(':') {
        Some(("device", digits)) => digits,
        Some(_) => return Vec::new(),
        None if "device".starts_with(prefix) => "",
        // Who asks for devices alone may leave out what all their names have.
        None if kind == LaneKind::Device => prefix,
        None => return Vec::new(),
    };
    cids_that_begin(digits)
}

/// The cids whose digits begin with `digits`, as ranges in their order: at most ten.
pub(crate) fn cids_that_begin(digits: &str) -> Vec<RangeInclusive<u32>> {
    if digits.is_empty() {
        return vec![0..=u32::MAX];
    }
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    let Some(first) = digits.parse::<u32>().ok().filter(|_| is_number) else { return Vec::new() };
    let ranges = std::iter::successors(Some(1_u64), |size| size.checked_mul(10)).map_while(|size| {
        let low = u32::try_from(u64::from(first).checked_mul(size)?).ok()?;
        Some(low..=u32::try_from(u64::from(low) + (size - 1)).unwrap_or(u32::MAX))
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn listed(lanes: &Lanes, kind: LaneKind, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let after = after.map(|after| after.parse().unwrap());
        let filter = LaneFilter { kind, prefix: prefix.to_owned(), after, limit };
        lanes.walk(&filter).take(limit).map(|lane| lane.key.to_string()).collect()
    }

    fn lanes(names: &[&str]) -> Lanes {
        let (mut lanes, config) = (Lanes::new(std::sync::Arc::default()), Config::default());
        for name in names {
            lanes.enter(&name.parse().unwrap(), &config);
        }
        lanes
    }

    #[test]
    fn pages_follow_names_and_cids() {
        let lanes = lanes(&[
            "webhook:Test",
            "uplink:b",
            "uplink:acme",
            "tencent:im",
            "forward:ucloud",
            "uplink:acme.2",
            "device:9",
            "device:10",
            "device:500",
            "device:51",
            "device:4000000000",
        ]);
        let destinations =
            ["forward:ucloud", "tencent:im", "uplink:acme", "uplink:acme.2", "uplink:b", "webhook:Test"].as_slice();
        let devices = ["device:9", "device:10", "device:51", "device:500", "device:4000000000"].as_slice();
        let all = [destinations, devices].concat();
        for (kind, prefix, expected) in [
            (LaneKind::Any, "", &all[..]),
            (LaneKind::Destination, "", destinations),
            (LaneKind::Device, "", devices),
            (LaneKind::Any, "uplink", &destinations[2..5]),
            (LaneKind::Any, "uplink:acme", &destinations[2..4]),
            (LaneKind::Any, "u", &destinations[2..5]),
            (LaneKind::Any, "uplink:x", &[]),
            (LaneKind::Any, "d", devices),
            (LaneKind::Any, "device:5", &devices[2..4]),
            (LaneKind::Device, "5", &devices[2..4]),
            (LaneKind::Any, "5", &[]),
            (LaneKind::Device, "device:4", &devices[4..]),
            (LaneKind::Device, "device:05", &[]),
            (LaneKind::Device, "device:5x", &[]),
            (LaneKind::Device, "device:99999999999", &[]),
            (LaneKind::Device, "uplink:acme", &[]),
        ] {
            assert_eq!(listed(&lanes, kind, prefix, None, 100), expected, "{kind:?} {prefix:?}");
            let (mut paged, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = listed(&lanes, kind, prefix, after.as_deref(), 2);
                paged.extend(page.iter().cloned());
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
            }
            assert_eq!(paged, expected, "page by page: {kind:?} {prefix:?}");
        }
        assert_eq!(listed(&lanes, LaneKind::Any, "", Some("uplink:aa"), 2), ["uplink:acme", "uplink:acme.2"]);
        assert_eq!(listed(&lanes, LaneKind::Any, "", Some("device:50"), 1), ["device:51"], "gone meanwhile");
    }

    /// "A million deliveries in the store and every view answers": it takes the steps of what it shows.
    #[test]
    fn a_page_looks_at_no_lane_that_is_not_on_it() {
        let (mut lanes, config) = (Lanes::new(std::sync::Arc::default()), Config::default());
        for cid in 1..=50_000 {
            lanes.enter(&LaneKey::Device(cid), &config);
        }
        lanes.looks.set(0);
        let page = listed(&lanes, LaneKind::Device, "device:4", Some("device:41234"), 10);
        assert_eq!((page.first().map(String::as_str), page.len()), (Some("device:41235"), 10));
        assert_eq!(lanes.looks.get(), 10);
        drop(lanes.device_levels());
        assert_eq!(lanes.looks.get(), 10, "and all of them together at none");
    }
}
