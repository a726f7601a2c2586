//! What is shown of the process: which program it is, since when it runs, what it obeys, and what it takes.

use std::{
    collections::BTreeMap,
    fmt, fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    link::by,
    page::{Family, Page},
};

/// What came of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is obeyed from now on.
    Done,
    /// It was wrong, and changed nothing.
    Refused,
}

/// Counts what happens to the process.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
    reloads: [AtomicU64; 2],
    /// When the configuration was last read that is obeyed, in unix milliseconds.
    configured: AtomicU64,
    /// When the certificates of listeners run out, in unix seconds.
    certificates: Mutex<BTreeMap<&'static str, u64>>,
}

impl Default for Process {
    fn default() -> Self {
        let now = since_epoch();
        Self {
            started: now.as_secs_f64(),
            reloads: Default::default(),
            configured: AtomicU64::new(millis(now)),
            certificates: Mutex::default(),
        }
    }
}

impl Process {
    pub(super) fn reloaded(&self, reload: Reload) {
        match reload {
            Reload::Done => {
                self.reloads[0].fetch_add(1, Relaxed);
                self.configured.store(millis(since_epoch()), Relaxed);
            }
            Reload::Refused => drop(self.reloads[1].fetch_add(1, Relaxed)),
        }
    }

    pub(super) fn certificate(&self, listener: &'static str, expires: u64) {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).insert(listener, expires);
    }

    pub(super) fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        page.info(Family::new("build", "The program that runs"), [("version", env!("CARGO_PKG_VERSION"))])?;
        page.level(Family::seconds("start_time", "When the process started, in unix time"), self.started)?;
        let reloads = Family::new("config_reloads", "Times that the configuration was read again, by what came of it");
        page.counters(reloads, by("result", ["done", "refused"], &self.reloads))?;
        let configured = Family::seconds(
            "config_last_success_timestamp",
            "When the configuration that is obeyed was read, in unix time",
        );
        page.level(configured, seconds(self.configured.load(Relaxed)))?;
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let expiry =
            Family::seconds("certificate_expiry_timestamp", "When a listener's certificate runs out, in unix time");
        page.gauges(expiry, certificates.into_iter().map(|(listener, at)| ([("listener", listener)], at)))?;
        let memory = Family::bytes("process_resident_memory", "Memory of the process that is not swapped out");
        page.gauges(memory, resident_bytes().map(|bytes| ([], bytes)))?;
        let files = Family::new("process_open_fds", "Files, sockets and connections that are open");
        page.gauges(files, open_files().map(|files| ([], files)))
    }
}

/// As the kernel tells it; nothing on a system that tells it otherwise.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<u64> {
    // Telling how many there are, without a look at each: a gateway has as many as it has devices.
    let count = fs::metadata("/proc/self/fd").ok()?.len();
    (count > 0).then_some(count).or_else(|| Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64))
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a time of this age is exact to the microsecond")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
