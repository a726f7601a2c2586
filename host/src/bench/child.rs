//! A gateway in a process of its own, whose memory is its own and which can be killed.

use std::{
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

use super::{CannotRun, admin::AdminPort};

/// How long a gateway may take to start (ours): with a million deliveries to take up, and on a slow disk.
const START_WITHIN: Duration = Duration::from_secs(120);

/// How often a starting gateway is asked whether it is ready (ours).
const ASKED_EVERY: Duration = Duration::from_millis(5);

/// A gateway that runs as a child; killed when dropped.
pub(super) struct Gateway {
    child: Child,
    pub(super) admin: AdminPort,
    /// From its start to its being ready and counting what was expected.
    pub(super) ready_after: Duration,
}

impl Gateway {
    /// Starts this very program as a gateway, and returns when it is ready and counts `pending` deliveries.
    pub(super) async fn start(config: &Path, store: &str, pending: u64) -> Result<Self, CannotRun> {
        let start = Instant::now();
        let program = std::env::current_exe().map_err(CannotRun::because)?;
        let mut command = Command::new(program);
        command.args(["serve", "--log", "warn", "--store", store, "--config"]).arg(config);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| CannotRun(format!("cannot start a gateway: {error}")))?;
        let lines = lines(child.stderr.take());
        // From here on whatever fails kills it.
        let mut gateway = Self {
            child,
            admin: AdminPort::new(([127, 0, 0, 1], 0).into(), String::new(), None),
            ready_after: Duration::ZERO,
        };
        let ready = time::timeout(START_WITHIN, gateway.become_ready(lines, pending)).await;
        ready.map_err(|_| {
            CannotRun(format!("a gateway was not ready with {pending} deliveries within {START_WITHIN:?}"))
        })??;
        gateway.ready_after = start.elapsed();
        Ok(gateway)
    }

    async fn become_ready(&mut self, mut lines: UnboundedReceiver<String>, pending: u64) -> Result<(), CannotRun> {
        let mut said = Vec::new();
        let address = loop {
            let Some(line) = lines.recv().await else {
                return Err(CannotRun(format!("a gateway did not start: {}", said.join("; "))));
            };
            if let Some(address) = admin_address(&line) {
                break address;
            }
            said.push(line);
        };
        self.admin = AdminPort::new(address, address.to_string(), None);
        while !self.admin.is_ready().await || self.admin.counts().await?.pending != pending {
            time::sleep(ASKED_EVERY).await;
        }
        Ok(())
    }

    /// Kills it, as a power cut would.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// The memory that is its own: what is resident, without pages of files, which the system takes back at will.
    pub(super) fn memory(&self) -> Result<u64, CannotRun> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path)
            .map_err(|error| CannotRun(format!("{path}: {error}; memory is measured on Linux alone")))?;
        own_memory(&status).ok_or_else(|| CannotRun(format!("{path}: has no VmRSS and RssFile")))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// `admin   http://127.0.0.1:40001   submission, deliveries, inbox`
fn admin_address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("admin")?.split_whitespace().next()?.strip_prefix("http://")?.parse().ok()
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
    fn its_address_is_in_the_line_that_serve_prints() {
        let line = "admin   http://127.0.0.1:40001   submission, deliveries, inbox";
        assert_eq!(admin_address(line), Some(([127, 0, 0, 1], 40_001).into()));
        assert_eq!(admin_address("public  http://127.0.0.1:40001   device API and receivers"), None);
    }

    #[test]
    fn memory_is_what_is_resident_without_pages_of_files() {
        let status = "Name:\tpushgate\nVmRSS:\t   10240 kB\nRssAnon:\t    8192 kB\nRssFile:\t    2048 kB\n";
        assert_eq!(own_memory(status), Some(8 << 20));
        assert_eq!(own_memory("Name:\tpushgate\n"), None);
    }
}
