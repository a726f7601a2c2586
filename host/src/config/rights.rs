//! Who may read a file that holds a secret.

use std::path::Path;

/// What is wrong with a file that [`open_to_everybody`] is true of, and what to do.
pub(super) const ADVICE: &str =
    "every user of this machine can read the file: chmod 640 it, and make the gateway's user or group its owner";

/// Whether users that are neither the file's owner nor of its group can read it, by its rights and those of all folders
/// above it.
#[cfg(unix)]
pub(super) fn open_to_everybody(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const READ: u32 = 0o004;
    const ENTER: u32 = 0o001;
    let allows = |path: &Path, right| path.metadata().is_ok_and(|there| there.permissions().mode() & right == right);
    let Ok(path) = path.canonicalize() else { return false };
    allows(&path, READ) && path.ancestors().skip(1).all(|folder| allows(folder, ENTER))
}

/// Whether others can read the file: rights of this system are not looked at.
#[cfg(not(unix))]
pub(super) fn open_to_everybody(_: &Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use crate::config::Loaded;
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
        path::Path,
    };

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_warned_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["server.pem", "server.key"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
            fs::copy(from, at(name)).expect("a copy");
        }
        fs::write(at("token"), "hunter2\n").expect("a secret");
        let key = "[[lingyang.apps]]\nid = 'a'\ncids = [[1, 2]]\nkeys = ['hunter2', 'hunter3']\n";
        for (text, file, place) in [
            (key, "t.toml", "4:9: lingyang.apps[0].keys[0]: a secret is written here, and every user"),
            ("[listen]\nadmin_token = { file = 'token' }\n", "token", "2:24: listen.admin_token.file: "),
            ("[listen]\ntls = { cert = 'server.pem', key = 'server.key' }\n", "server.key", "2:36: listen.tls.key: "),
        ] {
            fs::write(at("t.toml"), text).expect("a configuration");
            for name in ["t.toml", "token", "server.key"] {
                chmod(&at(name), 0o640);
            }
            let warnings = || {
                let loaded = Loaded::from_file(&at("t.toml")).unwrap_or_else(|error| panic!("{error}"));
                loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
            };
            chmod(folder.path(), 0o755);
            assert_eq!(warnings(), [""; 0], "{text}");
            chmod(&at(file), 0o644);
            let told = warnings();
            assert!(told.len() == 1 && told[0].starts_with(place) && told[0].contains("chmod 640"), "{text}\n{told:?}");
            assert!(!told[0].contains("hunter"), "{told:?}");
            // Nobody gets to it.
            chmod(folder.path(), 0o750);
            assert_eq!(warnings(), [""; 0], "{text}");
        }
    }
}
