//! Where the database lives, and the claim that keeps a second gateway away from it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::schema::Flush;
use crate::store::{ErrorKind, StoreError};

/// Is a database's path, claimed for this process until it is dropped or the process ends.
pub(super) struct Place {
    path: PathBuf,
    /// Locked. SQLite's own exclusive lock would do too, but it shuts our readers out.
    _lock: File,
    temporary: Option<TemporaryDirectory>,
}

impl Place {
    /// Claims what follows `sqlite:` in a URL.
    pub(super) fn claim(text: &str) -> Result<Self, StoreError> {
        if text == ":memory:" {
            let directory = TemporaryDirectory::create()?;
            let path = directory.0.join("pushgate.db");
            let lock = lock(&path)?;
            return Ok(Self { path, _lock: lock, temporary: Some(directory) });
        }
        let text = text.strip_prefix("//").unwrap_or(text); // sqlite:///var/x.db is how some write sqlite:/var/x.db
        if text.is_empty() {
            return Err(StoreError::new(
                ErrorKind::Url,
                "store.url: sqlite: names no file; write sqlite:PATH, for example sqlite:pushgate.db",
            ));
        }
        if text.contains('?') {
            return Err(StoreError::new(
                ErrorKind::Url,
                "store.url: sqlite:PATH takes no parameters; leave out the question mark and what follows",
            ));
        }
        let path = resolve(Path::new(text))?;
        let lock = lock(&path)?;
        create_private(&path, IfThere::Keep).map_err(|error| denied(&path, &error))?;
        Ok(Self { path, _lock: lock, temporary: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the files away from everybody but their owner: what was copied back from a backup has the copy's rights.
    pub(super) fn make_private(&self) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            close_to_others(&beside(&self.path, suffix));
        }
    }

    /// Says when a commit to this place counts as done.
    pub(super) fn flush(&self) -> Flush {
        if self.temporary.is_some() { Flush::Never } else { Flush::EveryCommit }
    }
}

/// Says whether a file beside the database can be written. A full disk shows to SQLite as one failure among many when it
/// strikes a sync, the log's index or a quota.
pub(super) fn has_room(path: &Path) -> bool {
    let beside = beside(path, ".room");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(&[0; 64 << 10])?;
        file.sync_all()
    });
    let _ = fs::remove_file(&beside); // an empty file at the worst, used again the next time
    !written.is_err_and(|error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

/// Follows links, so that one file has one lock, whichever name it is opened by.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::canonicalize(path) {
        Ok(path) if path.is_dir() => Err(StoreError::new(
            ErrorKind::Denied,
            format!("{}: is a directory; add the file's name to store.url", path.display()),
        )),
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(name) = path.file_name() else { return Err(denied(path, &error)) };
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let directory = fs::canonicalize(directory).map_err(|error| {
                let message = format!("{}: {error}; create the directory, or change store.url", directory.display());
                StoreError::new(ErrorKind::Denied, message)
            })?;
            Ok(directory.join(name))
        }
        Err(error) => Err(denied(path, &error)),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = beside(path, ".lock");
    let mut options = OpenOptions::new();
    // Never truncated, never deleted: a new file of the same name would be a second lock.
    options.write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(&beside).map_err(|error| denied(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::new(
            ErrorKind::Busy,
            format!(
                "{}: another gateway is using it; stop that one, or give this one its own store.url",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(StoreError::new(
            ErrorKind::Denied,
            format!("{}: {error}; put the store on a local disk, whose files can be locked", beside.display()),
        )),
    }
}

/// Says what becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfThere {
    Keep,
    Refuse,
}

/// Creates the file before SQLite would, because SQLite gives it, its WAL and its index the same rights.
pub(super) fn create_private(path: &Path, if_there: IfThere) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || if_there == IfThere::Refuse => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

#[cfg(unix)]
fn close_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    // The log and its index come and go, and a link is somebody's own arrangement.
    let Ok(there) = fs::symlink_metadata(path) else { return };
    let mode = there.permissions().mode() & 0o777;
    if !there.is_file() || mode & OTHERS == 0 {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS)) {
        Ok(()) => tracing::info!("{}: had mode {mode:04o}, and is now its owner's alone", path.display()),
        Err(error) => tracing::warn!(
            "{}: has mode {mode:04o}, so others may read other people's messages, and that cannot be changed ({error}): \
             make the gateway's user its owner, or chmod 600 it",
            path.display()
        ),
    }
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) {}

fn denied(path: &Path, error: &io::Error) -> StoreError {
    let message = format!("{}: {error}; let the gateway's user write there, or change store.url", path.display());
    StoreError::new(ErrorKind::Denied, message)
}

/// Deletes itself with all it holds.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn create() -> Result<Self, StoreError> {
        let path = std::env::temp_dir().join(format!("pushgate-{}", Uuid::new_v4().simple()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(&path).map_err(|error| {
            let message = format!("{}: {error}; set TMPDIR to a directory that can be written", path.display());
            StoreError::new(ErrorKind::Denied, message)
        })?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Nobody is left to tell, and the system clears the place in time.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::store::{Store, sqlite::SqliteStore};
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_store_copied_back_is_its_owners_alone_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.db");
        let open = || SqliteStore::open(path.to_str().expect("a path"));
        open().await.expect("a store").close().await.expect("it closes");
        let mode = |suffix| fs::metadata(beside(&path, suffix)).expect("a file").permissions().mode() & 0o777;
        for suffix in ["", ".lock"] {
            fs::set_permissions(beside(&path, suffix), fs::Permissions::from_mode(0o644)).expect("ours");
        }
        let _store = open().await.expect("a store");
        for suffix in ["", "-wal", "-shm", ".lock"] {
            assert_eq!(mode(suffix), 0o600, "{suffix}");
        }
    }
}
