//! The configuration that a command line asks for: a file, and what wins over it.

use super::Failure;
use crate::{
    config::{Admin, Loaded, NotAStore, Origin, Secret, Setting, Settings, StoreUrl},
    gateway::CannotStart,
};
use std::{net::SocketAddr, path::PathBuf};

/// Which file, and the flags that win over it.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Configured {
    /// The configuration file; `pushgate config example` prints one
    #[arg(long, value_name = "FILE", env = "PUSHGATE_CONFIG")]
    config: Option<PathBuf>,

    /// IP:PORT of the device API and the receivers (HTTP) [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    public: Option<SocketAddr>,

    /// IP:PORT of the admin API, console, metrics and health (HTTP) [default: 127.0.0.1:8081]
    ///
    /// On an address that other hosts can reach, the configuration must have listen.admin_token.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,

    /// IP:PORT of the device link (TCP; its WebSockets come to --public) [default: 127.0.0.1:8082]
    #[arg(long, value_name = "ADDR")]
    link: Option<SocketAddr>,

    /// Where accepted work is kept: sqlite:PATH [default: sqlite:pushgate.db]
    // A URL may hold a password, and clap shows what it cannot parse.
    #[arg(long, value_name = "URL", env = "PUSHGATE_STORE", hide_env_values = true)]
    store: Option<Secret>,
}

/// The keys that flags win over, with the flags.
const FLAGS: [(&str, &str); 4] = [
    ("listen.public", "--public"),
    ("listen.admin", "--admin"),
    ("listen.link", "--link"),
    ("store.url", "--store (or PUSHGATE_STORE)"),
];

impl Configured {
    /// Reads the file, if one was given, and lets the flags win over it.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let loaded = match &self.config {
            Some(path) => Loaded::from_file(path),
            None => Loaded::from_text("", ""),
        };
        let mut loaded = loaded.map_err(|error| Failure::Operation(error.to_string()))?;
        let Loaded { config, settings, .. } = &mut loaded;
        if let Some(address) = self.public {
            config.listen.public = address;
            settings.give("listen.public", address, "--public");
        }
        if let Some(address) = self.admin {
            config.listen.admin = Admin::new(address, config.listen.admin.token().cloned())
                .map_err(|error| Failure::Operation(format!("--admin {address}: {error}")))?;
            settings.give("listen.admin", address, "--admin");
        }
        if let Some(address) = self.link {
            config.listen.link = address;
            settings.give("listen.link", address, "--link");
        }
        if let Some(url) = &self.store {
            let url: StoreUrl = url
                .reveal()
                .parse()
                .map_err(|error: NotAStore| Failure::Usage(format!("--store (or PUSHGATE_STORE): {error}")))?;
            settings.give("store.url", &url, "--store (or PUSHGATE_STORE)");
            config.store.url = url;
        }
        Ok(loaded)
    }

    /// The file as it was named, to be put in front of a place in it.
    pub(super) fn file(&self) -> String {
        self.config.as_ref().map_or_else(String::new, |path| path.display().to_string())
    }

    /// Why there is no gateway, beginning with what to change: a place in the file, or a flag.
    pub(super) fn explain(&self, settings: &Settings, error: &CannotStart) -> String {
        let Some(key) = error.key() else { return error.to_string() };
        let what = error.what();
        match settings.of(key).map(Setting::origin) {
            Some(Origin::Given(flag)) => format!("{flag}: {what}"),
            Some(Origin::File { line }) => format!("{}:{line}: {key}: {what}", self.file()),
            _ => match FLAGS.iter().find(|(known, _)| *known == key) {
                Some((_, flag)) => format!("{key} (or {flag}): {what}"),
                None => error.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::fs;

    #[test]
    fn without_flags_or_file_everything_has_its_default() {
        assert_eq!(Configured::default().load().unwrap().config, Config::default());
    }

    #[test]
    fn flags_win_over_the_file_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pushgate.toml");
        fs::write(&path, "[listen]\npublic = '127.0.0.1:1'\nlink = '127.0.0.1:2'\nadmin_token = 't'\n").unwrap();
        let args = Configured {
            config: Some(path),
            public: Some(([127, 0, 0, 1], 11).into()),
            admin: Some(([0, 0, 0, 0], 13).into()),
            link: None,
            store: Some("sqlite:x.db".parse().unwrap()),
        };
        let Loaded { config, settings, .. } = args.load().unwrap();
        assert_eq!(config.listen.public.port(), 11);
        assert_eq!(config.listen.link.port(), 2);
        assert_eq!((config.listen.admin.address().port(), config.listen.admin.token().is_some()), (13, true));
        assert_eq!(config.store.url.to_string(), "sqlite:x.db");
        for (key, value, origin) in [
            ("listen.public", "127.0.0.1:11", Origin::Given("--public")),
            ("listen.admin", "0.0.0.0:13", Origin::Given("--admin")),
            ("listen.link", "127.0.0.1:2", Origin::File { line: 3 }),
            ("store.url", "sqlite:x.db", Origin::Given("--store (or PUSHGATE_STORE)")),
        ] {
            let setting = settings.of(key).unwrap();
            assert_eq!((setting.value().as_str(), setting.origin()), (value, origin));
        }
    }

    #[test]
    fn no_flag_opens_the_admin_api_to_everybody() {
        let args = Configured { admin: Some(([0, 0, 0, 0], 13).into()), ..Configured::default() };
        let Err(Failure::Operation(what)) = args.load() else { panic!("must fail") };
        assert!(what.contains("--admin 0.0.0.0:13") && what.contains("listen.admin_token"), "{what}");
    }

    #[test]
    fn a_store_that_cannot_be_is_not_repeated() {
        let args = Configured { store: Secret::new("redis://:hunter2@cache").ok(), ..Configured::default() };
        let Err(Failure::Usage(what)) = args.load() else { panic!("must fail") };
        assert!(what.starts_with("--store (or PUSHGATE_STORE): ") && !what.contains("hunter2"), "{what}");
    }
}
