//! The other side of a delivery, as cheap as HTTP can be: a bare hyper server that reads each body and answers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::CannotRun;

/// The body of an answer that accepts: "code 0" (the uplink page).
const ACCEPTED: &[u8] = br#"{"code":0,"message":"ok"}"#;

/// The body of an answer that refuses.
const REFUSED: &[u8] = br#"{"code":1,"message":"refused on purpose"}"#;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    Accept,
    Refuse,
    /// Keeps the connection and says nothing.
    Hang,
}

/// A receiver that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    requests: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Listens on loopback and asks `judge` what to do with each body.
    pub(super) async fn start(judge: impl Fn(&[u8]) -> Conduct + Send + Sync + 'static) -> Result<Self, CannotRun> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(CannotRun::because)?;
        let address = listener.local_addr().map_err(CannotRun::because)?;
        let requests = Arc::new(AtomicU64::new(0));
        let serving = tokio::spawn(serve(listener, Arc::new(judge), Arc::clone(&requests)));
        Ok(Self { address, requests, serving })
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The URL of its place `place`.
    pub(super) fn url(&self, place: impl std::fmt::Display) -> String {
        format!("http://{}/d{place}", self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Its connections are the task's own and end with it.
        self.serving.abort();
    }
}

async fn serve<J>(listener: TcpListener, judge: Arc<J>, requests: Arc<AtomicU64>)
where
    J: Fn(&[u8]) -> Conduct + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: those that have one go on.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (judge, requests) = (Arc::clone(&judge), Arc::clone(&requests));
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &*judge, &requests));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer<J: Fn(&[u8]) -> Conduct>(
    request: Request<Incoming>,
    judge: &J,
    requests: &AtomicU64,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    requests.fetch_add(1, Ordering::Relaxed);
    let body = match judge(&body) {
        Conduct::Accept => ACCEPTED,
        Conduct::Refuse => REFUSED,
        Conduct::Hang => std::future::pending().await,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
