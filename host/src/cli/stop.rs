//! Being told to stop, for commands that run until then.

use super::Failure;
use std::io;

/// Who is told when this process shall stop: on Ctrl-C and on SIGTERM.
pub(super) struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    /// Begins to listen: from here on the signals no longer end the process by themselves.
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: io::Error| Failure::Operation(format!("cannot wait for signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { terminate, interrupt })
    }

    /// Returns once there was a signal.
    #[cfg(unix)]
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Returns once there was a Ctrl-C.
    #[cfg(not(unix))]
    pub(super) async fn asked(&mut self) {
        let _: io::Result<()> = tokio::signal::ctrl_c().await;
    }
}

/// Who is told when this process shall read its configuration again: on SIGHUP, where there is one.
pub(super) struct Hangup {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Hangup {
    /// Begins to listen: from here on the signal no longer ends the process by itself.
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: io::Error| Failure::Operation(format!("cannot wait for signals: {error}"));
        Ok(Self { hangup: signal(SignalKind::hangup()).map_err(failed)? })
    }

    /// Returns once there was a signal.
    #[cfg(unix)]
    pub(super) async fn heard(&mut self) {
        self.hangup.recv().await;
    }

    /// Begins to listen.
    #[cfg(not(unix))]
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Never returns: there is no such signal.
    #[cfg(not(unix))]
    pub(super) async fn heard(&mut self) {
        std::future::pending().await
    }
}
