//! Holds a device's link: from hello to silence, with messages, a copy and pings.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Instant,
    link::{
        Device, LineBuffer, MAX_LINE_LEN,
        device::{Event, Step},
    },
};
use pushgate_firmware::{Outcome, Run, input, run, take};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// What such a device keeps.
struct Session {
    device: &'static mut Device<'static>,
    lines: &'static mut LineBuffer,
    line: &'static mut [u8],
}

/// Hello, three acknowledgements, a pong and two pings.
static RUNS: [Run<Session>; 1] = [Run { name: "a session of the device link", items: 7, work: session }];

fn session(session: &mut Session) -> Outcome {
    let Session { device, lines, line } = session;
    let mut now = Instant::from_millis(0);
    let mut written = 0;
    let mut chunks = input::Chunks::new(&input::LINK, 64);
    device.renew(black_box(TOKEN));
    loop {
        match device.poll(now) {
            Step::Connect => {
                lines.clear();
                device.opened(now);
            }
            Step::Send(frame) => {
                black_box(frame.write(line)?);
                device.sent(now);
                written += 1;
            }
            Step::WaitUntil(later) => match chunks.next() {
                Some(mut chunk) => {
                    while let Some(line) = lines.feed(&mut chunk) {
                        match device.received(line, now) {
                            Event::Message(message) => {
                                take::message(&message);
                                device.acknowledge(message.id);
                            }
                            Event::Copy(message) => take::message(&message),
                            other => drop(black_box(other)),
                        }
                    }
                }
                None => now = later,
            },
            Step::Close(end) => {
                black_box(end);
                device.closed(now, black_box(7));
                return Ok(written);
            }
            Step::Stop(_) => return Ok(written),
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SESSION: Option<Session> = None;
    static mut DEVICE: Device<'static> = Device::idle();
    static mut LINES: LineBuffer = LineBuffer::new();
    static mut LINE: [u8; MAX_LINE_LEN] = [0; MAX_LINE_LEN];
    run(SESSION.insert(Session { device: DEVICE, lines: LINES, line: LINE }), &RUNS)
}
