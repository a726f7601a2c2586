//! A store's file looked at from outside, whether or not a gateway runs on it: described, checked, copied.
//!
//! Everything here reads through a snapshot, as any reader of the gateway's own does, and waits for nobody. A copy is
//! made beside its name and gets that name only once it is whole, checked and on the disk, so whatever has the name is
//! a store to start from.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, InterruptHandle, params_from_iter};

use super::place;
use super::query::to_millis;
use super::session::Tally;
use super::versions::STEPS;
use super::{damaged, explain, schema};
use crate::store::{Counts, ErrorKind, Millis, State, StoreError};

/// Bounds the problems that a check tells of (ours): after the first few, more say nothing new.
const PROBLEMS: u32 = 20;

/// A store's file, opened for reading alone.
pub struct StoreFile {
    path: PathBuf,
    connection: Connection,
    version: i64,
}

/// What there is to know of a store's file at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version of its format.
    pub version: i64,
    /// What is stored; only of a file of the present version.
    pub counts: Option<Counts>,
    /// When its oldest and its newest delivery were accepted.
    pub deliveries: Option<(Millis, Millis)>,
    /// When its oldest and its newest item of the inbox came.
    pub inbox: Option<(Millis, Millis)>,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The size of the log beside it, which is part of the store until a gateway takes it up.
    pub log_bytes: u64,
}

impl StoreFile {
    /// The version of the format that this build writes.
    pub const VERSION: usize = STEPS.len();

    /// Opens a file that is there.
    ///
    /// # Errors
    /// Fails if it is not there, cannot be read ([`ErrorKind::Denied`]), is damaged ([`ErrorKind::Corrupt`]) or something
    /// else ([`ErrorKind::Foreign`]).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = fs::canonicalize(path).map_err(|error| {
            let advice = "name the store with --store sqlite:PATH, or the gateway's configuration with --config";
            StoreError::new(ErrorKind::Denied, format!("{}: {error}; {advice}", path.display()))
        })?;
        let read = || {
            let connection = schema::open_reader(&path)?;
            let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            let (application, version) = (number("application_id")?, number("user_version")?);
            Ok((connection, application, version))
        };
        let (connection, application, version) = read().map_err(|error| explain(&path, &error))?;
        if application != i64::from(schema::APPLICATION_ID) {
            let message = format!("{}: is no store of a gateway's; name another file with --store", path.display());
            return Err(StoreError::new(ErrorKind::Foreign, message));
        }
        Ok(Self { path, connection, version })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says what can be said without walking through it.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn facts(&self) -> Result<Facts, StoreError> {
        let is_present = usize::try_from(self.version) == Ok(Self::VERSION);
        let look = || -> rusqlite::Result<_> {
            // One moment, for all that is asked.
            let moment = self.connection.unchecked_transaction()?;
            if !is_present {
                return Ok((None, None, None));
            }
            let counts = Tally::load(&moment)?.into();
            let time = |sql: &str, of: &[i64]| -> rusqlite::Result<Option<Millis>> {
                let mut statement = moment.prepare(sql)?;
                let mut rows = statement.query(params_from_iter(of))?;
                rows.next()?.map(|row| to_millis(row, 0)).transpose()
            };
            let (mut oldest, mut newest) = (None, None);
            for state in [State::Pending, State::Delivered, State::Dead, State::Dropped] {
                let of = [state as i64];
                let first = time("SELECT created_at FROM delivery WHERE state = ?1 ORDER BY id LIMIT 1", &of)?;
                let last = time("SELECT created_at FROM delivery WHERE state = ?1 ORDER BY id DESC LIMIT 1", &of)?;
                oldest = oldest.into_iter().chain(first).min();
                newest = newest.into_iter().chain(last).max();
            }
            let first = time("SELECT received_at FROM inbox ORDER BY cursor LIMIT 1", &[])?;
            let last = time("SELECT received_at FROM inbox ORDER BY cursor DESC LIMIT 1", &[])?;
            Ok((Some(counts), oldest.zip(newest), first.zip(last)))
        };
        let (counts, deliveries, inbox) = look().map_err(|error| explain(&self.path, &error))?;
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let (bytes, log_bytes) = (size(&self.path), size(&place::beside(&self.path, "-wal")));
        Ok(Facts { version: self.version, counts, deliveries, inbox, bytes, log_bytes })
    }

    /// Reads all of it and says what is wrong with it: nothing, when it is sound.
    ///
    /// # Errors
    /// Fails if it cannot be read at all.
    pub fn problems(&self) -> Result<Vec<String>, StoreError> {
        let look = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(&format!("PRAGMA integrity_check({PROBLEMS})"))?;
            let found = statement.query_map([], |row| row.get(0))?;
            found.collect()
        };
        match look() {
            Ok(found) if found == ["ok"] => Ok(Vec::new()),
            Ok(found) => Ok(found),
            // Damage where the check itself begins.
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt)) => {
                Ok(vec![error.to_string()])
            }
            Err(error) => Err(explain(&self.path, &error)),
        }
    }

    /// Ends what is under way in it, from another thread.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// How many bytes a copy will have, about.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn copied_bytes(&self) -> Result<u64, StoreError> {
        let number = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let bytes = || -> rusqlite::Result<u64> {
            let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
            Ok(u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(0))
        };
        bytes().map_err(|error| explain(&self.path, &error))
    }

    /// Copies everything that was committed before into a file of its own, readable for its owner alone, and returns
    /// its size once it is checked and on the disk.
    ///
    /// # Errors
    /// Fails if there is something of that name already, and if the copy cannot be written; then nothing is left of it.
    pub fn back_up(&self, copy: &Copy) -> Result<u64, StoreError> {
        let text = copy.partial.to_str().ok_or_else(|| copy.failed("its name is not UTF-8; choose another"))?;
        let partial = copy.begin()?;
        let made = self.connection.execute("VACUUM INTO ?1", [text]);
        made.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => copy.failed("no room left on its disk; free some, or write elsewhere"),
            Some(ErrorCode::OperationInterrupted) => copy.failed("interrupted; nothing is left of it"),
            Some(ErrorCode::DatabaseCorrupt) => damaged(&self.path, &error),
            _ => copy.failed(error),
        })?;
        let sound = schema::open_reader(&copy.partial)
            .and_then(|copied| copied.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
        match sound {
            Ok(found) if found == "ok" => {}
            Ok(found) => return Err(damaged(&self.path, format!("its copy is not sound: {found}"))),
            Err(error) => return Err(copy.failed(error)),
        }
        partial.publish().map_err(|error| copy.failed(error))
    }
}

/// The name that a copy of a store will have, which nothing has yet.
#[derive(Clone, Debug)]
pub struct Copy {
    path: PathBuf,
    /// What it is called until it is whole.
    partial: PathBuf,
}

impl Copy {
    /// Names a copy.
    ///
    /// # Errors
    /// Fails if there is something of that name already.
    pub fn to(path: &Path) -> Result<Self, StoreError> {
        let copy = Self { path: path.to_owned(), partial: place::beside(path, ".partial") };
        if fs::symlink_metadata(path).is_ok() {
            return Err(copy.failed(THERE));
        }
        Ok(copy)
    }

    /// How many bytes of it are written.
    #[must_use]
    pub fn written(&self) -> u64 {
        fs::metadata(&self.partial).map_or(0, |file| file.len())
    }

    fn begin(&self) -> Result<Partial<'_>, StoreError> {
        match place::create_private(&self.partial, place::IfThere::Refuse) {
            Ok(()) => Ok(Partial(self)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let partial = self.partial.display();
                Err(self
                    .failed(format!("{partial} is there: another copy is under way, or was cut off; then remove it")))
            }
            Err(error) => Err(self.failed(format!("{error}; name a file in a folder that can be written"))),
        }
    }

    fn failed(&self, why: impl fmt::Display) -> StoreError {
        StoreError::new(ErrorKind::Denied, format!("{}: {why}", self.path.display()))
    }
}

const THERE: &str = "is there already and is not written over; choose another name";

/// A copy that is not whole yet; it goes away with this.
struct Partial<'c>(&'c Copy);

impl Partial<'_> {
    /// Gives the copy its name, once all of it is on the disk, and returns its size.
    fn publish(self) -> io::Result<u64> {
        let Copy { path, partial } = self.0;
        let file = File::open(partial)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        match fs::hard_link(partial, path) {
            Ok(()) => fs::remove_file(partial)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(io::Error::other(THERE)),
            // Where a file has one name only: the one it should have was free when this began.
            Err(_) => fs::rename(partial, path)?,
        }
        // The name is on the disk when its folder is.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        // It has its name by now, or nobody wants it.
        let _ = fs::remove_file(&self.0.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema::Flush;

    fn store(path: &Path) -> Connection {
        let writer = schema::open(path, Flush::Never).unwrap();
        let fill = "INSERT INTO body (deliveries, bytes) SELECT 1, randomblob(100000)
                    FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n)";
        writer.execute_batch(fill).unwrap();
        writer
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_is_whole_private_and_alone() {
        let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("x.db");
        let _writer = store(&path);
        let to = copies.path().join("copy.db");
        let (file, copy) = (StoreFile::open(&path).unwrap(), Copy::to(&to).unwrap());
        let bytes = file.back_up(&copy).unwrap();
        assert!(bytes > 10_000_000 && bytes == fs::metadata(&to).unwrap().len(), "{bytes}");
        assert!(file.copied_bytes().unwrap().abs_diff(bytes) < bytes / 10, "the bar's length");
        assert_eq!(names(copies.path()), ["copy.db"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(StoreFile::open(&to).unwrap().problems().unwrap(), [""; 0]);
        let bodies: i64 = schema::open(&to, Flush::Never)
            .unwrap()
            .query_row("SELECT count(*) FROM body", [], |row| row.get(0))
            .unwrap();
        assert_eq!(bodies, 100);
        let error = Copy::to(&to).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
    }

    #[test]
    fn of_a_copy_that_fails_nothing_is_left() {
        let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("x.db");
        drop(store(&path));
        let file = StoreFile::open(&path).unwrap();
        let to = copies.path().join("copy.db");

        // Interrupted from another thread, as soon as it has begun to write.
        let (interrupt, copy) = (file.interrupt_handle(), Copy::to(&to).unwrap());
        let watched = copy.clone();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    if fs::metadata(&watched.partial).is_ok() {
                        interrupt.interrupt();
                    }
                    std::thread::yield_now();
                }
            });
            let error = file.back_up(&copy).unwrap_err().to_string();
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
            assert!(error.contains("interrupted"), "{error}");
        });
        assert_eq!(names(copies.path()), [""; 0]);

        // What another one left is not this one's to remove.
        fs::write(&copy.partial, "x").unwrap();
        let error = file.back_up(&copy).unwrap_err().to_string();
        assert!(error.contains("copy.db.partial is there"), "{error}");
        assert_eq!(names(copies.path()), ["copy.db.partial"]);

        let nowhere = Copy::to(&copies.path().join("no/such/folder/copy.db")).unwrap();
        let error = file.back_up(&nowhere).unwrap_err().to_string();
        assert!(error.contains("a folder that can be written"), "{error}");
    }

    #[test]
    fn a_damaged_store_is_told_of_and_not_copied() {
        let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("x.db");
        store(&path).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // Pages in the middle: their kind is not one there is.
        let middle = bytes.len() / 8192 * 4096;
        bytes[4096 * 3..4096 * 40].fill(0xee);
        bytes[middle..middle + 4096 * 8].fill(0xee);
        fs::write(&path, bytes).unwrap();
        let file = StoreFile::open(&path).unwrap();
        assert!(!file.problems().unwrap().is_empty());
        let error = file.back_up(&Copy::to(&copies.path().join("copy.db")).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("put back a backup"), "{error}");
        assert_eq!(names(copies.path()), [""; 0]);
    }

    #[test]
    fn what_is_no_store_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let error = StoreFile::open(&path).err().expect("there is none").to_string();
        assert!(error.contains("--store"), "{error}");
        assert_eq!(names(folder.path()), [""; 0], "none is made");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(StoreFile::open(&path).err().expect("another's").kind(), ErrorKind::Foreign);
        fs::write(&path, "a text, long enough to be taken for a database at first sight".repeat(99)).unwrap();
        assert_eq!(StoreFile::open(&path).err().expect("a text").kind(), ErrorKind::Foreign);
    }
}
