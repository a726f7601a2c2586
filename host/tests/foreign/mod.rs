//! Clients that others wrote, each as a program of its own, and what a machine has to have to run them.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Instant,
};

use pushgate_tests::Answer;
use serde_json::Value;

use super::binary::{BOUND, gateway::Gateway};

/// A program, and the Debian package that has it.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
}

pub(crate) const CURL: Program = Program { name: "curl", package: "curl" };
const NETCAT: Program = Program { name: "nc", package: "netcat-openbsd" };
const OPENSSL: Program = Program { name: "openssl", package: "openssl" };
const PYTHON: Program = Program { name: "python3", package: "python3" };
/// A package of Python's, known by its import.
const WEBSOCKETS: Program = Program { name: "websockets", package: "python3-websockets" };

/// Whether the machine has all of `programs`; where it has not, a line says what to install. In CI (`CI=true`) that is
/// a failure, so that nobody takes the test for done.
pub(crate) fn has(programs: &[Program]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !program.is_there()).collect();
    if missing.is_empty() {
        return true;
    }
    let names: Vec<_> = missing.iter().map(|program| program.name).collect();
    let packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    let why = format!("there is no {}: on Debian, apt-get install {}", names.join(", no "), packages.join(" "));
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("left out: {why}");
    false
}

impl Program {
    fn is_there(&self) -> bool {
        if self.name != WEBSOCKETS.name {
            return find(self.name).is_some();
        }
        let import = || {
            let mut python = Command::new(find(PYTHON.name)?);
            python.args(["-c", "import websockets"]).stderr(Stdio::null()).status().ok()
        };
        import().is_some_and(|status| status.success())
    }
}

/// Where a program is: the system's own before another on the `PATH`, which may be a Python without Debian's packages.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from("/usr/bin")].into_iter().chain(env::split_paths(&path).collect::<Vec<_>>());
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn program(program: Program) -> Command {
    Command::new(find(program.name).expect("it was asked for"))
}

/// A file beside the tests.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Where a gateway listens, for clients that want a name to check a certificate for.
fn at(scheme: &str, address: &str) -> String {
    let port = address.rsplit(':').next().expect("a port");
    format!("{scheme}://localhost:{port}")
}

/// Asks the public listener for `path` with curl.
pub(crate) fn curl<S: AsRef<OsStr>>(gateway: &Gateway, path: &str, args: &[S]) -> Answer {
    let scheme = if gateway.public.starts_with("https://") { "https" } else { "http" };
    let mut curl = program(CURL);
    // No settings of who runs the tests; `-i` puts the head before the body.
    curl.args(["-q", "-sSi", "--noproxy", "*", "--max-time", "20", "--cacert"]).arg(file("tls/ca.pem"));
    let output = curl.args(args).arg(at(scheme, &gateway.public) + path).output().expect("curl runs");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("$ curl {path}\n{}", said.trim_end());
    assert!(output.status.success(), "curl {path}: {}: {errors}", output.status);
    // Before the answer to a large body there may be one that asks for it.
    let answer = said.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&said);
    Answer::read(answer.as_bytes()).unwrap_or_else(|| panic!("not a whole answer: {said}"))
}

/// The clients of the device link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// `nc`: the raw link.
    Netcat,
    /// Python's sockets: the raw link, byte for byte.
    PythonSocket,
    /// `openssl s_client`: the raw link over TLS.
    Openssl,
    /// Python's `websockets`.
    WebSocket,
    /// The same over TLS.
    WebSocketTls,
}

impl Client {
    pub(crate) fn needs(self) -> &'static [Program] {
        match self {
            Self::Netcat => &[CURL, NETCAT],
            Self::PythonSocket => &[CURL, PYTHON],
            Self::Openssl => &[CURL, OPENSSL],
            Self::WebSocket | Self::WebSocketTls => &[CURL, PYTHON, WEBSOCKETS],
        }
    }

    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Self::Openssl | Self::WebSocketTls)
    }

    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }

    /// Connects with `token`, in a line of its own where the link is raw, and reads nothing yet.
    pub(crate) fn start(self, gateway: &Gateway, token: &str) -> Peer {
        if self.is_websocket() {
            return Peer::start(self, self.command(gateway, token));
        }
        let mut peer = self.connect(gateway);
        peer.say(&format!(r#"{{"hello":{{"token":"{token}"}}}}"#));
        peer
    }

    /// Connects to the raw link, and says nothing.
    pub(crate) fn connect(self, gateway: &Gateway) -> Peer {
        Peer::start(self, self.command(gateway, ""))
    }

    fn command(self, gateway: &Gateway, token: &str) -> Command {
        let (host, port) = gateway.link.rsplit_once(':').expect("an address");
        let url = |scheme| at(scheme, &gateway.public) + "/v2/message/client/link";
        let authority = file("tls/ca.pem");
        let mut command;
        match self {
            Self::Netcat => {
                command = program(NETCAT);
                command.args([host, port]);
            }
            Self::PythonSocket => {
                command = program(PYTHON);
                command.arg(file("foreign/tcp.py")).args([host, port]);
            }
            Self::Openssl => {
                command = program(OPENSSL);
                command.args([
                    "s_client",
                    "-quiet",
                    "-verify_quiet",
                    "-verify_return_error",
                    "-connect",
                    &gateway.link,
                ]);
                command.args(["-servername", "localhost", "-verify_hostname", "localhost", "-CAfile"]).arg(authority);
            }
            Self::WebSocket => {
                command = program(PYTHON);
                command.arg(file("foreign/websocket.py")).args([&url("ws"), token]);
            }
            Self::WebSocketTls => {
                command = program(PYTHON);
                command.arg(file("foreign/websocket.py")).args([&url("wss"), token]).arg(authority);
            }
        }
        // No proxy that who runs the tests has.
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        command
    }
}

/// A client under way, which says what it is told to on stdin, a line each, and repeats what it hears on stdout; ended
/// when dropped.
pub(crate) struct Peer {
    client: Client,
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Receiver<String>,
    /// All of stderr, once it has ended.
    complaints: Receiver<String>,
}

impl Peer {
    fn start(client: Client, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let (lines, heard) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let (all, complaints) = channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            all.send(String::from_utf8_lossy(&said).into_owned())
        });
        Self { client, child, stdin, heard, complaints }
    }

    /// Sends a line. A gateway that has closed already is no fault.
    pub(crate) fn say(&mut self, line: &str) {
        eprintln!("{:?} > {:.120}", self.client, line);
        let stdin = self.stdin.as_mut().expect("it still talks");
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
    }

    /// The next line; `None` when the client has ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        let line = match self.heard.recv_timeout(BOUND) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{:?} heard nothing within {BOUND:?}", self.client),
        };
        eprintln!("{:?} < {}", self.client, line.as_deref().unwrap_or("(end)"));
        line
    }

    /// The value of the next frame called `name`; those before it are left out, as another copy of a message on a slow
    /// machine.
    pub(crate) fn expect(&mut self, name: &str) -> Value {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("it ended before a {name}: {}", self.complaints()));
            let frame: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            if let Some(value) = frame.get(name) {
                return value.clone();
            }
        }
    }

    /// The next message of `sender`.
    pub(crate) fn message_from(&mut self, sender: u32) -> Value {
        loop {
            let message = self.expect("message");
            if message["from"] == sender {
                return message;
            }
        }
    }

    /// Reads the error that the gateway closes with, and that it closes: its code and its words.
    pub(crate) fn refused(&mut self) -> (u64, String) {
        let error = self.expect("error");
        if self.client.is_websocket() {
            assert_eq!(self.next().as_deref(), Some("/closed 1008"), "a policy, RFC 6455, section 7.4.1");
        }
        if self.client == Client::Netcat {
            // It has two directions and ends after both.
            self.stdin = None;
        }
        assert_eq!(self.next(), None, "the gateway closes after an error");
        assert!(self.ended_well(), "{:?}: not closed in good order: {}", self.client, self.complaints());
        (error["code"].as_u64().expect("a code"), error["message"].as_str().expect("words").to_owned())
    }

    /// Whether it has nothing to complain of, as of a connection that was reset. It has closed its stdout and is about
    /// to end.
    fn ended_well(&mut self) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                return status.success();
            }
            assert!(start.elapsed() < BOUND, "{:?} closed its stdout and did not end", self.client);
            thread::yield_now();
        }
    }

    /// What it said on stderr until it ended.
    fn complaints(&self) -> String {
        self.complaints.recv_timeout(BOUND).expect("it ends, and is asked once")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
