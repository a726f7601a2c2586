//! `pushgate device` against a gateway that the test plays, line by line.

mod binary;

use binary::{BOUND, Running, pushgate, run};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
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

    fn device(&self, flags: &[&str]) -> Running {
        let address = self.0.local_addr().unwrap().to_string();
        let mut command = pushgate(&[&["device", "--link", &address], flags].concat());
        command.env("PUSHGATE_TOKEN", TOKEN);
        Running::start(command)
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
    assert_eq!(device.stderr_line(), "connected as cid 5003062; heartbeat every 30s");
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
    connection.send(r#"{"error":{"code":401,"message":"the token expired"}}"#);
    let ended = device.finish();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, "1970-01-01T00:00:00Z from 1:  (id m)");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines[1], "the gateway closed the connection; connecting again in 500ms");
    assert_eq!(lines[3], "error: the gateway refuses this device: 401: the token expired");
    assert!(!ended.stderr.contains(TOKEN));
}

#[test]
fn a_websocket_is_said_to_be_missing() {
    let refused = run(&["device", "--link", "ws://127.0.0.1:9", "--token", TOKEN]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("not available yet in this build"), "{}", refused.stderr);
}
