//! What every handler works with, and how each accepts: stored first, then under way, then answered.

use std::{fmt, ops::Deref, sync::Arc};

use tokio::sync::watch;

use super::{
    acceptor::Acceptor,
    live::Live,
    request_id::{self, RequestId},
};
use crate::{
    clock::Clock,
    config::Config,
    engine::{Engine, Entry, LaneKey, Payload, QueueFull},
    health::Health,
    link::Registry,
    metrics::{Metrics, Refused},
    store::{
        Accept, Accepted, DeliveryId, Done, NotDone, Paused, Removed, Replayed, Selection, State, Store, StoreError,
    },
    telemetry::{
        DELIVERY,
        seldom::{Seldom, SeldomBy},
        trace::{Begun, Kind, Tracer},
    },
};

/// What every handler works with. Routers clone it for every request, so a clone is one count.
#[derive(Clone)]
pub struct Shared {
    parts: Arc<Parts>,
}

/// The parts of [`Shared`].
pub struct Parts {
    /// The gateway's clock.
    pub clock: Clock,
    /// The configuration in force; a handler takes it once and keeps to it.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where what is accepted is kept.
    pub store: Arc<dyn Store>,
    /// What sends it.
    pub engine: Engine,
    acceptor: Acceptor,
    troubles: Troubles,
    /// Which device is connected.
    pub registry: Registry,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    tracer: Tracer,
    /// Who watches.
    pub(super) live: Live,
    /// How the gateway is.
    pub health: Health,
}

impl Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// What may be logged of what is not accepted.
#[derive(Debug, Default)]
struct Troubles {
    store: Seldom,
    /// Devices' lanes are told together.
    full: SeldomBy<Option<LaneKey>>,
}

/// A request's deliveries on their way into the store: bodies, and who sends which.
#[derive(Default)]
pub(super) struct Submission {
    accept: Accept,
    payload: Option<Arc<Payload>>,
    entries: Vec<Entry>,
}

impl Shared {
    /// Puts together what handlers work with.
    pub(crate) fn new(
        clock: Clock,
        config: watch::Receiver<Arc<Config>>,
        registry: Registry,
        metrics: Arc<Metrics>,
        tracer: Tracer,
        health: Health,
    ) -> Self {
        let acceptor = Acceptor::start(health.store(), health.engine(), health.workers());
        let troubles = Troubles::default();
        let live = Live::default();
        let (store, engine) = (Arc::clone(health.store()), health.engine().clone());
        let parts = Parts { clock, config, store, engine, acceptor, troubles, registry, metrics, tracer, live, health };
        Self { parts: Arc::new(parts) }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Stores a submission durably, then puts its deliveries under way.
    pub(super) async fn accept(&self, submission: Submission) -> Result<Accepted, NotAccepted> {
        let Submission { accept, mut entries, .. } = submission;
        let lanes = entries.iter().map(|entry| entry.lane().clone()).collect();
        let places = self.engine.reserve(lanes, &self.config().limits).map_err(|full| {
            self.metrics.refused(Refused::Queue);
            self.troubles.is_full(&full);
            NotAccepted::Full(full)
        })?;
        entries.iter().for_each(|entry| self.troubles.has_room(entry.lane()));
        let spans = self.begin_spans(&mut entries);
        let accepted = self.acceptor.accept(accept, entries, places).await;
        self.troubles.stored(accepted.as_ref().err());
        match &accepted {
            Ok(Accepted::Stored { ids, new_items, duplicate_items }) => {
                tell_accepted(ids, new_items.len(), *duplicate_items);
                if !ids.is_empty() {
                    self.end_spans(spans);
                }
            }
            Ok(_) => {}
            Err(_) => self.metrics.refused(Refused::Store),
        }
        accepted.map_err(NotAccepted::Store)
    }
}

/// The spans of a request's deliveries: each one's id, lane and beginning.
type Spans = Vec<(DeliveryId, LaneKey, Begun)>;

impl Shared {
    /// Begins a span for each delivery, if the request is recorded; the sends to come belong below it.
    fn begin_spans(&self, entries: &mut [Entry]) -> Spans {
        let Some(request) = request_id::current_trace() else { return Vec::new() };
        let begin = |entry: &mut Entry| {
            let begun = self.tracer.below(request)?;
            entry.trace(begun.context);
            Some((entry.id(), entry.lane().clone(), begun))
        };
        entries.iter_mut().filter_map(begin).collect()
    }

    fn end_spans(&self, spans: Spans) {
        for (id, lane, begun) in spans {
            let Some(span) = self.tracer.end(begun, "delivery", Kind::Producer) else { return };
            span.with("pushgate.delivery", &*id.to_string()).with("pushgate.lane", &*lane.to_string()).record();
        }
    }
}

/// Logs what was accepted: the line that joins a request's id with those of its deliveries. Many deliveries are many
/// lines, each of a bounded length.
fn tell_accepted(ids: &[DeliveryId], items: usize, duplicates: usize) {
    /// Ids in a line (ours).
    const IDS: usize = 32;
    if !tracing::enabled!(target: DELIVERY, tracing::Level::DEBUG) {
        return;
    }
    let (request_id, trace_id) = (RequestId::current(), request_id::current_trace().map(tracing::field::display));
    let lines = if ids.is_empty() { vec![ids] } else { ids.chunks(IDS).collect() };
    for line in lines {
        let shown: Vec<_> = line.iter().map(ToString::to_string).collect();
        tracing::debug!(
            target: DELIVERY,
            %request_id, trace_id, deliveries = ids.len(), ids = shown.join(","), items, duplicates, "accepted"
        );
    }
}

impl Troubles {
    fn is_full(&self, full: &QueueFull) {
        if let Some(leave) = self.full.leave(full.lane.configured()) {
            let (left_out, lane, limit) = (leave.left_out, &full.lane, full.limit);
            tracing::warn!(left_out, %lane, limit, "a lane is full: nothing more is accepted for it until it has room");
        }
    }

    fn has_room(&self, lane: &LaneKey) {
        if let Some(end) = self.full.went_well(&lane.configured()) {
            tracing::info!(left_out = end.left_out, lasted_ms = end.lasted_ms, %lane, "a lane that was full has room");
        }
    }

    fn stored(&self, error: Option<&StoreError>) {
        if let Some(error) = error {
            if let Some(leave) = self.store.leave() {
                let (left_out, request_id) = (leave.left_out, RequestId::current());
                tracing::error!(left_out, %error, %request_id, "cannot accept: the store keeps nothing");
            }
        } else if let Some(end) = self.store.went_well() {
            tracing::info!(
                left_out = end.left_out,
                lasted_ms = end.lasted_ms,
                "the store keeps what is accepted again"
            );
        }
    }
}

impl Shared {
    /// Makes a delivery pending again and puts it under way.
    pub(super) async fn replay(&self, id: DeliveryId) -> Result<Replay, StoreError> {
        let (store, engine, now) = (Arc::clone(&self.store), self.engine.clone(), self.clock.millis());
        let metrics = Arc::clone(&self.metrics);
        let replay = whole(async move {
            let replayed = store.replay(id, now).await?;
            metrics.changed();
            match &replayed {
                Replayed::Pending(pending) => drop(engine.add_pending(std::slice::from_ref(pending))),
                // It was replayed before, and the news of it was lost.
                Replayed::Refused(State::Pending) if engine.take_up(id, &*store).await? => return Ok(Replay::Done),
                Replayed::Refused(state) => return Ok(Replay::Refused(*state)),
                Replayed::NotFound => return Ok(Replay::NotFound),
            }
            Ok(Replay::Done)
        })
        .await?;
        if replay == Replay::Done {
            tracing::debug!(target: DELIVERY, request_id = %RequestId::current(), delivery = %id, "replayed");
        }
        Ok(replay)
    }

    /// Deletes a delivery, also from what is under way.
    pub(super) async fn remove(&self, id: DeliveryId) -> Result<Removed, StoreError> {
        let (store, engine, metrics) = (Arc::clone(&self.store), self.engine.clone(), Arc::clone(&self.metrics));
        let removed = whole(async move {
            let removed = store.remove(id).await?;
            metrics.changed();
            // One that the store does not have must not be under way either.
            engine.remove(id);
            Ok(removed)
        })
        .await?;
        if let Removed::Done { lane, state } = &removed {
            let (request_id, state) = (RequestId::current(), state.as_str());
            tracing::debug!(target: DELIVERY, %request_id, delivery = %id, lane, state, "removed");
        }
        Ok(removed)
    }

    /// Makes some deliveries pending again, in one commit, and puts them under way.
    pub(super) async fn replay_some(&self, which: Selection) -> Result<Done<DeliveryId>, StoreError> {
        let (store, engine, now) = (Arc::clone(&self.store), self.engine.clone(), self.clock.millis());
        let metrics = Arc::clone(&self.metrics);
        let all = whole(async move {
            let Done { done: mut replayed, refused, next } = store.replay_some(which, now).await?;
            metrics.changed();
            // They were found newest first; they go out as they were accepted.
            replayed.sort_unstable_by_key(|pending| pending.id);
            drop(engine.add_pending(&replayed));
            let mut all =
                Done { done: replayed.into_iter().map(|pending| pending.id).collect(), refused: vec![], next };
            for (id, why) in refused {
                // As above: it was replayed before, and the news of it was lost.
                match why {
                    NotDone::Stands(State::Pending) if engine.take_up(id, &*store).await? => all.done.push(id),
                    why => all.refused.push((id, why)),
                }
            }
            Ok(all)
        })
        .await?;
        tell_many(&all, "an operator replayed deliveries");
        Ok(all)
    }

    /// Deletes some deliveries, in one commit, also from what is under way.
    pub(super) async fn remove_some(&self, which: Selection) -> Result<Done<DeliveryId>, StoreError> {
        let (store, engine, metrics) = (Arc::clone(&self.store), self.engine.clone(), Arc::clone(&self.metrics));
        let removed = whole(async move {
            let removed = store.remove_some(which).await?;
            metrics.changed();
            let missing = removed.refused.iter().map(|(id, _)| id);
            removed.done.iter().chain(missing).for_each(|id| engine.remove(*id));
            Ok(removed)
        })
        .await?;
        tell_many(&removed, "an operator dropped deliveries");
        Ok(removed)
    }

    /// Stops or resumes a lane, for the next start too.
    pub(super) async fn set_paused(&self, lane: LaneKey, paused: Paused) -> Result<(), StoreError> {
        let (store, engine, changed) = (Arc::clone(&self.store), self.engine.clone(), lane.clone());
        whole(async move {
            store.set_paused(lane.to_string(), paused).await?;
            engine.set_paused(lane, paused);
            Ok(())
        })
        .await?;
        let what = if paused == Paused::Yes { "an operator paused a lane" } else { "an operator resumed a lane" };
        tracing::info!(request_id = %RequestId::current(), lane = %changed, "{what}");
        Ok(())
    }
}

/// Logs what an operator did to many deliveries with one request.
fn tell_many(all: &Done<DeliveryId>, what: &str) {
    if !all.done.is_empty() {
        let (deliveries, refused) = (all.done.len(), all.refused.len());
        tracing::info!(request_id = %RequestId::current(), deliveries, refused, "{what}");
    }
}

/// What came of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// The delivery is under way again.
    Done,
    /// It stands where a replay makes no sense.
    Refused(State),
    /// There is no such delivery.
    NotFound,
}

/// Does all of a change to store and engine, in a task of its own: a client that goes away between the two would leave
/// them in disagreement.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(change).await.unwrap_or_else(|_| Err(StoreError::closed()))
}

/// Why nothing of a submission was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAccepted {
    /// A lane has no room.
    Full(QueueFull),
    /// The store could not keep it.
    Store(StoreError),
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => full.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Submission {
    /// Adds what the deliveries added after it carry.
    pub(super) fn payload(&mut self, payload: Payload) -> &mut Self {
        self.accept.bodies.push(payload.body.clone());
        self.payload = Some(Arc::new(payload));
        self
    }

    /// Adds a delivery of the last payload; without one there is nothing to deliver.
    pub(super) fn delivery(&mut self, lane: LaneKey, clock: Clock) {
        let Some(payload) = &self.payload else { return };
        let (id, now) = (DeliveryId::new(), clock.now());
        let entry = Entry::new(id, lane, now, Arc::clone(payload));
        let body = self.accept.bodies.len().saturating_sub(1);
        self.accept.deliveries.push(entry.to_row(body, now));
        self.entries.push(entry);
    }

    /// What goes into the store beside the deliveries.
    pub(super) fn accept(&mut self) -> &mut Accept {
        &mut self.accept
    }
}
