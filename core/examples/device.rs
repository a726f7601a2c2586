//! A device on a socket: it holds the link, prints what it hears, and pushes a message of its own over HTTP.
//!
//! ```text
//! cargo run -p pushgate-core --example device -- 127.0.0.1:8082 127.0.0.1:8080 "$TOKEN" hello
//! ```
//!
//! The message goes to the device itself, which then hears it. The loop is `run_loop/blocking.rs`; firmware has its own
//! clock, streams and source of chance in the place of the standard library's.

#[path = "run_loop/blocking.rs"]
#[expect(unreachable_pub, reason = "an application's own module, shown in the README")]
mod blocking;

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    process::ExitCode,
    thread,
    time::{self, Duration},
};

use blocking::{Board, Client, Server};
use pushgate_core::{
    Error, Instant, Outbox, Schedule, Text,
    lingyang::{AccessTokens, Callback, ClientPush, Flag, Msg},
    link::{Device, LineBuffer, MAX_LINE_LEN, Message},
};

/// How long a read or a write may take.
const STUCK: Duration = Duration::from_secs(5);

/// How long the device sleeps at most, where a modem would wake it with a byte.
const NAP: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let (link, api, token, text) = match &args[..] {
        [link, api, token] => (link, api, token, None),
        [link, api, token, text] => (link, api, token, Some(text)),
        _ => {
            eprintln!("usage: device LINK API TOKEN [MESSAGE]");
            return ExitCode::from(2);
        }
    };
    let mut host = Host { start: time::Instant::now(), link: link.clone(), api: api.clone() };
    let mut client = Client {
        device: Device::new(token),
        outbox: Outbox::new(),
        token,
        stream: None,
        lines: LineBuffer::new(),
        line: [0; MAX_LINE_LEN],
    };
    if let Some(text) = text
        && let Err(error) = client.outbox.push(&Schedule::UPLINK, host.now(), |slot| to_itself(token, text, slot))
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    loop {
        match client.turn(&mut host) {
            Ok(until) => thread::sleep(Duration::from_millis(until.since(host.now())).min(NAP)),
            Err(end) => {
                eprintln!("the gateway refuses this device: {end:?}");
                return ExitCode::FAILURE;
            }
        }
    }
}

fn to_itself(token: &str, text: &str, slot: &mut [u8]) -> Result<usize, Error> {
    let receivers = [Text::from(token)];
    let push = ClientPush {
        msg: Msg::from_bytes(text.as_bytes())?,
        flag: Some(Flag::UntilAnswered),
        callback: Callback::No,
        access_tokens: AccessTokens::from(&receivers[..]),
    };
    push.write(slot).map(<[u8]>::len)
}

/// A computer as a board.
struct Host {
    start: time::Instant,
    link: String,
    api: String,
}

impl Board for Host {
    type Stream = Socket;

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A hasher with keys of its own is the standard library's only source of chance.
    fn random(&mut self) -> u32 {
        let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn open(&mut self, server: Server) -> Option<Socket> {
        let address = match server {
            Server::Link => &self.link,
            Server::Api => &self.api,
        };
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(STUCK)).ok()?;
        stream.set_write_timeout(Some(STUCK)).ok()?;
        Some(Socket(stream))
    }

    fn take(&mut self, message: &Message<'_>, _: &mut Outbox<4, 512>) -> bool {
        let bytes: Vec<u8> = message.msg.bytes().collect();
        println!("from {}: {}", message.from, String::from_utf8_lossy(&bytes));
        true
    }
}

/// A socket as a stream of `embedded-io`.
struct Socket(TcpStream);

impl embedded_io::ErrorType for Socket {
    type Error = io::Error;
}

impl embedded_io::ReadReady for Socket {
    fn read_ready(&mut self) -> io::Result<bool> {
        self.0.set_nonblocking(true)?;
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false)?;
        match peeked {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            peeked => peeked.map(|_| true), // the end is ready too
        }
    }
}

impl embedded_io::Read for Socket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl embedded_io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
