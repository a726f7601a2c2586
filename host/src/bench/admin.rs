//! What a measurement asks of a gateway's admin listener.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{self, Instant};

use super::{
    CannotRun,
    wire::{Answer, Connection, request},
};
use crate::{config::Secret, store::DeliveryId};

/// How often a count that is waited for is asked for (ours): often against the seconds measured, seldom against the
/// work it costs the gateway.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// How long any one answer may take (ours).
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The admin listener of a gateway.
pub(super) struct AdminPort {
    pub(super) address: SocketAddr,
    host: String,
    /// The header line that a gateway with a token wants.
    headers: String,
    connection: Option<Connection>,
}

/// What `GET /api/status` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Counts {
    pub(super) pending: u64,
    pub(super) delivered: u64,
    pub(super) dead: u64,
    pub(super) dropped: u64,
}

impl Counts {
    /// What came in and was not delivered. Delivered ones are not counted on: the gateway may have pruned them.
    pub(super) fn undelivered(self) -> u64 {
        self.pending + self.dead + self.dropped
    }
}

#[derive(Deserialize)]
struct Status {
    deliveries: Counts,
    devices: u64,
}

#[derive(Deserialize)]
struct Lanes {
    lanes: Vec<Lane>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Lane {
    pending: u64,
}

impl AdminPort {
    pub(super) fn new(address: SocketAddr, host: String, token: Option<&Secret>) -> Self {
        let headers = token.map(|token| format!("Authorization: Bearer {}\r\n", token.reveal())).unwrap_or_default();
        Self { address, host, headers, connection: None }
    }

    /// The request that submits `body` to an uplink destination.
    pub(super) fn submission(&self, destination: &str, body: &str) -> Bytes {
        let headers = format!("{}Content-Type: application/json\r\n", self.headers);
        request("POST", &self.host, &format!("/api/uplink/{destination}"), &headers, body)
    }

    /// Stops a lane's sends.
    pub(super) async fn pause(&mut self, lane: &str) -> Result<(), CannotRun> {
        self.ask("POST", &format!("/api/lanes/{lane}/pause")).await.map(drop)
    }

    pub(super) async fn counts(&mut self) -> Result<Counts, CannotRun> {
        let status: Status = self.get("/api/status").await?;
        Ok(status.deliveries)
    }

    /// How many devices are connected to the gateway.
    pub(super) async fn devices(&mut self) -> Result<u64, CannotRun> {
        let status: Status = self.get("/api/status").await?;
        Ok(status.devices)
    }

    /// How many deliveries the gateway's lanes hold.
    pub(super) async fn on_lanes(&mut self) -> Result<u64, CannotRun> {
        let (mut pending, mut path) = (0, "/api/lanes".to_owned());
        loop {
            let Lanes { lanes, next } = self.get(&path).await?;
            pending += lanes.iter().map(|lane| lane.pending).sum::<u64>();
            let Some(next) = next else { return Ok(pending) };
            path = format!("/api/lanes?after={next}");
        }
    }

    /// Reads what a view of the console asks for.
    pub(super) async fn view(&mut self, path: &str) -> Result<Bytes, CannotRun> {
        self.ask("GET", path).await
    }

    /// Whether the gateway says that it is ready.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.ask("GET", "/readyz").await.is_ok()
    }

    /// Whether the gateway has this delivery.
    pub(super) async fn has(&mut self, id: DeliveryId) -> Result<bool, CannotRun> {
        let request = self.request("GET", &format!("/api/deliveries/{id}"));
        let answer = self.exchange(&request).await?;
        Ok(answer.status == 200)
    }

    /// Asks for the counts until they are as `reached` wants them or `within` is over, and returns them as they are
    /// then; `see` is told each.
    pub(super) async fn wait(
        &mut self,
        within: Duration,
        mut see: impl FnMut(Counts),
        reached: impl Fn(Counts) -> bool,
    ) -> Result<Counts, CannotRun> {
        let end = Instant::now() + within;
        loop {
            let counts = self.counts().await?;
            see(counts);
            if reached(counts) || Instant::now() >= end {
                return Ok(counts);
            }
            time::sleep(ASKED_EVERY).await;
        }
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CannotRun> {
        let body = self.ask("GET", path).await?;
        serde_json::from_slice(&body).map_err(|error| CannotRun(format!("GET {path} of {}: {error}", self.host)))
    }

    async fn ask(&mut self, method: &str, path: &str) -> Result<Bytes, CannotRun> {
        let request = self.request(method, path);
        let answer = self.exchange(&request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Err(CannotRun(format!("{method} {path} of {} was answered {}: {body}", self.host, answer.status)))
    }

    fn request(&self, method: &str, path: &str) -> Bytes {
        request(method, &self.host, path, &self.headers, "")
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer, CannotRun> {
        let exchanged = time::timeout(ANSWER_WITHIN, async {
            // Taken out, so that one that failed is not asked again.
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(self.address).await?,
            };
            let answer = connection.exchange(request).await?;
            self.connection = Some(connection);
            Ok::<_, std::io::Error>(answer)
        });
        match exchanged.await {
            Ok(answer) => answer.map_err(|error| CannotRun(format!("the gateway at {}: {error}", self.host))),
            Err(_) => Err(CannotRun(format!("the gateway at {} did not answer within {ANSWER_WITHIN:?}", self.host))),
        }
    }
}
