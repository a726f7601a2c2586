//! `pushgate.toml`: what the gateway serves, to whom, and within which limits.
//!
//! [`Config::load`] reads a file into types that are right once they exist, or says everything that is wrong with it,
//! each problem with its line, column and key. Every key has a default, so an empty file is a configuration.

mod client_tls;
mod example;
mod limits;
mod lingyang;
mod listen;
mod loaded;
mod name;
mod network;
mod pem;
mod problem;
mod reader;
mod retention;
mod rights;
mod secret;
mod sending;
mod server_tls;
mod settings;
mod store;
mod target;
mod telemetry;
mod tencent;
mod uplink;

pub use client_tls::ClientTls;
pub(crate) use client_tls::InUse;
pub use example::EXAMPLE;
pub use limits::Limits;
pub use lingyang::{App, Lingyang};
pub use listen::{Admin, AdminNeedsToken, Listen};
pub use loaded::Loaded;
pub use name::{Name, Named, NotAName, Roster};
pub use network::Network;
pub(crate) use pem::Fingerprint;
pub use problem::{ConfigError, Place, Problem};
pub(crate) use reader::nearest;
pub use retention::Retention;
pub use secret::{NotASecret, Secret};
pub use sending::Sending;
pub use server_tls::{ServerTls, UnusableTls, Validity};
pub use settings::{Change, Origin, Setting, Settings, When};
pub use store::{NotAStore, Store, StoreUrl};
pub use target::{NotATarget, Target};
pub use telemetry::{Attribute, Sampling, Telemetry};
pub use tencent::{FailureStatus, NotAnSdkAppId, SdkAppId, Tencent, TencentDestination, TencentReceiver};
pub use uplink::{AllowList, Uplink, UplinkDestination, UplinkReceiver};

use reader::Section;
use std::path::Path;

/// The gateway's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where the gateway listens.
    pub listen: Listen,
    /// Where accepted work is kept.
    pub store: Store,
    /// How long what is finished stays.
    pub retention: Retention,
    /// Where deliveries may go.
    pub network: Network,
    /// The Lingyang apps whose devices connect here.
    pub lingyang: Lingyang,
    /// Who may push UCloud batches here, and where batches go.
    pub uplink: Uplink,
    /// Which apps' Tencent IM callbacks are taken here, and where events go.
    pub tencent: Tencent,
    /// What the gateway takes before it says no.
    pub limits: Limits,
    /// Where traces go.
    pub telemetry: Telemetry,
}

impl Config {
    /// Reads the file at `path`. Relative paths of secrets and certificates start from its folder.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Loaded::from_file(path).map(|loaded| loaded.config)
    }

    /// Reads `text`, which came from the file called `file`.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the text; when it is not TOML, only with that.
    ///
    /// # Examples
    ///
    /// ```
    /// use pushgate::config::Config;
    ///
    /// let error = Config::parse("[limits]\nbody_byte = 4096\n", "pushgate.toml").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "pushgate.toml:2:1: limits.body_byte: unknown key; did you mean `body_bytes`?"
    /// );
    /// ```
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        Loaded::from_text(text, file).map(|loaded| loaded.config)
    }

    fn read(document: &mut Section<'_>) -> Self {
        Self {
            listen: document.table("listen", Listen::read),
            store: document.table("store", Store::read),
            retention: document.table("retention", Retention::read),
            network: document.table("network", Network::read),
            lingyang: document.table("lingyang", Lingyang::read),
            uplink: document.table("uplink", Uplink::read),
            tencent: document.table("tencent", Tencent::read),
            limits: document.table("limits", Limits::read),
            telemetry: document.table("telemetry", Telemetry::read),
        }
    }
}

#[cfg(test)]
mod tests;
