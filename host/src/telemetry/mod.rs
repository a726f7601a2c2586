//! What a gateway tells of itself while it runs: the log on stderr, how often a line may be in it, and traces for a
//! collector.

pub(crate) mod export;
mod format;
mod otlp;
pub(crate) mod seldom;
pub(crate) mod trace;

pub use format::LogFormat;

use std::{env, fmt, io};
use tracing_subscriber::{EnvFilter, fmt::SubscriberBuilder};

/// The target of what becomes of single deliveries, from acceptance to the last send: at debug, because a busy gateway
/// has thousands of them a second.
pub(crate) const DELIVERY: &str = "pushgate::delivery";

/// How a log line looks, and what is logged when nobody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A command that a person waits for: warnings, without times.
    Command,
    /// A server that runs for months: also what happens, with times.
    Server,
}

impl Style {
    const fn level(self) -> &'static str {
        match self {
            Self::Command => "warn",
            Self::Server => "info",
        }
    }
}

/// Starts the log: `filter` decides what is in it, or `RUST_LOG`, or the style.
///
/// # Errors
///
/// Fails when the filter cannot be read, which leaves the style's level in force, or when a log is running already.
pub fn start(filter: Option<&str>, style: Style, format: LogFormat, colour: bool) -> Result<(), LogProblem> {
    let from_environment = env::var("RUST_LOG").ok();
    let (filter, problem) = choose(filter, from_environment.as_deref(), style);
    let log: SubscriberBuilder<_, _, _, _> = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(colour)
        .log_internal_errors(false) // by panicking, when stderr is closed
        .with_env_filter(filter);
    let started = match (format, style) {
        (LogFormat::Json, _) => {
            format::tell_panics();
            format::json(log).try_init()
        }
        (LogFormat::Text, Style::Command) => log.without_time().with_target(false).try_init(),
        (LogFormat::Text, Style::Server) if format::has_journal() => log.without_time().try_init(),
        (LogFormat::Text, Style::Server) => log.try_init(),
    };
    started.map_err(|error| LogProblem(error.to_string()))?;
    problem.map_or(Ok(()), Err)
}

/// Checks a filter given on the command line.
///
/// # Errors
///
/// Fails when the text is neither a level nor a list of `target=level`.
pub fn filter_text(text: &str) -> Result<String, LogProblem> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| LogProblem(error.to_string()))
}

fn choose(filter: Option<&str>, environment: Option<&str>, style: Style) -> (EnvFilter, Option<LogProblem>) {
    let default = || EnvFilter::new(style.level());
    let Some(text) = filter.or(environment).filter(|text| !text.trim().is_empty()) else {
        return (default(), None);
    };
    match EnvFilter::builder().parse(text) {
        Ok(filter) => (filter, None),
        Err(error) => (default(), Some(LogProblem(format!("RUST_LOG: {error}; logging {} instead", style.level())))),
    }
}

/// Why the log is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProblem(String);

impl fmt::Display for LogProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogProblem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_environment_then_the_style() {
        for (flag, environment, style, level) in [
            (Some("debug"), Some("error"), Style::Server, "debug"),
            (None, Some("error"), Style::Server, "error"),
            (None, Some(""), Style::Server, "info"),
            (None, None, Style::Server, "info"),
            (None, None, Style::Command, "warn"),
            (None, Some("pushgate=loud"), Style::Command, "warn"),
        ] {
            let (filter, problem) = choose(flag, environment, style);
            assert_eq!(filter.to_string(), level, "{flag:?} {environment:?} {style:?}");
            assert_eq!(problem.is_some(), environment == Some("pushgate=loud"));
        }
    }

    #[test]
    fn a_filter_is_a_level_or_a_list() {
        for (text, right) in [("info", true), ("pushgate=debug,hyper=info", true), ("pushgate=loud", false)] {
            assert_eq!(filter_text(text).is_ok(), right, "{text}");
        }
    }
}
