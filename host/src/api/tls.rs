//! The certificate and key a listener speaks TLS with, from the files that configuration names.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Reads a certificate chain and its private key from two PEM files.
///
/// The chain's first certificate is the server's own; the rest lead to a root. The key is PKCS#8, PKCS#1 or SEC1.
/// Clients are not asked for certificates.
///
/// # Errors
///
/// [`TlsError`] names the file at fault and what to put there. It never shows what a key file holds.
pub fn load(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let pem = read(cert, Part::Certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::new(cert, Part::Certificate, Fault::Pem(source.to_string())))?;
    if chain.is_empty() {
        return Err(TlsError::new(cert, Part::Certificate, Fault::Missing));
    }

    let pem = read(key, Part::Key)?;
    // The reader's own error quotes the line it stopped at, which here may be part of a secret.
    let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::new(key, Part::Key, Fault::Missing))?;

    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|source| TlsError::new(key, Part::Key, Fault::Refused(source)))
}

/// Why a listener has no TLS.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    part: Part,
    fault: Fault,
}

impl TlsError {
    fn new(path: &Path, part: Part, fault: Fault) -> Self {
        Self { path: path.to_owned(), part, fault }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (setting, wanted) = match self.part {
            Part::Certificate => ("tls.cert", "a certificate chain in PEM (-----BEGIN CERTIFICATE-----)"),
            Part::Key => ("tls.key", "an unencrypted private key in PEM (-----BEGIN PRIVATE KEY-----)"),
        };
        write!(f, "{setting}: {}: ", self.path.display())?;
        match &self.fault {
            Fault::Unreadable(source) => write!(f, "{source}; give a file this process may read, with {wanted}"),
            Fault::Pem(reason) => write!(f, "{reason}; give {wanted}"),
            Fault::Missing => write!(f, "holds none of what is needed; give {wanted}"),
            Fault::Refused(rustls::Error::InconsistentKeys(_)) => {
                f.write_str("is not the key of the certificate in tls.cert; give the two that were made together")
            }
            Fault::Refused(source) => write!(f, "{source}; give a certificate and a key that belong together"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.fault {
            Fault::Unreadable(source) => Some(source),
            Fault::Refused(source) => Some(source),
            Fault::Pem(_) | Fault::Missing => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Certificate,
    Key,
}

#[derive(Debug)]
enum Fault {
    Unreadable(io::Error),
    Pem(String),
    Missing,
    Refused(rustls::Error),
}

fn read(path: &Path, part: Part) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::new(path, part, Fault::Unreadable(source)))
}
