//! `[network]`: where deliveries may go.

use super::reader::{Section, Value};

/// Where deliveries may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Whether destinations, webhooks and forwards may be on private, loopback and link-local addresses. Default
    /// false, so that nobody who may name a URL reaches into the operator's own network.
    pub allow_private: bool,
}

impl Network {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { allow_private: section.or("allow_private", Self::default().allow_private, Value::boolean) }
    }
}
