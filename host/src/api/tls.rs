//! The certificates that listeners show, which may be renewed while they listen.
//!
//! A listener asks for its certificate at every handshake, so a new one is shown from the next connection on, and those
//! that stand stay. What is taken up was checked before: a [`ServerTls`] exists only if certificate and key fit.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::config::{ServerTls, UnusableTls};

/// What one listener shows. Clones share it.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Shown>);

#[derive(Debug)]
struct Shown(RwLock<ServerTls>);

/// Whether other certificates than before are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// From the next connection on.
    New,
    /// They were shown already.
    Same,
}

impl Certificates {
    /// Shows `tls` from the start.
    #[must_use]
    pub fn new(tls: ServerTls) -> Self {
        Self(Arc::new(Shown(RwLock::new(tls))))
    }

    /// How a listener speaks TLS with them. Clients are not asked for certificates.
    ///
    /// # Errors
    ///
    /// When this build has no version of TLS, which is a bug.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.0) as _;
        Ok(ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver))
    }

    /// Shows `tls` from now on.
    pub fn take_up(&self, tls: ServerTls) -> Taken {
        let mut current = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        let taken = if *current == tls { Taken::Same } else { Taken::New };
        // Also when the contents are the same: the files to look at may be others.
        *current = tls;
        taken
    }

    /// Shows what the same files hold by now.
    ///
    /// # Errors
    ///
    /// When they do not fit; what was shown stays.
    pub fn renew(&self) -> Result<Taken, UnusableTls> {
        let before = self.current();
        let tls = before.again()?;
        let mut current = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        // While they were read, others may have been named.
        if tls == before || *current != before {
            return Ok(Taken::Same);
        }
        *current = tls;
        Ok(Taken::New)
    }

    /// What is shown now.
    #[must_use]
    pub fn current(&self) -> ServerTls {
        self.0.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last second, in unix time, in which what is shown now is valid.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.current().valid().until
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).certified())
    }
}
