//! `pushgate demo`: all three protocols end to end on loopback.

use super::{Failure, Outcome, output::Output};

/// Show all three protocols end to end on this machine
///
/// Starts a gateway, receivers that fail on purpose and a device, all in this process and on loopback addresses, and
/// shows every send against the schedule that the protocol's page asks for. Needs no network and leaves nothing
/// behind. Exits 0 only if every protocol did what its page says.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate demo
  pushgate demo --json | jq .")]
pub(crate) struct Args {}

/// Runs the demonstration.
pub(crate) async fn run(_args: Args, _out: Output) -> Outcome {
    Err(Failure::Operation("`demo` is not built yet".to_owned()))
}
