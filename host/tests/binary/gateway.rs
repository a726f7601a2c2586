//! A gateway that runs as a process of its own, and what is done to it over HTTP.

use super::{BOUND, Finished, Running, pushgate, run};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Instant,
};

/// The key of the app `Test`.
pub(crate) const KEY: &str = "d57559a82027b7d846318a0c1596d645";

/// A gateway with its store in a folder that lives as long as the test.
pub(crate) struct Gateway {
    pub(crate) serve: Running,
    pub(crate) public: String,
    pub(crate) admin: String,
    pub(crate) link: String,
}

impl Gateway {
    /// Starts on `folder`'s `pushgate.toml` and store, its admin listener at `admin`.
    pub(crate) fn start(folder: &Path, admin: &str) -> Self {
        Self::start_with(folder, admin, &[])
    }

    /// As [`start`](Self::start), with further flags.
    pub(crate) fn start_with(folder: &Path, admin: &str, flags: &[&str]) -> Self {
        let mut serve = Self::spawn(folder, admin, flags);
        let mut address = |name: &str| loop {
            let line = serve.stderr_line();
            if let Some(rest) = line.strip_prefix(name) {
                let address = rest.split_whitespace().next().unwrap();
                break address.strip_prefix("http://").unwrap_or(address).to_owned();
            }
        };
        let (public, admin, link) = (address("public"), address("admin"), address("link"));
        Self { serve, public, admin, link }
    }

    /// Starts one that logs JSON, from its first line on: the second of what this returns is that line.
    pub(crate) fn start_json(folder: &Path, flags: &[&str]) -> (Self, Value) {
        let mut serve = Self::spawn(folder, "127.0.0.1:0", &[&["--log-format", "json"], flags].concat());
        let begin: Value = serde_json::from_str(&serve.stderr_line()).unwrap();
        let address = |name: &str| begin[name].as_str().unwrap_or_else(|| panic!("{name}: {begin}")).to_owned();
        let (public, admin, link) = (address("public"), address("admin"), address("link"));
        (Self { serve, public, admin, link }, begin)
    }

    fn spawn(folder: &Path, admin: &str, flags: &[&str]) -> Running {
        let config = folder.join("pushgate.toml");
        let store = format!("sqlite:{}", folder.join("pushgate.db").display());
        let config = config.to_str().unwrap();
        let listen = ["--public", "127.0.0.1:0", "--link", "127.0.0.1:0", "--admin", admin];
        Running::start(pushgate(&[&["serve", "--config", config, "--store", &store], &listen[..], flags].concat()))
    }

    /// Runs a command against it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        let url = format!("http://{}", self.admin);
        run(&[args, &["--admin", &url]].concat())
    }

    /// The lines of a command that must go well, as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let finished = self.run(&[args, &["--json"]].concat());
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{args:?}");
        finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Submits a batch of one reply, and returns the delivery's id.
    pub(crate) fn submit(&self, destination: &str) -> String {
        let (status, body) = post(&self.admin, &format!("/api/uplink/{destination}"), &[], &batch(&["OK"]));
        assert_eq!(status, 202, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["ids"][0].as_str().unwrap().to_owned()
    }

    /// Receives a batch of replies.
    pub(crate) fn receive(&self, replies: &[&str]) {
        let answer = post(&self.public, "/receive/uplink/ucloud", &[], &batch(replies));
        assert_eq!(answer.0, 200, "{}", answer.1);
    }

    /// Pushes the two bytes FF 00 to devices that are not connected, once.
    pub(crate) fn push(&self, cids: &[u32]) {
        let body = format!(r#"{{"proxy":0,"payload":{{"msg":"/wA=","flag":3,"clients":{cids:?}}}}}"#);
        let (status, body) =
            post(&self.public, "/v2/message/server/push", &[("X-APP-ID", "Test"), ("X-APP-Key", KEY)], &body);
        assert!(status == 200 && body.contains("request_id"), "{status} {body}");
    }

    /// Waits until `args` lists exactly `count` deliveries.
    pub(crate) fn wait_for(&self, args: &[&str], count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let found = self.json(args);
            if found.len() == count {
                return found;
            }
            assert!(start.elapsed() < BOUND, "{args:?}: {} of {count}", found.len());
        }
    }
}

pub(crate) fn batch(replies: &[&str]) -> String {
    let items: Vec<_> = replies
        .iter()
        .map(|reply| format!(r#"{{"Phone":"185","ReplyContent":"{reply}","ReplyTime":1563867000}}"#))
        .collect();
    format!(r#"{{"MsgType":0,"Data":[{}]}}"#, items.join(","))
}

/// A folder with this configuration.
pub(crate) fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pushgate.toml"), config).unwrap();
    folder
}

pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    request(address, &format!("POST {path}"), headers, body)
}

/// Asks over a connection of its own.
pub(crate) fn request(address: &str, what: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let mut head =
        format!("{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
