//! `pushgate config …`: check a configuration file, show what it comes to, print an example.

use super::{
    Failure, Outcome,
    configured::Configured,
    output::{Format, Output},
    table::Table,
};
use crate::{
    clock::Clock,
    config::{Config, EXAMPLE, Loaded, Origin, Problem, Setting},
    renewal,
};
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Check a configuration file, show what it comes to, or print an example
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a configuration file
    ///
    /// Reads it as `serve` does, the secrets it refers to included, and prints one line when it is right. Otherwise
    /// prints every problem on stderr as `FILE:LINE:COLUMN: key: what is wrong`, with --json also on stdout as
    /// {file, line, column, key, message}, and exits 1. What is allowed and probably not meant is a warning on stderr.
    #[command(after_help = "\
Example:
  pushgate config check pushgate.toml && kill -HUP \"$(pidof pushgate)\"")]
    Check {
        /// The file to check
        file: PathBuf,
    },

    /// Show every key with its value, and where that is from
    ///
    /// Takes the flags of `serve` and shows what it would run with: the file's values, defaults for the rest, and the
    /// flags that win over both. Secrets are shown as [secret].
    #[command(after_help = "\
Examples:
  pushgate config show --config /etc/pushgate/pushgate.toml
  pushgate config show --json | jq 'select(.from != \"default\")'")]
    Show(Configured),

    /// Print a commented example with every key, its default, its range and its reason
    #[command(after_help = "\
Example:
  pushgate config example > pushgate.toml")]
    Example,
}

/// Checks a file or prints the example.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.action {
        Action::Check { file } => check(&file, out),
        Action::Show(configured) => show(&configured, out),
        Action::Example => Ok(out.line(EXAMPLE.trim_end())?),
    }
}

fn check(file: &Path, out: Output) -> Outcome {
    let loaded = match Loaded::from_file(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            // One line a problem and nothing before it, so that editors find the place.
            out.note(&error);
            if out.format() == Format::Json {
                for problem in error.problems() {
                    out.result(&Told::of(problem, file), |_| String::new())?;
                }
            }
            return Err(Failure::Reported);
        }
    };
    let mut summary = Summary::of(&loaded.config, file);
    for warning in &loaded.warnings {
        out.note(format_args!("warning: {}:{warning}", file.display()));
        summary.warnings.push(Told::of(warning, file));
    }
    for (key, tls) in [("listen.tls", &loaded.config.listen.tls), ("listen.admin_tls", &loaded.config.listen.admin_tls)]
    {
        let Some(tls) = tls else { continue };
        if let Some(ending) = renewal::ending(tls.valid().until, Clock::start().unix_secs()) {
            out.note(format_args!("warning: {}: {key}: {ending}", file.display()));
        }
    }
    Ok(out.result(&summary, |paint| summary.text(paint.good("fine")))?)
}

fn show(configured: &Configured, out: Output) -> Outcome {
    let loaded = configured.load()?;
    let file = configured.file();
    if out.format() == Format::Json {
        for setting in loaded.settings.iter() {
            out.result(&Shown::of(setting), |_| String::new())?;
        }
        return Ok(());
    }
    let from = |setting: &Setting| match setting.origin() {
        Origin::Default => "default".to_owned(),
        Origin::File { line } => format!("{file}:{line}"),
        Origin::Given(name) => name.to_owned(),
    };
    let row = |setting: &Setting| [setting.key().to_owned(), setting.value(), from(setting)];
    let rows: Vec<_> = loaded.settings.iter().map(row).collect();
    Ok(Table::new(["KEY", "VALUE", "FROM"]).write(&rows, out)?)
}

/// A key and its value, with `--json`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    key: &'a str,
    value: String,
    from: &'static str,
    line: Option<usize>,
}

impl<'a> Shown<'a> {
    fn of(setting: &'a Setting) -> Self {
        let (from, line) = match setting.origin() {
            Origin::Default => ("default", None),
            Origin::File { line } => ("file", Some(line)),
            Origin::Given(name) => (name, None),
        };
        Self { key: setting.key(), value: setting.value(), from, line }
    }
}

/// A problem, with `--json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    key: &'a str,
    message: &'a str,
}

impl<'a> Told<'a> {
    fn of(problem: &'a Problem, file: &Path) -> Self {
        let place = problem.place();
        Self {
            file: file.display().to_string(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            key: problem.key(),
            message: problem.what(),
        }
    }
}

/// What a right file configures.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    file: String,
    apps: usize,
    receivers: usize,
    destinations: usize,
    warnings: Vec<Told<'a>>,
}

impl Summary<'_> {
    fn of(config: &Config, file: &Path) -> Self {
        Self {
            file: file.display().to_string(),
            apps: config.lingyang.apps().len(),
            receivers: config.uplink.receivers.len() + config.tencent.receivers.len(),
            destinations: config.uplink.destinations.len() + config.tencent.destinations.len(),
            warnings: Vec::new(),
        }
    }

    fn text(&self, fine: impl std::fmt::Display) -> String {
        let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        format!(
            "{}: {fine}: {}, {}, {}",
            self.file,
            count(self.apps, "app"),
            count(self.receivers, "receiver"),
            count(self.destinations, "destination")
        )
    }
}
