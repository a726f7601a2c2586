//! A URL that can be sent to, and the host and port in it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Uri};

use super::failure::{Class, Failure};

/// A URL that can be sent to: `http` or `https`, a host, a port that exists, and no user name or password.
///
/// Whether the host may be connected to is not known before its name is resolved.
#[derive(Clone)]
pub struct Target {
    uri: Uri,
    place: Place,
}

/// Where to connect to. Displays as `host:port`, the only part of a URL that messages show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(Box<str>),
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`Class::Url`], saying which part is wrong and what to write. The text never repeats a user name, a password,
    /// a path or a query.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let uri: Uri = url.parse().map_err(|error| {
            wrong(format!(
                "the URL cannot be read ({error}): write http://host/path in ASCII, a foreign name in punycode"
            ))
        })?;
        Self::of(uri)
    }

    /// Checks a URL that is read already.
    pub(super) fn of(uri: Uri) -> Result<Self, Failure> {
        let place = Place::of(&uri)?;
        Ok(Self { uri, place })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The `Host` header of a request over plain `http`, which otherwise hyper makes anew for each. Over TLS the peer may
    /// speak HTTP/2, where the host is no header.
    pub(super) fn http_host(&self) -> Option<HeaderValue> {
        if self.uri.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        let host = self.uri.host()?;
        let written = if self.place.port == 80 { host.to_owned() } else { format!("{host}:{}", self.place.port) };
        HeaderValue::from_maybe_shared(Bytes::from(written)).ok()
    }
}

impl FromStr for Target {
    type Err = Failure;

    fn from_str(url: &str) -> Result<Self, Failure> {
        Self::parse(url)
    }
}

/// Shows the scheme, host and port alone: the rest of a URL may hold secrets.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}://{})", self.uri.scheme_str().unwrap_or_default(), self.place)
    }
}

impl Place {
    pub(super) fn of(uri: &Uri) -> Result<Self, Failure> {
        let Some(scheme) = uri.scheme() else {
            return Err(wrong("the URL has no scheme: write http://host/path or https://host/path"));
        };
        let default_port = match scheme {
            scheme if *scheme == Scheme::HTTP => 80,
            scheme if *scheme == Scheme::HTTPS => 443,
            other => return Err(wrong(format!("the URL's scheme is {other}: only http and https can be sent to"))),
        };
        let Some(authority) = uri.authority() else {
            return Err(wrong("the URL has no host: write http://host/path"));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("the URL holds a user name or password: take out everything up to the @"));
        }
        let host = Host::read(authority.host())?;
        let port = match authority.as_str().get(authority.host().len()..).unwrap_or_default() {
            "" => default_port,
            written => read_port(written).ok_or_else(|| {
                wrong(format!("the port of {} is not one of 1 to 65535: correct or leave it out", authority.host()))
            })?,
        };
        Ok(Self { host, port })
    }
}

impl Host {
    fn read(host: &str) -> Result<Self, Failure> {
        if host.is_empty() {
            return Err(wrong("the URL has no host: write http://host/path"));
        }
        if let Some(inside) = host.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(|inside| inside.parse().ok());
            return address
                .map(|address| Self::Address(IpAddr::V6(address)))
                .ok_or_else(|| wrong(format!("the host {host} is not an IPv6 address (zones cannot be written)")));
        }
        // Other spellings of an IPv4 address (`127.1`, `0x7f000001`) stay names: the system's resolver reads them as
        // the addresses they are, and its answers are checked like any other.
        Ok(host.parse().map_or_else(|_| Self::Name(host.into()), |address| Self::Address(IpAddr::V4(address))))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Reads `:port`. Port 0 means "any" to the system and cannot be connected to.
fn read_port(written: &str) -> Option<u16> {
    let digits = written.strip_prefix(':')?;
    // `parse` alone would let a sign in.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

fn wrong(detail: impl Into<String>) -> Failure {
    Failure::new(Class::Url, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place() {
        for (url, place) in [
            ("http://acme.example", "acme.example:80"),
            ("https://acme.example/a?b=c", "acme.example:443"),
            ("http://acme.example:8080/", "acme.example:8080"),
            ("http://192.0.2.1/", "192.0.2.1:80"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
            ("http://127.1/", "127.1:80"),
        ] {
            assert_eq!(Target::parse(url).expect(url).place().to_string(), place, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_sent_to_says_why_and_keeps_its_secrets() {
        for (url, word) in [
            ("ftp://acme.example/secret", "scheme is ftp"),
            ("/secret", "no scheme"),
            ("acme.example", "no scheme"),
            ("http:///secret", "cannot be read"),
            ("http://:80/secret", "no host"),
            ("http://user:secret@acme.example/", "user name or password"),
            ("http://acme.example:0/secret", "port of acme.example"),
            ("http://acme.example:65536/secret", "port of acme.example"),
            ("http://acme.example:/secret", "port of acme.example"),
            ("http://acme.example:+80/secret", "port of acme.example"),
            ("http://[fe80::1%25eth0]/secret", "IPv6"),
            ("http://[::1/secret", "cannot be read"),
            ("http://b\u{fc}cher.example/secret", "punycode"),
            ("http://acme.example/secret token", "cannot be read"),
            ("", "cannot be read"),
        ] {
            let failure = Target::parse(url).expect_err(url);
            assert_eq!(failure.class, Class::Url, "{url}");
            assert!(failure.detail.contains(word), "{url}: {failure}");
            assert!(!failure.detail.contains("secret"), "{url}: {failure}");
        }
    }

    #[test]
    fn debug_shows_no_path_and_no_query() {
        let target = Target::parse("https://acme.example/secret?token=secret").expect("a good URL");
        assert_eq!(format!("{target:?}"), "Target(https://acme.example:443)");
    }
}
