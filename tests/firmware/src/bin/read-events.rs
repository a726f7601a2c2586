//! Reads a batch of 100 Tencent events, whatever it is cut into.
#![no_std]
#![no_main]

use pushgate_core::tencent::BatchReader;
use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, EVENTS},
    read, run, take,
};

/// The texts of one at a time.
const BUF_LEN: usize = 1024;

static RUNS: [Run<BatchReader<'static>>; 4] = [
    Run { name: "chunks of 1", items: 100, work: |reader| events(reader, 1) },
    Run { name: "chunks of 7", items: 100, work: |reader| events(reader, 7) },
    Run { name: "chunks of 64", items: 100, work: |reader| events(reader, 64) },
    Run { name: "chunks of 1460", items: 100, work: |reader| events(reader, 1460) },
];

fn events(reader: &mut BatchReader<'_>, chunk_len: usize) -> Outcome {
    read::events(reader, Chunks::new(&EVENTS, chunk_len), take::event)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    static mut READER: Option<BatchReader<'static>> = None;
    run(READER.insert(BatchReader::new(BUF)), &RUNS)
}
