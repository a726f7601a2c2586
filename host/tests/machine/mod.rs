//! An emulated board that runs the image of `tests/firmware/device`, and the console it is commanded over.

use std::{
    env,
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use pushgate_tests::{BOUND, until_bound, within, within_bound};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::Instant,
};

/// A core that the image is built for, and the machine that runs it.
pub(crate) struct Core {
    target: &'static str,
    qemu: &'static str,
    /// Debian's package of it.
    package: &'static str,
    board: &'static [&'static str],
    /// UARTs there are: with one, that is the console.
    uarts: usize,
}

/// What the board's Cortex-M3 is.
pub(crate) const CORTEX_M3: Core = Core {
    target: "thumbv7m-none-eabi",
    qemu: "qemu-system-arm",
    package: "qemu-system-arm",
    board: &["-cpu", "cortex-m3", "-machine", "lm3s6965evb"],
    uarts: 3,
};
/// The smallest core there is; a Cortex-M3 runs its code too.
pub(crate) const CORTEX_M0: Core = Core { target: "thumbv6m-none-eabi", ..CORTEX_M3 };
/// A core that is not ARM's.
pub(crate) const RISC_V: Core = Core {
    target: "riscv32imc-unknown-none-elf",
    qemu: "qemu-system-riscv32",
    package: "qemu-system-misc",
    board: &["-machine", "virt", "-bios", "none"],
    uarts: 1,
};

impl Core {
    /// Builds the image for this core and returns where it is; `None` when the machine has not what that takes, or QEMU: a
    /// line then says what to install. In CI (`CI=true`) that is a failure, so that nobody takes the test for done.
    pub(crate) fn image(&self) -> Option<PathBuf> {
        let (target, mut missing) = (self.target, Vec::new());
        if !runs(Command::new(self.qemu).arg("--version")) {
            missing.push(format!("there is no {}: on Debian, apt-get install {}", self.qemu, self.package));
        }
        let firmware = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/firmware");
        // The workspace's own cargo, in the folder of the other workspace.
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "target-libdir", "--target", target]).current_dir(&firmware);
        let folder = rustc.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        if !folder.is_some_and(|folder| Path::new(&folder).is_dir()) {
            missing.push(format!("there is no target {target}: rustup target add {target}"));
        }
        if !missing.is_empty() {
            let why = missing.join("; ");
            assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
            eprintln!("left out: {why}");
            return None;
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--locked", "--release", "-p", "pushgate-device", "--target", target])
            .current_dir(&firmware);
        // Settings of this build that are not for a microcontroller.
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            cargo.env_remove(name);
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the image is not built: {status}");
        Some(firmware.join("target").join(target).join("release/device"))
    }

    /// How this QEMU is told to open a stream again a second after it was closed: since version 9.2 in milliseconds.
    fn again(&self) -> &'static str {
        let output = Command::new(self.qemu).arg("--version").output().expect("it was asked for").stdout;
        let text = String::from_utf8_lossy(&output).into_owned();
        let version = text.split_once("version ").map_or("", |(_, rest)| rest);
        let mut numbers =
            version.split(|char: char| !char.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < (9, 2) { ",reconnect=1" } else { ",reconnect-ms=1000" }
    }
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A board that runs the image.
pub(crate) struct Machine {
    name: &'static str,
    emulator: Guarded,
    commands: OwnedWriteHalf,
    lines: BufReader<OwnedReadHalf>,
    events: Vec<Event>,
}

/// Killed when dropped: a test that fails leaves no emulator behind.
struct Guarded(Child);

/// A line of the console.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The board's clock, in milliseconds.
    pub(crate) at: u64,
    /// What happened.
    pub(crate) what: String,
    parts: String,
}

impl Machine {
    /// Starts the board, its first two UARTs joined to the gateway's link and to its public listener, where it has three. A
    /// line that is closed is opened again, a second later. What the board says is shown under `name`.
    pub(crate) async fn start(
        name: &'static str,
        core: &Core,
        image: &Path,
        link: SocketAddr,
        public: SocketAddr,
    ) -> Self {
        let console = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        // Without `nodelay` a request waits 40 ms for an acknowledgement that waits for the request.
        let serial = |address: &dyn Display, more: &str| format!("tcp:{address},nodelay{more}");
        let again = core.again();
        let lines =
            [serial(&link, again), serial(&public, again), serial(&console.local_addr().expect("an address"), "")];
        let emulator = Command::new(core.qemu)
            .args(core.board)
            .args(["-display", "none", "-monitor", "none", "-semihosting-config", "enable=on,target=native"])
            .args(lines.iter().skip(lines.len() - core.uarts).flat_map(|line| ["-serial", line]))
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It warns of a timer that has no period yet, and of each line that it has to open again.
            .stderr(Stdio::null())
            .spawn()
            .expect("it was asked for");
        let emulator = Guarded(emulator);
        let (stream, _) = within(console.accept()).await.expect("a connection");
        let (reader, commands) = stream.into_split();
        let mut machine = Self { name, emulator, commands, lines: BufReader::new(reader), events: Vec::new() };
        machine.event("ready").await;
        machine
    }

    /// Gives a command.
    pub(crate) async fn tell(&mut self, command: &str) {
        self.send(format!("{command}\n").as_bytes()).await;
    }

    /// Sends bytes after a command.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.commands.write_all(bytes)).await.expect("the console takes it");
    }

    /// Waits for an event of this name that has not been waited for: it comes after this call, or came since the last.
    pub(crate) async fn event(&mut self, what: &str) -> Event {
        let seen = self.events.len();
        self.until(BOUND, what, |events| events.iter().skip(seen).find(|event| event.what == what).cloned()).await
    }

    /// Waits until the events, from the start, are what `ask` looks for.
    pub(crate) async fn until<T>(&mut self, bound: Duration, what: &str, ask: impl Fn(&[Event]) -> Option<T>) -> T {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(found) = ask(&self.events) {
                return found;
            }
            let mut line = String::new();
            let read = tokio::time::timeout_at(deadline, self.lines.read_line(&mut line)).await;
            let read =
                read.unwrap_or_else(|_| panic!("not within {bound:?}: {what}")).expect("the console can be read");
            assert!(read > 0, "the board ended before: {what}");
            eprint!("{} | {line}", self.name);
            self.events.push(Event::read(line.trim_end()));
        }
    }

    /// Every event of this name so far.
    pub(crate) fn events(&self, what: &str) -> Vec<&Event> {
        self.events.iter().filter(|event| event.what == what).collect()
    }

    /// Every event so far.
    pub(crate) fn all(&self) -> &[Event] {
        &self.events
    }

    /// Sends the emulator a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.emulator.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} is sent");
    }

    /// Tells the board to end, and returns what it said last and its verdict.
    pub(crate) async fn end(mut self) -> (Vec<Event>, ExitStatus) {
        self.tell("exit").await;
        self.event("end").await;
        let Self { mut emulator, events, .. } = self;
        let exited = until_bound(BOUND, "the emulator ends", async || emulator.0.try_wait().ok().flatten()).await;
        (events, exited)
    }
}

impl Event {
    fn read(line: &str) -> Self {
        let (at, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no event: {line}"));
        let (what, parts) = rest.split_once(' ').unwrap_or((rest, ""));
        let at = at.parse().unwrap_or_else(|_| panic!("no event: {line}"));
        Self { at, what: what.to_owned(), parts: format!(" {parts}") }
    }

    /// A part of it, without a space.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.rest(name).split(' ').next().unwrap_or_default()
    }

    /// A part of it, and all that follows.
    pub(crate) fn rest(&self, name: &str) -> &str {
        let found = self.parts.split_once(&format!(" {name}="));
        found.unwrap_or_else(|| panic!("no {name}: {self:?}")).1
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.part(name).parse().unwrap_or_else(|_| panic!("no number {name}: {self:?}"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself. One that was stopped dies of this too.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A listener that takes connections and bytes, and never says a word.
pub(crate) struct Mute {
    listener: TcpListener,
}

impl Mute {
    /// Listens in the place of someone who is gone.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self { listener: TcpListener::bind(address).await.expect("the address is free again") }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// Waits for a connection.
    pub(crate) async fn connected(&self) -> Heard {
        let (stream, _) = within(self.listener.accept()).await.expect("a connection");
        Heard { lines: BufReader::new(stream) }
    }
}

/// What comes over a connection.
pub(crate) struct Heard {
    lines: BufReader<tokio::net::TcpStream>,
}

impl Heard {
    /// Waits for the line that begins a request, and returns when it came.
    pub(crate) async fn request(&mut self, bound: Duration) -> Instant {
        within_bound(bound, async {
            loop {
                let mut line = Vec::new();
                let read = self.lines.read_until(b'\n', &mut line).await.expect("the connection lasts");
                assert!(read > 0, "the connection lasts");
                // A body has no line end: the next request's first line stands behind it.
                if String::from_utf8_lossy(&line).contains("POST /v2/message/client/push HTTP/1.1") {
                    return Instant::now();
                }
            }
        })
        .await
    }
}
