//! The gateway as a process: what a promise about `kill -9`, a signal or a full disk has to be tested on.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{APP_ID, Answer, KEY, Request, admin_json, until, until_bound};

/// Why a wait of this file has a bound of its own: a stopping gateway has ten seconds.
const EXIT_WITHIN: Duration = Duration::from_secs(15);

/// A configuration file and a store, and the gateways that run on them one after the other.
pub struct Place {
    binary: &'static str,
    folder: PathBuf,
    store: PathBuf,
    _own: Option<TempDir>,
}

/// A gateway that runs as a process of its own.
pub struct Process {
    /// Where the device API and the receivers listen.
    pub public: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where the device link listens.
    pub link: SocketAddr,
    child: Guarded,
    said: Said,
}

/// A process that has been started, whether or not it serves yet.
pub struct Starting {
    child: Guarded,
    said: Said,
}

/// Killed when dropped: a test that fails leaves no gateway behind.
struct Guarded(Child);

/// The lines of stderr so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Place {
    /// A place of its own for `binary`, with `rest` of a configuration after an app called [`APP_ID`] and the uplink
    /// receiver `ucloud`: keys in `rest` before its first section are that receiver's.
    ///
    /// # Panics
    ///
    /// When there is no room for it.
    #[must_use]
    pub fn new(binary: &'static str, rest: &str) -> Self {
        let own = tempfile::tempdir().expect("a temporary folder");
        let folder = own.path().to_owned();
        let place = Self { binary, store: folder.join("pushgate.db"), folder, _own: Some(own) };
        place.configure(rest);
        place
    }

    /// As [`new`](Self::new), with the store elsewhere.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    pub fn with_store(binary: &'static str, store: &Path, rest: &str) -> Self {
        let place = Self { store: store.to_owned(), ..Self::new(binary, rest) };
        place.configure(rest);
        place
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("pushgate.toml")
    }

    /// The store's file.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Writes the configuration file again.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn configure(&self, rest: &str) {
        self.configure_listening("", rest);
    }

    /// Writes the configuration file again, with these lines in its `[listen]`.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn configure_listening(&self, listen: &str, rest: &str) {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        self.configure_at([free; 3], listen, rest);
    }

    /// Writes the configuration file again, so that the next gateway listens where this one does: to be found again by
    /// who looks there.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn configure_as(&self, process: &Process, rest: &str) {
        self.configure_at([process.public, process.admin, process.link], "", rest);
    }

    fn configure_at(&self, [public, admin, link]: [SocketAddr; 3], listen: &str, rest: &str) {
        let text = format!(
            "[listen]\npublic = '{public}'\nadmin = '{admin}'\nlink = '{link}'\n{listen}\n\
             [store]\nurl = 'sqlite:{}'\n[network]\nallow_private = true\n\
             [[lingyang.apps]]\nid = '{APP_ID}'\nkeys = ['{KEY}']\ncids = [[1003200, 1003299], [5003000, 5003999]]\n\
             [[uplink.receivers]]\nname = 'ucloud'\n{rest}",
            self.store.display()
        );
        fs::write(self.config(), text).expect("the configuration can be written");
    }

    /// Starts a gateway and does not wait for it.
    ///
    /// # Panics
    ///
    /// When the binary cannot be run.
    #[must_use]
    pub fn spawn(&self) -> Starting {
        let mut child = Command::new(self.binary)
            .args(["serve", "--config"])
            .arg(self.config())
            .env_remove("RUST_LOG")
            .env_remove("PUSHGATE_STORE")
            .env_remove("PUSHGATE_LOG_FORMAT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let said = Said::default();
        let heard = said.clone();
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| heard.lines().push(line)));
        Starting { child: Guarded(child), said }
    }

    /// Starts a gateway and waits until it serves.
    pub async fn start(&self) -> Process {
        self.spawn().ready().await
    }
}

impl Starting {
    /// Waits until the gateway serves.
    ///
    /// # Panics
    ///
    /// When it ends instead.
    pub async fn ready(self) -> Process {
        let Self { mut child, said } = self;
        let address = |name: &str| {
            let lines = said.lines();
            let mut words = lines.iter().map(|line| line.split_whitespace());
            let mut line = words.find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
            line.next()?.rsplit('/').next()?.parse().ok()
        };
        let (public, admin, link) = until("the gateway says its addresses", async || {
            if let Ok(Some(status)) = child.0.try_wait() {
                panic!("the gateway ended: {status}: {:?}", said.lines());
            }
            Some((address("public")?, address("admin")?, address("link")?))
        })
        .await;
        Process { public, admin, link, child, said }
    }

    /// Ends it at once, wherever it is.
    ///
    /// # Panics
    ///
    /// When it cannot be ended.
    pub fn kill(mut self) {
        self.child.kill();
    }

    /// Waits until it ends, and returns how and what it said; or `None` once it serves instead.
    pub async fn refused(mut self) -> Option<(ExitStatus, String)> {
        let status = until_bound(EXIT_WITHIN, "the gateway ends or serves", async || {
            let ended = self.child.0.try_wait().ok().flatten();
            let serves = self.said.lines().iter().any(|line| line.starts_with("admin "));
            (ended.is_some() || serves).then_some(ended)
        })
        .await?;
        // What it wrote last may still be on its way through the pipe.
        let said =
            until("stderr ends", async || (Arc::strong_count(&self.said.0) == 1).then(|| self.said.text())).await;
        Some((status, said))
    }
}

impl Process {
    /// Ends it at once. What the system has been given is still written: this is no power cut.
    ///
    /// # Panics
    ///
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Sends a signal, by its name without `SIG`.
    ///
    /// # Panics
    ///
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} is sent");
    }

    /// Waits for a line of its log that has these words.
    pub async fn until_says(&self, words: &str) -> String {
        until(&format!("the gateway says: {words}"), async || {
            self.said.lines().iter().find(|line| line.contains(words)).cloned()
        })
        .await
    }

    /// Everything it has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Whether it has ended.
    pub fn has_exited(&mut self) -> bool {
        matches!(self.child.0.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end.
    pub async fn exited(&mut self) -> ExitStatus {
        self.child.exited().await
    }

    /// Submits to an uplink destination; `None` when there is no whole answer.
    pub async fn submit(&self, destination: &str, body: &str) -> Option<Answer> {
        Request::post(&format!("/api/uplink/{destination}"), body).try_send(self.admin).await
    }

    /// How many deliveries are where.
    pub async fn counts(&self) -> Value {
        admin_json(self.admin, "/api/status").await["deliveries"].clone()
    }
}

impl Guarded {
    fn kill(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }

    async fn exited(&mut self) -> ExitStatus {
        until_bound(EXIT_WITHIN, "the gateway exits", async || self.0.try_wait().ok().flatten()).await
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Said {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        self.lines().join("\n")
    }
}
