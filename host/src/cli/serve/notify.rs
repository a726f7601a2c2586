//! What a service manager is told: systemd's notification protocol, as `sd_notify(3)` describes it.
//!
//! Where `NOTIFY_SOCKET` names a socket, the gateway says there when it serves, reloads and stops, how it stands, and,
//! where `WATCHDOG_USEC` asks for it, that it still does its work: a gateway whose scheduler does not answer keeps
//! silent, and is started anew.

use std::{env, process, time::Duration};

#[cfg(unix)]
use tokio::net::UnixDatagram;
use tokio::time;

use crate::gateway::Gateway;

/// How often the manager is told how the gateway stands, where it does not ask for more (ours).
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// How long a manager has to take what it is told (ours). One that does not is not waited for.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// The line to the service manager, if there is one.
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// How long the manager waits for a sign of life.
    watchdog: Option<Duration>,
}

impl Notify {
    /// Finds the manager that this process was started by. One that cannot be reached is told of in the log.
    pub(super) fn from_environment() -> Self {
        let Some(name) = env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty()) else {
            return Self { socket: None, watchdog: None };
        };
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        let socket = connect(&name).map_err(|error| {
            tracing::warn!(%error, "NOTIFY_SOCKET: the service manager cannot be reached and hears nothing");
        });
        Self { socket: socket.ok(), watchdog }
    }

    /// The gateway serves.
    pub(super) async fn ready(&self, gateway: &Gateway) {
        self.tell(&format!("READY=1\n{}", status(gateway).await)).await;
    }

    /// The gateway reads its configuration again; [`ready`](Self::ready) says when it has.
    pub(super) async fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration", monotonic_usec())).await;
    }

    /// The gateway stops.
    pub(super) async fn stopping(&self, why: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={}", line(why))).await;
    }

    /// Tells how the gateway stands, and that it lives, again and again; never returns.
    pub(super) async fn tend(&self, gateway: &Gateway) {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        // Half of what it waits: one that comes late is not the last.
        let sign_every = self.watchdog.map_or(STATUS_EVERY, |within| within / 2);
        let mut told = None::<time::Instant>;
        let mut ticks = time::interval(sign_every.min(STATUS_EVERY));
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.watchdog.is_some() {
                if gateway.health().is_alive(sign_every / 2).await {
                    self.tell("WATCHDOG=1").await;
                } else {
                    tracing::error!("the scheduler does not answer: the service manager is given no sign of life");
                }
            }
            if told.is_none_or(|told| told.elapsed() >= STATUS_EVERY) {
                told = Some(time::Instant::now());
                self.tell(&status(gateway).await).await;
            }
        }
    }

    async fn tell(&self, what: &str) {
        let Some(socket) = &self.socket else { return };
        match time::timeout(TAKEN_WITHIN, socket.send(what.as_bytes())).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the service manager does not hear"),
            Err(_) => tracing::debug!("the service manager does not take what it is told"),
        }
    }
}

/// Where there are no such sockets nobody can be told.
#[cfg(not(unix))]
enum UnixDatagram {}

#[cfg(not(unix))]
impl UnixDatagram {
    async fn send(&self, _: &[u8]) -> std::io::Result<usize> {
        match *self {}
    }
}

#[cfg(not(unix))]
fn connect(_: &str) -> std::io::Result<UnixDatagram> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Connects to the socket of that name: a path, or behind an `@` one of no file.
#[cfg(unix)]
fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    use std::os::unix::net::{SocketAddr, UnixDatagram as Datagram};
    let address = match name.strip_prefix('@') {
        Some(name) => without_file(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = Datagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)
}

#[cfg(target_os = "linux")]
fn without_file(name: &str) -> std::io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn without_file(_: &str) -> std::io::Result<std::os::unix::net::SocketAddr> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "only Linux has sockets without a file"))
}

/// How long the manager waits for a sign of life, if it waits for this process's.
fn watchdog(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(process::id()));
    let usec = usec?.parse().ok().filter(|usec| is_ours && *usec > 0)?;
    Some(Duration::from_micros(usec))
}

async fn status(gateway: &Gateway) -> String {
    let readiness = gateway.health().readiness().await;
    let counts = gateway.store().counts().await.map_or_else(
        |error| error.to_string(),
        |counts| format!("{} pending, {} dead, {} in the inbox", counts.pending, counts.dead, counts.inbox),
    );
    let state = if readiness.ready { String::new() } else { format!("not ready: {}; ", readiness.trouble()) };
    format!("STATUS={}", line(&format!("{state}{counts}")))
}

/// One line of a notification: the next one would be read as another member.
fn line(text: &str) -> String {
    crate::shown::text(text).into_owned()
}

/// The monotonic clock, in microseconds: which reload the manager asked for it tells by that.
fn monotonic_usec() -> u64 {
    #[cfg(unix)]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let [seconds, nanos] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
        seconds * 1_000_000 + nanos / 1_000
    }
    #[cfg(not(unix))]
    0
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::net::SocketAddr;

    fn listening(address: &SocketAddr) -> UnixDatagram {
        let socket = std::os::unix::net::UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        UnixDatagram::from_std(socket).unwrap()
    }

    async fn heard(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let heard = time::timeout(Duration::from_secs(30), manager.recv(&mut buffer)).await.expect("it is told");
        String::from_utf8(buffer[..heard.unwrap()].to_vec()).unwrap()
    }

    async fn gateway() -> Gateway {
        let text = "[listen]\npublic = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n";
        let (store, config) = (crate::store::open("sqlite::memory:").await.unwrap(), Config::parse(text, "").unwrap());
        Gateway::start_with(store, config).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_manager_hears_all_of_a_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = listening(&SocketAddr::from_pathname(&path).unwrap());
        let socket = Some(connect(path.to_str().unwrap()).unwrap());
        let (notify, gateway) = (Notify { socket, watchdog: Some(Duration::from_millis(400)) }, gateway().await);
        notify.ready(&gateway).await;
        assert_eq!(heard(&manager).await, "READY=1\nSTATUS=0 pending, 0 dead, 0 in the inbox");

        notify.reloading().await;
        let reloading = heard(&manager).await;
        let rest = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both");
        assert!(rest.split('\n').next().unwrap().parse::<u64>().unwrap() > 0, "{reloading}");

        let both = async {
            // In whatever order: a busy machine may answer the first question too late.
            let (mut signs, mut statuses) = (0, 0);
            while signs < 3 || statuses < 1 {
                let said = heard(&manager).await;
                signs += usize::from(said == "WATCHDOG=1");
                statuses += usize::from(said.starts_with("STATUS=0 pending"));
            }
        };
        tokio::select! {
            () = notify.tend(&gateway) => unreachable!("it never ends"),
            () = both => {}
        }
        while manager.try_recv(&mut [0; 64]).is_ok() {}

        // Without its scheduler it gives no sign of life any more, and says why.
        gateway.stumble();
        gateway.lost().await;
        let silence = async {
            let said = heard(&manager).await;
            assert!(said.starts_with("STATUS=not ready: the scheduler has ended"), "{said}");
        };
        tokio::select! {
            () = notify.tend(&gateway) => unreachable!("it never ends"),
            () = silence => {}
        }
        notify.stopping("of its own\naccord").await;
        assert_eq!(heard(&manager).await, "STOPPING=1\nSTATUS=of its own\\naccord");
        gateway.stop().await;
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_socket_without_a_file_is_found() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("pushgate-test-{}", uuid::Uuid::new_v4());
        let manager = listening(&SocketAddr::from_abstract_name(&name).unwrap());
        let notify = Notify { socket: Some(connect(&format!("@{name}")).unwrap()), watchdog: None };
        notify.stopping("now").await;
        assert_eq!(heard(&manager).await, "STOPPING=1\nSTATUS=now");
        // One that has gone is no reason to fail.
        drop(manager);
        notify.stopping("again").await;
        assert!(connect("@nobody-listens-here").is_err() && connect("/nowhere/at/all").is_err());
    }

    #[test]
    fn a_watchdog_counts_when_it_waits_for_this_process() {
        let own = process::id().to_string();
        let second = Some(Duration::from_secs(1));
        for (usec, pid, expected) in [
            (None, None, None),
            (Some("1000000"), None, second),
            (Some("1000000"), Some(&*own), second),
            (Some("1000000"), Some("1"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
        ] {
            assert_eq!(watchdog(usec, pid), expected, "{usec:?} {pid:?}");
        }
    }
}
