//! Has the same event, and does not look at it.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Run, run};
use pushgate_peers::input::EVENT;

static RUNS: [Run; 1] = [Run { name: "one event", items: 1, work: |_| Ok(u32::from(!black_box(&EVENT).is_empty())) }];

#[cortex_m_rt::entry]
fn main() -> ! {
    run::<[u8]>(&mut [], &RUNS)
}
