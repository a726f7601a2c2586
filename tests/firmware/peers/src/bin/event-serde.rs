//! Reads one event with serde-json-core: a batch of 100, in a `heapless::Vec`, takes more stack than the machine has RAM.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Run, run};
use pushgate_peers::{bodies::Event, input::EVENT};

static RUNS: [Run; 1] = [Run {
    name: "one event",
    items: 1,
    work: |_| Ok(u32::from(black_box(serde_json_core::from_slice::<Event<'_>>(black_box(&EVENT))).is_ok())),
}];

#[cortex_m_rt::entry]
fn main() -> ! {
    run::<[u8]>(&mut [], &RUNS)
}
