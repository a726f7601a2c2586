//! Where a lane sends to and on what terms, from the configuration.

use std::{sync::Arc, time::Duration};

use pushgate_core::{Schedule, lingyang::Flag, schedule::Anchor};
use serde::Serialize;
use utoipa::ToSchema;

use super::{circuit::Breaker, key::LaneKey, payload::Meta};
use crate::{
    config::{Config, Sending},
    courier::Route as Destination,
};

pub(super) type Route = Destination;

/// How a lane's deliveries are sent.
#[derive(Debug)]
pub(super) struct Terms {
    /// Where to; `None` for a device, which is reached over its link.
    pub(super) route: Option<Route>,
    pub(super) schedule: Waits,
    /// Sends at once.
    pub(super) concurrency: usize,
    /// Sends begun in a second.
    pub(super) rate_per_second: Option<u32>,
    /// Which of several that are due goes first.
    pub(super) order: Order,
    /// Items of one request, at the most.
    pub(super) batch_items: u8,
    /// How long a request that is not full waits for more items, in milliseconds.
    pub(super) linger_ms: u32,
    pub(super) breaker: Breaker,
}

/// The schedule of a delivery, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Plan {
    /// What the waits count from.
    pub anchor: PlanAnchor,
    /// Milliseconds before each send after the first.
    pub waits: Vec<u32>,
    /// Milliseconds that an answer may take.
    pub answer_within: u32,
}

/// What the waits of a schedule count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlanAnchor {
    /// The send before, whatever became of it.
    Send,
    /// The moment at which the send before has failed.
    Failure,
}

impl Plan {
    /// The schedule of a delivery on `lane`, by what the engine has put into its `meta`; `None` while the configuration
    /// has no such destination.
    #[must_use]
    pub fn of(lane: &LaneKey, meta: &str, config: &Config) -> Option<Self> {
        let terms = Terms::of(lane, config)?;
        let schedule = terms.schedule(Meta::read(meta).and_then(|meta| meta.nature().flag()));
        let anchor = match schedule.anchor() {
            Anchor::Send => PlanAnchor::Send,
            Anchor::Failure => PlanAnchor::Failure,
        };
        Some(Self { anchor, waits: schedule.waits().to_vec(), answer_within: schedule.answer_within() })
    }
}

/// Which of several deliveries that are due goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// First sends, in the order they were accepted; then retries, in the order they fall due.
    AsItComes,
    /// Whatever was accepted first, of what is due.
    ByAcceptance,
    /// Whatever was accepted first; while that is not due, nothing.
    Strict,
}

/// The schedule of a lane.
#[derive(Debug)]
pub(super) enum Waits {
    /// One of the protocols' own.
    Fixed(Schedule<'static>),
    /// A destination's settings.
    Own { waits: Box<[u32]>, answer_within: u32 },
    /// Each message's flag decides.
    ByFlag,
}

impl Terms {
    /// The terms of `lane`, if the configuration has its destination.
    pub(super) fn of(lane: &LaneKey, config: &Config) -> Option<Arc<Self>> {
        let terms = match lane {
            LaneKey::Device(_) => Self::device(),
            LaneKey::Uplink(name) => {
                let destination = config.uplink.destinations.named(name)?;
                Self::http(Route::uplink(destination.url.clone(), destination.tls.clone()), &destination.sending)
            }
            LaneKey::Tencent(name) => {
                let destination = config.tencent.destinations.named(name)?;
                let route = Route::events(
                    destination.url.clone(),
                    destination.sdk_app_id.clone(),
                    destination.token.clone(),
                    destination.tls.clone(),
                );
                Self::http(route, &destination.sending)
            }
            LaneKey::Webhook(id) => {
                let app = config.lingyang.app(id)?;
                let (url, key) = (app.webhook()?.clone(), app.keys().first()?.clone());
                let route = Route::webhook(url, id.to_string(), key, app.webhook_tls().cloned());
                Self { route: Some(route), schedule: Waits::Fixed(Schedule::WEBHOOK), ..Self::fixed() }
            }
            LaneKey::Forward(name) => {
                let receiver = config.uplink.receivers.named(name)?;
                let route = Route::uplink(receiver.forward.clone()?, receiver.forward_tls.clone());
                Self { route: Some(route), schedule: Waits::Fixed(Schedule::UPLINK), ..Self::fixed() }
            }
        };
        Some(Arc::new(terms))
    }

    /// The terms of every device.
    pub(super) fn device() -> Self {
        Self {
            route: None,
            schedule: Waits::ByFlag,
            concurrency: usize::MAX,
            rate_per_second: None,
            order: Order::ByAcceptance,
            batch_items: 1,
            linger_ms: 0,
            breaker: Breaker { after: 0, probe_every: 0 },
        }
    }

    /// What a webhook and a forward share: they have no settings of their own yet.
    fn fixed() -> Self {
        let Sending { concurrency, circuit_after, circuit_probe_ms, .. } = Sending::DEFAULT;
        Self {
            concurrency,
            order: Order::AsItComes,
            breaker: Breaker { after: circuit_after, probe_every: circuit_probe_ms },
            ..Self::device()
        }
    }

    fn http(route: Route, sending: &Sending) -> Self {
        let retries = usize::try_from(sending.retries).unwrap_or(Schedule::MAX_WAITS).min(Schedule::MAX_WAITS);
        Self {
            route: Some(route),
            schedule: Waits::Own {
                waits: vec![sending.retry_every_ms; retries].into(),
                answer_within: sending.timeout_ms,
            },
            concurrency: if sending.ordered { 1 } else { sending.concurrency },
            rate_per_second: sending.rate_per_second,
            order: if sending.ordered { Order::Strict } else { Order::AsItComes },
            batch_items: sending.batch_items,
            linger_ms: if sending.batch_items > 1 { sending.linger_ms } else { 0 },
            breaker: Breaker { after: sending.circuit_after, probe_every: sending.circuit_probe_ms },
        }
    }

    /// The schedule of a delivery with `flag`, which only a message for a device has.
    pub(super) fn schedule(&self, flag: Option<Flag>) -> Schedule<'_> {
        match &self.schedule {
            Waits::Fixed(schedule) => *schedule,
            Waits::ByFlag => flag.unwrap_or_default().schedule(),
            Waits::Own { waits, answer_within } => {
                // `http` took no more waits than a schedule may have.
                Schedule::new(waits, Anchor::Failure, *answer_within).unwrap_or(Schedule::once(*answer_within))
            }
        }
    }

    /// How long a send's answer is waited for.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.schedule(None).answer_within()))
    }
}
