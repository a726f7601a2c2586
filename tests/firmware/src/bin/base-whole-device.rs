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

fn day(buf: &mut [u8; 256]) -> Outcome {
    take::chunks(buf, Chunks::new(&LINK, 64));
    take::chunks(buf, Chunks::new(&HTTP_ANSWER, 100));
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
