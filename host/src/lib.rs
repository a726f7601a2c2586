//! The gateway as a library.

pub mod cli;
pub mod config;
pub mod store;
pub mod telemetry;
