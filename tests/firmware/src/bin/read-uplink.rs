//! Reads a batch of 100 UCloud messages, whatever it is cut into.
#![no_std]
#![no_main]

use pushgate_core::uplink::BatchReader;
use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, UPLINKS},
    read, run, take,
};

/// The texts of one at a time.
const BUF_LEN: usize = 1024;

static RUNS: [Run<BatchReader<'static>>; 4] = [
    Run { name: "chunks of 1", items: 100, work: |reader| uplinks(reader, 1) },
    Run { name: "chunks of 7", items: 100, work: |reader| uplinks(reader, 7) },
    Run { name: "chunks of 64", items: 100, work: |reader| uplinks(reader, 64) },
    Run { name: "chunks of 1460", items: 100, work: |reader| uplinks(reader, 1460) },
];

fn uplinks(reader: &mut BatchReader<'_>, chunk_len: usize) -> Outcome {
    Ok(read::uplinks(reader, Chunks::new(&UPLINKS, chunk_len), take::item)?.items)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    static mut READER: Option<BatchReader<'static>> = None;
    run(READER.insert(BatchReader::new(BUF)), &RUNS)
}
