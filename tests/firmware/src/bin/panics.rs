//! Panics when it is fed with too little: the checker must find that, or it would find none in the probes either.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Run, run};

static RUNS: [Run; 1] = [Run { name: "an index", items: 1, work: |_| Ok(black_box(&[0, 1][..])[black_box(1)]) }];

#[cortex_m_rt::entry]
fn main() -> ! {
    run::<[u8]>(&mut [], &RUNS)
}
