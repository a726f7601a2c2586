//! `[store]`: where accepted work is kept.

use super::{reader::Section, secret::Secret};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where accepted work is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// The store's kind and place. Default `sqlite:pushgate.db`.
    pub url: StoreUrl,
}

impl Store {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        // A Redis URL may hold a password, so it may come from where secrets come from.
        let url = section.optional("url", |value| {
            let url = Secret::read(value)?;
            url.reveal().parse().map_err(|error: NotAStore| value.report(error)).ok()
        });
        Self { url: url.unwrap_or_default() }
    }
}

/// The kind and place of a store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`: the embedded store in one file; a relative path starts from the working directory.
    Sqlite(PathBuf),
    /// `redis://…` or `rediss://…`: Redis or Valkey. The whole URL, which may hold a password.
    Redis(Secret),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("pushgate.db"))
    }
}

impl FromStr for StoreUrl {
    type Err = NotAStore;

    fn from_str(text: &str) -> Result<Self, NotAStore> {
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return Secret::new(text).map(Self::Redis).map_err(|_| NotAStore::SHAPE);
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
            Self::Redis(_) => f.write_str("redis://…"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAStore(&'static str);

impl NotAStore {
    const SHAPE: Self = Self("must be sqlite:PATH, redis://… or rediss://…");
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
        let redis: StoreUrl = "rediss://:hunter2@cache:6379/0".parse().unwrap();
        assert!(matches!(&redis, StoreUrl::Redis(url) if url.reveal() == "rediss://:hunter2@cache:6379/0"));
        assert_eq!(format!("{redis} {redis:?}"), "redis://… redis://…");
        for text in ["", "pushgate.db", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=rwc", "postgres://db/x"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }
}
