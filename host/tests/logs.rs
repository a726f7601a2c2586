//! The log promises: one id leads from a request to its last send, JSON is JSON from the first line to the last, no
//! secret is in it, and what fails with every request fills no disk.

mod binary;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::MetadataExt,
    process::Command,
    time::Instant,
};

use binary::{
    BOUND, Running,
    gateway::{Gateway, KEY, batch, folder, post, request},
    pushgate, run,
};
use pushgate_tests::token;
use serde_json::Value;

/// A port where nobody listens.
fn nobody() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn destination(url: &str, more: &str) -> String {
    format!(
        "[network]\nallow_private = true\n[[uplink.destinations]]\nname = 'acme'\nurl = '{url}'\nlinger_ms = 0\n{more}"
    )
}

/// The next line that `wanted` is true for.
fn next(serve: &mut Running, mut wanted: impl FnMut(&Value) -> bool) -> Value {
    loop {
        let line = serve.stderr_line();
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if wanted(&line) {
            return line;
        }
    }
}

#[test]
fn one_id_leads_from_the_request_to_the_last_send() {
    let config = destination(&format!("http://127.0.0.1:{}/", nobody()), "retries = 1\nretry_every_ms = 1\n");
    let folder = folder(&config);
    let (mut gateway, begin) = Gateway::start_json(folder.path(), &["--log", "warn,pushgate=debug"]);
    assert_eq!((begin["message"].as_str(), begin["level"].as_str()), (Some("serving"), Some("INFO")));

    let headers = [("X-Request-ID", "order-77/1")];
    let (status, body) = post(&gateway.admin, "/api/uplink/acme", &headers, &batch(&["OK"]));
    assert_eq!(status, 202, "{body}");
    let ids: Value = serde_json::from_str(&body).unwrap();
    let id = ids["ids"][0].as_str().unwrap();

    // The first send may be told of before the answer is: they go out beside each other.
    let mut lines = Vec::new();
    next(&mut gateway.serve, |line| {
        lines.push(line.clone());
        let has = |message: &str| lines.iter().any(|line| line["message"] == message);
        has("accepted") && has("finished") && lines.iter().any(|line| line["level"] == "WARN")
    });
    let told = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    let [accepted] = told("accepted")[..] else { panic!("{lines:?}") };
    assert_eq!(accepted["target"], "pushgate::delivery");
    assert_eq!((&accepted["request_id"], &accepted["ids"]), (&"order-77/1".into(), &id.into()));
    let attempts = told("attempt");
    assert_eq!(attempts.len(), 2, "{lines:?}");
    for (attempt, number) in attempts.iter().zip(1..) {
        assert_eq!((&attempt["delivery"], &attempt["lane"]), (&id.into(), &"uplink:acme".into()));
        assert_eq!((&attempt["number"], &attempt["class"]), (&number.into(), &"refused".into()), "{attempt}");
        assert!(attempt["late_ms"].is_u64() && attempt["took_ms"].is_u64(), "{attempt}");
    }
    let [finished] = told("finished")[..] else { panic!("{lines:?}") };
    assert_eq!((&finished["delivery"], &finished["state"]), (&id.into(), &"dead".into()));
    let dead = lines.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!((&dead["delivery"], &dead["attempts"]), (&id.into(), &2.into()));

    gateway.serve.terminate();
    let end = gateway.serve.finish();
    assert_eq!(end.code, Some(0));
    for line in end.stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line["timestamp"].is_string()), "{line}");
    }
}

/// Asks with this request id, and returns the one of the answer.
fn id_of_answer(address: &str, what: &str, id: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let head = format!("{what} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Request-ID: {id}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(name, _)| name.eq_ignore_ascii_case("x-request-id")).expect("every answer has one").1.to_owned()
}

#[test]
fn every_surface_answers_with_the_callers_id_or_a_new_one() {
    let folder = folder("");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    for (address, what) in [
        (&gateway.admin, "GET /api/lanes"),
        (&gateway.admin, "GET /livez"),
        (&gateway.admin, "GET /nothing"),
        (&gateway.admin, "PUT /api/lanes"),
        (&gateway.public, "POST /receive/uplink/x"),
        (&gateway.public, "POST /v2/message/server/push"),
        (&gateway.public, "GET /v2/message/client/link"),
    ] {
        assert_eq!(id_of_answer(address, what, "a-caller's/7"), "a-caller's/7", "{what}");
        let made = id_of_answer(address, what, &"x".repeat(81));
        assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{what}: {made}");
    }
}

#[test]
fn a_gateway_that_cannot_start_says_so_as_json_too() {
    let folder = folder("[listen]\npublik = '127.0.0.1:0'\n");
    let path = folder.path().join("pushgate.toml");
    let end = run(&["serve", "--log-format", "json", "--color", "always", "--config", path.to_str().unwrap()]);
    assert_eq!(end.code, Some(1));
    let line: Value =
        serde_json::from_str(end.stderr.trim_end()).unwrap_or_else(|error| panic!("{error}: {}", end.stderr));
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("listen.publik"), "{line}");
}

/// Runs a gateway whose stderr is a file, with `JOURNAL_STREAM` as `journal` makes it of the file, and returns what it
/// logged at its end.
fn last_line(journal: impl FnOnce(&fs::Metadata) -> String) -> String {
    let folder = folder("");
    let (config, log) = (folder.path().join("pushgate.toml"), folder.path().join("log"));
    let listen = ["--public", "127.0.0.1:0", "--link", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let store = format!("sqlite:{}", folder.path().join("pushgate.db").display());
    let serve = ["serve", "--log", "info", "--config", config.to_str().unwrap(), "--store", &store];
    let mut command = pushgate(&[&serve[..], &listen].concat());
    let stderr = fs::File::create(&log).unwrap();
    command.env("JOURNAL_STREAM", journal(&stderr.metadata().unwrap()));
    let mut child = command.stderr(stderr).spawn().unwrap();
    let begun = Instant::now();
    while !fs::read_to_string(&log).unwrap().contains("Try ") {
        assert!(begun.elapsed() < BOUND && child.try_wait().unwrap().is_none(), "it does not serve");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let said = fs::read_to_string(&log).unwrap();
    assert!(!said.contains('\u{1b}'), "colours in a file: {said}");
    said.lines().find(|line| line.contains("stopping")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// systemd's manual, `$JOURNAL_STREAM`: the device and inode of the stream to the journal, which programs should hold
/// against their own, since it is inherited by children whose output goes elsewhere.
#[test]
fn a_line_has_its_time_unless_the_journal_notes_it() {
    let line = last_line(|stderr| format!("{}:{}", stderr.dev(), stderr.ino()));
    assert!(line.trim_start().starts_with("INFO"), "{line}");
    let line = last_line(|stderr| format!("{}:{}", stderr.dev(), stderr.ino() + 1));
    assert!(line.starts_with("20"), "{line}");
}

#[test]
fn a_destination_that_fails_under_load_fills_no_disk() {
    let config = destination(&format!("http://127.0.0.1:{}/", nobody()), "retries = 0\ncircuit_after = 0\n");
    let folder = folder(&config);
    let begun = Instant::now();
    let mut gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    const SENT: usize = 200;
    for _ in 0..SENT {
        gateway.submit("acme");
    }
    gateway.wait_for(&["deliveries", "list", "--state", "dead", "--limit", "1000"], SENT);
    let tens = usize::try_from(begun.elapsed().as_secs() / 10).unwrap() + 1;
    gateway.serve.terminate();
    let said = gateway.serve.finish().stderr;
    let dead = said.lines().filter(|line| line.contains("a delivery is dead")).count();
    assert!((1..=tens).contains(&dead), "{said}");
    let others = said.lines().count() - dead;
    assert!(others < 20, "{said}");
}

#[test]
fn no_secret_is_in_the_most_talkative_log() {
    const ADMIN: &str = "admin-hunter2-token";
    const QUERY: &str = "url-hunter2-secret";
    const TENCENT: &str = "tencent-hunter2-token";
    const WRONG: &str = "wrong-hunter2-token";
    const SAID: &str = "what-hunter2-said";
    let config = format!(
        "[listen]\nadmin_token = '{ADMIN}'\n[[lingyang.apps]]\nid = 'Test'\nkeys = ['{KEY}']\ncids = [[5003000, 5003999]]\n\
         [[uplink.receivers]]\nname = 'ucloud'\n\
         [[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1400000000'\ntoken = '{TENCENT}'\n{}",
        destination(&format!("http://127.0.0.1:{}/?key={QUERY}", nobody()), "retries = 0\n")
    );
    let folder = folder(&config);
    let mut gateway = Gateway::start_with(folder.path(), "127.0.0.1:0", &["--log", "trace"]);
    let (device, sign) = (token(5_003_062), "0123456789abcdef0123456789abcdef");

    let bearer = format!("Bearer {ADMIN}");
    let headers = [("Authorization", &*bearer), ("Idempotency-Key", "key-1")];
    assert_eq!(post(&gateway.admin, "/api/uplink/acme", &headers, &batch(&[SAID])).0, 202);
    let wrong = format!("Bearer {WRONG}");
    assert_eq!(request(&gateway.admin, "GET /api/lanes", &[("Authorization", &wrong)], "").0, 401);
    let dead = "GET /api/deliveries?state=dead";
    let start = Instant::now();
    while !request(&gateway.admin, dead, &[("Authorization", &bearer)], "").1.contains("uplink:acme") {
        assert!(start.elapsed() < BOUND, "the delivery does not die");
    }
    assert_eq!(post(&gateway.public, "/receive/uplink/ucloud", &[], &batch(&[SAID])).0, 200);
    let query = format!("/receive/tencent/im?SdkAppid=1400000000&contenttype=json&Sign={sign}&RequestTime=1");
    assert_eq!(post(&gateway.public, &query, &[], "{}").0, 403);
    let push = r#"{"proxy":0,"payload":{"msg":"/wA=","flag":3,"clients":[5003062]}}"#;
    let app = [("X-APP-ID", "Test"), ("X-APP-Key", KEY)];
    assert_eq!(post(&gateway.public, "/v2/message/server/push", &app, push).0, 200);
    let push = format!(r#"{{"access_tokens":["{device}"],"payload":{{"msg":"/wA=","flag":3}}}}"#);
    let answer = post(&gateway.public, "/v2/message/client/push", &[("X-Client-Token", &device)], &push);
    assert!(matches!(answer.0, 200 | 400), "{answer:?}");
    let link = format!("GET /v2/message/client/link?client_token={device}");
    request(&gateway.public, &link, &[], "");
    let mut stream = TcpStream::connect(&gateway.link).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    writeln!(stream, r#"{{"hello":{{"token":"{device}"}}}}"#).unwrap();
    let mut welcome = [0; 10];
    stream.read_exact(&mut welcome).unwrap();
    assert_eq!(&welcome, b"{\"welcome\"");

    gateway.serve.terminate();
    let end = gateway.serve.finish();
    assert_eq!(end.code, Some(0));
    let refused = end.stderr.lines().find(|line| line.contains("refused a request to the admin API"));
    assert!(refused.is_some_and(|line| line.contains(r#"peer="127.0.0.1""#)), "{refused:?}");
    assert!(end.stderr.contains("TRACE") && end.stderr.contains("pushgate::delivery"), "it logs at trace level");
    for secret in [ADMIN, KEY, QUERY, TENCENT, WRONG, SAID, &device, sign, "hunter2"] {
        let line = end.stderr.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
