//! `pushgate devices …`: who is connected to a running gateway.

use super::{
    Outcome,
    admin::{Gateway, Query},
    output::{Format, Output},
    table::Table,
};
use crate::shown::{self, Utc};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::value::RawValue;

/// See the devices of a running gateway
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(ListArgs),
}

/// List the devices that are connected, by cid: where each connects from, and since when (UTC)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate devices list
  pushgate devices list --json | jq -r .cid")]
struct ListArgs {
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Deserialize)]
struct Devices {
    devices: Vec<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Device {
    cid: u32,
    peer: String,
    connected_at: u64,
}

/// Lists the devices.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let Action::List(args) = args.action;
    let api = args.gateway.api()?;
    let found: Devices = api.get("/api/devices", &Query::default()).await?;
    if out.format() == Format::Json {
        return Ok(found.devices.iter().try_for_each(|device| out.result(device, |_| String::new()))?);
    }
    let mut rows = Vec::new();
    for device in &found.devices {
        let Device { cid, peer, connected_at } = api.entry(device)?;
        rows.push([cid.to_string(), shown::text(&peer).into_owned(), Utc(connected_at / 1000).to_string()]);
    }
    if rows.is_empty() {
        out.note("no device is connected");
        return Ok(());
    }
    Ok(Table::new(["CID", "PEER", "SINCE"]).write(&rows, out)?)
}
