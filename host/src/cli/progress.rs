//! How far long work is: a bar on a terminal's stderr, nothing in a pipe.

use std::{pin::pin, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time;

/// How often a bar is drawn (ours): seldom enough to cost what is measured nothing.
const DRAWN_PER_SECOND: u8 = 4;

/// How often a bar moves by itself (ours).
const MOVED_EVERY: Duration = Duration::from_millis(250);

/// Shows how far some work is.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar on stderr, if that is a terminal.
    pub(crate) fn on_stderr() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND));
        // A template that does not parse would only cost the bar its looks.
        Self(match ProgressStyle::with_template("{elapsed:>4} {msg:<32} {wide_bar} {percent:>3} %") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// Begins a stage of `length` steps.
    pub(crate) fn stage(&self, name: impl Into<String>, length: u64) {
        self.0.set_message(name.into());
        self.0.set_length(length);
        self.0.reset();
        self.0.enable_steady_tick(MOVED_EVERY);
    }

    /// Has come as far as `position`.
    pub(crate) fn reach(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Has made one more step.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Has made some more steps.
    pub(crate) fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// Takes the bar away while `write` writes.
    pub(crate) fn hide<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    /// Shows the time that `work` takes, of about `duration`.
    pub(crate) async fn during<T>(&self, name: &str, duration: Duration, work: impl Future<Output = T>) -> T {
        self.stage(name, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let (start, mut work) = (time::Instant::now(), pin!(work));
        let mut ticks = time::interval(MOVED_EVERY);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => self.reach(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)),
            }
        }
    }

    /// Takes the bar away, so that a result can be written.
    pub(crate) fn clear(&self) {
        self.0.disable_steady_tick();
        self.0.finish_and_clear();
    }
}
