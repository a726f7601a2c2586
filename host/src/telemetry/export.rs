//! Hands spans to a collector: OTLP over HTTP with protobuf, in batches, beside everything else.
//!
//! A collector that does not answer costs the traces of that time and a line in the log now and then; deliveries and
//! requests never wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time,
};

use super::{
    otlp,
    seldom::Seldom,
    trace::{Span, Tracer},
};
use crate::{
    clock::Clock,
    config::{Target, Telemetry},
    courier::{HttpCourier, Post, Settings},
};

/// Spans that wait for the collector at the most (ours): some seconds of a busy gateway, a few MiB.
const QUEUE: usize = 8192;

/// Spans of one request at the most (ours).
const MOST_AT_ONCE: usize = 512;

/// How long a span waits for others to go with it (ours).
const GATHER: Duration = Duration::from_secs(1);

/// How long the collector has to answer (ours).
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a gateway that stops waits for its last spans to be taken (ours).
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// The task that hands spans to a collector.
pub(crate) struct Exporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts to record for the collector that the configuration names; without one, nothing is recorded.
pub(crate) fn start(config: &Telemetry, clock: Clock) -> (Tracer, Option<Exporter>) {
    let Some(collector) = &config.otlp else { return (Tracer::default(), None) };
    let (spans, recorded) = mpsc::channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let tracer = Tracer::new(spans, Arc::clone(&lost), config.sampling, clock);
    let export = Export {
        // A collector is where the operator says, usually on this machine.
        courier: HttpCourier::new(Settings { allow_private: true, ..Settings::default() }),
        url: traces_of(collector),
        collector: collector.to_string(),
        resource: config.attributes(),
        lost,
        failing: Seldom::new(),
        crowded: Seldom::new(),
    };
    let (stop, stopped) = oneshot::channel();
    (tracer, Some(Exporter { stop, task: tokio::spawn(export.run(recorded, stopped)) }))
}

impl Exporter {
    /// Hands over what is recorded, as far as the collector takes it in time.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(());
        if time::timeout(FLUSH_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("stopped before the collector had taken all traces");
        }
    }
}

/// Where a collector takes traces: the signal's own path below the one it was given.
fn traces_of(collector: &Target) -> String {
    format!("{}/v1/traces", collector.uri().to_string().trim_end_matches('/'))
}

struct Export {
    courier: HttpCourier,
    url: String,
    /// The URL as logs have it.
    collector: String,
    resource: Vec<(String, String)>,
    lost: Arc<AtomicU64>,
    failing: Seldom,
    crowded: Seldom,
}

impl Export {
    async fn run(self, mut recorded: mpsc::Receiver<Span>, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        let mut goes_on = true;
        while goes_on {
            tokio::select! {
                _ = &mut stopped => goes_on = false,
                received = recorded.recv_many(&mut batch, MOST_AT_ONCE) => goes_on = received > 0,
            }
            if goes_on && batch.len() < MOST_AT_ONCE {
                tokio::select! {
                    _ = &mut stopped => goes_on = false,
                    () = time::sleep(GATHER) => {}
                }
            }
            // What is there now, and when this ends, all of it.
            loop {
                while batch.len() < MOST_AT_ONCE
                    && let Ok(span) = recorded.try_recv()
                {
                    batch.push(span);
                }
                if batch.is_empty() {
                    break;
                }
                self.send(&batch).await;
                batch.clear();
                if goes_on {
                    break;
                }
            }
        }
    }

    async fn send(&self, batch: &[Span]) {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
        let body = Bytes::from(otlp::request(&self.resource, batch));
        let post = Post { url: self.url.clone(), headers, body, timeout: TIMEOUT };
        let error = match self.courier.post(post).await {
            Ok(reply) if (200..300).contains(&reply.status) => None,
            Ok(reply) => Some(format!("it answered with status {}", reply.status)),
            Err(failure) => Some(failure.to_string()),
        };
        self.tell(error, batch.len() as u64);
    }

    fn tell(&self, error: Option<String>, spans: u64) {
        let collector = &*self.collector;
        let Some(error) = error else {
            if let Some(end) = self.failing.went_well() {
                tracing::info!(left_out = end.left_out, lasted_ms = end.lasted_ms, collector, "traces are taken again");
            }
            if self.lost.load(Relaxed) > 0
                && let Some(leave) = self.crowded.leave()
            {
                let lost = self.lost.swap(0, Relaxed);
                tracing::warn!(
                    left_out = leave.left_out,
                    lost,
                    collector,
                    "spans are lost: more are recorded than the collector takes; lower telemetry.sampling"
                );
            }
            return;
        };
        self.lost.fetch_add(spans, Relaxed);
        if let Some(leave) = self.failing.leave() {
            let lost = self.lost.swap(0, Relaxed);
            tracing::warn!(left_out = leave.left_out, lost, collector, error, "spans are lost: the collector failed");
        }
    }
}
