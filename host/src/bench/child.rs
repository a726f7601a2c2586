//! Programs in processes of their own, whose memory is their own and which can be killed.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{self, Instant},
};

use super::{CannotRun, admin::AdminPort, spread::median};

/// How long a child may take to start (ours): with a million deliveries to take up, and on a slow disk.
const START_WITHIN: Duration = Duration::from_secs(120);

/// How often a starting gateway is asked whether it is ready (ours).
const ASKED_EVERY: Duration = Duration::from_millis(5);

/// Samples of a child's memory, and the time between them (ours).
const SAMPLES: usize = 5;
const SAMPLED_EVERY: Duration = Duration::from_millis(200);

/// This very program as a child; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    what: &'static str,
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Process {
    /// Starts it. `what` is what it is to people.
    pub(super) fn start<S: AsRef<OsStr>>(
        what: &'static str,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Self, CannotRun> {
        let program = std::env::current_exe().map_err(CannotRun::because)?;
        let mut command = Command::new(program);
        // Its standard input ends when this process does: what has nothing else to do then ends too.
        let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| CannotRun(format!("cannot start {what}: {error}")))?;
        let lines = lines(child.stderr.take());
        Ok(Self { what, child, lines })
    }

    /// Waits until it has said where it listens under each of these names.
    pub(super) async fn addresses<const N: usize>(&mut self, names: [&str; N]) -> Result<[SocketAddr; N], CannotRun> {
        let mut said = Vec::new();
        let mut found = [None; N];
        loop {
            if found.iter().all(Option::is_some) {
                return Ok(found.map(|address| address.unwrap_or_else(|| ([0, 0, 0, 0], 0).into())));
            }
            let Some(line) = self.lines.recv().await else {
                return Err(CannotRun(format!("{} did not start: {}", self.what, said.join("; "))));
            };
            for (name, found) in names.iter().zip(&mut found) {
                *found = found.or_else(|| address(&line, name));
            }
            said.push(line);
        }
    }

    /// Kills it, as a power cut would.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// The memory that is its own: what is resident, without pages of files, which the system takes back at will.
    fn memory(&self) -> Result<u64, CannotRun> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path)
            .map_err(|error| CannotRun(format!("{path}: {error}; memory is measured on Linux alone")))?;
        own_memory(&status).ok_or_else(|| CannotRun(format!("{path}: has no VmRSS and RssFile")))
    }

    /// Its own memory in bytes, the middle of some samples.
    pub(super) async fn settled_memory(&self) -> Result<f64, CannotRun> {
        let mut samples = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            time::sleep(SAMPLED_EVERY).await;
            samples.push(self.memory()? as f64);
        }
        Ok(median(samples))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A gateway that runs as a child; killed when dropped.
pub(super) struct Gateway {
    pub(super) process: Process,
    pub(super) admin: AdminPort,
    /// Where the device API listens.
    pub(super) public: SocketAddr,
    /// Where the device link listens on TCP.
    pub(super) link: SocketAddr,
    /// From its start to its being ready and, where a count was expected, to its having it.
    pub(super) ready_after: Duration,
}

impl Gateway {
    /// Starts this very program as a gateway, and returns when it is ready and counts `pending` deliveries.
    pub(super) async fn start(config: &Path, store: &str, pending: u64) -> Result<Self, CannotRun> {
        let start = Instant::now();
        let counted = async {
            let mut gateway = Self::become_ready(config, store, None).await?;
            while gateway.admin.counts().await?.pending != pending {
                time::sleep(ASKED_EVERY).await;
            }
            Ok(gateway)
        };
        let mut gateway = time::timeout(START_WITHIN, counted).await.map_err(|_| {
            CannotRun(format!("a gateway was not ready with {pending} deliveries within {START_WITHIN:?}"))
        })??;
        gateway.ready_after = start.elapsed();
        Ok(gateway)
    }

    /// Starts this very program as a gateway, with its device link at `link`, and returns when it is ready.
    pub(super) async fn start_at(config: &Path, store: &str, link: SocketAddr) -> Result<Self, CannotRun> {
        let start = Instant::now();
        let mut gateway = time::timeout(START_WITHIN, Self::become_ready(config, store, Some(link)))
            .await
            .map_err(|_| CannotRun(format!("a gateway was not ready within {START_WITHIN:?}")))??;
        gateway.ready_after = start.elapsed();
        Ok(gateway)
    }

    /// Whatever fails or is dropped on the way kills it.
    async fn become_ready(config: &Path, store: &str, link: Option<SocketAddr>) -> Result<Self, CannotRun> {
        let mut args: Vec<_> = ["serve", "--log", "warn", "--store", store, "--config"].map(OsStr::new).into();
        args.push(config.as_os_str());
        let link = link.map(|link| link.to_string());
        args.extend(link.iter().flat_map(|link| ["--link", link]).map(OsStr::new));
        let mut process = Process::start("a gateway", args)?;
        let [admin, public, link] = process.addresses(["admin", "public", "link"]).await?;
        let mut admin = AdminPort::new(admin, admin.to_string(), None);
        while !admin.is_ready().await {
            time::sleep(ASKED_EVERY).await;
        }
        Ok(Self { process, admin, public, link, ready_after: Duration::ZERO })
    }

    /// Kills it, as a power cut would.
    pub(super) fn kill(self) {
        self.process.kill();
    }
}

/// `admin   http://127.0.0.1:40001   submission, deliveries, inbox`
fn address(line: &str, name: &str) -> Option<SocketAddr> {
    let address = line.strip_prefix(name)?.split_whitespace().next()?;
    address.strip_prefix("http://").unwrap_or(address).parse().ok()
}

fn own_memory(status: &str) -> Option<u64> {
    let bytes = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    bytes("VmRSS:")?.checked_sub(bytes("RssFile:")?)
}

/// Reads a stream's lines in a thread of its own: it goes on when nobody listens, so that the child never waits.
fn lines(stream: Option<impl Read + Send + 'static>) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    if let Some(stream) = stream {
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_addresses_are_in_the_lines_that_serve_prints() {
        let here = Some(([127, 0, 0, 1], 40_001).into());
        assert_eq!(address("admin   http://127.0.0.1:40001   submission, deliveries, inbox", "admin"), here);
        assert_eq!(address("link    127.0.0.1:40001          device link (TCP)", "link"), here);
        assert_eq!(address("public  http://127.0.0.1:40001   device API and receivers", "admin"), None);
    }

    #[test]
    fn memory_is_what_is_resident_without_pages_of_files() {
        let status = "Name:\tpushgate\nVmRSS:\t   10240 kB\nRssAnon:\t    8192 kB\nRssFile:\t    2048 kB\n";
        assert_eq!(own_memory(status), Some(8 << 20));
        assert_eq!(own_memory("Name:\tpushgate\n"), None);
    }
}
