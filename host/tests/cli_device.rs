//! `pushgate device` against a gateway that the test plays, line by line.

mod binary;

use binary::{BOUND, Running, pushgate, run};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
};

const TOKEN: &str = "5003062_0_4294967295_00000000000000000000000000000000";

/// A gateway's listener, and its side of one connection.
struct Gateway(TcpListener);

struct Connection {
    reader: BufReader<TcpStream>,
}

impl Gateway {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = pushgate(&[&["device", "--link", &self.address()], flags].concat());
        command.env("PUSHGATE_TOKEN", TOKEN);
        command
    }

    fn device(&self, flags: &[&str]) -> Running {
        Running::start(self.command(flags))
    }

    /// Takes the next connection and reads its hello.
    fn accept(&self) -> Connection {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let mut connection = Connection { reader: BufReader::new(stream) };
        assert_eq!(connection.line(), format!(r#"{{"hello":{{"token":"{TOKEN}"}}}}"#));
        connection
    }
}

impl Connection {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn send(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn welcome(&mut self) {
        self.send(r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#);
    }
}

#[test]
fn messages_are_printed_once_and_every_copy_is_acknowledged() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&[]);
    let mut connection = gateway.accept();
    connection.welcome();
    assert_eq!(
        device.stderr_line(),
        format!("connected to tcp://{} as cid 5003062; heartbeat every 30s", gateway.address())
    );
    for (id, from, msg) in [("m", 1_003_200, "aGVsbG8="), ("m", 1_003_200, "aGVsbG8="), ("n", 0, "/wA=")] {
        connection.send(&format!(r#"{{"message":{{"id":"{id}","from":{from},"created":1452666295,"msg":"{msg}"}}}}"#));
        assert_eq!(connection.line(), format!(r#"{{"ack":"{id}"}}"#));
    }
    connection.send(r#"{"ping":3}"#);
    assert_eq!(connection.line(), r#"{"pong":3}"#);
    assert_eq!(device.stdout_line(), "2016-01-13T06:24:55Z from 1003200: hello (id m)");
    assert_eq!(device.stdout_line(), "2016-01-13T06:24:55Z from the application server: base64:/wA= (id n)");
    #[cfg(unix)]
    {
        device.terminate();
        let ended = device.finish();
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn json_is_one_object_a_line() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&["--json"]);
    let mut connection = gateway.accept();
    connection.welcome();
    connection.send(r#"{"message":{"id":"m","from":0,"created":7,"msg":"aGVsbG8="}}"#);
    connection.send(r#"{"receipt":{"id":"r","to":1003200,"state":"dropped"}}"#);
    assert_eq!(device.stdout_line(), r#"{"id":"m","from":0,"created":7,"msg":"aGVsbG8="}"#);
    assert_eq!(device.stdout_line(), r#"{"receipt":{"id":"r","to":1003200,"state":"dropped"}}"#);
}

#[test]
fn a_lost_connection_is_made_again_and_copies_are_still_known() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&[]);
    let message = r#"{"message":{"id":"m","from":1,"created":0,"msg":""}}"#;
    let mut connection = gateway.accept();
    connection.welcome();
    connection.send(message);
    assert_eq!(connection.line(), r#"{"ack":"m"}"#);
    drop(connection);
    let mut connection = gateway.accept();
    connection.welcome();
    connection.send(message);
    assert_eq!(connection.line(), r#"{"ack":"m"}"#);
    // Who was welcome asks once more, and takes the answer to a hello for the last word.
    let refusal = r#"{"error":{"code":401,"message":"the token expired"}}"#;
    connection.send(refusal);
    gateway.accept().send(refusal);
    let ended = device.finish();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, "1970-01-01T00:00:00Z from 1:  (id m)");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let wait = lines[1].strip_prefix("the gateway closed the connection; connecting again in ").expect(lines[1]);
    let wait: u32 = wait.strip_suffix("ms").unwrap().parse().unwrap();
    assert!((250..=500).contains(&wait), "{wait}");
    let refused = "error: the gateway refuses this device: 401: the token expired; `pushgate token issue` makes a token, \
                   with a key of the app that owns the cid";
    assert!(lines[3].starts_with("the gateway said 401: the token expired; connecting again in "), "{}", lines[3]);
    assert_eq!((lines[4], lines.len()), (refused, 5));
    assert!(!ended.stderr.contains(TOKEN));
}

const MESSAGE: &str = r#"{"message":{"id":"m","from":0,"created":7,"msg":"aGVsbG8="}}"#;

#[test]
fn it_ends_after_as_many_messages_as_were_asked_for_and_has_acknowledged_them() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&["--count", "2", "--for", "1h"]);
    let mut connection = gateway.accept();
    connection.welcome();
    for (id, message) in
        [("m", MESSAGE.to_owned()), ("m", MESSAGE.to_owned()), ("n", MESSAGE.replace("\"m\"", "\"n\""))]
    {
        connection.send(&message);
        assert_eq!(connection.line(), format!(r#"{{"ack":"{id}"}}"#));
    }
    assert_eq!(connection.line(), "", "it closes");
    let ended = device.finish();
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 2), "copies do not count: {}", ended.stdout);
}

#[test]
fn a_deaf_device_prints_every_copy_and_answers_none() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&["--no-ack", "--count", "3", "--json"]);
    let mut connection = gateway.accept();
    connection.welcome();
    for copy in 1..=3 {
        connection.send(MESSAGE);
        let line: serde_json::Value = serde_json::from_str(&device.stdout_line()).unwrap();
        assert_eq!((&line["id"], &line["copy"]), (&"m".into(), &copy.into()));
        let after = line["after_ms"].as_u64().unwrap();
        assert!(copy > 1 || after == 0, "{line}");
    }
    assert_eq!(connection.line(), "", "it closes, and has said nothing");
    assert_eq!(device.finish().code, Some(0));
}

#[test]
fn time_that_is_up_is_a_failure_when_something_was_waited_for() {
    // Connected, and nothing was asked for but the time.
    let gateway = Gateway::start();
    let mut device = gateway.device(&["--for", "3s"]);
    let mut connection = gateway.accept();
    connection.welcome();
    assert_eq!(device.finish().code, Some(0));

    let mut device = gateway.device(&["--for", "3s", "--count", "2"]);
    let mut connection = gateway.accept();
    connection.welcome();
    connection.send(MESSAGE);
    assert_eq!(connection.line(), r#"{"ack":"m"}"#);
    let ended = device.finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.ends_with("error: 1 of 2 messages came within 3s"), "{}", ended.stderr);

    let mut device = gateway.device(&["--for", "500ms"]);
    let ended = device.finish();
    let words = format!("error: not connected to tcp://{} within 500ms", gateway.address());
    assert_eq!((ended.code, ended.stderr), (Some(1), words));
}

#[test]
fn the_token_may_be_in_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let gateway = Gateway::start();
    let mut command = gateway.command(&["--token-file", file.to_str().unwrap()]);
    command.env("PUSHGATE_TOKEN", "another");
    let mut device = Running::start(command);
    gateway.accept().send(r#"{"error":{"code":401,"message":"expired"}}"#);
    let ended = device.finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("401: expired; `pushgate token issue` makes a token"), "{}", ended.stderr);

    let link = ["device", "--link", "127.0.0.1:9"];
    for (flags, code, words) in [
        (&[][..], 2, "--token <TOKEN>"),
        (&["--token-file", "/nowhere"], 1, "error: --token-file: /nowhere: No such file"),
        (&["--token", TOKEN, "--ca", "/nowhere"], 1, "error: --ca: /nowhere: No such file"),
        (&["--token", ""], 2, "must not be empty"),
        (&["--token", TOKEN, "--count", "0"], 2, "--count"),
        (&["--token", TOKEN, "--for", "1d"], 2, "such as 500ms, 30s, 5m or 1h"),
    ] {
        let ended = run(&[&link[..], flags].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{flags:?}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains(TOKEN), "{flags:?} {}", ended.stderr);
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_an_error_and_not_a_try_for_ever() {
    let gateway = Gateway::start();
    let ended =
        Running::start(pushgate(&["device", "--link", &gateway.address(), "--token", &"x".repeat(2000)])).finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: the token cannot be one: it is too long"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_left_ends_it_quietly_and_the_message_is_not_acknowledged() {
    let gateway = Gateway::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = gateway.command(&[]);
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut connection = gateway.accept();
    connection.welcome();
    connection.send(MESSAGE);
    assert_eq!(connection.line(), "", "no ack");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[cfg(unix)]
#[test]
fn it_stops_when_asked_while_it_waits_to_connect_again() {
    let gateway = Gateway::start();
    let mut device = gateway.device(&[]);
    drop(gateway.accept());
    let line = device.stderr_line();
    assert!(line.contains("is 127.0.0.1:") && line.contains("; connecting again in "), "{line}");
    device.terminate();
    assert_eq!(device.finish().code, Some(0));
}

const CONFIG: &str =
    "[[lingyang.apps]]\nid = \"Test\"\nkeys = [\"d57559a82027b7d846318a0c1596d645\"]\ncids = [[5003000, 5003999]]\n";

fn token(folder: &std::path::Path, cid: &str) -> String {
    let key = folder.join("app.key");
    fs::write(&key, binary::gateway::KEY).unwrap();
    let issue = ["token", "issue", "--key-file", key.to_str().unwrap(), "--cid", cid, "--expire", "4000000000"];
    run(&issue).stdout.trim_end().to_owned()
}

#[test]
fn a_device_and_a_push_find_each_other_through_a_gateway() {
    let folder = binary::gateway::folder(CONFIG);
    let (mine, other) = (token(folder.path(), "5003001"), token(folder.path(), "5003002"));
    let gateway = binary::gateway::Gateway::start(folder.path(), "127.0.0.1:0");
    let device = |token: &str, flags: &[&str]| {
        let mut device =
            Running::start(pushgate(&[&["device", "--link", &gateway.link, "--token", token], flags].concat()));
        assert!(device.stderr_line().starts_with("connected to tcp://"));
        device
    };
    let mut sender = device(&mine, &["--json"]);
    let mut receiver = device(&other, &["--count", "1"]);
    let base = format!("http://{}", gateway.public);
    let push = ["push", "client", "--url", &base, "--token", &mine, "--to", &other, "--callback", "--msg-file", "-"];
    let pushed = binary::run_with(&push, b"hello");
    assert_eq!((pushed.code, pushed.stderr.as_str()), (Some(0), ""));
    let got = receiver.finish();
    assert!(got.code == Some(0) && got.stdout.contains(" from 5003001: hello (id "), "{got:?}");
    let receipt: serde_json::Value = serde_json::from_str(&sender.stdout_line()).unwrap();
    assert_eq!((&receipt["receipt"]["to"], &receipt["receipt"]["state"]), (&5_003_002.into(), &"delivered".into()));

    // A stranger's token is refused for good.
    let refused = run(&["device", "--link", &gateway.link, "--token", TOKEN]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(
        refused.stderr.starts_with("error: the gateway refuses this device: 401: hello.token: "),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_gateways_link_over_tls_needs_its_authority() {
    let file = |name: &str| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name).display().to_string()
    };
    let tls = format!("[listen]\ntls = {{ cert = \"{}\", key = \"{}\" }}\n", file("server.pem"), file("server.key"));
    let folder = binary::gateway::folder(&format!("{tls}{CONFIG}"));
    let mine = token(folder.path(), "5003001");
    let gateway = binary::gateway::Gateway::start(folder.path(), "127.0.0.1:0");
    let port = gateway.link.rsplit(':').next().unwrap();
    let link = format!("tls://localhost:{port}");
    let args = ["device", "--link", &link, "--token", &mine];
    let mut device = Running::start(pushgate(&[&args[..], &["--ca", &file("ca.pem")]].concat()));
    assert_eq!(device.stderr_line(), format!("connected to {link} as cid 5003001; heartbeat every 30s"));
    let mut stranger = Running::start(pushgate(&args));
    let line = stranger.stderr_line();
    assert!(line.contains("TLS") || line.contains("certificate"), "{line}");
    assert!(line.contains("--ca") && line.contains("; connecting again in "), "{line}");
}
