//! Whether the gateway does what it is there for: what `/readyz` says, and what a service manager is told.
//!
//! What costs nothing is looked at for every caller; the store's commit and the scheduler's answer are asked for once a
//! second at the most and shared by all, so that who asks in a loop costs no more than who asks once.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{sync::Mutex, time};
use utoipa::ToSchema;

use crate::{
    engine::Engine,
    store::{ErrorKind, Store, StoreError},
    workers::{Lost, Workers},
};

/// How long an answer is good for (ours).
const GOOD_FOR: Duration = Duration::from_secs(1);

/// How long the scheduler has to answer (ours): it never waits for anything, so a second is long.
const SCHEDULER_WITHIN: Duration = Duration::from_secs(1);

/// How long the store has to commit (ours): a disk that stalls for longer fails who submits, too.
const STORE_WITHIN: Duration = Duration::from_secs(3);

/// What all is well with says.
const OK: Cow<'static, str> = Cow::Borrowed("ok");

/// Knows how a gateway is. Clones are the same one.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    engine: Engine,
    workers: Workers,
    last: Mutex<Option<(time::Instant, Asked)>>,
}

/// Whether the gateway is ready for traffic, and what keeps it from being: of each part `ok`, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all of them are `ok`.
    pub ready: bool,
    /// The gateway itself: it may be stopping.
    #[schema(value_type = String, example = "ok")]
    pub gateway: Cow<'static, str>,
    /// The tasks that it cannot do without, its listeners among them.
    #[schema(value_type = String, example = "ok")]
    pub workers: Cow<'static, str>,
    /// The store, which has just committed.
    #[schema(value_type = String, example = "ok")]
    pub store: Cow<'static, str>,
    /// The scheduler, which has just answered.
    #[schema(value_type = String, example = "ok")]
    pub scheduler: Cow<'static, str>,
    /// What writes the outcomes of sends: when it is too far behind, nothing new is sent.
    #[schema(value_type = String, example = "ok")]
    pub recorder: Cow<'static, str>,
}

/// What has to be asked for.
#[derive(Clone)]
struct Asked {
    store: Cow<'static, str>,
    scheduler: Cow<'static, str>,
}

impl Readiness {
    /// Names the first part that something is wrong with, and what.
    #[must_use]
    pub fn trouble(&self) -> String {
        let Self { gateway, workers, store, scheduler, recorder, .. } = self;
        let parts =
            [("", gateway), ("", workers), ("store: ", store), ("scheduler: ", scheduler), ("recorder: ", recorder)];
        parts
            .into_iter()
            .find(|(_, part)| **part != OK)
            .map_or_else(String::new, |(name, part)| format!("{name}{part}"))
    }
}

impl Health {
    /// Knows how the gateway of these parts is.
    pub(crate) fn new(store: Arc<dyn Store>, engine: Engine, workers: Workers) -> Self {
        Self(Arc::new(Inner { store, engine, workers, last: Mutex::default() }))
    }

    /// Says how the gateway is.
    pub async fn readiness(&self) -> Readiness {
        let Inner { engine, workers, .. } = &*self.0;
        let Asked { store, scheduler } = self.asked().await;
        let gateway = if workers.are_ending() { "stopping: it accepts nothing more".into() } else { OK };
        let lost = |lost: Lost| format!("the {} has ended; see the log", lost.worker.as_str()).into();
        let workers = workers.first_lost().map_or(OK, lost);
        let behind = |waiting| format!("behind: {waiting} outcomes wait for the store, and nothing is sent").into();
        let recorder = engine.backlog().map_or(OK, behind);
        let ready = [&gateway, &workers, &store, &scheduler, &recorder].into_iter().all(|part| *part == OK);
        Readiness { ready, gateway, workers, store, scheduler, recorder }
    }

    /// Says whether the gateway still does its work, which a service manager asks before it lets it go on: its workers
    /// live and its scheduler answers within `within`. A full disk is no reason to be killed.
    pub async fn is_alive(&self, within: Duration) -> bool {
        self.0.workers.first_lost().is_none() && self.0.engine.answers(within.min(SCHEDULER_WITHIN)).await
    }

    /// The store that is asked.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The engine that is asked.
    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What watches the gateway's workers.
    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    /// Whether the gateway stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.workers.are_ending()
    }

    /// Asks the store and the scheduler, unless that was done a moment ago.
    async fn asked(&self) -> Asked {
        let inner = Arc::clone(&self.0);
        // In a task of its own: who asks and goes away must not make the next one ask again.
        let asking = tokio::spawn(async move {
            let mut last = inner.last.lock().await;
            if let Some((at, asked)) = &*last
                && at.elapsed() < GOOD_FOR
            {
                return asked.clone();
            }
            let (committed, scheduler) = tokio::join!(commit(&*inner.store), scheduler(&inner.engine));
            let store = committed.as_ref().map_or_else(unwritable, |()| OK);
            if let Err(Some(error)) = committed
                && last.as_ref().is_none_or(|(_, before)| before.store != store)
            {
                tracing::warn!(%error, "not ready: the store does not commit");
            }
            last.insert((time::Instant::now(), Asked { store, scheduler })).1.clone()
        });
        asking.await.unwrap_or_else(|_| Asked { store: "not asked".into(), scheduler: "not asked".into() })
    }
}

/// Has the store commit something.
///
/// # Errors
///
/// What the store says, or nothing where it does not answer.
async fn commit(store: &dyn Store) -> Result<(), Option<StoreError>> {
    match time::timeout(STORE_WITHIN, store.ready()).await {
        Ok(committed) => committed.map_err(Some),
        Err(_) => Err(None),
    }
}

/// Says what is wrong with the store. Anybody may ask: where its file lies is not for all of them.
fn unwritable(error: &Option<StoreError>) -> Cow<'static, str> {
    let Some(error) = error else { return format!("no commit in {} s", STORE_WITHIN.as_secs()).into() };
    Cow::Borrowed(match error.kind() {
        ErrorKind::Full => "no room left on its disk",
        ErrorKind::Busy => "another program has it locked",
        ErrorKind::Denied => "it cannot be written; see the log",
        ErrorKind::Corrupt => "it is damaged; see the log",
        ErrorKind::Closed => "it is closed",
        _ => "it does not commit; see the log",
    })
}

async fn scheduler(engine: &Engine) -> Cow<'static, str> {
    if engine.answers(SCHEDULER_WITHIN).await {
        return OK;
    }
    format!("no answer in {} s", SCHEDULER_WITHIN.as_secs()).into()
}
