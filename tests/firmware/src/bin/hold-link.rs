//! Holds a device's link with no reader and no writer of its own: the session and the lines alone, as behind another
//! encoding of the frames.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Instant,
    link::{
        Device, LineBuffer,
        device::{Event, Step},
    },
};
use pushgate_firmware::{Outcome, Run, frames, input, run};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// What such a device keeps.
struct Session {
    device: &'static mut Device<'static>,
    lines: &'static mut LineBuffer,
}

/// Hello, three acknowledgements, a pong and two pings.
static RUNS: [Run<Session>; 1] = [Run { name: "a session of frames that are read already", items: 7, work: session }];

fn session(session: &mut Session) -> Outcome {
    let Session { device, lines } = session;
    let mut now = Instant::from_millis(0);
    let mut sent = 0;
    let mut chunks = input::Chunks::new(&input::LINK, 64);
    device.renew(black_box(TOKEN));
    loop {
        match device.poll(now) {
            Step::Connect => {
                lines.clear();
                device.opened(now);
            }
            Step::Send(frame) => {
                black_box(&frame);
                device.sent(now);
                sent += 1;
            }
            Step::WaitUntil(later) => match chunks.next() {
                Some(mut chunk) => {
                    while let Some(line) = lines.feed(&mut chunk) {
                        match device.take(frames::of(line?), now) {
                            Event::Message(message) => device.acknowledge(message.id),
                            other => drop(black_box(&other)),
                        }
                    }
                }
                None => now = later,
            },
            Step::Close(end) => {
                black_box(&end);
                device.closed(now, black_box(7));
                return Ok(sent);
            }
            Step::Stop(_) => return Ok(sent),
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SESSION: Option<Session> = None;
    static mut DEVICE: Device<'static> = Device::idle();
    static mut LINES: LineBuffer = LineBuffer::new();
    run(SESSION.insert(Session { device: DEVICE, lines: LINES }), &RUNS)
}
