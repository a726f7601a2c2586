//! Log lines that could come with every request, connection or delivery: the first at once, the next ones seldom.
//!
//! What fails under load fails thousands of times a second, and a log that says so each time is a second failure. A
//! place in the code that may log that often asks first, [`Seldom`] for itself or [`SeldomBy`] for each of a bounded
//! number of keys, and gets leave for one line in [`EVERY`]. The line says how many were left out since the one before.
//! Where a failing has an end, one line says that too.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The time between two lines of a kind (ours): a person who watches sees that it goes on, a disk does not fill.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// The most keys of a [`SeldomBy`] that are told apart at a time (ours); those beyond share their lines.
const MOST_KEYS: usize = 256;

/// Logs at most one line in [`EVERY`] from this place: the level, then what `tracing`'s macro of that level takes.
///
/// The line has a field `left_out` when lines were left out before it.
macro_rules! seldom {
    ($level:ident, $($line:tt)+) => {{
        static PLACE: $crate::telemetry::seldom::Seldom = $crate::telemetry::seldom::Seldom::new();
        if let Some(leave) = PLACE.leave() {
            tracing::$level!(left_out = leave.left_out, $($line)+);
        }
    }};
}
pub(crate) use seldom;

/// Gives leave to log a line of one kind.
#[derive(Debug)]
pub(crate) struct Seldom {
    /// Whether something was told whose end was not: what goes well looks at nothing else.
    failing: AtomicBool,
    lines: Mutex<Lines>,
}

/// Leave to log a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    /// Lines left out since the one before, if any were.
    pub(crate) left_out: Option<u64>,
}

/// The end of a failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Milliseconds from the first failure to the last.
    pub(crate) lasted_ms: u64,
    /// Lines left out since the last one, if any were.
    pub(crate) left_out: Option<u64>,
}

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self { failing: AtomicBool::new(false), lines: Mutex::new(Lines::new()) }
    }

    /// Says that something failed, and returns leave to log it.
    pub(crate) fn leave(&self) -> Option<Leave> {
        let leave = lock(&self.lines).leave(Instant::now());
        self.failing.store(true, Relaxed);
        leave
    }

    /// Says that it went well, and returns the end of a failing that has not come back for [`EVERY`]: what fails every
    /// other time has not ended.
    pub(crate) fn went_well(&self) -> Option<End> {
        if !self.failing.load(Relaxed) {
            return None;
        }
        let mut lines = lock(&self.lines);
        let end = lines.end(Instant::now())?;
        self.failing.store(false, Relaxed);
        Some(end)
    }
}

impl Default for Seldom {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives leave to log a line of one kind for each of a bounded number of keys.
#[derive(Debug)]
pub(crate) struct SeldomBy<K> {
    failing: AtomicBool,
    keys: Mutex<Keys<K>>,
}

#[derive(Debug)]
struct Keys<K> {
    known: HashMap<K, Lines>,
    /// Those for which there is no room.
    others: Lines,
}

impl<K: Eq + Hash> SeldomBy<K> {
    pub(crate) fn new() -> Self {
        let keys = Keys { known: HashMap::new(), others: Lines::new() };
        Self { failing: AtomicBool::new(false), keys: Mutex::new(keys) }
    }

    /// Says that something failed for `key`, and returns leave to log it.
    pub(crate) fn leave(&self, key: K) -> Option<Leave> {
        let now = Instant::now();
        let mut keys = lock(&self.keys);
        if keys.known.len() >= MOST_KEYS && !keys.known.contains_key(&key) {
            keys.known.retain(|_, lines| !lines.is_quiet(now));
        }
        let has_room = keys.known.len() < MOST_KEYS || keys.known.contains_key(&key);
        let leave =
            if has_room { keys.known.entry(key).or_insert_with(Lines::new).leave(now) } else { keys.others.leave(now) };
        drop(keys);
        self.failing.store(true, Relaxed);
        leave
    }

    /// Says that it went well for `key`, and returns the end of its failing, as [`Seldom::went_well`] does.
    pub(crate) fn went_well(&self, key: &K) -> Option<End> {
        if !self.failing.load(Relaxed) {
            return None;
        }
        let mut keys = lock(&self.keys);
        let end = keys.known.get_mut(key)?.end(Instant::now())?;
        keys.known.remove(key);
        self.failing.store(!keys.known.is_empty(), Relaxed);
        Some(end)
    }
}

impl<K: Eq + Hash> Default for SeldomBy<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// What was told of one kind of line, and when.
#[derive(Debug)]
struct Lines {
    told: Option<Instant>,
    /// The first and the last failure, while no end was told.
    failing: Option<(Instant, Instant)>,
    left_out: u64,
}

impl Lines {
    const fn new() -> Self {
        Self { told: None, failing: None, left_out: 0 }
    }

    fn leave(&mut self, now: Instant) -> Option<Leave> {
        let first = self.failing.map_or(now, |(first, _)| first);
        self.failing = Some((first, now));
        if self.told.is_some_and(|told| now.duration_since(told) < EVERY) {
            self.left_out += 1;
            return None;
        }
        self.told = Some(now);
        Some(Leave { left_out: self.take_left_out() })
    }

    fn end(&mut self, now: Instant) -> Option<End> {
        let (first, last) = self.failing.filter(|_| self.is_quiet(now))?;
        self.failing = None;
        let lasted_ms = u64::try_from(last.duration_since(first).as_millis()).unwrap_or(u64::MAX);
        Some(End { lasted_ms, left_out: self.take_left_out() })
    }

    fn is_quiet(&self, now: Instant) -> bool {
        self.failing.is_none_or(|(_, last)| now.duration_since(last) >= EVERY)
    }

    fn take_left_out(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.left_out)).filter(|lines| *lines > 0)
    }
}

/// Counts are right whatever panicked beside them.
fn lock<T>(lines: &Mutex<T>) -> MutexGuard<'_, T> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_first_line_comes_at_once_and_the_next_after_ten_seconds_with_what_was_left_out() {
        let seldom = Seldom::new();
        assert_eq!(seldom.leave(), Some(Leave { left_out: None }));
        for _ in 0..999 {
            advance(Duration::from_millis(10)).await;
            assert_eq!(seldom.leave(), None);
        }
        advance(Duration::from_millis(10)).await;
        assert_eq!(seldom.leave(), Some(Leave { left_out: Some(999) }));
        advance(EVERY).await;
        assert_eq!(seldom.leave(), Some(Leave { left_out: None }));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_told_once_and_only_when_the_failing_has_not_come_back() {
        let seldom = Seldom::new();
        assert_eq!(seldom.went_well(), None, "nothing has failed");
        seldom.leave();
        advance(Duration::from_secs(3)).await;
        seldom.leave();
        // Every other request fails: that is no end.
        for _ in 0..20 {
            advance(Duration::from_millis(250)).await;
            assert_eq!(seldom.went_well(), None);
            advance(Duration::from_millis(250)).await;
            seldom.leave();
        }
        advance(EVERY).await;
        let end = seldom.went_well().expect("an end");
        assert_eq!(end.lasted_ms, 13_000);
        assert_eq!(end.left_out, Some(6), "those after the line at 10 s");
        assert_eq!(seldom.went_well(), None);
        assert_eq!(seldom.leave(), Some(Leave { left_out: None }), "a new failing");
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own_lines_and_too_many_share_theirs() {
        let seldom = SeldomBy::default();
        for key in 0..MOST_KEYS {
            assert!(seldom.leave(key).is_some(), "{key}");
            assert!(seldom.leave(key).is_none(), "{key}");
        }
        assert!(seldom.leave(MOST_KEYS).is_some(), "the first of the others");
        assert!(seldom.leave(MOST_KEYS + 1).is_none(), "it shares the others' line");
        assert_eq!(seldom.went_well(&0), None);
        advance(EVERY).await;
        let end = End { lasted_ms: 0, left_out: Some(1) };
        assert_eq!(seldom.went_well(&0), Some(end));
        // What was quiet for long makes room.
        assert_eq!(seldom.leave(MOST_KEYS + 2), Some(Leave { left_out: None }));
        assert!(lock(&seldom.keys).known.len() <= MOST_KEYS);
    }
}
