//! `pushgate token`: issue and verify, with the page's published vector.

mod binary;

use binary::run;
use std::{fs, path::PathBuf};

/// The published vector (page "pushing custom messages", "Device token").
const KEY: &str = "d57559a82027b7d846318a0c1596d645";
const TOKEN: &str = "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424";

/// A key file in a folder that lives as long as the test.
struct KeyFile(#[allow(dead_code, reason = "removes the file when dropped")] tempfile::TempDir, PathBuf);

impl KeyFile {
    fn holding(content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, content).unwrap();
        Self(folder, path)
    }

    fn path(&self) -> &str {
        self.1.to_str().unwrap()
    }
}

#[test]
fn the_published_vector_is_issued() {
    let key = KeyFile::holding(&format!("{KEY}\n"));
    let args = [
        "token",
        "issue",
        "--key-file",
        key.path(),
        "--cid",
        "10000",
        "--expire",
        "1475031947",
        "--control",
        "3222274048",
    ];
    let issued = run(&args);
    assert_eq!((issued.code, issued.stdout, issued.stderr), (Some(0), format!("{TOKEN}\n"), String::new()));
    let issued = run(&[&args[..], &["--json"]].concat());
    assert_eq!(issued.stdout, format!("{{\"token\":\"{TOKEN}\"}}\n"));
}

#[test]
fn a_token_that_holds_is_taken_apart() {
    let key = KeyFile::holding(KEY);
    let token = run(&["token", "issue", "--key-file", key.path(), "--cid", "7", "--expire", "4294967295"]).stdout;
    let args = ["token", "verify", "--key-file", key.path(), token.trim_end()];
    let verified = run(&args);
    assert_eq!(verified.code, Some(0));
    assert_eq!(verified.stdout, "genuine: cid 7, control 0, expire 4294967295 (2106-02-07T06:28:15Z)\n");
    let verified = run(&[&args[..], &["--json"]].concat());
    assert_eq!(verified.stdout, "{\"ok\":true,\"cid\":7,\"control\":0,\"expire\":4294967295}\n");
}

#[test]
fn a_refused_token_says_why_and_is_exit_1() {
    let key = KeyFile::holding(KEY);
    let other = KeyFile::holding("another key");
    let digest = "f124654ced4d5b30dad739caac64f424";
    for (key, token, reason, words) in [
        (&key, TOKEN, "expired", "error: expired (over since 2016-09-28T03:05:48Z): the token expired at 1475031947"),
        (&other, TOKEN, "wrong digest", "error: wrong digest: the token's digest matches no key"),
        (&key, "10000_0_1475031947", "malformed", "error: malformed: the token has fewer than 4 sections"),
        (&key, "", "malformed", "error: malformed: the token has fewer than 4 sections"),
        (&key, &format!("0_0_1_{digest}"), "malformed", "error: malformed: the token's cid (section 1)"),
        (&key, &format!("1_00_1_{digest}"), "malformed", "error: malformed: the token's control (section 2)"),
        (&key, &format!("1_0_+1_{digest}"), "malformed", "error: malformed: the token's expire (section 3)"),
        (&key, "1_0_1_F124", "malformed", "error: malformed: the token's digest (section 4)"),
        (&key, &format!("{TOKEN}_1"), "malformed", "error: malformed: the token has more than 4 sections"),
    ] {
        let args = ["token", "verify", "--key-file", key.path(), token];
        let refused = run(&args);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{token}");
        assert!(refused.stderr.starts_with(words) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
        let refused = run(&[&args[..], &["--json"]].concat());
        assert_eq!(refused.code, Some(1));
        let start = format!("{{\"ok\":false,\"reason\":\"{reason}\",\"message\":\"the token");
        assert!(refused.stdout.starts_with(&start), "{}", refused.stdout);
    }
}

#[test]
fn a_key_file_is_one_line_and_never_shown() {
    for (content, words) in [("hunter2\nsecond\n", "must be one line"), ("", "must not be empty")] {
        let key = KeyFile::holding(content);
        let refused = run(&["token", "verify", "--key-file", key.path(), TOKEN]);
        assert_eq!(refused.code, Some(1), "{content:?}");
        assert!(refused.stderr.contains(key.path()) && refused.stderr.contains(words), "{}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
    let refused = run(&["token", "verify", "--key-file", "no/such/file", TOKEN]);
    assert!(refused.code == Some(1) && refused.stderr.contains("no/such/file"), "{}", refused.stderr);
    for cid in ["0", "4294967296", "-1"] {
        let refused = run(&["token", "issue", "--key-file", "k", "--cid", cid, "--expire", "1"]);
        assert_eq!(refused.code, Some(2), "cid {cid}");
    }
}
