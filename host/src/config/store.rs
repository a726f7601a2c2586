//! `[store]`: where accepted work is kept.

use super::{reader::Section, secret::Secret, settings::Noted};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where accepted work is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// The store's kind and place. Default `sqlite:pushgate.db`.
    pub url: StoreUrl,
}

impl Store {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        // A URL may hold a password, so it may come from where secrets come from.
        let url = section.value_or("url", StoreUrl::default()).and_then(|value| {
            let url: StoreUrl =
                Secret::fetch(&value)?.reveal().parse().map_err(|error: NotAStore| value.report(error)).ok()?;
            value.note(Noted::Text(url.to_string()));
            Some(url)
        });
        Self { url: url.unwrap_or_default() }
    }
}

/// The kind and place of a store that this build has.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`: the embedded store in one file; a relative path starts from the working directory.
    Sqlite(PathBuf),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("pushgate.db"))
    }
}

impl FromStr for StoreUrl {
    type Err = NotAStore;

    fn from_str(text: &str) -> Result<Self, NotAStore> {
        if REDIS.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(NotAStore("Redis and Valkey are not available yet in this build; use sqlite:PATH"));
        }
        let path = text.strip_prefix("sqlite:").ok_or(NotAStore::SHAPE)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" | ":memory:" => Err(NotAStore("must name a file: what is accepted has to outlive the process")),
            path if path.contains('?') => Err(NotAStore("takes no parameters (`?…`) after the file's path")),
            path => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the URLs of stores begin that are planned.
const REDIS: [&str; 4] = ["redis:", "rediss:", "valkey:", "valkeys:"];

/// Why a text names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAStore(&'static str);

impl NotAStore {
    const SHAPE: Self = Self("must be sqlite:PATH, for example sqlite:pushgate.db");
}

impl fmt::Display for NotAStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotAStore {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_a_kind_and_a_place() {
        for (text, path) in [
            ("sqlite:pushgate.db", "pushgate.db"),
            ("sqlite:/var/lib/pushgate/a.db", "/var/lib/pushgate/a.db"),
            ("sqlite:///var/lib/pushgate/a.db", "/var/lib/pushgate/a.db"),
            ("sqlite://a.db", "a.db"),
        ] {
            assert_eq!(text.parse(), Ok(StoreUrl::Sqlite(path.into())), "{text}");
        }
        for redis in ["redis://cache", "rediss://:hunter2@cache:6379/0"] {
            let error = redis.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains("not available yet") && !error.contains("hunter2"), "{error}");
        }
        for text in ["", "pushgate.db", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=rwc", "postgres://db/x"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }
}
