//! What `whole-device` has without the core: the same bytes that come, which nobody reads, and the same taker of them.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{lingyang::Reply, link::Message};
use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, HTTP_ANSWER, LINK},
    run, take,
};

static RUNS: [Run<[u8; 256]>; 1] = [Run { name: "a day of a device", items: 0, work: day }];

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

fn day(buf: &mut [u8; 256]) -> Outcome {
    let headers = [("Content-Type", "application/json"), ("Authorization", black_box("Bearer token"))];
    black_box((headers, "/v2/message/client/push", "push.example.com", TOKEN));
    take::chunks(buf, Chunks::new(&LINK, 64));
    let mut wire = Chunks::new(&HTTP_ANSWER, 100);
    while take::into(buf, wire.next()) > 0 {
        black_box(&mut *buf);
    }
    if let Some(message) = black_box(None::<Message<'_>>) {
        take::message(&message);
    }
    if let Some(reply) = black_box(None::<Reply<'_>>) {
        black_box(take::push_reply(&reply));
    }
    Ok(0)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; 256] = [0; 256];
    run(BUF, &RUNS)
}
