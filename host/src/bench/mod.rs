//! Measuring a gateway: how much it accepts and delivers in a second, how late it is, what it keeps in memory.
//!
//! Every scenario drives a real gateway over real sockets on loopback, with its store in a file that is flushed as in
//! production. What is compared with a bare loop runs beside it: the same posts, in the same process, in rounds that
//! alternate, so that a noisy machine disturbs both alike. Nothing is reported that was not counted afterwards: what a
//! gateway said it accepted is looked for in its store, and what it says it delivered was counted by the receiver.
//!
//! A scenario is an async function of its settings that returns a [`Row`]; the command line only shows rows.

pub(crate) mod accept;
mod admin;
mod bare;
mod body;
mod child;
pub(crate) mod deliver;
pub(crate) mod link;
mod load;
mod preload;
mod receiver;
mod row;
mod site;
mod spread;
pub(crate) mod views;
mod wire;

pub(crate) use crate::cli::progress::Progress;
#[cfg(test)]
pub(crate) use row::Target;
pub(crate) use row::{Bound, Figure, Row};

/// Why nothing could be measured.
#[derive(Debug)]
pub(crate) struct CannotRun(pub(crate) String);

impl CannotRun {
    fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for CannotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
