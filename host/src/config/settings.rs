//! What a configuration comes to, key by key: its values and defaults, where each is from, and what a reload changes.
//!
//! The reader notes every value it takes. Secrets are noted as secrets and files by what is in them, so that a change is
//! seen and never shown.

use super::{pem::Fingerprint, secret::Secret};
use crate::shown;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Every key that a configuration sets or leaves at its default, in the order they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    list: Vec<Setting>,
    /// Entries of lists, such as `uplink.destinations[acme]`.
    entries: BTreeSet<String>,
}

/// One key of a configuration, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    key: String,
    value: Noted,
    origin: Origin,
    /// What the file says and something else overrules.
    overruled: Option<Noted>,
}

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is the key's default.
    Default,
    /// The file has it, on this line.
    File {
        /// From 1.
        line: usize,
    },
    /// The command line or the environment has it, by this name.
    Given(&'static str),
}

/// A value as it is compared and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// As it reads.
    Text(String),
    /// With a part that is compared and not shown.
    Hidden { shown: String, secret: Secret },
    /// A file's path, and what was in it.
    File { path: String, contents: Fingerprint },
}

/// What is different in another configuration, and from when on that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    what: String,
    when: When,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the reload.
    Now,
    /// When the gateway is started again.
    NextStart,
    /// Never, while the command line or the environment says otherwise.
    Overruled(&'static str),
}

/// Keys that are obeyed at a start only: what is bound, opened or handed out once. All others count at once.
const AT_START: [&str; 9] = [
    "listen.public",
    "listen.admin",
    "listen.link",
    "store.url",
    "network.allow_private",
    "limits.body_bytes",
    "limits.header_bytes",
    "limits.body_timeout_ms",
    "limits.answer_bytes",
];

/// Tables that appear and go away at a start only, while their contents may change at any time.
const TABLES_AT_START: [&str; 2] = ["listen.tls.", "listen.admin_tls."];

impl Settings {
    pub(super) fn new(list: Vec<Setting>, entries: BTreeSet<String>) -> Self {
        Self { list, entries }
    }

    /// Goes through them in the order they were read.
    pub fn iter(&self) -> std::slice::Iter<'_, Setting> {
        self.list.iter()
    }

    /// Finds the value of `key`.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<&Setting> {
        self.list.iter().find(|setting| setting.key == key)
    }

    /// Lets the value called `name`, of the command line or the environment, win over the file's.
    pub fn give(&mut self, key: &str, value: impl fmt::Display, name: &'static str) {
        let (value, origin) = (Noted::Text(value.to_string()), Origin::Given(name));
        match self.list.iter_mut().find(|setting| setting.key == key) {
            Some(setting) => {
                let before = std::mem::replace(&mut setting.value, value);
                setting.overruled = matches!(setting.origin, Origin::File { .. }).then_some(before);
                setting.origin = origin;
            }
            None => self.list.push(Setting { key: key.to_owned(), value, origin, overruled: None }),
        }
    }

    /// What is different in `new`, by key.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let gone = self.entries.difference(&new.entries).map(|entry| Change::now(format!("- {entry}")));
        let come = new.entries.difference(&self.entries).map(|entry| Change::now(format!("+ {entry}")));
        let both: BTreeMap<_, _> = self.pairs(new);
        let changed = both.into_iter().filter_map(|(key, (old, new))| change(key, old, new));
        gone.chain(come).chain(changed).collect()
    }

    /// The settings of both by key, without those of entries that only one of them has.
    fn pairs<'s>(&'s self, new: &'s Self) -> BTreeMap<&'s str, (Option<&'s Setting>, Option<&'s Setting>)> {
        let mut pairs: BTreeMap<&str, (Option<&Setting>, Option<&Setting>)> = BTreeMap::new();
        let is_shared = |setting: &&Setting| match setting.entry() {
            Some(entry) => self.entries.contains(entry) == new.entries.contains(entry),
            None => true,
        };
        for setting in self.list.iter().filter(is_shared) {
            pairs.entry(&setting.key).or_default().0 = Some(setting);
        }
        for setting in new.list.iter().filter(is_shared) {
            pairs.entry(&setting.key).or_default().1 = Some(setting);
        }
        pairs
    }
}

impl Setting {
    pub(super) fn new(key: String, value: Noted, origin: Origin) -> Self {
        Self { key, value, origin, overruled: None }
    }

    /// Its path, with entries of lists by their names: `uplink.destinations[acme].url`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its value on one line; `[secret]` for a secret.
    #[must_use]
    pub fn value(&self) -> String {
        self.value.to_string()
    }

    /// Where the value is from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The entry of a list that this belongs to.
    fn entry(&self) -> Option<&str> {
        self.key.find(']').map(|end| &self.key[..=end])
    }
}

impl Change {
    /// When it takes effect.
    #[must_use]
    pub const fn when(&self) -> When {
        self.when
    }

    fn now(what: String) -> Self {
        Self { what, when: When::Now }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::Now => write!(f, "{} (now)", self.what),
            When::NextStart => write!(f, "{} (at the next start)", self.what),
            When::Overruled(name) => write!(f, "{} (never: {name} wins over the file)", self.what),
        }
    }
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Text(text) | Self::Hidden { shown: text, .. } | Self::File { path: text, .. }) = self;
        f.write_str(&shown::text(text))
    }
}

fn change(key: &str, old: Option<&Setting>, new: Option<&Setting>) -> Option<Change> {
    let values = (old.map(|old| &old.value), new.map(|new| &new.value));
    if let Some(what) = difference(values.0, values.1) {
        let comes_or_goes = old.is_none() || new.is_none();
        let waits = AT_START.contains(&key)
            || key.starts_with("telemetry.")
            || (comes_or_goes && TABLES_AT_START.iter().any(|table| key.starts_with(table)));
        return Some(Change { what: format!("{key}: {what}"), when: if waits { When::NextStart } else { When::Now } });
    }
    let Origin::Given(name) = new?.origin else { return None };
    let what = difference(old.and_then(|old| old.overruled.as_ref()), new.and_then(|new| new.overruled.as_ref()))?;
    Some(Change { what: format!("{key}: {what}"), when: When::Overruled(name) })
}

/// How two values of a key differ.
fn difference(old: Option<&Noted>, new: Option<&Noted>) -> Option<String> {
    if old == new {
        return None;
    }
    let shown = |value: Option<&Noted>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
    let (from, to) = (shown(old), shown(new));
    Some(match (old, new) {
        (Some(Noted::Hidden { .. }), Some(Noted::Hidden { .. })) if from == to => "changed".to_owned(),
        (Some(Noted::File { .. }), Some(Noted::File { .. })) if from == to => format!("{to} holds other contents"),
        _ => format!("{from} → {to}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;
    use std::{fs, path::Path};

    fn read(text: &str) -> Settings {
        Loaded::from_text(text, "t.toml").unwrap_or_else(|error| panic!("{text}\n{error}")).settings
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        read(old).changes(&read(new)).iter().map(ToString::to_string).collect()
    }

    const ACME: &str = "[[uplink.destinations]]\nname = 'acme'\nurl = 'https://a/?key=hunter2'\n";
    const B: &str = "[[uplink.destinations]]\nname = 'b'\nurl = 'http://b/'\n";
    const APP: &str = "[[lingyang.apps]]\nid = 'Test'\ncids = [[1, 9]]\n";

    #[test]
    fn each_change_is_a_line_with_its_time() {
        for (old, new, lines) in [
            ("", "", &[][..]),
            ("", "[limits]\nqueue = 100000\n", &[]),
            ("[limits]\nqueue = 10\n", "", &["limits.queue: 10 → 100000 (now)"]),
            ("", "[limits]\nbody_bytes = 2048\n", &["limits.body_bytes: 1048576 → 2048 (at the next start)"]),
            (
                "",
                "[listen]\nlink = '127.0.0.1:1'\n",
                &["listen.link: 127.0.0.1:8082 → 127.0.0.1:1 (at the next start)"],
            ),
            ("", "[listen]\nadmin_token = 'hunter2'\n", &["listen.admin_token: none → [secret] (now)"]),
            ("", "[store]\nurl = 'sqlite:x'\n", &["store.url: sqlite:pushgate.db → sqlite:x (at the next start)"]),
            ("", "[network]\nallow_private = true\n", &["network.allow_private: false → true (at the next start)"]),
            ("", ACME, &["+ uplink.destinations[acme] (now)"]),
            (ACME, "", &["- uplink.destinations[acme] (now)"]),
            // The order of a list is nothing to tell.
            (&format!("{ACME}{B}"), &format!("{B}{ACME}"), &[]),
            (
                &format!("{ACME}{B}"),
                &format!("{B}timeout_ms = 2000\n{ACME}rate_per_second = 7\n"),
                &[
                    "uplink.destinations[acme].rate_per_second: none → 7 (now)",
                    "uplink.destinations[b].timeout_ms: 5000 → 2000 (now)",
                ],
            ),
            (
                &format!("{APP}keys = ['k1']\n"),
                &format!("{APP}keys = ['k1', 'k2']\n").replace("[1, 9]", "[1, 9], [11, 20]"),
                &[
                    "lingyang.apps[Test].cids[1]: none → [11, 20] (now)",
                    "lingyang.apps[Test].keys[1]: none → [secret] (now)",
                ],
            ),
            (
                "[[uplink.receivers]]\nname = 'u'\n",
                "[[uplink.receivers]]\nname = 'u'\nallow = ['10.0.0.0/8', '::1']\n",
                &["uplink.receivers[u].allow: none → [10.0.0.0/8, ::1/128] (now)"],
            ),
            (
                "[[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1'\n",
                "[[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1'\nfailure_status = 'FAIL'\n",
                &["tencent.receivers[im].failure_status: FAILURE → FAIL (now)"],
            ),
        ] {
            assert_eq!(told(old, new), lines, "{old}\n→\n{new}");
        }
    }

    #[test]
    fn a_secret_that_changes_is_never_shown() {
        let app = |key: &str| format!("{APP}keys = ['{key}']\n");
        for (old, new, line) in [
            (app("hunter2"), app("hunter3"), "lingyang.apps[Test].keys[0]: changed (now)"),
            (
                "[listen]\nadmin_token = 'hunter2'\n".to_owned(),
                "[listen]\nadmin_token = 'hunter3'\n".to_owned(),
                "listen.admin_token: changed (now)",
            ),
            (ACME.to_owned(), ACME.replace("hunter2", "hunter3"), "uplink.destinations[acme].url: changed (now)"),
            (
                ACME.to_owned(),
                ACME.replace("//a/", "//c/"),
                "uplink.destinations[acme].url: https://a/?… → https://c/?… (now)",
            ),
        ] {
            assert_eq!(told(&old, &new), [line]);
        }
        let all = format!("{:?}", read(&(app("hunter2") + ACME)));
        assert!(!all.contains("hunter2"), "{all}");
    }

    #[test]
    fn what_the_command_line_overrules_is_said_so() {
        let given = |text: &str| {
            let mut settings = read(text);
            settings.give("listen.public", "127.0.0.1:9", "--public");
            settings
        };
        let listen = |port| format!("[listen]\npublic = '127.0.0.1:{port}'\n");
        let changes = given(&listen(1)).changes(&given(&listen(2)));
        let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["listen.public: 127.0.0.1:1 → 127.0.0.1:2 (never: --public wins over the file)"]);
        assert_eq!(given("").changes(&given("")), []);
    }

    #[test]
    fn files_are_told_apart_by_what_is_in_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        let put = |cert: &str, key: &str| {
            fs::copy(tests.join(cert), folder.path().join("c.pem")).expect("a certificate");
            fs::copy(tests.join(key), folder.path().join("k.pem")).expect("a key");
        };
        let read = |text: &str| {
            let file = folder.path().join("t.toml").display().to_string();
            Loaded::from_text(text, &file).unwrap_or_else(|error| panic!("{error}")).settings
        };
        let told =
            |old: &Settings, new: &Settings| -> Vec<_> { old.changes(new).iter().map(ToString::to_string).collect() };
        let text = "[listen]\ntls = { cert = 'c.pem', key = 'k.pem' }\n";
        put("server.pem", "server.key");
        let (without, first) = (read(""), read(text));
        put("cert.pem", "key.pem");
        let second = read(text);
        assert_eq!(
            told(&first, &second),
            ["listen.tls.cert: c.pem holds other contents (now)", "listen.tls.key: k.pem holds other contents (now)"]
        );
        assert_eq!(
            told(&without, &first),
            ["listen.tls.cert: none → c.pem (at the next start)", "listen.tls.key: none → k.pem (at the next start)"]
        );
    }

    #[test]
    fn each_value_says_where_it_is_from() {
        let mut settings = read("[limits]\n\nqueue = 7\n");
        settings.give("store.url", "sqlite:y", "--store");
        for (key, value, origin) in [
            ("limits.queue", "7", Origin::File { line: 3 }),
            ("limits.connections", "10000", Origin::Default),
            ("listen.public", "127.0.0.1:8080", Origin::Default),
            ("store.url", "sqlite:y", Origin::Given("--store")),
        ] {
            let setting = settings.of(key).expect(key);
            assert_eq!((setting.value().as_str(), setting.origin()), (value, origin), "{key}");
        }
    }
}
