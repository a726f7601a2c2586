//! What is counted of each receiver: the batches it took, what was in them, and what it refused.
//!
//! A receiver of the configuration has series of its own; requests to any other share one.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::page::{Family, Page};
use crate::config::Config;

/// Answers, by their status; the last is any other.
const STATUSES: [&str; 8] = ["200", "400", "401", "403", "404", "408", "413", "503"];

/// What comes in.
const KINDS: [&str; 4] = ["message", "report", "event", "unsupported"];

/// The name under which requests are counted that are nobody's.
const UNKNOWN: &str = "unknown";

/// Knows the receivers that are counted by name.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    named: RwLock<BTreeMap<Box<str>, Arc<ReceiverCounts>>>,
    unknown: Arc<ReceiverCounts>,
}

/// Counts what comes to a receiver.
#[derive(Debug, Default)]
pub(crate) struct ReceiverCounts {
    requests: [AtomicU64; STATUSES.len()],
    other: AtomicU64,
    items: [AtomicU64; KINDS.len()],
    duplicates: AtomicU64,
}

/// How many items of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByKind([u64; KINDS.len()]);

impl Receivers {
    /// Counts the receivers of `config` by name from now on, and no others.
    pub(super) fn obey(&self, config: &Config) {
        let uplink = config.uplink.receivers.iter().map(|receiver| ("uplink", receiver.name.as_str()));
        let tencent = config.tencent.receivers.iter().map(|receiver| ("tencent", receiver.name.as_str()));
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *named);
        for (protocol, name) in uplink.chain(tencent) {
            let name = format!("{protocol}:{name}").into_boxed_str();
            let counts = before.remove(&name).unwrap_or_default();
            named.insert(name, counts);
        }
    }

    /// Where to count what comes to the receiver called `name`.
    pub(super) fn of(&self, protocol: &str, name: &str) -> Arc<ReceiverCounts> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(named.get(&*format!("{protocol}:{name}")).unwrap_or(&self.unknown))
    }

    pub(super) fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner).clone();
        let all = || {
            let named = named.iter().map(|(name, counts)| (&**name, &**counts));
            named.chain([(UNKNOWN, &*self.unknown)]).map(|(name, counts)| (("receiver", name), counts))
        };
        let requests = Family::new("received_requests", "Requests to receivers, by the status of their answer");
        let by_status = all().flat_map(|(receiver, counts)| {
            let known = STATUSES.iter().zip(&counts.requests).map(|(status, count)| (*status, count));
            let all = known.chain([("other", &counts.other)]);
            all.map(move |(status, count)| ([receiver, ("status", status)], count.load(Relaxed)))
        });
        page.counters(requests, by_status)?;
        let items =
            Family::new("received_items", "Items of the batches that were taken, by kind, those that came before too");
        let by_kind = all().flat_map(|(receiver, counts)| {
            let counted = KINDS.iter().zip(&counts.items);
            counted.map(move |(kind, count)| ([receiver, ("kind", *kind)], count.load(Relaxed)))
        });
        page.counters(items, by_kind)?;
        let duplicates =
            Family::new("received_duplicates", "Items of the batches that were taken which had come before");
        page.counters(duplicates, all().map(|(receiver, counts)| ([receiver], counts.duplicates.load(Relaxed))))
    }
}

impl ReceiverCounts {
    /// Counts a request, by the status it was answered.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let known = STATUSES.iter().position(|known| *known == status.as_str());
        known.and_then(|place| self.requests.get(place)).unwrap_or(&self.other).fetch_add(1, Relaxed);
    }

    /// Adds up the items of a batch by their kinds.
    pub(crate) fn by_kind<'k>(kinds: impl IntoIterator<Item = &'k str>) -> ByKind {
        let mut sums = ByKind::default();
        for kind in kinds {
            if let Some(sum) = KINDS.iter().position(|known| *known == kind).and_then(|place| sums.0.get_mut(place)) {
                *sum += 1;
            }
        }
        sums
    }

    /// Counts the items of a batch that was taken, and how many of them had come before.
    pub(crate) fn took(&self, items: ByKind, duplicates: usize) {
        for (count, sum) in self.items.iter().zip(items.0) {
            count.fetch_add(sum, Relaxed);
        }
        self.duplicates.fetch_add(duplicates as u64, Relaxed);
    }
}
