//! Reads a batch of 100 Tencent events, whatever it is cut into.
#![no_std]
#![no_main]

use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, EVENTS},
    read, run, take,
};

/// The whole body, while the core reads nothing less.
const BUF_LEN: usize = 40 * 1024;

static RUNS: [Run; 4] = [
    Run { name: "chunks of 1", items: 100, work: |buf| events(buf, 1) },
    Run { name: "chunks of 7", items: 100, work: |buf| events(buf, 7) },
    Run { name: "chunks of 64", items: 100, work: |buf| events(buf, 64) },
    Run { name: "chunks of 1460", items: 100, work: |buf| events(buf, 1460) },
];

fn events(buf: &mut [u8], chunk_len: usize) -> Outcome {
    read::events(buf, Chunks::new(&EVENTS, chunk_len), take::event)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(BUF, &RUNS)
}
