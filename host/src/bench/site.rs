//! Where a gateway that is measured lives: a folder of its own, and a configuration written for the measurement.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{CannotRun, admin::AdminPort};
use crate::{config::Config, files, gateway::Gateway};

/// A folder for store files, removed with all it holds when this is dropped.
#[derive(Debug)]
pub(super) struct Site {
    folder: TempDir,
}

impl Site {
    /// Makes a folder in `parent`, or where the system keeps temporary files.
    pub(super) fn new(parent: Option<&Path>) -> Result<Self, CannotRun> {
        let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = tempfile::Builder::new().prefix("pushgate-bench-").tempdir_in(&parent);
        let folder = folder.map_err(|error| {
            CannotRun(format!("{}: {error}; name a directory that can be written with --store-dir", parent.display()))
        })?;
        Ok(Self { folder })
    }

    /// The URL of a store file here.
    pub(super) fn store(&self, name: &str) -> String {
        format!("sqlite:{}", self.folder.path().join(name).with_extension("db").display())
    }

    /// Writes a configuration file here.
    pub(super) fn write(&self, text: &str) -> Result<PathBuf, CannotRun> {
        let path = self.folder.path().join("pushgate.toml");
        fs::write(&path, text).map_err(|error| CannotRun(format!("{}: {error}", path.display())))?;
        Ok(path)
    }

    /// Removes a store's files, so that what is done with makes room for what comes.
    pub(super) fn remove(&self, name: &str) {
        for suffix in ["db", "db-wal", "db-shm", "db.lock"] {
            // What is left goes with the folder.
            let _ = fs::remove_file(self.folder.path().join(format!("{name}.{suffix}")));
        }
    }
}

/// A destination of a gateway that is measured.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) grouping: Grouping,
    pub(super) concurrency: usize,
    pub(super) timeout_ms: u32,
}

/// How many submissions a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// One, sent at once.
    Single,
    /// As many as the defaults let wait for each other.
    Default,
}

impl Destination {
    /// One with the default limits.
    pub(super) fn new(name: impl Into<String>, url: String, grouping: Grouping) -> Self {
        Self { name: name.into(), url, grouping, concurrency: 8, timeout_ms: 5_000 }
    }

    pub(super) fn lane(&self) -> String {
        format!("uplink:{}", self.name)
    }
}

/// Writes the configuration of a gateway that is measured: loopback, free ports, and queues that hold the load.
pub(super) fn configuration(destinations: &[Destination]) -> String {
    let mut text = String::from(
        "[listen]\npublic = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n[network]\nallow_private = true\n",
    );
    text += &where_known("[limits]\n", "queue = 10000000\n");
    let probe = "[[uplink.destinations]]\nname = 'x'\nurl = 'http://127.0.0.1:1/'\n";
    let single = where_known(probe, "batch_items = 1\nlinger_ms = 0\n");
    let single = single.strip_prefix(probe).unwrap_or_default();
    for Destination { name, url, grouping, concurrency, timeout_ms } in destinations {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[uplink.destinations]]\nname = '{name}'\nurl = '{url}'\nconcurrency = {concurrency}\n\
             timeout_ms = {timeout_ms}\n"
        );
        if *grouping == Grouping::Single {
            text += single;
        }
    }
    text
}

/// `section` with `keys`, or nothing where this build knows no such keys: then it has no such limit either.
fn where_known(section: &str, keys: &str) -> String {
    let text = format!("{section}{keys}");
    if Config::parse(&text, "bench").is_ok() { text } else { String::new() }
}

/// Makes sure that this process may open so many sockets, and some files beside them.
///
/// The usual limit is below what hundreds of connections with both ends in one process take, and at the limit everybody
/// waits for everybody.
pub(super) fn descriptors(sockets: usize) -> Result<(), CannotRun> {
    const FILES: usize = 200;
    files::raise_limit();
    // Where there is no such file, it is found out the hard way.
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match open_files(&limits) {
        Some(most) if most < sockets + FILES => Err(CannotRun(format!(
            "at most {most} files may be open and this takes {}: raise the limit with `ulimit -n {}`, or ask for less",
            sockets + FILES,
            (sockets + FILES).next_power_of_two()
        ))),
        _ => Ok(()),
    }
}

/// The soft limit, if there is one.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A gateway in this process.
pub(super) struct Local {
    pub(super) gateway: Gateway,
    pub(super) admin: AdminPort,
}

impl Local {
    /// Starts one on the store at `url`.
    pub(super) async fn start(url: &str, destinations: &[Destination]) -> Result<Self, CannotRun> {
        let mut config = Config::parse(&configuration(destinations), "bench").map_err(CannotRun::because)?;
        config.store.url = url.parse().map_err(|error| CannotRun(format!("{url}: {error}")))?;
        let gateway = Gateway::start(config).await.map_err(CannotRun::because)?;
        let admin = AdminPort::new(gateway.admin, gateway.admin.to_string(), None);
        Ok(Self { gateway, admin })
    }

    /// Stops it, and with it the store.
    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_one() {
        let destinations = [
            Destination::new("a", "http://127.0.0.1:9/a".to_owned(), Grouping::Single),
            Destination { concurrency: 3, ..Destination::new("b", "http://127.0.0.1:9/b".into(), Grouping::Default) },
        ];
        let config = Config::parse(&configuration(&destinations), "bench").unwrap();
        assert!(config.network.allow_private);
        let b = config.uplink.destinations.named("b").unwrap();
        assert_eq!((b.sending.concurrency, config.uplink.destinations.len()), (3, 2));
    }

    #[test]
    fn the_limit_on_open_files_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn a_site_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let site = Site::new(Some(parent.path())).unwrap();
        site.write("").unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        drop(site);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        assert!(Site::new(Some(Path::new("/nowhere"))).unwrap_err().to_string().contains("--store-dir"));
    }
}
