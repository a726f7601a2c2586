//! A server that deliveries are sent to: it keeps every request and answers as its test says.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::until;

type Script = dyn Fn(usize, &Received) -> (u16, String) + Send + Sync;

/// A server that keeps every request.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The query, or nothing.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Receiver {
    /// Starts a receiver whose answer to request number n, from 0, `script` makes: a status and a body.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(script: impl Fn(usize, &Received) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start_script(Arc::new(script)).await
    }

    /// Starts a receiver of uplink batches that refuses the first `fail` of them.
    pub async fn uplink(fail: usize) -> Self {
        Self::start(move |n, _| {
            let answer = if n < fail { r#"{"code":7,"message":"not now"}"# } else { r#"{"code":0,"message":"ok"}"# };
            (200, answer.to_owned())
        })
        .await
    }

    async fn start_script(script: Arc<Script>) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, number) = (Arc::clone(&received), Arc::new(AtomicUsize::new(0)));
        let routes = Router::new().fallback(move |request: Request| {
            let (kept, number, script) = (Arc::clone(&kept), Arc::clone(&number), Arc::clone(&script));
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
                let received = Received {
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let (status, answer) = script(number.fetch_add(1, SeqCst), &received);
                kept.lock().expect("no test panics while it holds the list").push(received);
                (StatusCode::from_u16(status).expect("a status"), answer)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serves until it is dropped");
        });
        Self { address, received, task }
    }

    /// The URL of a path here.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that has come so far.
    ///
    /// # Panics
    ///
    /// When another test thread panicked while it looked.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no test panics while it holds the list").clone()
    }

    /// Waits until `count` requests have come, and returns all there are.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        until(&format!("{count} requests at the receiver"), async || {
            Some(self.received()).filter(|received| received.len() >= count)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
