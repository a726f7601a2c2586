//! A push gateway: the library behind the `pushgate` command.
//!
//! [`gateway`] puts the parts together. What comes in goes through [`api`] or [`link`] into the [`store`]; what goes
//! out is decided by the [`engine`] and carried by the [`courier`]. The protocols themselves are `pushgate-core`'s.

pub mod api;
pub mod auth;
pub mod batches;
mod bench;
pub mod cli;
pub mod clock;
pub mod config;
mod console;
pub mod courier;
pub mod demo;
pub mod device;
pub mod engine;
mod files;
pub mod gateway;
pub mod health;
pub mod link;
mod listener;
pub mod metrics;
pub mod receiver;
mod recent;
mod renewal;
mod retention;
mod shown;
pub mod store;
pub mod telemetry;
pub mod workers;
