//! One send over HTTP, in a task of its own.

use std::{sync::Arc, time::Duration};

use pushgate_core::{Instant, Verdict};
use tokio::sync::mpsc;

use super::{Command, LaneKey, route::Route};
use crate::{
    clock::Clock,
    courier::{HttpCourier, Report},
    store::{DeliveryId, Store},
};

/// What a send over HTTP came to.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: DeliveryId,
    pub(super) lane: LaneKey,
    pub(super) number: u8,
    pub(super) planned: Instant,
    pub(super) started: Instant,
    pub(super) report: Report,
}

/// A send on its way: whatever becomes of its task, the scheduler hears of it.
pub(super) struct Errand {
    commands: mpsc::UnboundedSender<Command>,
    sent: Option<Sent>,
}

impl Errand {
    /// A send of delivery `id`, its time for an answer running from `started`.
    pub(super) fn new(
        commands: mpsc::UnboundedSender<Command>,
        id: DeliveryId,
        lane: LaneKey,
        number: u8,
        (planned, started): (Instant, Instant),
    ) -> Self {
        // What the scheduler hears when the task breaks off.
        let report = Report {
            verdict: Verdict::TryAgain,
            class: "internal",
            status: None,
            detail: "the send broke off inside the gateway; see its log".to_owned(),
        };
        Self { commands, sent: Some(Sent { id, lane, number, planned, started, report }) }
    }

    /// Sends the delivery's body on `route` and reports what came of it.
    pub(super) async fn run(
        mut self,
        clock: Clock,
        store: Arc<dyn Store>,
        courier: HttpCourier,
        route: Route,
        timeout: Duration,
    ) {
        let Some(sent) = &mut self.sent else { return };
        sent.report = match store.contents(vec![sent.id]).await.map(|mut one| one.pop().flatten()) {
            Ok(Some(content)) => route.send(&courier, content.body, clock.unix_secs(), timeout).await,
            Ok(None) => Report {
                verdict: Verdict::GiveUp,
                class: "gone",
                status: None,
                detail: "its body is not in the store any more".to_owned(),
            },
            Err(error) => {
                Report { verdict: Verdict::TryAgain, class: "store", status: None, detail: error.to_string() }
            }
        };
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(sent) = self.sent.take() {
            // The scheduler is gone only when the gateway is.
            let _ = self.commands.send(Command::Sent(sent));
        }
    }
}
