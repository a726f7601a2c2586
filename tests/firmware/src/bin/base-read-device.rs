//! What `read-device` has without a reader: the same lines, and the same takers of what nobody reads.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Outcome, Run,
    input::{self, lines},
    run, take,
};

static RUNS: [Run<[u8; 0]>; 1] = [Run { name: "every frame and answer", items: 0, work: everything }];

fn everything(_: &mut [u8; 0]) -> Outcome {
    let mut items = 0;
    for line in lines(&input::FRAMES) {
        black_box(line);
        items += black_box(None).map_or(0, |frame| take::frame(&frame));
    }
    for body in [&input::PUSH_ACCEPTED[..], &input::PUSH_REPLY] {
        for body in lines(body) {
            black_box(body);
            items += black_box(None).map_or(0, |reply| take::push_reply(&reply));
        }
    }
    Ok(items)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    run(&mut [], &RUNS)
}
