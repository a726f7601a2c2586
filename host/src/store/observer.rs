//! What a store tells of its work, for whoever counts it.

use std::{fmt, time::Duration};

use super::ErrorKind;

/// Is told of every commit. It is called by whoever writes, between two commits: it must be quick.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Is told of a commit that was made.
    fn committed(&self, commit: Commit);

    /// Is told of a commit that failed, once for all who shared it.
    fn failed(&self, kind: ErrorKind);
}

/// Describes a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// How long it took, from its beginning to the disk.
    pub took: Duration,
    /// How many requests and records shared it.
    pub callers: usize,
    /// How many rows it changed.
    pub rows: u64,
    /// The bytes of the bodies in it.
    pub bytes: usize,
    /// How many orders waited behind it.
    pub queued: usize,
}
