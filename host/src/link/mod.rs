//! The device link: which device is connected, and what its connection carries.
//!
//! The lines and who says what when are `pushgate-core`'s ([`pushgate_core::link`]). Here are the connections they
//! travel on: [`tcp`] (with TLS or without) and [`websocket`] make one each, which runs the same course over either;
//! the [`Registry`] knows them all and which one reaches a device.

mod connection;
mod connects;
mod mailbox;
mod registry;
mod stream;
pub mod tcp;
pub mod websocket;
mod wire;

use std::{sync::Arc, time::Duration};

use pushgate_core::{
    Text,
    lingyang::Cid,
    link::{Refusal, host::Terms},
};
use tokio::{net::TcpStream, sync::watch, time};

use crate::{
    auth::{self, NotADevice},
    clock::Clock,
    config::Config,
    engine::Engine,
    listener,
    metrics::Metrics,
};

pub use mailbox::Link;
pub use registry::{Connected, Connection, Registry};

/// How long the connections of a stopping gateway have to tell their devices (ours).
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Bytes the kernel may hold of a connection, each way (ours): dozens of lines, and not the megabytes that it would
/// keep for a device that does not read.
const KERNEL_BUFFER: u32 = 32 << 10;

/// Bounds what the kernel may hold of a connection that came over another listener than the link's own.
pub(crate) fn bound(stream: &TcpStream) {
    listener::bound(stream, KERNEL_BUFFER);
}

/// What every connection needs.
#[derive(Clone, Debug)]
pub struct Links {
    /// The gateway's clock.
    pub clock: Clock,
    /// Who is connected.
    pub registry: Registry,
    /// Who is told of acknowledgements and connections.
    pub engine: Engine,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Keys and limits.
    pub config: watch::Receiver<Arc<Config>>,
}

impl Links {
    /// What a new connection is held to.
    fn terms(&self) -> Terms {
        let limits = &self.config.borrow().limits;
        Terms {
            hello_within: limits.hello_timeout_ms,
            heartbeat: limits.heartbeat_s,
            lines_per_second: limits.device_lines,
        }
    }

    /// Connections there may be.
    fn most(&self) -> usize {
        self.config.borrow().limits.connections
    }

    /// Checks a device's token at `now`, in unix seconds: who it is, and the last second it is good for.
    fn check(&self, token: Text<'_>, now: u64) -> Result<(Cid, u32), Refusal> {
        let config = Arc::clone(&self.config.borrow());
        match auth::device(&config.lingyang, token, now) {
            Ok(device) => Ok((device.cid, device.expire)),
            Err(NotADevice::Token(error)) => Err(Refusal::Token(error)),
            Err(NotADevice::NoApp(cid)) => Err(Refusal::NoApp(cid)),
        }
    }

    /// Ends every connection: each device is told, and those that do not read what they are told are cut off.
    async fn stop(&self) {
        self.registry.stop();
        if time::timeout(STOP_WITHIN, self.registry.empty()).await.is_err() {
            self.registry.abandon();
            // They are gone as soon as their tasks have had their turn.
            let _ = time::timeout(STOP_WITHIN, self.registry.empty()).await;
        }
    }
}
