//! What a gateway delivers: how fast, how exactly on time, with how much memory, and how undisturbed.

mod batching;
mod isolation;
mod lateness;
mod memory;
mod throughput;

use std::{path::PathBuf, time::Duration};

use super::{
    CannotRun, Progress, Row,
    preload::{Due, Preload},
    site::{Destination, Grouping, Site},
};

/// The scenarios, in the order they run. Memory comes before lateness, which fills the same file a little more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Deliveries a second, each a request of its own, beside a bare client
    Throughput,
    /// Items a second through one destination that batches
    Batching,
    /// Memory for what is pending, and the time to take it up after a kill
    Memory,
    /// How late retries start while very much is pending
    Lateness,
    /// How much a hanging destination delays another
    Isolation,
}

/// How delivering is measured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Of throughput, on each side, all rounds together.
    pub(crate) deliveries: usize,
    /// Destinations they are for.
    pub(crate) lanes: usize,
    /// Of a submission.
    pub(crate) bytes: usize,
    /// Of batching, together.
    pub(crate) items: usize,
    pub(crate) items_per_submission: usize,
    /// Submissions under way at a time.
    pub(crate) in_flight: usize,
    /// Deliveries that wait in lateness and memory.
    pub(crate) pending: usize,
    /// Retries a second of lateness.
    pub(crate) retries_per_second: f64,
    /// Submissions a second to each destination of isolation.
    pub(crate) submissions_per_second: f64,
    /// Of load in lateness, and in each half of isolation.
    pub(crate) time: Duration,
    /// Of what is compared.
    pub(crate) rounds: u32,
    pub(crate) store_dir: Option<PathBuf>,
}

/// Measures one scenario after the other.
#[derive(Debug)]
pub(crate) struct Bench {
    settings: Settings,
    site: Site,
    progress: Progress,
    /// Whether the store of what waits is there.
    waits: bool,
}

impl Bench {
    pub(crate) fn new(settings: Settings, progress: Progress) -> Result<Self, CannotRun> {
        let site = Site::new(settings.store_dir.as_deref())?;
        Ok(Self { settings, site, progress, waits: false })
    }

    pub(crate) async fn measure(&mut self, scenario: Scenario) -> Result<Row, CannotRun> {
        match scenario {
            Scenario::Throughput => throughput::run(self).await,
            Scenario::Batching => batching::run(self).await,
            Scenario::Memory => memory::run(self).await,
            Scenario::Lateness => lateness::run(self).await,
            Scenario::Isolation => isolation::run(self).await,
        }
    }

    /// The URL of the store in which `pending` deliveries wait for a time that does not come while it is used; made for
    /// the first scenario that wants it.
    async fn waiting_store(&mut self) -> Result<String, CannotRun> {
        let url = self.site.store("waiting");
        if !self.waits {
            let names = self.names("waiting");
            let Settings { pending, bytes, .. } = self.settings;
            let preload = Preload { destinations: &names, deliveries: pending, bytes, due: Due::Later };
            preload.run(&url, &self.progress).await?;
            self.waits = true;
        }
        Ok(url)
    }

    /// The destinations of what waits. Nothing listens there: nothing is to be sent.
    fn waiting_destinations(&self) -> Vec<Destination> {
        let nowhere = |name| Destination::new(name, "http://127.0.0.1:9/".to_owned(), Grouping::Single);
        self.names("waiting").into_iter().map(nowhere).collect()
    }

    /// A name for each lane.
    fn names(&self, prefix: &str) -> Vec<String> {
        (0..self.settings.lanes.max(1)).map(|lane| format!("{prefix}{lane}")).collect()
    }
}

/// How long deliveries that are due may take after the last was submitted before they are given up (ours).
const DELIVERED_WITHIN: Duration = Duration::from_secs(300);
