//! What `run-device` has without a session: the same lines, which nobody reads.
#![no_std]
#![no_main]

use pushgate_core::{link::MAX_LINE_LEN, link::Message};
use pushgate_firmware::{Outcome, Run, input, run, take};

use core::hint::black_box;

/// Hello, three acknowledgements, a pong and two pings.
static RUNS: [Run; 1] = [Run { name: "a session of the device link", items: 7, work: session }];

fn session(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, input::Chunks::new(&input::LINK, 64));
    if let Some(message) = black_box(None::<Message<'_>>) {
        take::message(&message);
    }
    Ok(7)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; MAX_LINE_LEN] = [0; MAX_LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
