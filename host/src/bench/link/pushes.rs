//! Pushes: so many a second at times that are fixed beforehand, or one after the other.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use pushgate_core::lingyang::Reply;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use super::{CannotRun, fleet};
use crate::bench::{
    load::{Pace, count},
    wire::Connection,
};

/// How long any one push may take to be answered (ours).
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Pushes to one listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushes {
    pub(super) address: SocketAddr,
    pub(super) all: usize,
    /// Connections, each with one push under way.
    pub(super) in_flight: usize,
    pub(super) pace: Pace,
}

/// A push that was answered 200.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    /// When it was to begin. A load that comes late to it has no excuse: what it waits for, a device waits for.
    pub(super) planned: Instant,
    pub(super) answered: Instant,
    answer: Bytes,
}

impl Pushed {
    /// The id that the answer names.
    pub(super) fn id(&self) -> Option<u128> {
        fleet::id(Reply::read(&self.answer).ok()?.request_id)
    }
}

impl Pushes {
    /// Sends what `request` returns for 0, 1, 2, …, and returns what was answered, in no order.
    pub(super) async fn run(
        self,
        request: impl Fn(usize) -> Bytes + Send + Sync + 'static,
    ) -> Result<Vec<Pushed>, CannotRun> {
        let slots = self.in_flight.clamp(1, self.all.max(1));
        let mut connections = Vec::with_capacity(slots);
        for _ in 0..slots {
            connections.push(Connection::open(self.address).await.map_err(|error| self.failed(&error))?);
        }
        let (request, start) = (Arc::new(request), Instant::now());
        let mut tasks = JoinSet::new();
        for (slot, mut connection) in connections.into_iter().enumerate() {
            let request = Arc::clone(&request);
            tasks.spawn(async move {
                let mut pushed = Vec::new();
                for number in (slot..self.all).step_by(slots) {
                    pushed.push(self.push(&mut connection, self.planned(start, number), &request(number)).await?);
                }
                Ok::<_, CannotRun>(pushed)
            });
        }
        let mut pushed = Vec::with_capacity(self.all);
        while let Some(task) = tasks.join_next().await {
            pushed.extend(task.map_err(CannotRun::because)??);
        }
        Ok(pushed)
    }

    async fn push(
        &self,
        connection: &mut Connection,
        planned: Option<Instant>,
        request: &[u8],
    ) -> Result<Pushed, CannotRun> {
        if let Some(planned) = planned {
            time::sleep_until(planned).await;
        }
        let planned = planned.unwrap_or_else(Instant::now);
        let answer = time::timeout(ANSWER_WITHIN, connection.exchange(request)).await;
        let answer = answer.map_err(|_| self.failed(&format!("no answer within {ANSWER_WITHIN:?}")))?;
        let answer = answer.map_err(|error| self.failed(&error))?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(self.failed(&format!("a push was answered {} instead of 200: {body}", answer.status)));
        }
        Ok(Pushed { planned, answered: Instant::now(), answer: answer.body })
    }

    fn planned(&self, start: Instant, number: usize) -> Option<Instant> {
        match self.pace {
            Pace::Unbound => None,
            Pace::PerSecond(rate) => Some(start + Duration::from_secs_f64(count(number) / rate.max(0.001))),
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> CannotRun {
        CannotRun(format!("cannot push to {}: {error}", self.address))
    }
}

/// Microseconds from one time to a later one.
pub(super) fn micros(from: Instant, to: Instant) -> u32 {
    u32::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_fixed_by_the_rate_and_by_nothing_else() {
        let pushes = |pace| Pushes { address: ([127, 0, 0, 1], 9).into(), all: 3, in_flight: 2, pace };
        let start = Instant::now();
        let times = [0, 1, 250].map(|number| pushes(Pace::PerSecond(1000.0)).planned(start, number));
        assert_eq!(times, [0, 1, 250].map(|millis| Some(start + Duration::from_millis(millis))));
        assert_eq!(pushes(Pace::Unbound).planned(start, 1), None);
    }

    #[test]
    fn the_id_is_the_answers() {
        let answer = Bytes::from_static(br#"{"request_id":"000000000000000000000000000000ff"}"#);
        let pushed = Pushed { planned: Instant::now(), answered: Instant::now(), answer };
        assert_eq!(pushed.id(), Some(255));
        assert_eq!(Pushed { answer: Bytes::new(), ..pushed }.id(), None);
    }
}
