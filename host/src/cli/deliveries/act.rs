//! `pushgate deliveries replay|drop`: many deliveries at once, by their ids or by what they are like, a page a request.

use super::super::{
    Failure, Outcome,
    admin::{AdminApi, Gateway, Query, Trouble},
    moment::Moment,
    output::{Format, Output},
    progress::Progress,
};
use crate::{
    engine::LaneKey,
    shown,
    store::{DeliveryId, MAX_SELECTED, State},
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};
use std::io::{self, IsTerminal};

/// Which deliveries are meant.
#[derive(Debug, clap::Args)]
pub(super) struct Targets {
    /// The deliveries' ids, 32 hexadecimal digits each
    #[arg(value_name = "ID", required_unless_present_any = ["state", "lane", "since"],
        conflicts_with_all = ["state", "lane", "since", "until"])]
    ids: Vec<DeliveryId>,

    /// In place of ids: all that stand here
    #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str))
        .try_map(|state| state.parse::<State>()))]
    state: Option<State>,

    /// In place of ids: all of this lane
    #[arg(long)]
    lane: Option<LaneKey>,

    /// In place of ids: all accepted at this time or later: 2h ago, 2026-11-22T10:00:00Z, or unix milliseconds
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Of those, only what was accepted before this time; without it, before now
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    gateway: Gateway,
}

/// What is done to deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Replay,
    Drop,
}

impl Act {
    fn path(self) -> &'static str {
        match self {
            Self::Replay => "/api/deliveries/replay",
            Self::Drop => "/api/deliveries/drop",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Drop => "drop",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Replay => "pending again",
            Self::Drop => "deleted",
        }
    }
}

/// What became of one delivery, with `--json`.
#[derive(Debug, Serialize)]
struct One<'a> {
    id: DeliveryId,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// What became of all that are like something, with `--json`.
#[derive(Debug, Serialize)]
struct All {
    done: u64,
}

/// How the admin API is asked.
#[derive(Debug, Default, Serialize)]
struct Ask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'a [DeliveryId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Like<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<DeliveryId>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Like<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    until: u64,
}

#[derive(Debug, Deserialize)]
struct Acted {
    done: u64,
    refused: Vec<Refused>,
    next: Option<DeliveryId>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    id: DeliveryId,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Status {
    time: u64,
    deliveries: Counts,
}

#[derive(Debug, Deserialize)]
struct Counts {
    pending: u64,
    delivered: u64,
    dead: u64,
    dropped: u64,
}

/// Does what was asked for to the deliveries that are meant.
pub(super) async fn run(targets: &Targets, act: Act, out: Output) -> Outcome {
    let api = targets.gateway.api()?;
    if targets.ids.is_empty() {
        return to_all(&api, targets, act, out).await;
    }
    if act == Act::Drop && targets.ids.len() > 1 && !targets.yes && asks() {
        confirm(&format!("delete {} deliveries for good?", targets.ids.len()))?;
    }
    to_each(&api, &targets.ids, act, out).await
}

async fn to_each(api: &AdminApi, ids: &[DeliveryId], act: Act, out: Output) -> Outcome {
    let mut ended = Ok(());
    let progress = (ids.len() > MAX_SELECTED).then(Progress::on_stderr);
    if let Some(progress) = &progress {
        progress.stage(act.word(), ids.len() as u64);
    }
    for some in ids.chunks(MAX_SELECTED) {
        let ask = Ask { ids: Some(some), ..Ask::default() };
        let acted: Acted = api.post(act.path(), &ask).await.map_err(|trouble| {
            let (Trouble::Away(why) | Trouble::Wrong(why) | Trouble::Refused(why)) = trouble;
            let place = some.first().filter(|_| ids.len() > 1).map(|id| format!("stopped at {id}: "));
            Failure::Operation(place.unwrap_or_default() + &why)
        })?;
        if let Some(progress) = &progress {
            progress.advance(some.len() as u64);
            progress.hide(|| tell(some, &acted.refused, act, out))?;
        } else {
            tell(some, &acted.refused, act, out)?;
        }
        if !acted.refused.is_empty() {
            ended = Err(Failure::Reported);
        }
    }
    if let Some(progress) = progress {
        progress.clear();
    }
    ended
}

/// Says what became of each. Whoever stops reading has still asked for the rest to be done.
fn tell(ids: &[DeliveryId], refused: &[Refused], act: Act, out: Output) -> Outcome {
    for id in ids {
        let Some(Refused { message, .. }) = refused.iter().find(|refused| refused.id == *id) else {
            let one = One { id: *id, ok: true, message: None };
            out.tell(&one, |paint| format!("{id}  {}", paint.good(act.done())))?;
            continue;
        };
        out.error(format_args!("{id}: {}", shown::text(message)));
        if out.format() == Format::Json {
            out.tell(&One { id: *id, ok: false, message: Some(message) }, |_| String::new())?;
        }
    }
    Ok(())
}

async fn to_all(api: &AdminApi, targets: &Targets, act: Act, out: Output) -> Outcome {
    let lane = targets.lane.as_ref().map(ToString::to_string);
    let Status { time, deliveries } = api.get("/api/status", &Query::default()).await?;
    // What is accepted from now on is not meant.
    let until = targets.until.map_or(time, |until| until.0);
    let like = Like { state: targets.state, lane: lane.as_deref(), since: targets.since.map(|since| since.0), until };
    if !targets.yes {
        if !asks() {
            let word = act.word();
            return Err(Failure::Usage(format!(
                "nobody can be asked here: add --yes to {word} all that are like this"
            )));
        }
        confirm(&format!("{} {}?", act.word(), like.words()))?;
    }
    let most = match targets.state {
        Some(State::Pending) => deliveries.pending,
        Some(State::Delivered) => deliveries.delivered,
        Some(State::Dead) => deliveries.dead,
        Some(State::Dropped) => deliveries.dropped,
        None => deliveries.pending + deliveries.delivered + deliveries.dead + deliveries.dropped,
    };
    let progress = Progress::on_stderr();
    progress.stage(act.word(), most);
    let (mut done, mut cursor) = (0, None);
    loop {
        let ask = Ask { filter: Some(like), cursor, ..Ask::default() };
        let acted: Acted = api.post(act.path(), &ask).await.map_err(|trouble| {
            progress.clear();
            let (Trouble::Away(why) | Trouble::Wrong(why) | Trouble::Refused(why)) = trouble;
            let so_far = if done > 0 { format!("stopped after {done} {}: ", act.done()) } else { String::new() };
            Failure::Operation(so_far + &why)
        })?;
        done += acted.done;
        progress.reach(done);
        match acted.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    progress.clear();
    Ok(out.result(&All { done }, |paint| format!("{done} {}", paint.good(act.done())))?)
}

impl Like<'_> {
    fn words(&self) -> String {
        let utc = |millis: u64| shown::Utc(millis / 1000);
        let mut words = match self.state {
            Some(state) => format!("all {state} deliveries"),
            None => "all deliveries, whatever their state,".to_owned(),
        };
        if let Some(lane) = self.lane {
            words += &format!(" of {lane}");
        }
        if let Some(since) = self.since {
            words += &format!(" accepted from {}", utc(since));
        }
        words + &format!(" until {}", utc(self.until))
    }
}

/// Whether there is somebody who can be asked.
fn asks() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn confirm(question: &str) -> Outcome {
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::Operation(format!("stdin: {error}")))?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Operation("nothing was done".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_said_before_it_is_done() {
        let like = Like { state: Some(State::Dead), lane: Some("uplink:acme"), since: None, until: 1_475_031_947_000 };
        assert_eq!(like.words(), "all dead deliveries of uplink:acme until 2016-09-28T03:05:47Z");
        let any = Like { state: None, lane: None, since: Some(0), until: 1_475_031_947_000 };
        assert_eq!(
            any.words(),
            "all deliveries, whatever their state, accepted from 1970-01-01T00:00:00Z until 2016-09-28T03:05:47Z"
        );
        assert_eq!(
            serde_json::to_string(&Ask { filter: Some(like), ..Ask::default() }).unwrap(),
            r#"{"filter":{"state":"dead","lane":"uplink:acme","until":1475031947000}}"#
        );
    }
}
