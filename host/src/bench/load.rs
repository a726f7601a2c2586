//! Load: the same requests over connections that stay open, as many under way as asked for or as many a second.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{self, MissedTickBehavior},
};

use super::{
    CannotRun,
    wire::{Answer, Connection},
};
use crate::store::DeliveryId;

/// How long the requests under way at the end of a load have to be answered (ours).
const LAST_WITHIN: Duration = Duration::from_secs(60);

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// After this time no request begins.
    Elapsed(Duration),
    /// After so many requests.
    Sent(u64),
}

/// How often a connection sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// The next when the last is answered.
    Unbound,
    /// All connections together so many a second.
    PerSecond(f64),
}

/// A load on one listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    /// Connections, each with one request under way.
    pub(super) in_flight: usize,
    pub(super) until: Until,
    pub(super) pace: Pace,
}

/// What came of a load. Every request was answered 202.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
    /// Microseconds from a request to its answer.
    pub(super) micros: Vec<u32>,
    /// The answers' bodies, to be read when nothing is measured any more.
    answers: Vec<Bytes>,
}

impl Load {
    /// Sends what `request` returns for 0, 1, 2, …
    pub(super) async fn run(self, request: impl Fn(u64) -> Bytes + Send + Sync + 'static) -> Result<Loaded, CannotRun> {
        let unreached = |error| CannotRun(format!("cannot load {}: {error}", self.address));
        let mut connections = Vec::with_capacity(self.in_flight);
        for _ in 0..self.in_flight.max(1) {
            connections.push(Connection::open(self.address).await.map_err(unreached)?);
        }
        let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
        let (start, mut slots) = (Instant::now(), JoinSet::new());
        for (place, connection) in connections.into_iter().enumerate() {
            slots.spawn(self.slot(place, connection, Arc::clone(&next), start, Arc::clone(&request)));
        }
        let (mut loaded, mut pieces) = (Loaded::default(), Vec::new());
        while let Some(slot) = slots.join_next().await {
            pieces.push(slot.map_err(CannotRun::because)??);
        }
        loaded.elapsed = start.elapsed();
        for piece in pieces {
            loaded.micros.extend(piece.micros);
            loaded.answers.extend(piece.answers);
        }
        Ok(loaded)
    }

    async fn slot(
        self,
        place: usize,
        mut connection: Connection,
        next: Arc<AtomicU64>,
        start: Instant,
        request: Arc<impl Fn(u64) -> Bytes>,
    ) -> Result<Loaded, CannotRun> {
        let mut loaded = Loaded::default();
        let mut ticks = self.ticks(place, start);
        let work = async {
            loop {
                if let Some(ticks) = &mut ticks {
                    ticks.tick().await;
                }
                let number = match self.until {
                    Until::Elapsed(duration) if start.elapsed() >= duration => break,
                    _ => next.fetch_add(1, Ordering::Relaxed),
                };
                if matches!(self.until, Until::Sent(all) if number >= all) {
                    break;
                }
                let request = request(number);
                let sent = Instant::now();
                let answer = connection.exchange(&request).await;
                loaded.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                loaded.answers.push(self.accepted(answer)?);
            }
            Ok(())
        };
        match self.until {
            Until::Elapsed(duration) => time::timeout(duration + LAST_WITHIN, work)
                .await
                .map_err(|_| CannotRun(format!("{} did not answer within {LAST_WITHIN:?}", self.address)))??,
            Until::Sent(_) => work.await?,
        }
        Ok(loaded)
    }

    /// When a paced connection sends: each in its turn, evenly.
    fn ticks(&self, place: usize, start: Instant) -> Option<time::Interval> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        let (connections, place) = (count(self.in_flight.max(1)), count(place));
        let period = Duration::from_secs_f64(connections / rate.max(0.001));
        let first = start + period.mul_f64(place / connections);
        let mut ticks = time::interval_at(first.into(), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Some(ticks)
    }

    fn accepted(&self, answer: std::io::Result<Answer>) -> Result<Bytes, CannotRun> {
        let answer = answer.map_err(|error| CannotRun(format!("{}: {error}", self.address)))?;
        if answer.status == 202 {
            return Ok(answer.body);
        }
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Err(CannotRun(format!("{} answered {} instead of 202: {body}", self.address, answer.status)))
    }
}

impl Loaded {
    /// How many requests were accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.answers.len() as u64
    }

    /// What `accepted` requests with empty answers came to.
    #[cfg(test)]
    pub(super) fn of(accepted: usize) -> Self {
        Self { answers: vec![Bytes::new(); accepted], ..Self::default() }
    }

    pub(super) fn per_second(&self) -> f64 {
        count(self.answers.len()) / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The deliveries that the answers name.
    pub(super) fn ids(&self) -> Result<Vec<DeliveryId>, CannotRun> {
        #[derive(Deserialize)]
        struct Ids {
            ids: Vec<DeliveryId>,
        }
        let read = |body: &Bytes| serde_json::from_slice::<Ids>(body).map(|answer| answer.ids);
        let ids: Result<Vec<_>, _> = self.answers.iter().map(read).collect();
        Ok(ids.map_err(|error| CannotRun(format!("an answer without ids: {error}")))?.concat())
    }
}

/// A count as a number to divide by. Counts here are far below what an `f64` holds exactly.
pub(super) fn count(n: usize) -> f64 {
    n as f64
}
