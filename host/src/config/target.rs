//! A URL that something is sent to.

use super::{reader::Value, secret::Secret, settings::Noted};
use http::Uri;
use std::{fmt, str::FromStr};

/// An absolute `http` or `https` URL with a host and without a user name or password in it.
///
/// It prints without its query, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Uri);

impl Target {
    /// The URL itself, query included.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let target: Self = value.parse_unnoted(str::parse)?;
        // It is compared with its query and shown without.
        let secret = Secret::new(&target.0.to_string()).ok()?;
        value.note(Noted::Hidden { shown: target.to_string(), secret });
        Some(target)
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        if text.contains('#') {
            return Err(NotATarget("must not have a fragment (`#…`): it is never sent"));
        }
        let uri: Uri = text.parse().map_err(|_| NotATarget::SHAPE)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(NotATarget::SHAPE);
        }
        let authority = uri.authority().ok_or(NotATarget::SHAPE)?.as_str();
        if authority.contains('@') {
            return Err(NotATarget("must not hold a user name or password: no protocol here sends one"));
        }
        let after_host = authority.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
        let port_is_right = after_host.is_empty()
            || after_host.strip_prefix(':').is_some_and(|port| port.parse().is_ok_and(|p: u16| p > 0));
        if uri.host().is_none_or(str::is_empty) || !port_is_right {
            return Err(NotATarget::SHAPE);
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{host}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())?;
        if self.0.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no [`Target`]. Does not quote the text, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATarget(&'static str);

impl NotATarget {
    const SHAPE: Self = Self(
        "must be an http or https URL, such as https://example.com/push, with any other character than \
              RFC 3986 allows percent-encoded",
    );
}

impl fmt::Display for NotATarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotATarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_whole_http_url() {
        for (text, shown) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
            ("https://example.com/a/b", "https://example.com/a/b"),
            ("HTTP://example.com/?token=hunter2", "http://example.com/?…"),
            ("http://[::1]:9000/x", "http://[::1]:9000/x"),
        ] {
            let target: Target = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("hunter2"));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "/push",
            "example.com",
            "example.com:80",
            "ftp://example.com/",
            "http://",
            "http:///x",
            "http://a b/",
            "http://user:hunter2@example.com/",
            "http://example.com/#top",
            "http://h:99999/",
            "http://h:0/",
            "http://h:/",
            "http://:80/",
            "https://例.com/",
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
