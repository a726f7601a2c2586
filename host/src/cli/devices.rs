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
  pushgate devices list --cid 5003 --limit 0 --json | jq -r .cid")]
struct ListArgs {
    /// Only those whose cid begins with these digits
    #[arg(long, value_name = "DIGITS")]
    cid: Option<String>,

    /// How many at most; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    #[command(flatten)]
    gateway: Gateway,
}

/// Devices asked for at a time (ours).
const PAGE: usize = 500;

#[derive(Debug, Deserialize)]
struct Devices {
    devices: Vec<Box<RawValue>>,
    next: Option<String>,
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
    let mut left = if args.limit == 0 { usize::MAX } else { args.limit };
    let (mut table, mut listed, mut after) =
        (Table::new(["CID", "PEER", "SINCE"]).within(out.columns()), 0, None::<String>);
    loop {
        let query = Query::default().with_any("cid", args.cid.as_deref()).with("limit", &left.min(PAGE).to_string());
        let page: Devices = api.get("/api/devices", &query.with_any("after", after.as_deref())).await?;
        if out.format() == Format::Json {
            page.devices.iter().try_for_each(|device| out.result(device, |_| String::new()))?;
        } else {
            let mut rows = Vec::with_capacity(page.devices.len());
            for device in &page.devices {
                let Device { cid, peer, connected_at } = api.entry(device)?;
                rows.push([cid.to_string(), shown::text(&peer).into_owned(), Utc(connected_at / 1000).to_string()]);
            }
            rows.iter().for_each(|row| table.fit(row));
            if listed == 0 && !rows.is_empty() {
                out.line(&table.heading())?;
            }
            rows.iter().try_for_each(|row| out.line(&table.row(row, |_, cell| cell)))?;
        }
        listed += page.devices.len();
        left = left.saturating_sub(page.devices.len());
        match page.next {
            Some(_) if left == 0 => {
                if out.format() == Format::Text {
                    out.note("there are more: --limit N lists N of them, --limit 0 all");
                }
                break;
            }
            Some(next) if !page.devices.is_empty() => after = Some(next),
            _ => break,
        }
    }
    if listed == 0 && out.format() == Format::Text {
        out.note("no device is connected");
    }
    Ok(())
}
