//! A device in one loop, over any blocking stream that can be read with a timeout: a socket, a modem, a serial line.
//!
//! ```text
//! cargo run -p pushgate-core --example device -- 127.0.0.1:8082 "$TOKEN"
//! ```
//!
//! Firmware has its own clock, stream and source of chance in the place of the standard library's; the loop is the
//! same.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::ExitCode,
    thread,
    time::{self, Duration},
};

use pushgate_core::{
    Instant,
    link::{
        Device, LineBuffer, MAX_LINE_LEN,
        device::{Event, Step},
    },
};

fn main() -> ExitCode {
    let [_, address, token] = &env::args().collect::<Vec<_>>()[..] else {
        eprintln!("usage: device ADDRESS TOKEN");
        return ExitCode::from(2);
    };
    let start = time::Instant::now();
    let now = || Instant::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut device: Device<'_> = Device::new(token);
    let mut lines = LineBuffer::<MAX_LINE_LEN>::new();
    let (mut line, mut chunk) = ([0; MAX_LINE_LEN], [0; 256]);
    let mut stream = None;
    loop {
        // Whether the stream is there still.
        let lasts = match device.poll(now()) {
            Step::Connect => match TcpStream::connect(address) {
                Ok(open) => {
                    stream = Some(open);
                    // What the last stream left behind is no part of this one's first line.
                    lines.clear();
                    device.opened(now());
                    true
                }
                Err(_) => false,
            },
            Step::Send(frame) => {
                let line = frame.write(&mut line).unwrap_or_default();
                let written = stream.as_mut().is_some_and(|stream| stream.write_all(line).is_ok());
                if written {
                    device.sent(now());
                }
                written
            }
            Step::WaitUntil(later) => {
                let wait = Duration::from_millis(later.since(now()).max(1));
                match read(stream.as_mut(), &mut chunk, wait) {
                    Some(mut bytes) => {
                        while let Some(line) = lines.feed(&mut bytes) {
                            if let Event::Message(message) = device.received(line, now()) {
                                println!("from {}: {:?}", message.from, message.msg.bytes().collect::<Vec<_>>());
                                device.acknowledge(message.id); // once it is kept
                            }
                        }
                        true
                    }
                    None => false,
                }
            }
            Step::Close(_) => false,
            Step::Stop(end) => {
                eprintln!("the gateway refuses this device: {end:?}");
                return ExitCode::FAILURE;
            }
        };
        if !lasts {
            stream = None;
            device.closed(now(), random());
        }
    }
}

/// Reads what has come, nothing when nothing comes in time; `None` at the stream's end.
fn read<'c>(stream: Option<&mut TcpStream>, chunk: &'c mut [u8], wait: Duration) -> Option<&'c [u8]> {
    let Some(stream) = stream else {
        thread::sleep(wait);
        return Some(&[]);
    };
    stream.set_read_timeout(Some(wait)).ok()?;
    match stream.read(chunk) {
        Ok(0) => None,
        Ok(len) => chunk.get(..len),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(&[]),
        Err(_) => None,
    }
}

/// A hasher with keys of its own is the standard library's only source of chance.
fn random() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
