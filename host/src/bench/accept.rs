//! How many durable single submissions a second a gateway accepts, beside a bare axum server that keeps nothing.

use std::{collections::HashSet, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    CannotRun, Figure, Progress, Row,
    admin::AdminPort,
    bare, body,
    load::{Load, Loaded, Pace, Until},
    site::{self, Destination, Grouping, Local, Site},
    spread::{Spread, median},
};
use crate::{
    config::Secret,
    store::{self, DeliveryId, MAX_PAGE},
};

/// The destination that is submitted to.
const NAME: &str = "bench";

/// How long each side is loaded before anything counts (ours).
const WARM_UP: Duration = Duration::from_millis(300);

/// Of a gateway in another process, how many of the accepted are asked for (ours), evenly spread. Its counts tell nothing:
/// others submit too, and what is finished may be pruned.
const ASKED_FOR: usize = 10_000;

/// How a gateway's accepting is measured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Of load on each side.
    pub(crate) time: Duration,
    /// Into how many alternating pieces it is cut.
    pub(crate) rounds: u32,
    pub(crate) in_flight: usize,
    pub(crate) bytes: usize,
    pub(crate) whose: Whose,
}

/// The gateway that is measured.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    /// One of our own, with its store in a folder of this one.
    Ours { store_dir: Option<PathBuf> },
    /// One that runs.
    Theirs { address: SocketAddr, host: String, token: Option<Secret>, destination: String },
}

/// What both sides came to, round by round.
#[derive(Debug, Default)]
struct Side {
    per_second: Vec<f64>,
    micros: Vec<u32>,
    accepted: u64,
}

impl Side {
    fn add(&mut self, loaded: &mut Loaded) {
        self.per_second.push(loaded.per_second());
        self.micros.append(&mut loaded.micros);
        self.accepted += loaded.accepted();
    }
}

/// Measures it.
pub(crate) async fn run(settings: &Settings, progress: &Progress) -> Result<Row, CannotRun> {
    match &settings.whose {
        Whose::Theirs { address, host, token, destination } => {
            let mut admin = AdminPort::new(*address, host.clone(), token.as_ref());
            let (mut row, ids) = measure(settings, &admin, destination, progress).await?;
            let asked = ids.iter().step_by(ids.len().div_ceil(ASKED_FOR).max(1));
            progress.stage("looking for what was accepted", asked.len() as u64);
            row.with("looked_for", asked.len());
            let mut missing = 0;
            for id in asked {
                missing += u64::from(!admin.has(*id).await?);
                progress.step();
            }
            row.expect("accepted deliveries that the gateway does not have", missing, 0);
            Ok(row)
        }
        Whose::Ours { store_dir } => {
            let site = Site::new(store_dir.as_deref())?;
            let url = site.store("accept");
            // Nothing listens there, and nothing is sent: the lane is paused.
            let nowhere = Destination::new(NAME, "http://127.0.0.1:9/".to_owned(), Grouping::Single);
            let mut local = Local::start(&url, std::slice::from_ref(&nowhere)).await?;
            local.admin.pause(&nowhere.lane()).await?;
            let measured = measure(settings, &local.admin, NAME, progress).await;
            let counts = local.admin.counts().await;
            local.stop().await;
            let ((mut row, ids), counts) = (measured?, counts?);
            row.expect("pending deliveries that the gateway counts", counts.pending, ids.len() as u64);
            progress.stage("looking for what was accepted", 1);
            compare(&mut row, &ids, &stored(&url).await?);
            Ok(row)
        }
    }
}

/// Loads both sides in turn, and returns what was measured and everything that was accepted, warm-up included.
async fn measure(
    settings: &Settings,
    admin: &AdminPort,
    destination: &str,
    progress: &Progress,
) -> Result<(Row, Vec<DeliveryId>), CannotRun> {
    // Both ends of every connection, those of the side before too.
    site::descriptors(4 * settings.in_flight)?;
    let bare = bare::Server::start().await?;
    let body = body::batch(0, 1, settings.bytes);
    let request = admin.submission(destination, &body);
    let load = |address, time| {
        let request = request.clone();
        let until = Until::Elapsed(time);
        Load { address, in_flight: settings.in_flight, until, pace: Pace::Unbound }.run(move |_| request.clone())
    };

    progress.stage("accept", 2 * u64::from(settings.rounds));
    load(bare.address, WARM_UP).await?;
    let mut ids = load(admin.address, WARM_UP).await?.ids()?;
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    let round = settings.time / settings.rounds.max(1);
    for _ in 0..settings.rounds.max(1) {
        theirs.add(&mut load(bare.address, round).await?);
        progress.step();
        let mut loaded = load(admin.address, round).await?;
        ours.add(&mut loaded);
        ids.append(&mut loaded.ids()?);
        progress.step();
    }

    let mut row = Row::new("accept", "accept");
    let accepted = ours.accepted;
    tell(&mut row, ours, theirs);
    row.with("seconds", settings.time.as_secs_f64())
        .with("rounds", settings.rounds)
        .with("in_flight", settings.in_flight)
        .with("bytes", body.len())
        .with("accepted", accepted);
    Ok((row, ids))
}

fn tell(row: &mut Row, mut ours: Side, mut bare: Side) {
    let (rate, bare_rate) = (median(ours.per_second), median(bare.per_second));
    row.figure(Figure::new("accepted_per_second", rate, "req/s"))
        .figure(Figure::new("bare_axum_per_second", bare_rate, "req/s"))
        .figure(Figure::new("ratio", rate / bare_rate.max(1e-9), "").at_least(0.35));
    let spread = |micros: &mut Vec<u32>| Spread::of_micros(micros).unwrap_or_default();
    spread(&mut ours.micros).tell(row, ["p50", "p90", "p99", "max"]);
    spread(&mut bare.micros).tell(row, ["bare_p50", "bare_p90", "bare_p99", "bare_max"]);
}

/// Everything that is pending in a store, opened anew: what a gateway that starts again would find.
async fn stored(url: &str) -> Result<HashSet<DeliveryId>, CannotRun> {
    let store = store::open(url).await.map_err(CannotRun::because)?;
    let (mut ids, mut after) = (HashSet::new(), None);
    loop {
        let page = store.pending(after, MAX_PAGE).await.map_err(CannotRun::because)?;
        after = page.last().map(|pending| pending.id);
        ids.extend(page.iter().map(|pending| pending.id));
        if after.is_none() {
            break;
        }
    }
    store.close().await.map_err(CannotRun::because)?;
    Ok(ids)
}

/// Says what was answered 202 and is not stored, or stored and was answered nobody.
fn compare(row: &mut Row, accepted: &[DeliveryId], stored: &HashSet<DeliveryId>) {
    let distinct: HashSet<_> = accepted.iter().copied().collect();
    row.expect("accepted deliveries with an id of their own", distinct.len() as u64, accepted.len() as u64)
        .expect("accepted deliveries that are not in the store", distinct.difference(stored).count() as u64, 0)
        .expect("deliveries in the store that nobody submitted", stored.difference(&distinct).count() as u64, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_and_is_not_stored_is_a_problem() {
        let [a, b, c] = [1, 2, 3].map(|byte| DeliveryId::from_bytes([byte; 16]));
        for (accepted, stored, problems) in [
            (vec![a, b], vec![b, a], vec![]),
            (vec![a, b], vec![a], vec!["accepted deliveries that are not in the store: counted 1, expected 0"]),
            (vec![a, a], vec![a], vec!["accepted deliveries with an id of their own: counted 1, expected 2"]),
            (vec![a], vec![a, c], vec!["deliveries in the store that nobody submitted: counted 1, expected 0"]),
        ] {
            let mut row = Row::new("accept", "accept");
            compare(&mut row, &accepted, &stored.into_iter().collect());
            assert_eq!(row.problems, problems);
        }
    }
}
