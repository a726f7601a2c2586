//! Looks at the same bodies and lines, and knows nothing of JSON.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Run,
    input::{LINK, PUSH_REPLY},
    run,
};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";
const BUF_LEN: usize = 1024;

static RUNS: [Run; 1] = [Run { name: "lines", items: 7, work: |buf| Ok(every_body(buf)) }];

fn every_body(buf: &mut [u8]) -> u32 {
    black_box(&mut *buf);
    black_box([black_box(TOKEN), black_box("aGVsbG8="), black_box("0123456789abcdef0123456789abcdef")]);
    black_box(&PUSH_REPLY);
    let mut items = 1;
    for line in LINK.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        black_box(line);
        items += 1;
    }
    items
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
