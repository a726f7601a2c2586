//! `pushgate status`: how a running gateway is.

use super::{
    Outcome,
    admin::{Gateway, Query},
    output::{Format, Output, Paint},
    table::Table,
};
use crate::shown::{self, Utc};
use serde::{Deserialize, Serialize};

/// See how a running gateway is
///
/// Its version and time, how much it keeps, how many devices are connected, and the lanes with work.
///
/// A lane is where deliveries go: a destination, a device, a webhook. Those are shown that have something pending or
/// are paused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate status
  pushgate status --admin http://10.0.0.5:8081 --json | jq .deliveries.dead")]
pub(crate) struct Args {
    #[command(flatten)]
    gateway: Gateway,
}

/// What `GET /api/status` says, and with `--json` what `GET /api/lanes` says too.
#[derive(Debug, Deserialize, Serialize)]
struct Status {
    version: String,
    /// The gateway's own time, in unix milliseconds.
    time: u64,
    deliveries: Deliveries,
    inbox: u64,
    devices: u64,
    #[serde(default)]
    lanes: Vec<Lane>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Deliveries {
    pending: u64,
    delivered: u64,
    dead: u64,
    dropped: u64,
}

#[derive(Debug, Deserialize)]
struct Lanes {
    lanes: Vec<Lane>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Lane {
    lane: String,
    pending: u64,
    queued: u64,
    in_flight: u64,
    paused: bool,
    configured: bool,
    destination: Option<String>,
}

/// Shows the status.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let api = args.gateway.api()?;
    let mut status: Status = api.get("/api/status", &Query::default()).await?;
    let Lanes { lanes } = api.get("/api/lanes", &Query::default()).await?;
    status.lanes = lanes;
    out.result(&status, |paint| status.text(paint))?;
    if out.format() == Format::Json || status.lanes.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let rows: Vec<_> = status.lanes.iter().map(Lane::row).collect();
    Ok(Table::new(["LANE", "PENDING", "DUE", "IN FLIGHT", "STATE", "DESTINATION"]).write(&rows, out)?)
}

impl Status {
    fn text(&self, paint: Paint) -> String {
        let Deliveries { pending, delivered, dead, dropped } = self.deliveries;
        let dead = if dead > 0 { paint.bad(dead) } else { dead.to_string() };
        [
            ("version", shown::text(&self.version).into_owned()),
            ("time", Utc(self.time / 1000).to_string()),
            ("pending", pending.to_string()),
            ("delivered", delivered.to_string()),
            ("dead", dead),
            ("dropped", dropped.to_string()),
            ("inbox", self.inbox.to_string()),
            ("devices", self.devices.to_string()),
        ]
        .map(|(name, value)| format!("{name:<9}  {value}"))
        .join("\n")
    }
}

impl Lane {
    fn row(&self) -> [String; 6] {
        let state = match (self.configured, self.paused) {
            (_, true) => "paused",
            (true, false) => "open",
            // The configuration has changed since; it waits for the destination to come back.
            (false, false) => "not configured",
        };
        [
            shown::text(&self.lane).into_owned(),
            self.pending.to_string(),
            self.queued.to_string(),
            self.in_flight.to_string(),
            state.to_owned(),
            self.destination.as_deref().map_or_else(|| "-".to_owned(), |url| shown::text(url).into_owned()),
        ]
    }
}
