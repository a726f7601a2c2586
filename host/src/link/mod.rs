//! The device link: which device is connected, and what its connection carries.
//!
//! The lines themselves are `pushgate-core`'s; here are the sockets they travel on ([`tcp`]) and the [`Registry`] that
//! knows which connection reaches a device.

mod registry;
pub mod tcp;

pub use registry::{Connected, Connection, Link, Registry};
