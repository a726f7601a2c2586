//! `pushgate push` and `pushgate receive`, against each other on loopback.

mod binary;

use binary::{BOUND, Running, pushgate, run, run_with};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread::{self, JoinHandle},
    time::Instant,
};

const BATCH: &str = r#"{"MsgType":0,"Data":[{"Phone":"185****9057","ReplyContent":"OK","ReplyTime":1475031947,"UserId":"u"},{"Phone":"2","ReplyContent":"短信","ReplyTime":0}]}"#;
const EVENTS: &str = r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"To_Account":"user2","PushStage":1,"ErrCode":0}]}"#;
const APP: [&str; 2] = ["--sdk-app-id", "1400000000"];
const SECRET: &str = "hunter2hunter2";

fn receive(args: &[&str]) -> (Running, String) {
    let mut receiver = Running::start(pushgate(&[&["receive"], args, &["--listen", "127.0.0.1:0"]].concat()));
    let url = format!("http://{}/", receiver.address());
    (receiver, url)
}

/// One line a string, without what differs from run to run: the milliseconds of attempts that are not the first.
fn attempts(stdout: &str) -> Vec<serde_json::Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_batch_arrives_and_is_printed() {
    let (mut receiver, url) = receive(&["uplink"]);
    let pushed = run_with(&["push", "uplink", "--url", &url], BATCH.as_bytes());
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""));
    assert!(pushed.stdout.starts_with("attempt 1, due at 0.000 s, sent at 0."), "{}", pushed.stdout);
    assert!(pushed.stdout.ends_with(" s: accepted\n"), "{}", pushed.stdout);
    assert_eq!(receiver.stdout_line(), "2016-09-28T03:05:47Z 185****9057: OK (UserId u)");
    assert_eq!(receiver.stdout_line(), "1970-01-01T00:00:00Z 2: 短信");

    // A bare array is sent as the object; a copy is taken and marked.
    let array = r#"[{"ReplyContent":"OK","Phone":"185****9057","UserId":"u","ReplyTime":1475031947}]"#;
    assert_eq!(run_with(&["push", "uplink", "--url", &url], array.as_bytes()).code, Some(0));
    assert_eq!(receiver.stdout_line(), "2016-09-28T03:05:47Z 185****9057: OK (UserId u) again");

    #[cfg(unix)]
    {
        receiver.terminate();
        let ended = receiver.finish();
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn two_refusals_and_a_success_are_three_attempts_a_second_apart() {
    let (mut receiver, url) = receive(&["uplink", "--fail", "2", "--json"]);
    let pushed = run_with(&["push", "uplink", "--url", &url, "--json"], BATCH.as_bytes());
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""));
    let attempts = attempts(&pushed.stdout);
    let of = |name: &str| attempts.iter().map(|attempt| attempt[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("attempt"), [1, 2, 3]);
    assert_eq!(of("result"), ["code", "code", "delivered"]);
    assert_eq!(of("status"), [200, 200, 200], "the body decides");
    assert_eq!(attempts[0]["detail"], "code 1: refused on purpose");
    for pair in attempts.windows(2) {
        let at = |attempt: &serde_json::Value, name: &str| attempt[name].as_u64().unwrap();
        // "on non-success a retry every 1 second"
        assert_eq!(at(&pair[1], "planned_ms"), at(&pair[0], "finished_ms") + 1000);
        assert_eq!(at(&pair[0], "next_ms"), at(&pair[1], "planned_ms"));
        assert!(at(&pair[1], "started_ms") >= at(&pair[1], "planned_ms"), "never early");
    }
    for request in [1, 2] {
        let line = receiver.stderr_line();
        assert!(line.starts_with(&format!("request {request} from 127.0.0.1:")), "{line}");
        assert!(line.ends_with(": refused on purpose, 2 items"), "{line}");
    }
    let item: serde_json::Value = serde_json::from_str(&receiver.stdout_line()).unwrap();
    assert_eq!((&item["request"], &item["kind"], &item["duplicate"]), (&3.into(), &"message".into(), &false.into()));
    assert_eq!(
        item["item"].to_string(),
        r#"{"Phone":"185****9057","ReplyContent":"OK","ReplyTime":1475031947,"UserId":"u"}"#,
        "in the order of serde_json's own map"
    );
}

/// A port that is taken and where nothing listens, for as long as this lives.
fn closed_port() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

#[test]
fn a_closed_port_exhausts_the_schedule() {
    let closed = closed_port();
    let port = closed.local_addr().unwrap();
    let url = format!("http://{port}/?token={SECRET}");
    let start = Instant::now();
    let pushed = run_with(&["push", "uplink", "--url", &url], BATCH.as_bytes());
    assert!(start.elapsed().as_secs() >= 3, "three retries, each a second after a failure");
    assert_eq!(pushed.code, Some(1));
    let lines: Vec<_> = pushed.stdout.lines().collect();
    // "after 3 retries pushing stops. So at most 4 sends"
    assert_eq!(lines.len(), 4, "{}", pushed.stdout);
    assert!(lines[2].starts_with("attempt 3, ") && lines[2].contains("; next at "), "{}", lines[2]);
    assert!(lines[3].starts_with("attempt 4, ") && lines[3].ends_with("; no further attempt"), "{}", lines[3]);
    assert!(pushed.stderr.starts_with(&format!("error: not delivered to http://{port}/")), "{}", pushed.stderr);
    assert!(!pushed.stdout.contains(SECRET) && !pushed.stderr.contains(SECRET));
}

#[test]
fn a_body_that_may_not_be_sent_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.json");
    let file = path.to_str().unwrap();
    let item = r#"{"Phone":"1","ReplyContent":"","ReplyTime":0}"#;
    let many = |count| format!(r#"{{"MsgType":0,"Data":[{}]}}"#, vec![item; count].join(","));
    let long = |chars| {
        format!(r#"[{item},{{"UserId":"{}","Phone":"1","ReplyContent":"","ReplyTime":0}}]"#, "短".repeat(chars))
    };
    let event = &EVENTS[11..EVENTS.len() - 2];
    for (kind, body, words) in [
        ("uplink", "{\n \"MsgType\":0\n}".to_owned(), ":3:1: Data: required, but missing"),
        ("uplink", "{\"MsgType\":0,\n \"Data\":[{\"Phone\":7}]}".to_owned(), ":2:19: Data[0].Phone: must be a string"),
        ("uplink", many(0), ": Data: holds fewer than 1 elements"),
        ("uplink", many(101), ": Data: holds more than 100 elements"),
        ("uplink", long(33), ": Data[1].UserId: longer than the 32 characters that may be sent"),
        ("uplink", r#"{"MsgType":1,"Data":[1]}"#.to_owned(), ": Data[0]: of a MsgType that is not 0 or 2"),
        ("events", r#"{"Events":[]}"#.to_owned(), ":1:12: Events: holds fewer than 1 elements"),
        ("events", format!(r#"{{"Events":[{}]}}"#, vec![event; 101].join(",")), "Events: holds more than 100 elements"),
        (
            "events",
            EVENTS.replace(r#""ErrCode""#, r#""GroupID":"g","ErrCode""#),
            ": Events[0].GroupID: belongs to a group chat (EventType 2) only",
        ),
    ] {
        fs::write(&path, &body).unwrap();
        // Nothing listens there: an attempt would be seen on stdout.
        let args = ["push", kind, "--url", "http://127.0.0.1:9/", file];
        let pushed = run(&[&args[..], if kind == "events" { &APP } else { &[] }].concat());
        assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(1), ""), "{body}");
        let said =
            pushed.stderr.starts_with(file) && pushed.stderr.contains(words) && pushed.stderr.lines().count() == 1;
        assert!(said, "{words}\n{}", pushed.stderr);
    }
    let (mut receiver, url) = receive(&["uplink"]);
    fs::write(&path, long(32)).unwrap();
    assert_eq!(run(&["push", "uplink", "--url", &url, file]).code, Some(0), "32 characters may be sent");
    assert!(receiver.stdout_line().contains("1: "));
}

#[test]
fn signed_callbacks_arrive() {
    let (mut receiver, url) = receive(&[&["events", "--token", SECRET][..], &APP].concat());
    let args = [&["push", "events", "--url", &url, "--token", SECRET][..], &APP].concat();
    let pushed = run_with(&args, EVENTS.as_bytes());
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""), "{}", pushed.stdout);
    assert_eq!(receiver.stdout_line(), "2019-05-10T09:38:47Z to user2: Sending ErrCode 0");
    assert!(!pushed.stdout.contains(SECRET));
}

#[test]
fn foreign_and_badly_signed_callbacks_are_refused_with_the_reason() {
    let (mut receiver, url) = receive(&[&["events", "--token", SECRET][..], &APP].concat());
    for (args, reason) in [
        (&["--sdk-app-id", "1400000001", "--token", SECRET][..], "SdkAppid: not the app of this receiver"),
        (&["--sdk-app-id", "1400000000"], "Sign: missing from the query"),
        (&["--sdk-app-id", "1400000000", "--token", "hunter3"], "Sign: not the SHA-256 of this receiver's token"),
    ] {
        let mut push = Running::start({
            let mut command = pushgate(&[&["push", "events", "--url", &url][..], args].concat());
            command.stdin(fs::File::open(body_file()).unwrap());
            command
        });
        let attempt = push.stdout_line();
        assert!(attempt.contains("HTTP 403, ErrorCode 1: ") && attempt.contains(reason), "{attempt}");
        let line = receiver.stderr_line();
        assert!(line.contains(": refused with HTTP 403: ") && line.contains(reason), "{line}");
        for said in [attempt, line] {
            assert!(!said.contains("hunter"), "{said}");
        }
        // The retries tell nothing new: dropping it ends them.
        drop(push);
    }
}

/// The events in a file that stays for the run of the tests.
fn body_file() -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("events.json");
    fs::write(&path, EVENTS).unwrap();
    path
}

#[test]
fn a_url_with_the_callbacks_own_parameters_is_wrong_usage() {
    let args = [&["push", "events", "--url", "http://127.0.0.1:9/?Sign=x"][..], &APP].concat();
    let pushed = run_with(&args, EVENTS.as_bytes());
    assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(2), ""));
    assert!(pushed.stderr.contains("--url: has a parameter that each send adds"), "{}", pushed.stderr);
}

#[test]
fn a_receiver_whose_reader_left_ends_quietly_and_accepts_nothing_more() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = pushgate(&["receive", "uplink", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let url = line.strip_prefix("listening on ").unwrap().split(';').next().unwrap();
    let pushed = run_with(&["push", "uplink", "--url", url], BATCH.as_bytes());
    assert!(
        pushed.stdout.starts_with("attempt 1, ") && pushed.stdout.contains("HTTP 503, code 503: could not be kept")
    );
    assert_eq!(pushed.code, Some(1));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    line.clear();
    stderr.read_to_string(&mut line).unwrap();
    assert_eq!(line, "");
}

#[test]
fn a_taken_address_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(&["receive", "uplink", "--listen", &address]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains(&address) && refused.stderr.contains("port 0"), "{}", refused.stderr);
}

/// A gateway of one answer: returns the request it got.
fn gateway(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/base/", listener.local_addr().unwrap());
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let start = request.len();
            reader.read_line(&mut request).unwrap();
            let line = request[start..].trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        request + str::from_utf8(&body).unwrap()
    });
    (base, request)
}

const ACCEPTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"request_id\":\"2279\"}";

/// A line without the time it took.
fn timeless(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = ["in ", "took_ms\":"].iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        shown += &rest[..at];
        let after = rest[at..].trim_start_matches(|char: char| char.is_ascii_digit());
        shown += if after.len() < rest.len() - at { "N" } else { "" };
        rest = after;
    }
    shown + rest
}

#[test]
fn a_device_pushes_with_its_token() {
    let (base, request) = gateway(ACCEPTED);
    let args = ["push", "client", "--url", &base, "--token", SECRET, "--to", "a", "b", "--msg", "hello", "--flag", "3"];
    let pushed = run(&[&args[..], &["--callback"]].concat());
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""));
    assert_eq!(timeless(&pushed.stdout), "accepted: HTTP 200 in N ms, request 2279\n");
    let request = request.join().unwrap();
    assert!(request.starts_with("POST /base/v2/message/client/push HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("x-client-token: {SECRET}\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(
        request.ends_with("\r\n\r\n{\"msg\":\"aGVsbG8=\",\"flag\":3,\"callback\":1,\"access_tokens\":[\"a\",\"b\"]}"),
        "{request}"
    );
}

#[test]
fn an_application_server_pushes_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (key, msg) = (folder.path().join("key"), folder.path().join("msg"));
    fs::write(&key, format!("{SECRET}\n")).unwrap();
    fs::write(&msg, b"\xff\x00").unwrap();
    let (key, msg) = (key.to_str().unwrap(), msg.to_str().unwrap());
    for (to, body) in [
        (&["--to", "1003200", "1003201"][..], r#"{"proxy":0,"payload":{"msg":"/wA=","clients":[1003200,1003201]}}"#),
        (
            &["--from", "1003200", "--to", "5003062", "--flag", "2"],
            r#"{"proxy":1,"payload":[{"from":1003200,"to":5003062,"flag":2,"msg":"/wA="}]}"#,
        ),
    ] {
        let (base, request) = gateway(ACCEPTED);
        let args = ["push", "server", "--url", &base, "--app-id", "Test", "--app-key-file", key, "--msg-file", msg];
        let pushed = run(&[&args[..], to, &["--json"]].concat());
        let json = r#"{"accepted":true,"result":"accepted","status":200,"took_ms":N,"request_id":"2279"}"#;
        assert_eq!(timeless(&pushed.stdout), format!("{json}\n"), "{}", pushed.stderr);
        assert_eq!(pushed.code, Some(0));
        let request = request.join().unwrap();
        assert!(request.starts_with("POST /base/v2/message/server/push HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("x-app-id: Test\r\n") && request.contains(&format!("x-app-key: {SECRET}\r\n")));
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
    }
}

#[test]
fn a_refused_push_names_the_field_and_is_exit_1() {
    let args =
        |base: &str| ["push", "client", "--url", base, "--token", SECRET, "--to", "a", "--msg", "x"].map(str::to_owned);
    let refusal = "HTTP/1.1 400 Bad Request\r\nx-request-id: 7\r\ncontent-length: 81\r\n\r\n\
                   {\"request_id\":\"7\",\"error\":{\"code\":400,\"field\":\"access_tokens[0]\",\"message\":\"no\"}}";
    let (base, _request) = gateway(refusal);
    let pushed = run(&args(&base));
    assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(1), ""));
    assert_eq!(timeless(&pushed.stderr), "error: refused: HTTP 400 in N ms, request 7: access_tokens[0]: no\n");

    let (base, _request) =
        gateway("HTTP/1.1 500 Internal Server Error\r\nX-Request-ID: 8\r\ncontent-length: 4\r\n\r\noops");
    let pushed = run(&[&args(&base)[..], &["--json".to_owned()]].concat());
    let json = r#"{"accepted":false,"result":"status","status":500,"took_ms":N,"request_id":"8"}"#;
    assert_eq!((pushed.code, timeless(&pushed.stdout)), (Some(1), format!("{json}\n")));
    assert_eq!(timeless(&pushed.stderr), "error: refused: HTTP 500 in N ms, request 8; it may pass: try again\n");

    for (answer, words) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n",
            "; it may pass: try again in 7 s\n",
        ),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "; is --url a gateway's public listener?\n"),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            "; redirects are not followed: --url must name the gateway itself\n",
        ),
        ("", "; the gateway may have accepted it nevertheless\n"),
    ] {
        let (base, _request) = gateway(answer);
        let pushed = run(&args(&base));
        assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(1), ""));
        assert!(pushed.stderr.ends_with(words) && pushed.stderr.lines().count() == 1, "{}", pushed.stderr);
    }

    let closed = closed_port();
    let port = closed.local_addr().unwrap();
    let pushed = run(&args(&format!("http://{port}")));
    assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(1), ""));
    assert!(pushed.stderr.contains(&port.to_string()) && !pushed.stderr.contains(SECRET), "{}", pushed.stderr);
    assert!(
        pushed.stderr.starts_with("error: no answer: ") && !pushed.stderr.contains("nevertheless"),
        "nothing went out"
    );
    let pushed = run(&[&args(&format!("http://{port}"))[..], &["--json".to_owned()]].concat());
    let line: serde_json::Value = serde_json::from_str(&pushed.stdout).unwrap();
    assert_eq!((&line["accepted"], &line["result"]), (&false.into(), &"refused".into()), "{line}");
}

#[test]
fn a_push_reads_its_token_from_a_file_and_its_message_from_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, SECRET).unwrap();
    let (base, request) = gateway(ACCEPTED);
    let file = file.to_str().unwrap();
    let args = ["push", "client", "--url", &base, "--token-file", file, "--to", "a", "--to", "b", "--msg-file", "-"];
    let pushed = run_with(&args, b"\xff\x00");
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""));
    let request = request.join().unwrap();
    assert!(request.contains(&format!("x-client-token: {SECRET}\r\n")), "{request}");
    assert!(request.ends_with("{\"msg\":\"/wA=\",\"callback\":0,\"access_tokens\":[\"a\",\"b\"]}"), "{request}");
}

#[test]
fn a_base_that_is_no_url_is_wrong_usage() {
    for base in ["127.0.0.1:8080", "ws://127.0.0.1:8080", "http://"] {
        let pushed = run(&["push", "client", "--url", base, "--token", "t", "--to", "a", "--msg", "x"]);
        assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(2), ""));
        assert!(pushed.stderr.contains("'--url <BASE>': must be an http or https URL"), "{}", pushed.stderr);
    }
}

#[test]
fn a_message_has_at_most_256_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("msg");
    fs::write(&file, [0; 257]).unwrap();
    let file = file.to_str().unwrap();
    let args = ["push", "client", "--url", "http://127.0.0.1:9", "--token", "t", "--to", "a"];
    let pushed = run(&[&args[..], &["--msg-file", file]].concat());
    assert_eq!(pushed.code, Some(1));
    assert_eq!(pushed.stderr, format!("{file}: 257 bytes; a message has at most 256\n"));
    let pushed = run(&[&args[..], &["--msg", &"短".repeat(86)]].concat());
    assert_eq!(pushed.code, Some(2));
    assert!(pushed.stderr.contains("--msg: longer than 256 bytes"), "{}", pushed.stderr);
}

#[test]
fn a_webhook_receiver_checks_the_signature() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "k").unwrap();
    let (mut receiver, url) = receive(&["webhook", "--app-id", "Test", "--app-key-file", key.to_str().unwrap()]);
    // Nothing here sends webhooks but the gateway: what another sender posts is unsigned.
    let pushed = Running::start({
        let mut command = pushgate(&["push", "uplink", "--url", &url]);
        command.stdin(fs::File::open(batch_file()).unwrap());
        command
    });
    let line = receiver.stderr_line();
    assert!(line.contains(": refused with HTTP 403: X-Event-Sign: missing"), "{line}");
    drop(pushed);
}

fn batch_file() -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("batch.json");
    fs::write(&path, BATCH).unwrap();
    path
}
