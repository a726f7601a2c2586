//! How a destination is reached over TLS beyond what every `https` URL gets: an authority of its own, and a
//! certificate that says who is sending.

use super::{
    pem::{Fingerprint, certificates, certified},
    reader::{Section, Value},
    target::Target,
};
use rustls::{RootCertStore, client::ResolvesClientCert, pki_types::CertificateDer, sign::SingleCertAndKey};
use sha2::{Digest, Sha256};
use std::{
    fmt, fs,
    path::Path,
    sync::{Arc, Weak},
};

/// An authority trusted in addition to the system's, a certificate shown to who asks for one, or both.
///
/// The files are read with the configuration, so a file at fault is found before anything is sent, and a reload takes
/// up a renewed one. Two of the same contents are equal, wherever they were read from. Clones share the contents; no
/// format shows them.
#[derive(Clone)]
pub struct ClientTls(Arc<Contents>);

struct Contents {
    fingerprint: Fingerprint,
    authorities: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<dyn ResolvesClientCert>>,
}

/// Whether a [`ClientTls`] still exists, without keeping it.
pub(crate) struct InUse(Weak<Contents>);

impl ClientTls {
    /// Trusts the authority in the PEM file at `path` beside the system's, and shows no certificate.
    ///
    /// # Errors
    ///
    /// Says what is wrong with which file.
    pub fn with_authority(path: &Path) -> Result<Self, String> {
        let mut digest = Sha256::new();
        let authorities = fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|pem| Ok(certificates(&pem, &mut digest).and_then(authorities)?))
            .map_err(|what| format!("{}: {what}", path.display()))?;
        Ok(Self(Arc::new(Contents { fingerprint: digest.finalize().into(), authorities, certificate: None })))
    }

    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    /// The authorities to trust beside the system's.
    pub(crate) fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.0.authorities
    }

    /// The certificate to show, with its key.
    pub(crate) fn certificate(&self) -> Option<Arc<dyn ResolvesClientCert>> {
        self.0.certificate.clone()
    }

    pub(crate) fn in_use(&self) -> InUse {
        InUse(Arc::downgrade(&self.0))
    }

    /// Reads the table `key` of a destination with the URL `url`, unless that is itself at fault.
    pub(super) fn read(section: &mut Section<'_>, key: &'static str, url: Option<&Target>) -> Option<Self> {
        let value = section.value(key)?;
        let read = value.table(|section| Self::read_files(section, &value)).flatten();
        if url.is_some_and(|url| url.uri().scheme_str() != Some("https")) {
            value.report("nothing of it is used for an http:// URL: write https://, or remove this key");
            return None;
        }
        read
    }

    /// Reads the optional URL `url` and the table `key` that only makes sense beside it.
    pub(super) fn read_with_url(
        section: &mut Section<'_>,
        url: &'static str,
        key: &'static str,
    ) -> (Option<Target>, Option<Self>) {
        let written = section.value(url);
        let target = written.as_ref().and_then(Target::read);
        let tls = Self::read(section, key, target.as_ref());
        if written.is_none()
            && let Some(value) = section.value(key)
        {
            value.report(format_args!("there is no `{url}` to use it for: set one, or remove this key"));
        }
        (target, tls)
    }

    fn read_files(section: &mut Section<'_>, table: &Value<'_>) -> Option<Self> {
        let (ca, cert, key) = (section.value("ca"), section.value("cert"), section.value("key"));
        match (&ca, &cert, &key) {
            (None, None, None) => table.report("must have `ca`, or `cert` and `key`, or all three: name PEM files"),
            (_, Some(cert), None) => cert.report("goes with a key: name the certificate's own in `key`"),
            (_, None, Some(key)) => key.report("goes with a certificate: name the one it was made for in `cert`"),
            _ => {}
        }
        let mut digest = Sha256::new();
        let authorities = match &ca {
            Some(ca) => ca.parse_file(|pem| certificates(pem, &mut digest).and_then(authorities))?,
            None => Vec::new(),
        };
        let certificate = match (cert, key) {
            (Some(cert), Some(key)) => {
                let chain = cert.parse_file(|pem| certificates(pem, &mut digest));
                let secret = key.parse_key_file(&mut digest);
                let certified = certified(chain?, secret?).map_err(|what| key.report(what)).ok()?;
                Some(Arc::new(SingleCertAndKey::from(certified)) as Arc<dyn ResolvesClientCert>)
            }
            (None, None) => None,
            _ => return None,
        };
        Some(Self(Arc::new(Contents { fingerprint: digest.finalize().into(), authorities, certificate })))
    }
}

impl InUse {
    pub(crate) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    pub(crate) fn is_of(&self, tls: &ClientTls) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&tls.0))
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for ClientTls {}

/// Tells what there is and nothing of its contents.
impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificate = if self.0.certificate.is_some() { "a" } else { "no" };
        write!(f, "ClientTls({} authorities, {certificate} certificate)", self.0.authorities.len())
    }
}

fn authorities(found: Vec<CertificateDer<'static>>) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut store = RootCertStore::empty();
    for certificate in &found {
        store.add(certificate.clone()).map_err(
            |_| "holds a certificate that cannot be read: give the authority's own, X.509 version 3, in PEM",
        )?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::PathBuf;

    fn certificates_for_tests() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls")
    }

    /// Reads a destination whose `tls` is `table`, from a file in the folder of the tests' certificates.
    fn read(table: &str) -> Result<Option<ClientTls>, String> {
        let text = format!("[[uplink.destinations]]\nname = 'a'\nurl = 'https://a.example/'\ntls = {table}\n");
        let file = certificates_for_tests().join("t.toml").display().to_string();
        let config = Config::parse(&text, &file).map_err(|error| error.to_string())?;
        Ok(config.uplink.destinations.named("a").expect("a destination").tls.clone())
    }

    #[test]
    fn an_authority_and_a_certificate_are_read_from_files_beside_the_configuration() {
        for (table, shown) in [
            ("{ ca = 'ca.pem' }", "ClientTls(1 authorities, no certificate)"),
            ("{ cert = 'client.pem', key = 'client.key' }", "ClientTls(0 authorities, a certificate)"),
            ("{ ca = 'ca.pem', cert = 'client.pem', key = 'client.key' }", "ClientTls(1 authorities, a certificate)"),
        ] {
            let tls = read(table).expect(table).expect("tls");
            assert_eq!(format!("{tls:?}"), shown);
        }
    }

    #[test]
    fn an_authority_alone_is_read_from_a_file() {
        let alone = ClientTls::with_authority(&certificates_for_tests().join("ca.pem")).expect("an authority");
        assert_eq!(Some(alone), read("{ ca = 'ca.pem' }").expect("a table"));
        for (name, words) in [("gone.pem", "gone.pem: No such file"), ("make.sh", "make.sh: holds no certificate")] {
            let error = ClientTls::with_authority(&certificates_for_tests().join(name)).expect_err(name);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_same_contents_are_equal_and_others_are_not() {
        let tables = [
            "{ ca = 'ca.pem' }",
            "{ ca = 'cert.pem' }",
            "{ cert = 'client.pem', key = 'client.key' }",
            "{ cert = 'stranger.pem', key = 'stranger.key' }",
            "{ ca = 'ca.pem', cert = 'client.pem', key = 'client.key' }",
            "{ ca = 'ca.pem', cert = 'stranger.pem', key = 'stranger.key' }",
        ];
        let all: Vec<_> = tables.iter().map(|table| read(table).expect(table)).collect();
        for (a, one) in all.iter().enumerate() {
            for (b, other) in all.iter().enumerate() {
                assert_eq!(one == other, a == b, "{} {}", tables[a], tables[b]);
            }
        }
        let elsewhere = tempfile::tempdir().expect("a folder");
        let copy = elsewhere.path().join("authority.pem");
        fs::copy(certificates_for_tests().join("ca.pem"), &copy).expect("a copy");
        assert_eq!(read(&format!("{{ ca = '{}' }}", copy.display())).expect("the copy"), all[0]);
    }

    #[test]
    fn a_file_at_fault_is_named_with_its_key_and_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, contents: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, contents).expect("a file");
            path.display().to_string()
        };
        let broken = write("broken.pem", b"-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n");
        let garbage = write("garbage.pem", b"-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
        let broken_key = write("broken.key", b"-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n");
        let odd_key = write("odd.key", b"-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n");
        let folder = folder.path().display().to_string();
        for (table, place, words) in [
            ("{}", "4:7: uplink.destinations[0].tls:", "`ca`, or `cert` and `key`"),
            ("'ca.pem'", "4:7: uplink.destinations[0].tls:", "must be a table"),
            ("{ ca = '' }", "4:14: uplink.destinations[0].tls.ca:", "must name a PEM file"),
            ("{ ca = 'gone.pem' }", "4:14: uplink.destinations[0].tls.ca:", "gone.pem: No such file"),
            (&format!("{{ ca = '{folder}' }}"), "4:14: uplink.destinations[0].tls.ca:", "name a file that the gateway"),
            ("{ ca = 'make.sh' }", "4:14: uplink.destinations[0].tls.ca:", "make.sh: holds no certificate"),
            ("{ ca = 'client.key' }", "4:14: uplink.destinations[0].tls.ca:", "client.key: holds no certificate"),
            (&format!("{{ ca = '{broken}' }}"), "4:14: uplink.destinations[0].tls.ca:", "holds no certificate"),
            (&format!("{{ ca = '{garbage}' }}"), "4:14: uplink.destinations[0].tls.ca:", "cannot be read"),
            ("{ cert = 'client.pem' }", "4:16: uplink.destinations[0].tls.cert:", "goes with a key"),
            ("{ key = 'client.key' }", "4:15: uplink.destinations[0].tls.key:", "goes with a certificate"),
            (
                "{ cert = 'gone.pem', key = 'client.key' }",
                "4:16: uplink.destinations[0].tls.cert:",
                "gone.pem: No such file",
            ),
            (
                "{ cert = 'client.pem', key = 'client.pem' }",
                "4:36: uplink.destinations[0].tls.key:",
                "client.pem: holds no private key",
            ),
            (
                &format!("{{ cert = 'client.pem', key = '{broken_key}' }}"),
                "4:36: uplink.destinations[0].tls.key:",
                "holds no private key",
            ),
            (
                &format!("{{ cert = 'client.pem', key = '{odd_key}' }}"),
                "4:36: uplink.destinations[0].tls.key:",
                "cannot be used",
            ),
            ("{ cert = 'client.pem', key = 'stranger.key' }", "4:36: uplink.destinations[0].tls.key:", "made together"),
            ("{ ca = 'ca.pem', crt = 'x' }", "4:24: uplink.destinations[0].tls.crt:", "did you mean `cert`"),
        ] {
            let error = read(table).expect_err(table);
            assert!(error.contains(&format!("t.toml:{place}")) && error.contains(words), "{table}\n{error}");
            assert_eq!(error.lines().count(), 1, "{table}\n{error}");
            assert!(!error.contains("hunter2") && !error.contains("aHVudGVyMg"), "{table}\n{error}");
        }
    }

    #[test]
    fn a_setting_that_would_not_be_used_is_a_problem() {
        let app = "[[lingyang.apps]]\nid = 'a'\nkeys = ['k']\ncids = [[1, 2]]\n";
        let receiver = "[[uplink.receivers]]\nname = 'a'\n";
        for (text, complaint) in [
            (
                "[[uplink.destinations]]\nname = 'a'\nurl = 'http://a/'\ntls = { ca = 'ca.pem' }",
                "t.toml:4:7: uplink.destinations[0].tls: nothing of it is used for an http:// URL",
            ),
            (
                "[[tencent.destinations]]\nname = 'a'\nurl = 'http://a/'\nsdk_app_id = '1'\ntls = { ca = 'ca.pem' }",
                "t.toml:5:7: tencent.destinations[0].tls: nothing of it is used for an http:// URL",
            ),
            (
                &format!("{app}webhook_tls = {{ ca = 'ca.pem' }}"),
                "t.toml:5:15: lingyang.apps[0].webhook_tls: there is no `webhook` to use it for",
            ),
            (
                &format!("{app}webhook = 'http://a/'\nwebhook_tls = {{ ca = 'ca.pem' }}"),
                "t.toml:6:15: lingyang.apps[0].webhook_tls: nothing of it is used for an http:// URL",
            ),
            (
                &format!("{receiver}forward_tls = {{ ca = 'ca.pem' }}"),
                "t.toml:3:15: uplink.receivers[0].forward_tls: there is no `forward` to use it for",
            ),
        ] {
            let file = certificates_for_tests().join("t.toml").display().to_string();
            let error = Config::parse(text, &file).expect_err(text).to_string();
            assert!(error.contains(complaint) && error.lines().count() == 1, "{text}\n{error}");
        }
    }

    #[test]
    fn every_kind_of_destination_has_its_own() {
        let text = "
            [[lingyang.apps]]
            id = 'a'
            keys = ['k']
            cids = [[1, 2]]
            webhook = 'https://a.example/'
            webhook_tls = { ca = 'ca.pem' }
            [[uplink.receivers]]
            name = 'a'
            forward = 'https://a.example/'
            forward_tls = { ca = 'ca.pem' }
            [[uplink.destinations]]
            name = 'a'
            url = 'https://a.example/'
            tls = { ca = 'ca.pem' }
            [[tencent.destinations]]
            name = 'a'
            url = 'https://a.example/'
            sdk_app_id = '1'
            tls = { ca = 'ca.pem' }
        ";
        let file = certificates_for_tests().join("t.toml").display().to_string();
        let config = Config::parse(text, &file).unwrap_or_else(|error| panic!("{error}"));
        let all = [
            config.lingyang.app("a").and_then(|app| app.webhook_tls()).cloned(),
            config.uplink.receivers.named("a").and_then(|receiver| receiver.forward_tls.clone()),
            config.uplink.destinations.named("a").and_then(|destination| destination.tls.clone()),
            config.tencent.destinations.named("a").and_then(|destination| destination.tls.clone()),
        ];
        assert!(all.iter().all(|tls| tls.is_some() && *tls == all[0]), "{all:?}");
    }
}
