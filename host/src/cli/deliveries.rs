//! `pushgate deliveries …`: what a running gateway sends, and what became of it.

mod act;
mod detail;

use super::{
    Outcome,
    admin::{AdminApi, Gateway, Query, Trouble},
    moment::Moment,
    output::{Format, Output, Paint},
    table::Table,
};
use crate::{
    engine::LaneKey,
    shown::{self, Utc},
    store::{DeliveryId, State},
};
use act::{Act, Targets};
use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use detail::Detail;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Deliveries asked for at a time: what is shown first shall not wait for the rest. Ours.
const PAGE: usize = 200;

/// See what a running gateway sends, send it again, or delete it
///
/// A delivery is pending, delivered, dead (its schedule is exhausted) or dropped (a device message whose flag says
/// drop).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
    Drop(DropArgs),
}

/// List deliveries, newest first; times are UTC
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate deliveries list
  pushgate deliveries list --state dead --lane uplink:acme --since 2h
  pushgate deliveries list --state pending --limit 0 --json | jq -r .last_error | sort | uniq -c")]
struct ListArgs {
    /// Only those that stand here
    #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str))
        .try_map(|state| state.parse::<State>()))]
    state: Option<State>,

    /// Only those of this lane: uplink:NAME, tencent:NAME, webhook:APP, forward:NAME or device:CID
    #[arg(long)]
    lane: Option<LaneKey>,

    /// Only those accepted at this time or later: 2h ago, 2026-11-22T10:00:00Z, or unix milliseconds
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Only those accepted before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Only those whose id begins with these hexadecimal digits
    #[arg(long, value_name = "DIGITS")]
    id: Option<String>,

    /// How many at most; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    #[command(flatten)]
    gateway: Gateway,
}

/// Show everything known of a delivery: each attempt with its planned and actual time, and the body
///
/// Times of attempts count from the first planned one. The body is shown as it is sent; one that is not text as base64.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate deliveries show 018fabcd0000700080000000000000ff
  pushgate deliveries show 018fabcd0000700080000000000000ff --json | jq '.body | fromjson'")]
struct ShowArgs {
    /// The delivery's id, 32 hexadecimal digits
    id: DeliveryId,

    #[command(flatten)]
    gateway: Gateway,
}

/// Send dead or dropped deliveries again, each on a fresh schedule
///
/// Those named, or all that are like something: up to now, newest first, hundreds in a commit. The attempts so far stay
/// readable. An id that the gateway refuses keeps no other from being replayed; exits 1 if there was one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate deliveries replay 018fabcd0000700080000000000000ff
  pushgate deliveries replay --state dead --lane uplink:acme --since 2h")]
struct ReplayArgs {
    #[command(flatten)]
    targets: Targets,
}

/// Delete deliveries, whatever their state: a pending one is not sent any more
///
/// What is deleted is gone, with its attempts and its body, and cannot be replayed. A send that is under way may still
/// arrive. An id that the gateway refuses keeps no other from being deleted; exits 1 if there was one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate deliveries drop 018fabcd0000700080000000000000ff
  pushgate deliveries drop --state pending --lane device:5003062 --yes")]
struct DropArgs {
    #[command(flatten)]
    targets: Targets,
}

/// Does what was asked for.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.action {
        Action::List(args) => list(&args, out).await,
        Action::Show(args) => show(&args, out).await,
        Action::Replay(ReplayArgs { targets }) => act::run(&targets, Act::Replay, out).await,
        Action::Drop(DropArgs { targets }) => act::run(&targets, Act::Drop, out).await,
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    deliveries: Vec<Box<RawValue>>,
    next: Option<String>,
}

async fn list(args: &ListArgs, out: Output) -> Outcome {
    let api = args.gateway.api()?;
    let filter = Query::default()
        .with_any("state", args.state.map(State::as_str))
        .with_any("lane", args.lane.as_ref().map(ToString::to_string).as_deref())
        .with_any("since", args.since.map(|since| since.0.to_string()).as_deref())
        .with_any("until", args.until.map(|until| until.0.to_string()).as_deref())
        .with_any("id", args.id.as_deref());
    let mut left = if args.limit == 0 { usize::MAX } else { args.limit };
    let (mut listing, mut cursor) = (Listing::new(out), None::<String>);
    loop {
        let query = filter.clone().with("limit", &left.min(PAGE).to_string()).with_any("cursor", cursor.as_deref());
        let page: Page = api.get("/api/deliveries", &query).await?;
        listing.write(&api, &page.deliveries, out)?;
        left = left.saturating_sub(page.deliveries.len());
        match page.next {
            Some(_) if left == 0 => {
                break listing.note(out, "there are more: --limit N lists N of them, --limit 0 all");
            }
            Some(next) if !page.deliveries.is_empty() => cursor = Some(next),
            _ => break,
        }
    }
    if listing.is_empty() {
        listing.note(out, "no delivery is like this");
    }
    Ok(())
}

/// A list under way, a page at a time.
struct Listing {
    table: Table<7>,
    rows: usize,
}

impl Listing {
    const STATE: usize = 2;

    fn new(out: Output) -> Self {
        let headings = ["ID", "LANE", "STATE", "ATTEMPTS", "CREATED", "NEXT", "LAST ERROR"];
        Self { table: Table::new(headings).within(out.columns()), rows: 0 }
    }

    fn write(&mut self, api: &AdminApi, page: &[Box<RawValue>], out: Output) -> Outcome {
        let first = self.is_empty();
        self.rows += page.len();
        if out.format() == Format::Json {
            return Ok(page.iter().try_for_each(|delivery| out.result(delivery, |_| String::new()))?);
        }
        let rows = page.iter().map(|delivery| api.entry(delivery)).collect::<Result<Vec<Summary>, Trouble>>()?;
        let rows: Vec<_> = rows.iter().map(Summary::row).collect();
        rows.iter().for_each(|row| self.table.fit(row));
        if first && !rows.is_empty() {
            out.line(&self.table.heading())?;
        }
        for row in &rows {
            let [_, _, state, ..] = row;
            let line = |paint: Paint| {
                let cell = |column, cell| if column == Self::STATE { painted(state, cell, paint) } else { cell };
                self.table.row(row, cell)
            };
            out.result(&(), line)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Says something about the list to people.
    fn note(&self, out: Output, what: &str) {
        if out.format() == Format::Text {
            out.note(what);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Summary {
    id: String,
    lane: String,
    state: String,
    attempts: u64,
    created_at: u64,
    next_at: Option<u64>,
    last_error: Option<String>,
}

impl Summary {
    fn row(&self) -> [String; 7] {
        let utc = |millis: u64| Utc(millis / 1000).to_string();
        [
            shown::text(&self.id).into_owned(),
            shown::text(&self.lane).into_owned(),
            shown::text(&self.state).into_owned(),
            self.attempts.to_string(),
            utc(self.created_at),
            self.next_at.map_or_else(|| "-".to_owned(), utc),
            self.last_error.as_deref().map_or_else(|| "-".to_owned(), |error| shown::text(error).into_owned()),
        ]
    }
}

/// Colours a text by the state it belongs to.
fn painted(state: &str, text: String, paint: Paint) -> String {
    match state.parse() {
        Ok(State::Delivered) => paint.good(text),
        Ok(State::Dead) => paint.bad(text),
        Ok(State::Dropped) => paint.warning(text),
        Ok(State::Pending) | Err(_) => text,
    }
}

async fn show(args: &ShowArgs, out: Output) -> Outcome {
    let api = args.gateway.api()?;
    let raw: Box<RawValue> = api.get(&format!("/api/deliveries/{}", args.id), &Query::default()).await?;
    let detail: Detail = api.entry(&raw)?;
    Ok(out.result(&raw, |paint| detail.text(paint))?)
}
