//! The certificate that a listener shows, with its key.

use super::{
    pem::{self, Fingerprint},
    reader::Section,
};
use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A certificate chain and its private key, from two PEM files that belong together.
///
/// The chain's first certificate is the server's own; the rest lead to a root. The key is PKCS#8, PKCS#1 or SEC1. The
/// files are read with the configuration, so that one at fault is found before anything listens. Two of the same
/// contents are equal, wherever they were read from. Clones share the contents; no format shows them.
#[derive(Clone)]
pub struct ServerTls(Arc<Contents>);

struct Contents {
    cert: PathBuf,
    key: PathBuf,
    fingerprint: Fingerprint,
    certified: Arc<CertifiedKey>,
    valid: Validity,
}

/// When a certificate is valid, in unix seconds, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: u64,
    /// The last second.
    pub until: u64,
}

impl ServerTls {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// [`UnusableTls`] names the file at fault and what to put there. It never shows what a key file holds.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, UnusableTls> {
        let mut digest = Sha256::new();
        let chain = read(cert, |pem| pem::certificates(pem, &mut digest)).map_err(|what| UnusableTls::cert(&what))?;
        let secret = read(key, |pem| pem::private_key(pem, &mut digest)).map_err(|what| UnusableTls::key(&what))?;
        Self::join(cert.to_owned(), key.to_owned(), chain, secret, digest)
            .map_err(|what| UnusableTls::key(&format!("{}: {what}", key.display())))
    }

    /// Reads the same files as they are now.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files).
    pub fn again(&self) -> Result<Self, UnusableTls> {
        Self::from_files(&self.0.cert, &self.0.key)
    }

    /// When the server's own certificate is valid.
    #[must_use]
    pub fn valid(&self) -> Validity {
        self.0.valid
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.certified)
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let cert = section.required("cert", |value| Some(value.clone()));
        let key = section.required("key", |value| Some(value.clone()));
        let (cert, key) = (cert?, key?);
        let mut digest = Sha256::new();
        let chain = cert.parse_file(|pem| pem::certificates(pem, &mut digest));
        let secret = key.parse_key_file(&mut digest);
        let (chain, secret) = (chain?, secret?);
        Self::join(cert.path()?, key.path()?, chain, secret, digest).map_err(|what| key.report(what)).ok()
    }

    fn join(
        cert: PathBuf,
        key: PathBuf,
        chain: Vec<CertificateDer<'static>>,
        secret: rustls::pki_types::PrivateKeyDer<'static>,
        digest: Sha256,
    ) -> Result<Self, String> {
        let certified = Arc::new(pem::certified(chain, secret)?);
        let own = certified.end_entity_cert().map_err(|error| error.to_string())?;
        let valid =
            Validity::of(own).ok_or("cannot be used: the certificate in `cert` does not say until when it is valid")?;
        let fingerprint = digest.finalize().into();
        Ok(Self(Arc::new(Contents { cert, key, fingerprint, certified, valid })))
    }
}

impl Validity {
    /// Asks the verifier at both ends of time: what it objects to is the certificate's own.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        let objection = |seconds| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms).err()
        };
        let Some(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = objection(u64::MAX)
        else {
            return None;
        };
        let from = match objection(0) {
            Some(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                not_before.as_secs()
            }
            _ => 0,
        };
        Some(Self { from, until: not_after.as_secs() })
    }
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for ServerTls {}

/// Tells the files and nothing of their contents.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({}, {})", self.0.cert.display(), self.0.key.display())
    }
}

/// Why two files are no [`ServerTls`]: which key of the table names the file at fault, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableTls(String);

impl UnusableTls {
    fn cert(what: &str) -> Self {
        Self(format!("cert: {what}"))
    }

    fn key(what: &str) -> Self {
        Self(format!("key: {what}"))
    }
}

impl fmt::Display for UnusableTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnusableTls {}

fn read<T>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, &'static str>) -> Result<T, String> {
    let contents = fs::read(path)
        .map_err(|error| format!("{}: {error}; give a file that the gateway may read", path.display()))?;
    parse(&contents).map_err(|what| format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    fn problem(table: &str) -> String {
        let text = format!("[listen]\ntls = {table}\n");
        Config::parse(&text, &file("t.toml").display().to_string()).expect_err(table).to_string()
    }

    #[test]
    fn the_certificate_says_until_when_it_is_valid() {
        let tls = ServerTls::from_files(&file("server.pem"), &file("server.key")).expect("a pair");
        let shown = std::process::Command::new("openssl")
            .args(["x509", "-noout", "-startdate", "-enddate", "-dateopt", "iso_8601", "-in"])
            .arg(file("server.pem"))
            .output();
        let Validity { from, until } = tls.valid();
        assert_eq!(until - from, 36_500 * 86_400, "as it was made");
        // Where there is no openssl, the length has to do.
        if let Ok(shown) = shown.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            && shown.contains("notAfter")
        {
            let utc = |seconds| crate::shown::Utc(seconds).to_string().replace('T', " ");
            assert_eq!(shown.trim(), format!("notBefore={}\nnotAfter={}", utc(from), utc(until)));
        }
    }

    #[test]
    fn the_same_contents_are_equal_wherever_they_are() {
        let read = |cert, key| ServerTls::from_files(&file(cert), &file(key)).expect("a pair");
        let tls = read("server.pem", "server.key");
        assert_eq!(tls, tls.again().expect("the same files"));
        assert_ne!(tls, read("cert.pem", "key.pem"));
        let elsewhere = tempfile::tempdir().expect("a folder");
        let copy = |name: &str| {
            let to = elsewhere.path().join(name);
            fs::copy(file(name), &to).expect("a copy");
            to
        };
        assert_eq!(ServerTls::from_files(&copy("server.pem"), &copy("server.key")), Ok(tls));
    }

    #[test]
    fn a_file_at_fault_is_named_with_what_belongs_there() {
        for (table, place, words) in [
            ("{ cert = 'gone.pem', key = 'key.pem' }", "2:16: listen.tls.cert:", "gone.pem: No such file"),
            ("{ cert = 'key.pem', key = 'key.pem' }", "2:16: listen.tls.cert:", "BEGIN CERTIFICATE"),
            ("{ cert = 'cert.pem', key = 'gone.pem' }", "2:34: listen.tls.key:", "gone.pem: No such file"),
            ("{ cert = 'cert.pem', key = 'cert.pem' }", "2:34: listen.tls.key:", "BEGIN PRIVATE KEY"),
            ("{ cert = 'cert.pem', key = 'other-key.pem' }", "2:34: listen.tls.key:", "made together"),
            ("{ cert = '', key = 'key.pem' }", "2:16: listen.tls.cert:", "must name a PEM file"),
            ("{ cert = 'cert.pem' }", "2:7: listen.tls.key:", "required"),
        ] {
            let error = problem(table);
            assert!(error.contains(&format!("t.toml:{place}")) && error.contains(words), "{table}\n{error}");
            assert_eq!(error.lines().count(), 1, "{table}\n{error}");
        }
        let error =
            ServerTls::from_files(&file("cert.pem"), &file("other-key.pem")).expect_err("strangers").to_string();
        assert!(error.starts_with("key: ") && error.contains("other-key.pem: is not the key"), "{error}");
    }
}
