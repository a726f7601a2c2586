//! Certificates and keys in PEM files: how they are read, and what a file at fault is told.
//!
//! What is read is folded into a SHA-256, so that a change of contents behind the same path is seen.

use super::{reader::Value, rights, settings::Noted};
use rustls::{
    Error,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::{fs, path::PathBuf};

/// What tells the contents of files from others: a SHA-256 over them.
pub(crate) type Fingerprint = [u8; 32];

const CERTIFICATES: &str = "holds no certificate: give a file in PEM (-----BEGIN CERTIFICATE-----)";
const KEY: &str = "holds no private key that can be read: give an unencrypted one in PEM (-----BEGIN PRIVATE KEY-----)";

/// Reads a file of at least one certificate and nothing broken.
pub(super) fn certificates(pem: &[u8], digest: &mut Sha256) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| CERTIFICATES)?;
    if found.is_empty() {
        return Err(CERTIFICATES);
    }
    // The count and the lengths too, so that no other certificates run together to the same bytes.
    digest.update(found.len().to_le_bytes());
    for certificate in &found {
        digest.update(certificate.len().to_le_bytes());
        digest.update(certificate);
    }
    Ok(found)
}

/// Reads a file's first private key.
pub(super) fn private_key(pem: &[u8], digest: &mut Sha256) -> Result<PrivateKeyDer<'static>, &'static str> {
    // The reader's own error quotes the line it stopped at, which here may be part of a secret.
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KEY)?;
    digest.update(key.secret_der());
    Ok(key)
}

/// Joins a chain and the key of its first certificate; what is wrong is said of the key.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            "is not the key of the first certificate in `cert`; name the two that were made together".to_owned()
        }
        // rustls says which kinds of key it takes, and nothing of this one.
        error => format!("cannot be used ({error}); give an RSA, ECDSA or Ed25519 key in PEM"),
    })
}

impl Value<'_> {
    /// The private key in the file this string names, which should be its owner's alone.
    pub(super) fn parse_key_file(&self, digest: &mut Sha256) -> Option<PrivateKeyDer<'static>> {
        let key = self.parse_file(|pem| private_key(pem, digest))?;
        if rights::open_to_everybody(&self.path()?) {
            self.warn(rights::ADVICE);
        }
        Some(key)
    }

    /// The path this string names, a relative one starting from the folder of the configuration.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.parse_unnoted(|path| {
            if path.is_empty() { Err("must name a PEM file") } else { Ok(self.source().folder().join(path)) }
        })
    }

    /// What `parse` makes of the contents of the file this string names, a relative path starting from the folder of
    /// the configuration.
    pub(super) fn parse_file<T>(&self, parse: impl FnOnce(&[u8]) -> Result<T, &'static str>) -> Option<T> {
        let folder = self.source().folder();
        self.parse_unnoted(|named| {
            if named.is_empty() {
                return Err("must name a PEM file".to_owned());
            }
            let path = folder.join(named);
            let contents = fs::read(&path)
                .map_err(|error| format!("{}: {error}; name a file that the gateway may read", path.display()))?;
            let made = parse(&contents).map_err(|what| format!("{}: {what}", path.display()))?;
            self.note(Noted::File { path: named.to_owned(), contents: Sha256::digest(&contents).into() });
            Ok(made)
        })
    }
}
