//! One request over HTTP, in a task of its own: its deliveries' bodies fetched, put together, sent, and the answer read.

use std::sync::Arc;

use bytes::Bytes;
use pushgate_core::{Instant, Verdict};
use tokio::sync::mpsc;

use super::{Command, loader::Loader, payload::Payload, route::Terms, table::Slot};
use crate::{
    batches::join,
    clock::Clock,
    courier::{Courier, Report},
    store::{DeliveryId, StoreError},
};

/// Caps the bytes of a request that several deliveries share (ours); a larger one goes by itself.
const MAX_SHARED_BYTES: usize = 1 << 20;

/// A delivery's part of a request.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) slot: Slot,
    pub(super) id: DeliveryId,
    /// Which send of the delivery this is, counted from 1.
    pub(super) number: u8,
    pub(super) planned: Instant,
    pub(super) payload: Option<Arc<Payload>>,
    pub(super) fate: Fate,
}

/// What became of a delivery's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was in the request: the answer counts for it.
    Sent,
    /// There was no room for it: it waits for the next one.
    LeftOut,
    /// Its body could not be fetched: it waits until the store answers again.
    NotFetched(StoreError),
    /// Its body is gone.
    Gone,
}

/// What a request came to.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) lane: u32,
    pub(super) terms: Arc<Terms>,
    pub(super) started: Instant,
    pub(super) parts: Vec<Part>,
    pub(super) report: Report,
}

/// A request on its way: whatever becomes of its task, the scheduler hears of it.
pub(super) struct Errand {
    commands: mpsc::UnboundedSender<Command>,
    sent: Option<Sent>,
}

impl Errand {
    /// A request of `parts`, their time for an answer running from `started`.
    pub(super) fn new(
        commands: mpsc::UnboundedSender<Command>,
        lane: u32,
        terms: Arc<Terms>,
        started: Instant,
        parts: Vec<Part>,
    ) -> Self {
        // What the scheduler hears when the task breaks off.
        let report = Report {
            verdict: Verdict::TryAgain,
            class: "internal",
            status: None,
            detail: "the send broke off inside the gateway; see its log".to_owned(),
            answer: None,
        };
        Self { commands, sent: Some(Sent { lane, terms, started, parts, report }) }
    }

    /// Sends the request and reports what came of it.
    pub(super) async fn run(mut self, clock: Clock, loader: Loader, courier: Arc<dyn Courier>) {
        let Some(sent) = &mut self.sent else { return };
        fetch(&mut sent.parts, &loader).await;
        let Some(body) = gather(&mut sent.parts) else { return };
        let terms = Arc::clone(&sent.terms);
        let Some(route) = &terms.route else { return };
        sent.report = courier.send(route, body, clock.unix_secs(), terms.timeout()).await;
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

/// Fetches the payloads that are not at hand.
async fn fetch(parts: &mut [Part], loader: &Loader) {
    let missing: Vec<_> = parts.iter().filter(|part| part.payload.is_none()).map(|part| part.id).collect();
    if missing.is_empty() {
        return;
    }
    let loaded = loader.load(missing).await;
    for (part, loaded) in parts.iter_mut().filter(|part| part.payload.is_none()).zip(loaded) {
        match loaded {
            Ok(Some(payload)) => part.payload = Some(Arc::new(payload)),
            Ok(None) => part.fate = Fate::Gone,
            Err(error) => part.fate = Fate::NotFetched(error),
        }
    }
}

/// Puts a request's body together, leaving out what does not fit; `None` when there is nothing to send.
fn gather(parts: &mut [Part]) -> Option<Bytes> {
    let mut bodies: Vec<Bytes> = Vec::with_capacity(parts.len());
    let mut bytes = 0;
    for part in parts.iter_mut().filter(|part| part.fate == Fate::Sent) {
        let Some(payload) = &part.payload else { continue };
        bytes += payload.body.len();
        if bytes > MAX_SHARED_BYTES && !bodies.is_empty() {
            part.fate = Fate::LeftOut;
        } else {
            bodies.push(payload.body.clone());
        }
    }
    match &bodies[..] {
        [] => None,
        [body] => Some(body.clone()),
        bodies => Some(join(bodies)),
    }
}

/// What is said of a delivery whose body is not there any more.
pub(super) fn gone() -> Report {
    Report {
        verdict: Verdict::GiveUp,
        class: "gone",
        status: None,
        detail: "its body is not in the store any more".to_owned(),
        answer: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::payload::Meta;

    fn part(body: Vec<u8>) -> Part {
        Part {
            slot: 0,
            id: DeliveryId::new(),
            number: 1,
            planned: Instant::from_millis(0),
            payload: Some(Arc::new(Payload { meta: Meta::Whole, body: body.into() })),
            fate: Fate::Sent,
        }
    }

    #[test]
    fn a_request_is_joined_as_far_as_it_fits() {
        let body = |item: &str| format!(r#"{{"MsgType":0,"Data":[{item}]}}"#).into_bytes();
        let mut parts = vec![part(body("1")), part(body("2")), part(vec![b' '; MAX_SHARED_BYTES])];
        assert_eq!(gather(&mut parts).unwrap(), body("1,2"));
        assert_eq!(parts.iter().map(|part| &part.fate).collect::<Vec<_>>(), [&Fate::Sent, &Fate::Sent, &Fate::LeftOut]);
        let mut alone = [part(vec![b' '; 2 * MAX_SHARED_BYTES])];
        assert_eq!(gather(&mut alone).unwrap().len(), 2 * MAX_SHARED_BYTES);
        alone[0].fate = Fate::Gone;
        assert_eq!(gather(&mut alone), None);
    }
}
