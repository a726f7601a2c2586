//! A destination that does what destinations do on bad days, down to the bytes; and on good ones again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What is wrong with a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it takes what comes, as an uplink and as a Tencent destination.
    Healthy,
    /// Nothing listens on its port.
    Down,
    /// It reads and never answers.
    Hangs,
    /// It closes the connection instead of an answer.
    HangsUp,
    /// It resets the connection in the middle of its answer.
    Resets,
    /// It answers, at one byte a second.
    Drips,
    /// It announces an answer of a gigabyte.
    AnnouncesHuge,
    /// It answers and does not stop.
    AnswersWithoutEnd,
    /// It sends headers and does not stop.
    HeadersWithoutEnd,
    /// A page for people with status 200, as a proxy's login page.
    Html,
    /// An empty answer with status 200.
    Empty,
    /// Another protocol's greeting.
    NotHttp,
    /// Status 500.
    Breaks,
    /// A redirect to a place that would take it.
    Redirects,
    /// The protocol's own refusal, with status 200.
    Refuses,
}

/// A destination with a [`Fault`] that can be changed while it runs.
pub struct Faulty {
    /// Where it listens, when it does.
    pub address: SocketAddr,
    fault: watch::Sender<Fault>,
    bodies: Arc<Mutex<Vec<String>>>,
    task: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Starts one, on a port of its own.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut faulty = Self { address, fault: watch::Sender::new(fault), bodies: Arc::default(), task: None };
        if fault != Fault::Down {
            faulty.listen(listener);
        }
        faulty
    }

    /// Gives it another fault. One that was down listens on its old port again.
    ///
    /// # Panics
    ///
    /// When the port is not free any more.
    pub async fn set(&mut self, fault: Fault) {
        self.fault.send_replace(fault);
        if fault == Fault::Down {
            self.stop().await;
        } else if self.task.is_none() {
            self.listen(TcpListener::bind(self.address).await.expect("its own port"));
        }
    }

    /// The URL of it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The bodies of the requests that came whole, whatever was answered.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn listen(&mut self, listener: TcpListener) {
        let (fault, bodies) = (self.fault.clone(), Arc::clone(&self.bodies));
        self.task = Some(tokio::spawn(async move {
            // They end with the task that took them.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, fault.subscribe(), Arc::clone(&bodies)));
            }
        }));
    }

    async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Only then is the port closed.
            let _ = task.await;
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Serves a connection until a fault ends it.
async fn serve(mut stream: TcpStream, fault: watch::Receiver<Fault>, bodies: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    while let Some(body) = next_body(&mut stream, &mut read).await {
        bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        let fault = *fault.borrow();
        if answer(&mut stream, fault).await.is_err() || fault != Fault::Healthy {
            return;
        }
    }
}

/// Reads a request and keeps what follows it.
async fn next_body(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(head) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let end = head + 4 + length.map_or(0, |length| length.trim().parse().unwrap_or(0));
            if read.len() >= end {
                let body = String::from_utf8_lossy(&read[head + 4..end]).into_owned();
                read.drain(..end);
                return Some(body);
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

async fn answer(stream: &mut TcpStream, fault: Fault) -> std::io::Result<()> {
    const OK: &str = r#"{"code":0,"message":"ok","ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    const NO: &str = r#"{"code":7,"message":"no","ActionStatus":"FAIL","ErrorInfo":"no","ErrorCode":1}"#;
    // Whoever is faulty closes after its answer, and says so: a connection that seems kept could be used for the next
    // request in the moment it closes, and that request would fail for another reason than the fault's.
    let kept = if fault == Fault::Healthy { "" } else { "Connection: close\r\n" };
    let whole = |status: &str, headers: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{kept}{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let text = match fault {
        Fault::Healthy => whole("200 OK", "", OK),
        Fault::Down | Fault::HangsUp => return Ok(()),
        Fault::Hangs => return std::future::pending().await,
        Fault::Resets => {
            stream.write_all(&whole("200 OK", "", OK).as_bytes()[..60]).await?;
            return stream.set_zero_linger();
        }
        Fault::Drips => {
            for byte in whole("200 OK", "", OK).into_bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            return Ok(());
        }
        Fault::AnnouncesHuge => "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{".to_owned(),
        Fault::AnswersWithoutEnd => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Fault::HeadersWithoutEnd => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            // In large pieces: a reader that begins anew with every piece is not what is tested.
            let more = "X-More: and more and more\r\n".repeat(10_000);
            loop {
                stream.write_all(more.as_bytes()).await?;
            }
        }
        Fault::Html => whole("200 OK", "Content-Type: text/html\r\n", "<!doctype html><title>Log in</title>"),
        Fault::Empty => whole("200 OK", "", ""),
        Fault::NotHttp => "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        Fault::Breaks => whole("500 Internal Server Error", "", OK),
        Fault::Redirects => whole("302 Found", "Location: /elsewhere\r\n", OK),
        Fault::Refuses => whole("200 OK", "", NO),
    };
    stream.write_all(text.as_bytes()).await?;
    if fault == Fault::AnnouncesHuge {
        // It stays: only the announcement can be what it fails for.
        return std::future::pending().await;
    }
    Ok(())
}
