//! Reads and writes the bodies of a device with serde-json-core.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Run,
    input::{LINK, PUSH_REPLY},
    run,
};
use pushgate_peers::bodies::{ClientPush, Frame, Hello, Reply};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";
const BUF_LEN: usize = 1024;

/// A push, its answer, the lines that a device says and those that it hears.
static RUNS: [Run; 1] = [Run { name: "the bodies of a device", items: 12, work: |buf| Ok(every_body(buf)) }];

fn every_body(buf: &mut [u8]) -> u32 {
    let push = ClientPush {
        msg: black_box("aGVsbG8="),
        flag: black_box(3),
        callback: black_box(1),
        access_tokens: &[black_box(TOKEN), black_box(TOKEN)],
    };
    let mut items = u32::from(black_box(serde_json_core::to_slice(&push, buf)).is_ok());
    items += u32::from(black_box(serde_json_core::from_slice::<Reply<'_>>(&PUSH_REPLY)).is_ok());
    for frame in [
        Frame::Hello(Hello { token: black_box(TOKEN) }),
        Frame::Ack(black_box("0123456789abcdef0123456789abcdef")),
        Frame::Ping(black_box(7)),
        Frame::Pong(black_box(7)),
    ] {
        items += u32::from(black_box(serde_json_core::to_slice(&frame, buf)).is_ok());
    }
    for line in LINK.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        items += u32::from(black_box(serde_json_core::from_slice::<Frame<'_>>(line)).is_ok());
    }
    items
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
