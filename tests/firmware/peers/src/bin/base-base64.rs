//! Has the same message in base64, and does not look at it.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Run, run};
use pushgate_peers::input::BASE64;

const BUF_LEN: usize = 1024;

static RUNS: [Run; 1] = [Run { name: "both ways", items: 344, work: |buf| Ok(neither_way(buf).unwrap_or_default()) }];

fn neither_way(buf: &mut [u8]) -> Option<u32> {
    let (bytes, text) = buf.split_at_mut_checked(BUF_LEN / 2)?;
    black_box(bytes);
    black_box(text.get(..black_box(&BASE64).len())?);
    Some(BASE64.len() as u32)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
