//! What `hold-link` has without a session: the same bytes, and the frames that nobody takes.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::link::MAX_LINE_LEN;
use pushgate_firmware::{Outcome, Run, frames, input, run, take};

/// Hello, three acknowledgements, a pong and two pings.
static RUNS: [Run; 1] = [Run { name: "a session of frames that are read already", items: 7, work: session }];

fn session(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, input::Chunks::new(&input::LINK, 64));
    black_box(&frames::of(black_box(buf)));
    Ok(7)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; MAX_LINE_LEN] = [0; MAX_LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
