//! What a gateway is held against: the same posts with nothing behind them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{StatusCode, header},
    routing::post,
    serve::ListenerExt,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::CannotRun;

/// An answer as long as a gateway's to a single submission.
const ANSWER: &str = r#"{"ids":["00000000000070008000000000000000"]}"#;

/// A bare axum server that reads each body whole, answers 202, and keeps nothing.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Result<Self, CannotRun> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(CannotRun::because)?;
        let address = listener.local_addr().map_err(CannotRun::because)?;
        let answer = |_: Bytes| async { (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], ANSWER) };
        let router = Router::new().route("/api/uplink/{destination}", post(answer));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Posts that a bare hyper-util client makes.
#[derive(Debug)]
pub(super) struct Posts {
    /// Where to, in turn.
    pub(super) urls: Vec<String>,
    pub(super) body: Bytes,
    pub(super) all: usize,
    /// Under way at a time to each URL.
    pub(super) concurrency: usize,
}

impl Posts {
    /// Makes them, and returns how long it took.
    pub(super) async fn run(self) -> Result<Duration, CannotRun> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let next = Arc::new(AtomicUsize::new(0));
        let (start, mut tasks) = (Instant::now(), JoinSet::new());
        for url in &self.urls {
            for _ in 0..self.concurrency {
                let (client, url, body, next) = (client.clone(), url.clone(), self.body.clone(), Arc::clone(&next));
                let all = self.all;
                tasks.spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < all {
                        post_once(&client, &url, body.clone()).await?;
                    }
                    Ok::<_, CannotRun>(())
                });
            }
        }
        while let Some(task) = tasks.join_next().await {
            task.map_err(CannotRun::because)??;
        }
        Ok(start.elapsed())
    }
}

async fn post_once(client: &Client<HttpConnector, Full<Bytes>>, url: &str, body: Bytes) -> Result<(), CannotRun> {
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json").body(Full::new(body));
    let response = client.request(request.map_err(CannotRun::because)?).await;
    let response = response.map_err(|error| CannotRun(format!("POST {url}: {error}")))?;
    response.into_body().collect().await.map_err(|error| CannotRun(format!("POST {url}: {error}")))?;
    Ok(())
}
