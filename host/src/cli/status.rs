//! `pushgate status`: how a running gateway is.

use super::{
    Outcome,
    admin::{Gateway, Query},
    lanes::{Lane, Page},
    output::{Format, Output, Paint},
};
use crate::shown::{self, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// See how a running gateway is
///
/// Its version and time, how much it keeps, how many devices are connected, and the lanes with work.
///
/// A lane is where deliveries go: a destination, a webhook, a device. Those are shown that have something pending or do
/// not send: paused, with an open circuit, full, or out of the configuration; of devices the first 20.
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
    lanes: Vec<Box<RawValue>>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Deliveries {
    pending: u64,
    delivered: u64,
    dead: u64,
    dropped: u64,
}

/// Lanes of devices that are shown (ours): there may be a million.
const DEVICES: &str = "20";

/// Shows the status.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let api = args.gateway.api()?;
    let mut status: Status = api.get("/api/status", &Query::default()).await?;
    let mut query = Query::default().with("kind", "destination");
    loop {
        let Page { lanes, next } = api.get("/api/lanes", &query).await?;
        status.lanes.extend(lanes);
        let Some(next) = next else { break };
        query = Query::default().with("kind", "destination").with("after", &next);
    }
    let devices = Query::default().with("kind", "device").with("limit", DEVICES);
    let Page { lanes, next } = api.get("/api/lanes", &devices).await?;
    status.lanes.extend(lanes);
    out.result(&status, |paint| status.text(paint))?;
    if out.format() == Format::Json {
        return Ok(());
    }
    let mut shown = Vec::new();
    for raw in status.lanes {
        let lane: Lane = api.entry(&raw)?;
        if lane.pending > 0 || lane.standing() != "sends" {
            shown.push(raw);
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    out.line("")?;
    Lane::write(&api, &shown, &mut Lane::table().within(out.columns()), true, out)?;
    if next.is_some() {
        out.note("more devices have messages waiting: pushgate lanes list --begins device: --limit 0 lists all");
    }
    Ok(())
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
