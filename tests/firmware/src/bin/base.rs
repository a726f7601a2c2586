//! What every image has and no codec: the others are measured from here.
#![no_std]
#![no_main]

use pushgate_firmware::{Run, run};

static RUNS: [Run; 1] = [Run { name: "nothing", items: 0, work: |_| Ok(0) }];

#[cortex_m_rt::entry]
fn main() -> ! {
    run::<[u8]>(&mut [], &RUNS)
}
