//! What a gateway's device link costs and how fast it is: memory for devices that are connected, pushes until they are
//! acknowledged, resends on time, and a fleet that comes back after a restart.
//!
//! The gateway is a child process, and so are the bare loops it is held against; the devices are in this one. So each
//! has its own memory, its own limit on open files, and can be killed.

mod bare;
mod fan_out;
mod fleet;
mod lateness;
mod memory;
mod push;
mod pushes;
mod reconnects;
mod roster;
mod stream;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub(crate) use bare::serve;

use self::{
    bare::Bare,
    fleet::{Fleet, Over},
    pushes::{Pushed, Pushes, micros},
    roster::Roster,
};
use super::{
    CannotRun, Figure, Progress, Row,
    child::Gateway,
    site::{self, Site},
};

/// Where a device asks for a WebSocket.
const WEBSOCKET_PATH: &str = "/v2/message/client/link";

/// Receivers of one push: "at most 100 by default, a setting on the host" (the Lingyang page).
const RECEIVERS: usize = 100;

/// Pushes of the application server under way at a time (ours).
const SERVER_IN_FLIGHT: usize = 8;

/// The scenarios, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Memory for each device that is connected over TCP and quiet
    MemoryTcp,
    /// Memory for each device that is connected over a WebSocket and quiet
    MemoryWebsocket,
    /// From a push to its acknowledgement
    Push,
    /// Until one message to every device is acknowledged by every device
    FanOut,
    /// How late messages that nobody acknowledges are sent again
    Lateness,
    /// Until every device is back after the gateway was killed
    Reconnects,
}

/// How the device link is measured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) devices: usize,
    /// Pushes a second.
    pub(crate) rate: f64,
    /// Of pushes: on each side, all rounds together.
    pub(crate) time: Duration,
    /// Client pushes under way at a time.
    pub(crate) in_flight: usize,
    /// Of what is compared.
    pub(crate) rounds: u32,
    pub(crate) store_dir: Option<PathBuf>,
}

/// Measures one scenario after the other.
#[derive(Debug)]
pub(crate) struct Bench {
    settings: Settings,
    roster: Arc<Roster>,
    site: Site,
    progress: Progress,
}

impl Bench {
    pub(crate) fn new(settings: Settings, progress: Progress) -> Result<Self, CannotRun> {
        // This process holds one end of every connection, its child the other.
        site::descriptors(settings.devices + settings.in_flight)?;
        let roster = Arc::new(Roster::new(settings.devices)?);
        let site = Site::new(settings.store_dir.as_deref())?;
        Ok(Self { settings, roster, site, progress })
    }

    pub(crate) async fn measure(&self, scenario: Scenario) -> Result<Row, CannotRun> {
        match scenario {
            Scenario::MemoryTcp => memory::run(self, Over::Tcp).await,
            Scenario::MemoryWebsocket => memory::run(self, Over::WebSocket).await,
            Scenario::Push => push::run(self).await,
            Scenario::FanOut => fan_out::run(self).await,
            Scenario::Lateness => lateness::run(self).await,
            Scenario::Reconnects => reconnects::run(self).await,
        }
    }

    /// Starts a gateway on the store with this name.
    async fn gateway(&self, store: &str, link: SocketAddr) -> Result<Gateway, CannotRun> {
        let config = self.site.write(&self.roster.configuration())?;
        Gateway::start_at(&config, &self.site.store(store), link).await
    }

    /// Connects every device, over TCP.
    async fn fleet(&self, link: SocketAddr) -> Result<Fleet, CannotRun> {
        Fleet::connect(&self.roster, Over::Tcp, link, &self.progress).await
    }

    /// Pushes one message to every device, as the application server.
    async fn push_to_all(&self, gateway: SocketAddr) -> Result<Vec<Pushed>, CannotRun> {
        let (host, devices) = (gateway.to_string(), self.settings.devices);
        let request = move |number| {
            let first = number * RECEIVERS;
            Roster::server_push(&host, first..devices.min(first + RECEIVERS))
        };
        self.server_pushes(gateway).run(request).await
    }

    /// Has the bare loops write a line to every device.
    async fn bare_push_to_all(&self, bare: SocketAddr) -> Result<Vec<Pushed>, CannotRun> {
        let (host, devices) = (bare.to_string(), self.settings.devices);
        let request = move |number| {
            let first = number * RECEIVERS;
            Bare::push(&host, roster::cid(first), RECEIVERS.min(devices - first))
        };
        self.server_pushes(bare).run(request).await
    }

    fn server_pushes(&self, address: SocketAddr) -> Pushes {
        let all = self.settings.devices.div_ceil(RECEIVERS);
        Pushes { address, all, in_flight: SERVER_IN_FLIGHT, pace: super::load::Pace::Unbound }
    }

    /// How many client pushes a round makes.
    fn pushes(&self, rounds: u32) -> usize {
        let pushes = self.settings.rate * self.settings.time.as_secs_f64() / f64::from(rounds);
        // Both are bounded by the command line, to what fits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 3.6e9 and never below 0")]
        let pushes = pushes as usize;
        pushes.max(1)
    }
}

/// Any free port on loopback.
fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A free port on loopback that no outgoing connection gets by chance.
///
/// A device that calls a port where nobody listens may be given that very port to call from, and then it is connected
/// to itself and keeps the gateway from coming back. Ports below those that the system gives to outgoing connections
/// do not have this.
fn fixed_port() -> Result<SocketAddr, CannotRun> {
    const FROM: u16 = 20_000;
    // The usual range begins at 32768 or 49152.
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let below = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    let own = u16::try_from(std::process::id() % 8_000).unwrap_or_default();
    let candidates = (FROM + own..below).chain(FROM..FROM + own).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    for address in candidates {
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(CannotRun(format!("no port from {FROM} to {below} is free on 127.0.0.1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_port_is_free() {
        let (first, second) = (fixed_port().unwrap(), fixed_port().unwrap());
        assert!(first.port() >= 20_000 && first.ip().is_loopback());
        let _listener = TcpListener::bind(second).unwrap();
        assert_ne!(fixed_port().unwrap(), second);
    }
}
