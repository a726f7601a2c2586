//! `pushgate.toml`: what the gateway serves, to whom, and within which limits.
//!
//! [`Config::load`] reads a file into types that are right once they exist, or says everything that is wrong with it,
//! each problem with its line, column and key. Every key has a default, so an empty file is a configuration.

mod client_tls;
mod example;
mod limits;
mod lingyang;
mod listen;
mod name;
mod network;
mod problem;
mod reader;
mod retention;
mod secret;
mod sending;
mod store;
mod target;
mod telemetry;
mod tencent;
mod uplink;

pub use client_tls::ClientTls;
pub(crate) use client_tls::{Fingerprint, InUse};
pub use example::EXAMPLE;
pub use limits::Limits;
pub use lingyang::{App, Lingyang};
pub use listen::{Admin, AdminNeedsToken, Listen, Tls};
pub use name::{Name, Named, NotAName, Roster};
pub use network::Network;
pub use problem::{ConfigError, Place, Problem};
pub(crate) use reader::nearest;
pub use retention::Retention;
pub use secret::{NotASecret, Secret};
pub use sending::Sending;
pub use store::{NotAStore, Store, StoreUrl};
pub use target::{NotATarget, Target};
pub use telemetry::{Attribute, Sampling, Telemetry};
pub use tencent::{FailureStatus, NotAnSdkAppId, SdkAppId, Tencent, TencentDestination, TencentReceiver};
pub use uplink::{AllowList, Uplink, UplinkDestination, UplinkReceiver};

use reader::{Section, Source};
use std::{fs, path::Path};
use toml::de::DeTable;

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
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| ConfigError::unreadable(&file, &error))?;
        match str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, &file),
            Err(error) => {
                let place = Some(Place::of(&bytes, error.valid_up_to()));
                let problem = Problem { place, key: String::new(), what: "not UTF-8, as TOML must be".to_owned() };
                Err(ConfigError::new(&file, vec![problem]))
            }
        }
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
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let source = Source::new(text, folder);
        let config = Self::read_from(&source, text);
        let problems = source.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::new(file, problems)) }
    }

    /// Reads `text`, leaving its problems in `source`; what it returns counts only when there are none.
    fn read_from(source: &Source<'_>, text: &str) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            source.report(error.span().map_or(0, |span| span.start), "", error.message());
        }
        if !errors.is_empty() {
            // What the parser made of a broken text is a guess, and every complaint about it a riddle.
            return Self::default();
        }
        Section::document(source, &document, Self::read)
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
