//! Decodes the longest message and encodes it again with base64.
#![no_std]
#![no_main]

use core::hint::black_box;

use base64::{Engine, engine::general_purpose::STANDARD};
use pushgate_firmware::{Run, run};
use pushgate_peers::input::BASE64;

const BUF_LEN: usize = 1024;

static RUNS: [Run; 1] = [Run { name: "both ways", items: 344, work: |buf| Ok(both_ways(buf).unwrap_or_default()) }];

/// Returns how many characters it wrote.
fn both_ways(buf: &mut [u8]) -> Option<u32> {
    let (bytes, text) = buf.split_at_mut_checked(BUF_LEN / 2)?;
    let len = STANDARD.decode_slice(black_box(&BASE64), bytes).ok()?;
    let len = STANDARD.encode_slice(black_box(bytes.get(..len)?), text).ok()?;
    black_box(text.get(..len)?);
    Some(len as u32)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
