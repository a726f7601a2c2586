//! The built binary: exit codes, streams, and readers that leave early.

use std::{
    fs, io,
    process::{Command, Output, Stdio},
};

use serde_json::json;

fn pushgate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.args(args).stdin(Stdio::null());
    for name in ["RUST_LOG", "PUSHGATE_TOKEN", "PUSHGATE_CALLBACK_TOKEN", "PUSHGATE_CONFIG", "PUSHGATE_STORE"] {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    pushgate(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn wrong_usage_is_exit_2_and_speaks_on_stderr() {
    for args in [
        &[][..],
        &["nonsense"],
        &["--nonsense"],
        &["push", "uplink"],
        &["check", "yaml"],
        &["config", "check"],
        &[
            "push",
            "server",
            "--url",
            "http://h",
            "--app-id",
            "a",
            "--app-key-file",
            "k",
            "--from",
            "1",
            "--to",
            "2",
            "3",
            "--msg",
            "x",
        ],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_results() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["help", "push"], &["push", "client", "--help"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
    assert_eq!(text(&run(&["--version"]).stdout), concat!("pushgate ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn no_help_shows_a_secret_of_the_environment() {
    for args in [["push", "client"], ["push", "events"], ["receive", "events"], ["device", "-h"], ["serve", "-h"]] {
        let output = pushgate(&args)
            .arg("--help")
            .env("PUSHGATE_TOKEN", "hunter2")
            .env("PUSHGATE_CALLBACK_TOKEN", "hunter2")
            .env("PUSHGATE_STORE", "redis://:hunter2@cache")
            .output()
            .unwrap();
        assert!(output.status.success() && !text(&output.stdout).contains("hunter2"), "{args:?}");
    }
}

#[test]
fn a_right_configuration_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushgate.toml");
    let file = path.to_str().unwrap();
    let example = run(&["config", "example"]);
    assert!(example.status.success() && example.stderr.is_empty());
    fs::write(&path, &example.stdout).unwrap();

    let output = run(&["config", "check", file]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("{file}: fine: 0 apps, 0 receivers, 0 destinations\n"));
    assert!(output.stderr.is_empty());

    fs::write(&path, "[[uplink.receivers]]\nname = 'a'\n").unwrap();
    let output = run(&["config", "check", file, "--json"]);
    assert_eq!(
        text(&output.stdout),
        format!("{{\"file\":\"{file}\",\"apps\":0,\"receivers\":1,\"destinations\":0,\"warnings\":[]}}\n")
    );
}

#[test]
fn a_wrong_configuration_is_one_line_a_problem_and_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushgate.toml");
    let file = path.to_str().unwrap();
    fs::write(&path, "[listen]\npublik = '127.0.0.1:80'\n[limits]\nconnections = 0\n").unwrap();
    let output = run(&["config", "check", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert_eq!(
        text(&output.stderr),
        format!(
            "{file}:2:1: listen.publik: unknown key; did you mean `public`?\n\
             {file}:4:15: limits.connections: must be from 1 to 1000000\n"
        )
    );
    let json = run(&["config", "check", file, "--json"]);
    assert_eq!((json.status.code(), &json.stderr), (Some(1), &output.stderr));
    let told: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        told,
        [
            json!({"file": file, "line": 2, "column": 1, "key": "listen.publik", "message": "unknown key; did you mean `public`?"}),
            json!({"file": file, "line": 4, "column": 15, "key": "limits.connections", "message": "must be from 1 to 1000000"}),
        ]
    );
    assert_eq!(run(&["config", "check", "no/such/file"]).status.code(), Some(1));
}

#[test]
fn an_address_in_use_names_what_to_change() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushgate.toml");
    let (file, store) = (path.to_str().unwrap(), format!("sqlite:{}", folder.path().join("p.db").display()));
    let free = "127.0.0.1:0";
    let cannot = format!("cannot listen on {address}: another program does; stop it, or choose another port");
    for key in ["public", "admin", "link"] {
        let mut listen = String::from("[listen]\n");
        for other in ["public", "admin", "link"] {
            listen += &format!("{other} = '{}'\n", if other == key { &address } else { free });
        }
        fs::write(&path, &listen).unwrap();
        let failed = run(&["serve", "--config", file, "--store", &store]);
        let line = listen.lines().position(|line| line.starts_with(key)).unwrap() + 1;
        let said = text(&failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("error: {file}:{line}: listen.{key}: {cannot}")), "{said}");

        fs::write(&path, listen.replace(&address, free)).unwrap();
        let flag = format!("--{key}");
        let failed = run(&["serve", "--config", file, "--store", &store, &flag, &address]);
        let said = text(&failed.stderr);
        assert!(said.contains(&format!("error: {flag}: {cannot}")), "{said}");
    }
}

#[test]
fn a_configuration_is_shown_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushgate.toml");
    let file = path.to_str().unwrap();
    fs::write(&path, "[listen]\nadmin_token = 'hunter2'\n[limits]\nqueue = 7\n").unwrap();
    let show = |rest: &[&str]| {
        let output = run(&[&["config", "show", "--config", file, "--link", "127.0.0.1:9"], rest].concat());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        text(&output.stdout).to_owned()
    };
    let table = show(&[]);
    let row = |key: &str| {
        let line =
            table.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap_or_else(|| panic!("{key}"));
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("listen.admin_token"), ["[secret]", &format!("{file}:2")]);
    assert_eq!(row("limits.queue"), ["7", &format!("{file}:4")]);
    assert_eq!(row("limits.device_queue"), ["1000", "default"]);
    assert_eq!(row("listen.link"), ["127.0.0.1:9", "--link"]);
    let json = show(&["--json"]);
    let queue = json!({"key": "limits.queue", "value": "7", "from": "file", "line": 4});
    assert!(json.lines().any(|line| serde_json::from_str::<serde_json::Value>(line).unwrap() == queue), "{json}");
    assert!(!table.contains("hunter2") && !json.contains("hunter2"));
}

/// `pushgate … | head`: no panic, no complaint.
#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    for args in [&["config", "example"][..], &["--help"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = pushgate(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}

/// A full disk is no reader that left: what was to be kept is lost.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = pushgate(&["config", "example"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: stdout: "), "{}", text(&output.stderr));
}

#[test]
fn colour_is_only_for_those_who_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pushgate.toml");
    fs::write(&path, "").unwrap();
    let file = path.to_str().unwrap();
    let coloured = |args: &[&str]| run(args).stdout.contains(&0x1b);
    assert!(!coloured(&["config", "check", file]), "a pipe is no terminal");
    assert!(coloured(&["config", "check", file, "--color", "always"]));
    assert!(!coloured(&["config", "check", file, "--color", "never"]));
    assert!(!coloured(&["config", "check", file, "--color", "always", "--json"]), "JSON has no colours");
}

#[test]
fn a_filter_that_cannot_be_read_is_said_and_not_fatal() {
    let output = pushgate(&["config", "example"]).env("RUST_LOG", "pushgate=loud").output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("RUST_LOG"), "{}", text(&output.stderr));
}
