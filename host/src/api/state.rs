//! What every handler works with, and how each accepts: stored first, then under way, then answered.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    clock::Clock,
    config::Config,
    engine::{DeviceMessage, Engine, Entry, LaneKey},
    link::Registry,
    store::{Accept, Accepted, DeliveryId, Store, StoreError},
};

/// What every handler works with.
#[derive(Clone)]
pub struct Shared {
    /// The gateway's clock.
    pub clock: Clock,
    /// The configuration in force; a handler takes it once and keeps to it.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where what is accepted is kept.
    pub store: Arc<dyn Store>,
    /// What sends it.
    pub engine: Engine,
    /// Which device is connected.
    pub registry: Registry,
}

/// A request's deliveries on their way into the store: bodies, and who sends which.
#[derive(Default)]
pub(super) struct Submission {
    accept: Accept,
    entries: Vec<Entry>,
}

impl Shared {
    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Stores a submission durably, then puts its deliveries under way.
    pub(super) async fn accept(&self, submission: Submission) -> Result<Accepted, StoreError> {
        let Submission { accept, mut entries } = submission;
        let accepted = self.store.accept(accept).await?;
        if let Accepted::Stored { ids, .. } = &accepted {
            entries.retain(|entry| ids.contains(&entry.id()));
            self.engine.add(entries);
        }
        Ok(accepted)
    }
}

impl Submission {
    /// Adds a body that the deliveries added after it send.
    pub(super) fn body(&mut self, body: Bytes) -> &mut Self {
        self.accept.bodies.push(body);
        self
    }

    /// Adds a delivery of the last body.
    pub(super) fn delivery(&mut self, lane: LaneKey, clock: Clock, message: Option<Arc<DeviceMessage>>) -> DeliveryId {
        let (id, now) = (DeliveryId::new(), clock.now());
        let entry = Entry::new(id, lane, now, message);
        let body = self.accept.bodies.len().saturating_sub(1);
        self.accept.deliveries.push(entry.to_row(body, now));
        self.entries.push(entry);
        id
    }

    /// What goes into the store beside the deliveries.
    pub(super) fn accept(&mut self) -> &mut Accept {
        &mut self.accept
    }
}
