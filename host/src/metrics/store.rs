//! What is counted of the store: its commits, its errors, what waits for it, and what it has let go.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    histogram::{Histogram, Scale},
    link::by,
    page::{Family, Page},
};
use crate::store::{Commit, ErrorKind, Observer, Pruned};

/// What went wrong, in the order of [`kind`].
const KINDS: [&str; 5] = ["full", "busy", "corrupt", "denied", "other"];

/// What is let go.
const LET_GO: [&str; 3] = ["deliveries", "dead", "inbox"];

/// Counts what the store does.
#[derive(Debug)]
pub(crate) struct StoreCounts {
    took: Histogram,
    rows: Histogram,
    callers: Histogram,
    bytes: AtomicU64,
    errors: [AtomicU64; KINDS.len()],
    queued: AtomicU64,
    let_go: [AtomicU64; LET_GO.len()],
    /// Records on their way to the store; the recorder counts in it.
    pub(crate) records: Arc<AtomicUsize>,
}

impl Default for StoreCounts {
    fn default() -> Self {
        Self {
            took: Histogram::new(Scale::COMMIT),
            rows: Histogram::new(Scale::COUNT),
            callers: Histogram::new(Scale::COUNT),
            bytes: AtomicU64::default(),
            errors: Default::default(),
            queued: AtomicU64::default(),
            let_go: Default::default(),
            records: Arc::default(),
        }
    }
}

impl Observer for StoreCounts {
    fn committed(&self, Commit { took, callers, rows, bytes, queued }: Commit) {
        self.took.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.callers.observe(callers as u64);
        self.rows.observe(rows);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.queued.store(queued as u64, Relaxed);
    }

    fn failed(&self, kind: ErrorKind) {
        let place = match kind {
            ErrorKind::Full => 0,
            ErrorKind::Busy => 1,
            ErrorKind::Corrupt | ErrorKind::Foreign | ErrorKind::Newer => 2,
            ErrorKind::Denied => 3,
            _ => 4,
        };
        if let Some(count) = self.errors.get(place) {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl StoreCounts {
    /// Counts what was let go because it was old, or too much.
    pub(crate) fn pruned(&self, Pruned { deliveries, dead, items, .. }: Pruned) {
        for (count, gone) in self.let_go.iter().zip([deliveries, dead, items]) {
            count.fetch_add(gone as u64, Relaxed);
        }
    }

    pub(super) fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        let took = Family::seconds("store_commit", "How long the store takes to commit, its disk included");
        page.histograms(took, [([], &self.took)])?;
        let callers = Family::new("store_commit_callers", "Requests and records that share a commit");
        page.histograms(callers, [([], &self.callers)])?;
        let rows = Family::new("store_commit_rows", "Rows that a commit changes");
        page.histograms(rows, [([], &self.rows)])?;
        let bytes = Family::bytes("store_body", "Bytes of bodies that were committed");
        page.counters(bytes, [([], self.bytes.load(Relaxed))])?;
        let errors = Family::new("store_errors", "Commits that failed, by why");
        page.counters(errors, by("kind", KINDS, &self.errors))?;
        let records = u64::try_from(self.records.load(Relaxed)).unwrap_or(u64::MAX);
        let waiting = Family::new(
            "store_waiting",
            "What waits for the store: orders behind the last commit, and records of sends",
        );
        let queues = [([("queue", "orders")], self.queued.load(Relaxed)), ([("queue", "records")], records)];
        page.gauges(waiting, queues)?;
        let let_go = Family::new("retention_deleted", "What was let go because it was old, or too much");
        page.counters(let_go, by("kind", LET_GO, &self.let_go))
    }
}
