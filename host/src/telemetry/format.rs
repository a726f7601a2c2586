//! How a log line looks: text for people, or JSON for what collects logs.
//!
//! A JSON line is one object. It has `timestamp` (RFC 3339, UTC), `level`, `target` and `message`; whatever else a line
//! says are further members, whose names are kept from one version to the next: `request_id`, `trace_id`, `delivery`,
//! `ids`, `lane`, `number`, `class`, `status`, `late_ms`, `took_ms`, `state`, `attempts`, `error`, `left_out`.

use std::{any::Any, env, fs, os::unix::fs::MetadataExt, panic};

use tracing_subscriber::fmt::{
    SubscriberBuilder,
    format::{Format, Full, Json, JsonFields},
    time::SystemTime,
};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people; without its time where systemd's journal keeps that
    #[default]
    Text,
    /// One JSON object a line, start-up and errors too
    Json,
}

/// A log as it is before its format is chosen, and one of JSON.
type Text<N, F, W> = SubscriberBuilder<N, Format<Full, SystemTime>, F, W>;
type Lines<F, W> = SubscriberBuilder<JsonFields, Format<Json, SystemTime>, F, W>;

/// Writes each event as an object of its own fields. Colours are text's.
pub(super) fn json<N, F, W>(log: Text<N, F, W>) -> Lines<F, W>
where
    N: for<'writer> tracing_subscriber::fmt::FormatFields<'writer> + 'static,
{
    log.with_ansi(false).json().flatten_event(true).with_current_span(false).with_span_list(false)
}

/// Has a panic told as an event: the lines that the standard library prints of it are no JSON.
pub(super) fn tell_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, panic = said(panic.payload()), "panicked: a bug of the gateway's");
    }));
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    formatted.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something without words")
}

/// Says whether stderr goes to systemd's journal, which notes the time of each line itself: `JOURNAL_STREAM` names the
/// device and the inode of the stream that does, and children inherit it with whatever stderr they have.
pub(super) fn has_journal() -> bool {
    let Ok(journal) = env::var("JOURNAL_STREAM") else { return false };
    let stderr = fs::metadata("/dev/stderr").or_else(|_| fs::metadata("/proc/self/fd/2"));
    stderr.is_ok_and(|stderr| journal == format!("{}:{}", stderr.dev(), stderr.ino()))
}
