//! What a configuration file promises: defaults for what it leaves out, and a place for everything it gets wrong.

use super::*;
use std::fs;

/// The lines that checking `text` prints.
fn complaints(text: &str) -> Vec<String> {
    match Config::parse(text, "t.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "\n# nothing\n", "[listen]\n[limits]\n[uplink]\n", "\u{feff}[listen]\n"] {
        assert_eq!(Config::parse(text, "t.toml"), Ok(Config::default()), "{text:?}");
    }
}

#[test]
fn what_the_file_says_holds() {
    let text = r#"
        [listen]
        public = "0.0.0.0:80"
        admin = "0.0.0.0:81"
        admin_token = "s3cret"
        tls = { cert = "cert.pem", key = "key.pem" }
        admin_tls = { cert = "server.pem", key = "server.key" }
        [store]
        url = "sqlite:/var/lib/p.db"
        [network]
        allow_private = true
        [limits]
        body_bytes = 0x1000
        dedup_window_s = 0
        [[lingyang.apps]]
        id = "Test"
        keys = ["k1", "k2"]
        cids = [[1, 9], [11, 4294967295]]
        [[uplink.receivers]]
        name = "ucloud"
        allow = ["10.0.0.0/8"]
        forward = "http://127.0.0.1/x"
        [[tencent.receivers]]
        name = "im"
        sdk_app_id = "1400000000"
        failure_status = "FAIL"
    "#;
    let config = Config::parse(text, "tests/tls/t.toml").unwrap();
    assert_eq!(config.listen.public.to_string(), "0.0.0.0:80");
    assert_eq!(config.listen.admin.token().unwrap().reveal(), "s3cret");
    assert_eq!(config.listen.link, Listen::default().link);
    assert_eq!(format!("{:?}", config.listen.tls.unwrap()), "ServerTls(tests/tls/cert.pem, tests/tls/key.pem)");
    assert_eq!(
        format!("{:?}", config.listen.admin_tls.unwrap()),
        "ServerTls(tests/tls/server.pem, tests/tls/server.key)"
    );
    assert!(config.network.allow_private);
    assert_eq!((config.limits.body_bytes, config.limits.dedup_window_s), (4096, 0));
    for (cid, app) in [(0, None), (1, Some("Test")), (10, None), (u32::MAX, Some("Test"))] {
        assert_eq!(config.lingyang.app_of(cid).map(App::id), app, "{cid}");
    }
    assert_eq!(config.lingyang.app("Test").unwrap().keys().len(), 2);
    let receiver = config.uplink.receivers.named("ucloud").unwrap();
    assert!(!receiver.allow.as_ref().unwrap().admits([192, 0, 2, 1].into()));
    assert!(config.uplink.receivers.named("other").is_none());
    assert_eq!(config.tencent.receivers.named("im").unwrap().failure_status, FailureStatus::Fail);
}

#[test]
fn each_problem_has_its_place() {
    for (text, complaint) in [
        // Not TOML.
        ("[listen\n", "t.toml:1:8: unclosed table, expected `]`"),
        // Unknown keys.
        ("[lisen]", "t.toml:1:2: lisen: unknown key; did you mean `listen`?"),
        ("[store]\nkind = 1", "t.toml:2:1: store.kind: unknown key; the keys here are url"),
        (
            "[[uplink.destinations]]\nname='a'\nurl='http://a/'\nretry = 1",
            "t.toml:4:1: uplink.destinations[0].retry: unknown key; did you mean `retries`?",
        ),
        // Wrong types.
        ("listen = 3", "t.toml:1:10: listen: must be a table, but is of type integer"),
        (
            "[network]\nallow_private = 'yes'",
            "t.toml:2:17: network.allow_private: must be true or false, but is of type string",
        ),
        ("[uplink]\nreceivers = {}", "t.toml:2:13: uplink.receivers: must be an array, but is of type table"),
        ("[limits]\nconnections = 1.5", "t.toml:2:15: limits.connections: must be an integer, but is of type float"),
        // Out of range, with the limits.
        ("[limits]\nconnections = 0", "t.toml:2:15: limits.connections: must be from 1 to 1000000"),
        ("[limits]\n  heartbeat_s = -1", "t.toml:2:17: limits.heartbeat_s: must be from 1 to 3600"),
        ("[limits]\ndevice_pushes = 1000001", "t.toml:2:17: limits.device_pushes: must be from 0 to 1000000"),
        (
            "[limits]\nbody_bytes = 99999999999999999999",
            "t.toml:2:14: limits.body_bytes: must be from 1024 to 67108864",
        ),
        // Addresses.
        (
            "[listen]\npublic = 'localhost:80'",
            "t.toml:2:10: listen.public: must be an IP address and a port, such as 127.0.0.1:8080, or [::]:8080 for every address",
        ),
        (
            "[listen]\nadmin = '0.0.0.0:81'",
            "t.toml:2:9: listen.admin: not a loopback address, so other hosts can reach it: set listen.admin_token too",
        ),
        (
            "[listen]\npublic = '127.0.0.1:8081'",
            "t.toml:2:10: listen.public: the same address as listen.admin; each listener needs its own",
        ),
        ("[listen]\ntls = { cert = 'c.pem' }", "t.toml:2:7: listen.tls.key: required, but missing"),
        ("[listen]\nadmin_tls = { cert = 'c.pem', key = 'k.pem' }", "t.toml:2:22: listen.admin_tls.cert: c.pem: "),
        // Store.
        ("[retention]\ndead = 0", "t.toml:2:8: retention.dead: must be from 1 to 100000000"),
        ("[retention]\ninbox_s = 59", "t.toml:2:11: retention.inbox_s: must be from 60 to 315360000"),
        ("[store]\nurl = 'pg://x'", "t.toml:2:7: store.url: must be sqlite:PATH, for example sqlite:pushgate.db"),
        ("[store]\nurl = 'redis://x'", "t.toml:2:7: store.url: Redis and Valkey are not available yet in this build"),
        // Lingyang.
        ("[[lingyang.apps]]\nid='a'\nkeys=['k']", "t.toml:1:1: lingyang.apps[0].cids: required, but missing"),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=[]\ncids=[[1,2]]",
            "t.toml:3:6: lingyang.apps[0].keys: must not be empty; devices and servers of an app need a key",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['a b']\ncids=[[1,2]]",
            "t.toml:3:7: lingyang.apps[0].keys[0]: must be printable ASCII without spaces: it travels in a header",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[0,2]]",
            "t.toml:4:8: lingyang.apps[0].cids[0][0]: must be from 1 to 4294967295",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[3,2]]",
            "t.toml:4:7: lingyang.apps[0].cids[0]: the first cid is greater than the last",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[3]]",
            "t.toml:4:7: lingyang.apps[0].cids[0]: must be the first and the last cid of a range, such as [1003200, 1003299]",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[1,9]]\n[[lingyang.apps]]\nid='b'\nkeys=['k']\ncids=[[9,12]]",
            "t.toml:8:7: lingyang.apps[1].cids[0]: overlaps [1, 9] on line 4; a cid belongs to one app",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[1,9]]\n[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[10,12]]",
            "t.toml:6:4: lingyang.apps[1].id: `a` is taken by the app on line 2; ids are unique",
        ),
        (
            "[[lingyang.apps]]\nid='a'\nkeys=['k']\ncids=[[1,9]]\nwebhook='app.example.com'",
            "t.toml:5:9: lingyang.apps[0].webhook: must be an http or https URL, such as https://example.com/push",
        ),
        // Receivers and destinations.
        (
            "[[uplink.receivers]]\nname='a/b'",
            "t.toml:2:6: uplink.receivers[0].name: must be 1 to 64 letters, digits, `-`, `_` or `.`, the first a letter or digit: it becomes part of a URL",
        ),
        (
            "[[uplink.receivers]]\nname='a'\n[[uplink.receivers]]\nname='a'",
            "t.toml:4:6: uplink.receivers[1].name: `a` is taken by the one on line 2; names are unique",
        ),
        (
            "[[uplink.receivers]]\nname='a'\nallow=[]",
            "t.toml:3:7: uplink.receivers[0].allow: must not be empty; leave `allow` out to admit every address",
        ),
        (
            "[[uplink.receivers]]\nname='a'\nallow=['::1', '10.1.0.0/8']",
            "t.toml:3:15: uplink.receivers[0].allow[1]: has bits set after its prefix: write the network's first address, such as 10.0.0.0/8",
        ),
        ("[[uplink.destinations]]\nname='a'", "t.toml:1:1: uplink.destinations[0].url: required, but missing"),
        (
            "[[uplink.destinations]]\nname='a'\nurl='http://a/'\ntimeout_ms=0",
            "t.toml:4:12: uplink.destinations[0].timeout_ms: must be from 1 to 600000",
        ),
        (
            "[[tencent.receivers]]\nname='a'\nsdk_app_id=14",
            "t.toml:3:12: tencent.receivers[0].sdk_app_id: must be a string, but is of type integer",
        ),
        (
            "[[tencent.receivers]]\nname='a'\nsdk_app_id='14'\nfailure_status='fail'",
            "t.toml:4:16: tencent.receivers[0].failure_status: must be \"FAILURE\" or \"FAIL\"",
        ),
        (
            "[[tencent.destinations]]\nname='a'\nurl='http://a/'\nsdk_app_id='x'",
            "t.toml:4:12: tencent.destinations[0].sdk_app_id: must be 1 to 20 digits, such as 1400000000",
        ),
        // Secrets.
        (
            "[listen]\nadmin_token = { env = 'PUSHGATE_NO_SUCH_VARIABLE' }",
            "t.toml:2:23: listen.admin_token.env: the environment variable PUSHGATE_NO_SUCH_VARIABLE is not set",
        ),
        ("[listen]\nadmin_token = ''", "t.toml:2:15: listen.admin_token: must not be empty"),
        (
            "[listen]\nadmin_token = { env = 'A', file = 'B' }",
            "t.toml:2:15: listen.admin_token: must be a string, { env = \"NAME\" } or { file = \"PATH\" }",
        ),
        (
            "[listen]\nadmin_token = { path = 'B' }",
            "t.toml:2:15: listen.admin_token: must be a string, { env = \"NAME\" } or { file = \"PATH\" }",
        ),
    ] {
        let found = complaints(text);
        assert!(
            found.first().is_some_and(|first| first.starts_with(complaint)),
            "{text}\nfound  {found:#?}\nwanted {complaint}"
        );
    }
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_the_lines() {
    let text = "
        [limits]
        connections = 0
        bodybytes = 4096
        [[uplink.destinations]]
        name = '?'
        url = 'acme'
        [[uplink.destinations]]
        retries = 101
        [listen]
        link = 'nowhere'
    ";
    let error = Config::parse(text, "t.toml").unwrap_err();
    let found: Vec<_> = error.problems().iter().map(|p| (p.place().unwrap().line, p.key())).collect();
    assert_eq!(
        found,
        [
            (3, "limits.connections"),
            (4, "limits.bodybytes"),
            (6, "uplink.destinations[0].name"),
            (7, "uplink.destinations[0].url"),
            (8, "uplink.destinations[1].name"),
            (8, "uplink.destinations[1].url"),
            (9, "uplink.destinations[1].retries"),
            (11, "listen.link"),
        ]
    );
}

#[test]
fn a_broken_text_is_only_called_broken() {
    let found = complaints("[limits]\nconnections = 0\nbody_bytes = = 1\nbody_bytes = 2\n");
    assert!(found.iter().all(|line| line.starts_with("t.toml:3:") || line.starts_with("t.toml:4:")), "{found:?}");
    assert!(!found.is_empty());
}

#[test]
fn secrets_come_from_the_environment_and_from_files_beside_the_config() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "from-file\n").unwrap();
    let file = folder.path().join("t.toml");
    for (token, secret) in
        [("{ file = 'token' }", "from-file".to_owned()), ("{ env = 'PATH' }", std::env::var("PATH").unwrap())]
    {
        let text = format!("[[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1'\ntoken = {token}\n");
        fs::write(&file, text).unwrap();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.tencent.receivers.named("im").unwrap().token.as_ref().unwrap().reveal(), secret);
    }

    fs::write(&file, "[listen]\nadmin_token = { file = 'gone' }").unwrap();
    let error = Config::load(&file).unwrap_err();
    let gone = folder.path().join("gone");
    assert_eq!(error.problems()[0].key(), "listen.admin_token.file");
    assert!(error.problems()[0].what().starts_with(&gone.display().to_string()), "{error}");
}

#[test]
fn no_secret_is_shown() {
    let right = r#"
        [listen]
        admin_token = "hunter2"
        [[lingyang.apps]]
        id = "a"
        keys = ["hunter2"]
        cids = [[1, 2]]
        webhook = "https://app.example.com/?key=hunter2"
        [[tencent.destinations]]
        name = "b"
        url = "https://b.example.com/?key=hunter2"
        sdk_app_id = "1"
        token = "hunter2"
    "#;
    let shown = format!("{:#?}", Config::parse(right, "t.toml").unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");

    for wrong in [
        "[listen]\nadmin_token = 'hunter2 '",
        "[listen]\nadmin_token = \"hunter2\\n\"",
        "[listen]\nadmin_token = ['hunter2']",
        "[listen]\nadmin_token = hunter2",
        "[listen]\nadmin_token = 'hunter2",
        "[store]\nurl = 'amqp://:hunter2@mq'",
        "[store]\nurl = 'redis://:hunter2@cache'",
        "[[uplink.destinations]]\nname = 'a'\nurl = 'http://u:hunter2@a/'",
        "[[tencent.receivers]]\nname = 'a'\nsdk_app_id = 'hunter2'",
    ] {
        let found = complaints(wrong);
        assert!(!found.is_empty() && !found.iter().any(|line| line.contains("hunter2")), "{wrong}: {found:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let error = Config::load(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: ", file.display())), "{error}");

    fs::write(&file, b"[listen]\n# caf\xE9\n").unwrap();
    let error = Config::load(&file).unwrap_err().to_string();
    assert_eq!(error, format!("{}:2:6: not UTF-8, as TOML must be", file.display()));
}
