//! What comes in over HTTP: the listener that every surface shares, the bounds each request lives within, and the
//! routes of the three surfaces: the device API, the receivers, the admin API.

mod acceptor;
pub mod admin;
pub mod body;
pub mod lingyang;
pub(crate) mod live;
mod openapi;
mod public;
pub mod receive;
mod request_id;
pub mod server;
pub(crate) mod state;
pub mod tls;
