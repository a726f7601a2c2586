//! `pushgate config …`: check a configuration file, print an example.

use super::{Failure, Outcome, output::Output};
use crate::config::{Config, EXAMPLE};
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Check a configuration file, or print an example
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
    /// prints every problem on stderr as `FILE:LINE:COLUMN: key: what is wrong` and exits 1.
    #[command(after_help = "\
Example:
  pushgate config check pushgate.toml && kill -HUP \"$(pidof pushgate)\"")]
    Check {
        /// The file to check
        file: PathBuf,
    },

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
        Action::Example => Ok(out.line(EXAMPLE.trim_end())?),
    }
}

fn check(file: &Path, out: Output) -> Outcome {
    let config = Config::load(file).map_err(|error| {
        // One line a problem and nothing before it, so that editors find the place.
        out.note(error);
        Failure::Reported
    })?;
    let summary = Summary::of(&config, file);
    Ok(out.result(&summary, |paint| summary.text(paint.good("fine")))?)
}

/// What a right file configures.
#[derive(Debug, Serialize)]
struct Summary {
    file: String,
    apps: usize,
    receivers: usize,
    destinations: usize,
}

impl Summary {
    fn of(config: &Config, file: &Path) -> Self {
        Self {
            file: file.display().to_string(),
            apps: config.lingyang.apps().len(),
            receivers: config.uplink.receivers.len() + config.tencent.receivers.len(),
            destinations: config.uplink.destinations.len() + config.tencent.destinations.len(),
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
