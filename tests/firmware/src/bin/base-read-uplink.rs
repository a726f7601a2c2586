//! What `read-uplink` has without a reader: the same body in chunks, and the same taker of what nobody reads.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, UPLINKS},
    run, take,
};

const BUF_LEN: usize = 1024;

static RUNS: [Run; 4] = [
    Run { name: "chunks of 1", items: 0, work: |buf| read(buf, 1) },
    Run { name: "chunks of 7", items: 0, work: |buf| read(buf, 7) },
    Run { name: "chunks of 64", items: 0, work: |buf| read(buf, 64) },
    Run { name: "chunks of 1460", items: 0, work: |buf| read(buf, 1460) },
];

fn read(buf: &mut [u8], chunk_len: usize) -> Outcome {
    take::chunks(buf, Chunks::new(&UPLINKS, chunk_len));
    black_box(None).map(take::item);
    Ok(0)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
