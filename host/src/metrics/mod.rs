//! What `GET /metrics` shows: counts since the start, and how things stand, in the OpenMetrics text that Prometheus
//! reads; and the last day by the second and the minute, for the console.
//!
//! Every series is bounded: labels are words of this program and names of the configuration. Devices share one, and so
//! does whatever a caller names that the configuration does not have.
//!
//! Counting is an addition to a number that whoever counts has at hand: no lock, no look-up, no text. The text is made
//! when somebody asks for it.
//!
//! | file | counts |
//! | --- | --- |
//! | `lane` | what each lane took, sent and ended |
//! | `link` | devices' connections and their lines |
//! | `receiver` | what came in |
//! | `http` | requests to the listeners |
//! | `store` | commits, what waits for them, what was let go |
//! | `process` | the program, its configuration, what it takes |
//! | `levels` | how things stand at the scrape |
//! | `pulse`, `series` | the second that runs, and those before it |
//! | `page`, `histogram` | how all of it is written |

mod histogram;
mod http;
mod lane;
mod levels;
mod link;
mod page;
mod process;
mod pulse;
mod receiver;
mod series;
mod store;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    registry::Registry,
};
use pushgate_core::Instant;
use tokio::sync::watch;

pub(crate) use self::series::{Chart, Point, Span};
pub(crate) use self::{
    http::HttpCounts,
    link::{Line, LinkCounts, Reason, Transport},
    receiver::ReceiverCounts,
    store::StoreCounts,
};
pub use self::{lane::LaneCounts, levels::Levels, process::Reload};
use self::{
    lane::Lanes,
    page::{Family, Page},
    process::Process,
    pulse::Pulse,
    receiver::Receivers,
    series::Series,
};
use crate::{
    clock::Clock,
    config::Config,
    engine::{DropReason, LaneKey},
};

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A lane was full.
    Queue,
    /// The store could not keep it.
    Store,
    /// Its device pushes more often than it may.
    Rate,
    /// It asks the admin API with a wrong token, or with none.
    Token,
}

/// Counts what happens.
#[derive(Debug)]
pub struct Metrics {
    pulse: Arc<Pulse>,
    series: Mutex<Series>,
    /// When the newest second ended.
    seconds: watch::Sender<u64>,
    lanes: Lanes,
    receivers: Receivers,
    process: Process,
    refused: [AtomicU64; REFUSED.len()],
    dropped: [AtomicU64; DropReason::ALL.len()],
    /// The device link.
    pub(crate) link: LinkCounts,
    /// The store.
    pub(crate) store: Arc<StoreCounts>,
    /// Requests to the public listener.
    pub(crate) public: Arc<HttpCounts>,
    /// Requests to the admin listener.
    pub(crate) admin: Arc<HttpCounts>,
}

/// What was missing, in the order of [`Refused`].
const REFUSED: [&str; 4] = ["queue", "store", "rate", "token"];

impl Default for Metrics {
    fn default() -> Self {
        let pulse = Arc::default();
        Self {
            lanes: Lanes::new(&pulse),
            pulse,
            series: Mutex::default(),
            seconds: watch::Sender::new(0),
            receivers: Receivers::default(),
            process: Process::default(),
            refused: Default::default(),
            dropped: Default::default(),
            link: LinkCounts::default(),
            store: Arc::default(),
            public: Arc::new(HttpCounts::new("public")),
            admin: Arc::new(HttpCounts::new("admin")),
        }
    }
}

impl Metrics {
    /// Counts the lanes and receivers of `config` by name from now on, and no others.
    pub fn obey(&self, config: &Config) {
        self.lanes.obey(config);
        self.receivers.obey(config);
    }

    /// Where to count what happens on a lane; good until the configuration changes.
    #[must_use]
    pub fn lane(&self, lane: &LaneKey) -> Arc<LaneCounts> {
        self.lanes.of(lane)
    }

    /// Where to count what comes to a receiver.
    pub(crate) fn receiver(&self, protocol: &str, name: &str) -> Arc<ReceiverCounts> {
        self.receivers.of(protocol, name)
    }

    /// Counts a device message that was dropped.
    pub fn dropped(&self, reason: DropReason) {
        let place = DropReason::ALL.iter().position(|known| *known == reason);
        if let Some(count) = place.and_then(|place| self.dropped.get(place)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts a request that was not accepted.
    pub fn refused(&self, reason: Refused) {
        if let Some(count) = self.refused.get(reason as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts that the configuration was read again.
    pub fn reloaded(&self, reload: Reload) {
        self.process.reloaded(reload);
    }

    /// Notes when a listener's certificate runs out, in unix seconds.
    pub fn certificate(&self, listener: &'static str, expires: u64) {
        self.process.certificate(listener, expires);
    }

    /// Notes that what is stored is not what it was, where nothing else says so.
    pub(crate) fn changed(&self) {
        self.pulse.changed();
    }

    /// A number that grows with every change to a delivery.
    pub(crate) fn changes(&self) -> u64 {
        self.pulse.changes()
    }

    /// Ends a second after the other, for as long as it is polled.
    pub(crate) async fn run(&self, clock: Clock) {
        self.series().begin(clock.millis());
        loop {
            let now = clock.millis();
            clock.sleep_until(Instant::from_millis(now - now % 1000 + 1000)).await;
            let now = clock.millis();
            self.series().push(now, self.pulse.take());
            self.seconds.send_replace(now);
        }
    }

    /// Tells when a second has ended.
    pub(crate) fn seconds(&self) -> watch::Receiver<u64> {
        self.seconds.subscribe()
    }

    /// What happened in the second that ended last.
    pub(crate) fn newest(&self) -> Point {
        self.series().newest()
    }

    /// What happened in a span up to now.
    pub(crate) fn chart(&self, span: Span) -> Chart {
        self.series().chart(span)
    }

    fn series(&self) -> std::sync::MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text for Prometheus.
    #[must_use]
    pub fn text(self: &Arc<Self>, levels: Levels) -> String {
        let mut registry = Registry::with_prefix("pushgate");
        registry.register_collector(Box::new(Scrape { metrics: Arc::clone(self), levels }));
        let mut text = String::new();
        let _ = encode(&mut text, &registry); // a String takes everything
        text
    }

    fn show(&self, levels: &Levels, page: &mut Page<'_>) -> fmt::Result {
        self.process.show(page)?;
        self.lanes.show(page)?;
        let dropped = Family::new("dropped", "Device messages dropped, by what came of their last send");
        let by_reason = DropReason::ALL.iter().zip(&self.dropped);
        page.counters(dropped, by_reason.map(|(reason, count)| ([("reason", reason.as_str())], count.load(Relaxed))))?;
        let refused = Family::new("refused", "Requests not accepted, by what was missing");
        page.counters(refused, link::by("reason", REFUSED, &self.refused))?;
        levels.show(&self.lanes, page)?;
        self.link.show(page)?;
        self.receivers.show(page)?;
        self.store.show(page)?;
        http::show(&[&self.public, &self.admin], page)
    }
}

/// One request for the text.
#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    levels: Levels,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.metrics.show(&self.levels, &mut Page::new(encoder))
    }
}
