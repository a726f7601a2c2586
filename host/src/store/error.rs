//! Why a store could not do what it was asked: a kind to act on, and a message for people.

use std::fmt;
use std::sync::Arc;

/// Says who must act on a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No room left where the store lives. The same request works again once there is.
    Full,
    /// Another process has the store. The same request works again once it let go.
    Busy,
    /// What is stored cannot be read any more.
    Corrupt,
    /// There is something at the store's place that is not a store of ours.
    Foreign,
    /// The store was written by a newer release.
    Newer,
    /// The store's place cannot be reached or written: a missing directory, missing rights.
    Denied,
    /// The store was closed.
    Closed,
    /// The request breaks a limit of the store; it never works.
    Invalid,
    /// No store answers to the configured URL.
    Url,
    /// Anything else.
    Other,
}

/// Reports that a store did not do what it was asked. Nothing of the request was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    kind: ErrorKind,
    message: Arc<str>, // shared: one failed commit answers many callers
}

impl StoreError {
    /// Creates an error whose message says what is wrong, where, and what to do about it.
    pub fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Creates the error of a call after the store was closed.
    pub fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store is closed: the gateway is shutting down, try again once it is back")
    }

    /// Returns who must act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
