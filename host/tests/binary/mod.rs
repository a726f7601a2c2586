//! The built binary as a child process: run to its end, or talked with while it runs.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod gateway;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails: long enough for a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// The binary with `args`, nothing on stdin and none of the environment that it reads.
pub(crate) fn pushgate<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.args(args).stdin(Stdio::null());
    for name in ["RUST_LOG", "PUSHGATE_TOKEN", "PUSHGATE_CALLBACK_TOKEN", "PUSHGATE_CONFIG", "PUSHGATE_STORE"] {
        command.env_remove(name);
    }
    command.env_remove("PUSHGATE_ADMIN").env_remove("PUSHGATE_ADMIN_TOKEN").env_remove("PUSHGATE_CA");
    command.env_remove("PUSHGATE_LOG_FORMAT");
    command
}

/// Runs it to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Finished {
    pushgate(args).output().unwrap().into()
}

/// Runs it to its end with `input` on stdin.
pub(crate) fn run_with<S: AsRef<std::ffi::OsStr>>(args: &[S], input: &[u8]) -> Finished {
    let mut child = pushgate(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end before it has read everything.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output.into()
}

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A run under way; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdin, stdout, stderr }
    }

    /// The next line of stdout.
    pub(crate) fn stdout_line(&mut self) -> String {
        self.stdout.next().unwrap_or_else(|| panic!("stdout ended; stderr: {:?}", self.stderr.rest()))
    }

    /// The next line of stderr.
    pub(crate) fn stderr_line(&mut self) -> String {
        self.stderr.next().unwrap_or_else(|| panic!("stderr ended; stdout: {:?}", self.stdout.rest()))
    }

    /// The address in the line that says where it listens, the first of stderr.
    pub(crate) fn address(&mut self) -> String {
        let line = self.stderr_line();
        let url = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("no address: {line}"));
        url.split('/').next().unwrap().to_owned()
    }

    /// Asks it to stop, as a service manager would.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    /// Waits for its end; the lines are what has not been asked for before.
    pub(crate) fn finish(&mut self) -> Finished {
        self.stdin = None;
        let stdout = self.stdout.rest().join("\n");
        let stderr = self.stderr.rest().join("\n");
        Finished { code: self.wait().code(), stdout, stderr }
    }

    fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        // Both streams have ended, so it is about to.
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < BOUND, "it closed its streams and did not end");
            thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, read by a thread of its own so that waiting for one has a bound.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (lines, receiver) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    fn next(&self) -> Option<String> {
        match self.0.recv_timeout(BOUND) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {BOUND:?}"),
        }
    }

    fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
