//! `pushgate lanes …`: where a running gateway's deliveries go, and whether anything is sent there.

use super::{
    Outcome,
    admin::{AdminApi, Gateway, Query},
    output::{Format, Output, Paint},
    table::Table,
};
use crate::{
    engine::LaneKey,
    shown::{self, Utc},
};
use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Lanes asked for at a time (ours).
const PAGE: usize = 200;

/// Characters of a last error that the list shows (ours).
const ERROR_SHOWN: usize = 60;

/// See the lanes of a running gateway, pause one, or let it go on
///
/// A lane is where deliveries go: a destination, a webhook, a forward, or a device.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(ListArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
}

/// List lanes: destinations by name, then devices that have messages waiting, by cid
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate lanes list
  pushgate lanes list --begins device:5003 --limit 0 --json | jq -r .pending")]
struct ListArgs {
    /// Only those whose name begins so; without it, all
    #[arg(long, value_name = "TEXT")]
    begins: Option<String>,

    /// How many at most; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    #[command(flatten)]
    gateway: Gateway,
}

/// Send nothing on a lane until it is resumed, over restarts too
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  pushgate lanes pause uplink:acme")]
struct PauseArgs {
    #[command(flatten)]
    target: Target,
}

/// Send again on a lane that was paused
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  pushgate lanes resume uplink:acme")]
struct ResumeArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The lane: uplink:NAME, tencent:NAME, webhook:APP, forward:NAME or device:CID
    lane: LaneKey,

    #[command(flatten)]
    gateway: Gateway,
}

/// A page of `GET /api/lanes`.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) lanes: Vec<Box<RawValue>>,
    pub(super) next: Option<String>,
}

/// What a table shows of a lane.
#[derive(Debug, Deserialize)]
pub(super) struct Lane {
    pub(super) lane: String,
    pub(super) pending: u64,
    queued: u64,
    in_flight: u64,
    pub(super) paused: bool,
    circuit: String,
    limit: u64,
    rate: f64,
    pub(super) configured: bool,
    last_error: Option<String>,
    last_error_at: Option<u64>,
}

/// What was done to a lane, with `--json`.
#[derive(Debug, Serialize)]
struct Steered {
    lane: String,
    paused: bool,
}

/// Does what was asked for.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.action {
        Action::List(args) => list(&args, out).await,
        Action::Pause(PauseArgs { target }) => steer(&target, "pause", out).await,
        Action::Resume(ResumeArgs { target }) => steer(&target, "resume", out).await,
    }
}

async fn list(args: &ListArgs, out: Output) -> Outcome {
    let api = args.gateway.api()?;
    let mut left = if args.limit == 0 { usize::MAX } else { args.limit };
    let mut after = None::<String>;
    let mut table = Lane::table().within(out.columns());
    let mut listed = 0;
    loop {
        let query = Query::default().with_any("q", args.begins.as_deref().filter(|begins| !begins.is_empty()));
        let query = query.with("limit", &left.min(PAGE).to_string()).with_any("after", after.as_deref());
        let page: Page = api.get("/api/lanes", &query).await?;
        if out.format() == Format::Json {
            page.lanes.iter().try_for_each(|lane| out.result(lane, |_| String::new()))?;
        } else {
            Lane::write(&api, &page.lanes, &mut table, listed == 0, out)?;
        }
        listed += page.lanes.len();
        left = left.saturating_sub(page.lanes.len());
        match page.next {
            Some(_) if left == 0 => {
                if out.format() == Format::Text {
                    out.note("there are more: --limit N lists N of them, --limit 0 all");
                }
                break;
            }
            Some(next) if !page.lanes.is_empty() => after = Some(next),
            _ => break,
        }
    }
    if listed == 0 && out.format() == Format::Text {
        out.note("no lane is like this");
    }
    Ok(())
}

async fn steer(target: &Target, how: &str, out: Output) -> Outcome {
    let lane = target.lane.to_string();
    target.gateway.api()?.act(Method::POST, &format!("/api/lanes/{lane}/{how}")).await?;
    let paused = how == "pause";
    let words = if paused { "paused: nothing is sent there until it is resumed" } else { "sends" };
    out.tell(&Steered { lane: lane.clone(), paused }, |paint| format!("{lane}  {}", paint.good(words)))?;
    Ok(())
}

impl Lane {
    const COLUMNS: usize = 7;
    const STATE: usize = 5;

    pub(super) fn table() -> Table<{ Self::COLUMNS }> {
        Table::new(["LANE", "PENDING", "DUE", "IN FLIGHT", "PER SECOND", "STATE", "LAST ERROR"])
    }

    /// Writes some rows of a table, with its headings before the first.
    pub(super) fn write(
        api: &AdminApi,
        page: &[Box<RawValue>],
        table: &mut Table<{ Self::COLUMNS }>,
        first: bool,
        out: Output,
    ) -> Outcome {
        let rows = page.iter().map(|lane| api.entry(lane)).collect::<Result<Vec<Self>, _>>()?;
        let rows: Vec<_> = rows.iter().map(|lane| (lane.row(), lane.standing())).collect();
        rows.iter().for_each(|(row, _)| table.fit(row));
        if first && !rows.is_empty() {
            out.line(&table.heading())?;
        }
        for (row, standing) in &rows {
            let line = |paint: Paint| {
                table.row(row, |column, cell| match *standing {
                    "sends" => cell,
                    _ if column == Self::STATE => paint.warning(cell),
                    _ => cell,
                })
            };
            out.result(&(), line)?;
        }
        Ok(())
    }

    /// How it stands, in a word or two: what an operator did comes first.
    pub(super) fn standing(&self) -> &'static str {
        match &*self.circuit {
            _ if self.paused => "paused",
            // The configuration has changed since; it waits for the destination to come back.
            _ if !self.configured => "not configured",
            "open" => "circuit open",
            "probing" => "probing",
            _ if self.pending >= self.limit => "full",
            _ => "sends",
        }
    }

    fn row(&self) -> [String; Self::COLUMNS] {
        let error = self.last_error.as_deref().map(|error| {
            let shown = shown::text(error);
            let cut = shown.char_indices().nth(ERROR_SHOWN).and_then(|(end, _)| shown.get(..end));
            let words = cut.map_or_else(|| shown.clone().into_owned(), |cut| format!("{cut}…"));
            self.last_error_at.map_or(words.clone(), |at| format!("{}  {words}", Utc(at / 1000)))
        });
        [
            shown::text(&self.lane).into_owned(),
            self.pending.to_string(),
            self.queued.to_string(),
            self.in_flight.to_string(),
            format!("{:.1}", self.rate),
            self.standing().to_owned(),
            error.unwrap_or_else(|| "-".to_owned()),
        ]
    }
}
