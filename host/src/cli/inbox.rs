//! `pushgate inbox …`: what a running gateway has received for its operator.

use super::{
    Failure, Outcome,
    admin::{AdminApi, Gateway, Query, Trouble},
    output::{Format, Output},
    stop::Stop,
};
use crate::{
    shown::{self, Utc},
    store::MAX_PAGE,
};
use clap::{Subcommand, builder::PossibleValuesParser};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Items asked for at a time: what is shown first shall not wait for the rest. Ours.
const PAGE: usize = 100;

/// Items that are shown when nobody says how many: what fits a terminal. Ours.
const LAST: usize = 10;

/// How often `--follow` asks for what is new. Ours.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The longest wait between two tries while the gateway is away: the wait doubles from [`POLL_EVERY`] up to this. Ours.
const RETRY_EVERY_AT_MOST: Duration = Duration::from_secs(16);

/// See what a running gateway has received
///
/// The inbox keeps every uplink message, status report and Tencent event, for the operator to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Tail(TailArgs),
}

/// Print the last items of the inbox, or those behind a cursor, in the order of arrival; times are UTC
///
/// Every item has a cursor, a number that grows and is never used again. A program that remembers the cursor of the
/// last item it has dealt with misses none and gets none twice: --after CURSOR goes on from there, --after 0 begins
/// with the oldest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate inbox tail
  pushgate inbox tail --kind message --follow
  pushgate inbox tail --after 0 --json > all.ndjson
  pushgate inbox tail --after \"$CURSOR\" --receiver ucloud --follow --json | jq .item")]
struct TailArgs {
    /// Begin behind this item, and print all there are
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,

    /// How many: the last N, at most 1000, or with --after the first N behind it; 0 is all [default: 10 without
    /// --after, else all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Then wait for more and print each as it comes, until Ctrl-C or SIGTERM
    ///
    /// A gateway that goes away is waited for.
    #[arg(long)]
    follow: bool,

    /// Only items of this kind
    #[arg(long, value_parser = PossibleValuesParser::new(["message", "report", "event", "unsupported"]))]
    kind: Option<String>,

    /// Only items of this receiver, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    #[command(flatten)]
    gateway: Gateway,
}

/// Where a reading of the inbox begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// With the last so many.
    Last(usize),
    /// Behind a cursor, and up to so many from there.
    After(u64, usize),
}

impl TailArgs {
    fn start(&self) -> Result<Start, Failure> {
        let wrong = |what: &str| Err(Failure::Usage(what.to_owned()));
        match (self.after, self.limit) {
            (None, None) => Ok(Start::Last(LAST)),
            (None, Some(0)) => Ok(Start::After(0, usize::MAX)),
            (None, Some(last @ 1..=MAX_PAGE)) => Ok(Start::Last(last)),
            (None, Some(_)) => {
                wrong("--limit: the last 1000 at most; --limit 0 prints all, --after CURSOR begins anywhere")
            }
            (Some(after), None | Some(0)) => Ok(Start::After(after, usize::MAX)),
            (Some(_), Some(_)) if self.follow => {
                wrong("--limit with --after ends after N items, --follow never: leave one of them out")
            }
            (Some(after), Some(limit)) => Ok(Start::After(after, limit)),
        }
    }
}

/// Prints items.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let Action::Tail(args) = args.action;
    let start = args.start()?;
    let filter = Query::default().with_any("kind", args.kind.as_deref()).with_any("receiver", args.receiver.as_deref());
    let mut reading = Reading { api: args.gateway.api()?, filter, place: start, receiver_width: 0, out };
    if !args.follow {
        while reading.step().await?.is_more() {}
        return Ok(());
    }
    let mut stop = Stop::listen()?;
    tokio::select! {
        () = stop.asked() => Ok(()),
        outcome = reading.follow() => outcome,
    }
}

/// A reading of the inbox under way.
struct Reading {
    api: AdminApi,
    filter: Query,
    /// Where the next page begins.
    place: Start,
    receiver_width: usize,
    out: Output,
}

/// Whether there is more to read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    More,
    Nothing,
}

impl Rest {
    fn is_more(self) -> bool {
        self == Self::More
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: u64,
}

#[derive(Debug, Deserialize)]
struct Item {
    cursor: u64,
    receiver: String,
    kind: String,
    received_at: u64,
    item: Box<RawValue>,
}

impl Reading {
    /// Prints what there is, then what comes, for good.
    async fn follow(&mut self) -> Outcome {
        // A gateway that was never reached is more likely at another address than away.
        let mut rest = self.step().await?;
        let mut wait = POLL_EVERY;
        loop {
            if rest == Rest::Nothing {
                tokio::time::sleep(wait).await;
            }
            rest = match self.page().await {
                Ok(page) => {
                    if wait > POLL_EVERY {
                        self.out.note("the gateway is back");
                    }
                    wait = POLL_EVERY;
                    self.print(&page)?
                }
                Err(Trouble::Away(why)) => {
                    if wait == POLL_EVERY {
                        self.out.note(format_args!("{why}; waiting for it"));
                    }
                    wait = (wait * 2).min(RETRY_EVERY_AT_MOST);
                    Rest::Nothing
                }
                Err(trouble) => return Err(trouble.into()),
            };
        }
    }

    async fn step(&mut self) -> Result<Rest, Failure> {
        let page = self.page().await?;
        self.print(&page)
    }

    async fn page(&self) -> Result<Page, Trouble> {
        let query = self.filter.clone();
        let query = match self.place {
            Start::Last(last) => query.with("last", &last.to_string()),
            Start::After(after, left) => {
                query.with("after", &after.to_string()).with("limit", &left.min(PAGE).to_string())
            }
        };
        self.api.get("/api/inbox", &query).await
    }

    /// Prints a page, and goes on to behind it.
    fn print(&mut self, page: &Page) -> Result<Rest, Failure> {
        for entry in &page.items {
            if self.out.format() == Format::Json {
                self.out.result(entry, |_| String::new())?;
                continue;
            }
            let item: Item = self.api.entry(entry)?;
            let receiver = shown::text(&item.receiver).into_owned();
            self.receiver_width = receiver.chars().count().max(self.receiver_width);
            self.out.line(&item.text(&receiver, self.receiver_width))?;
        }
        let (left, rest) = match self.place {
            Start::Last(_) => (usize::MAX, Rest::Nothing),
            Start::After(_, left) => {
                let still = left.saturating_sub(page.items.len());
                let full = page.items.len() >= left.min(PAGE);
                (still, if full && still > 0 { Rest::More } else { Rest::Nothing })
            }
        };
        self.place = Start::After(page.next, left);
        Ok(rest)
    }
}

impl Item {
    fn text(&self, receiver: &str, width: usize) -> String {
        let Self { cursor, kind, received_at, item, .. } = self;
        let (kind, item) = (shown::text(kind), shown::text(item.get()));
        format!("{cursor:>6}  {}  {receiver:<width$}  {kind:<7}  {item}", Utc(received_at / 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_tail_begins_where_it_is_told() {
        #[derive(Debug, Parser)]
        struct Line {
            #[command(flatten)]
            args: TailArgs,
        }
        for (line, start) in [
            ("", Start::Last(10)),
            ("--limit 3", Start::Last(3)),
            ("--limit 1000 --follow", Start::Last(1000)),
            ("--limit 0", Start::After(0, usize::MAX)),
            ("--after 0", Start::After(0, usize::MAX)),
            ("--after 7 --limit 0 --follow", Start::After(7, usize::MAX)),
            ("--after 7 --limit 2", Start::After(7, 2)),
        ] {
            let words = std::iter::once("tail").chain(line.split_whitespace());
            assert_eq!(Line::try_parse_from(words).unwrap().args.start().unwrap(), start, "{line}");
        }
        for line in ["--limit 1001", "--after 7 --limit 2 --follow"] {
            let words = std::iter::once("tail").chain(line.split_whitespace());
            let refused = Line::try_parse_from(words).unwrap().args.start();
            assert!(matches!(refused, Err(Failure::Usage(_))), "{line}: {refused:?}");
        }
    }
}
