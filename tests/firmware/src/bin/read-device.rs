//! Reads all that a device on the link is sent, from its own buffer: every frame, and the answers to its pushes.
#![no_std]
#![no_main]

use pushgate_core::{lingyang::Reply, link::Frame};
use pushgate_firmware::{
    Outcome, Run,
    input::{self, lines},
    run, take,
};

/// Each of the eight frames, and the answers to a push that is accepted and to one that is refused.
static RUNS: [Run<[u8; 0]>; 1] = [Run { name: "every frame and answer", items: 10, work: everything }];

fn everything(_: &mut [u8; 0]) -> Outcome {
    let mut items = 0;
    for line in lines(&input::FRAMES) {
        match Frame::read(line) {
            Ok(ref frame) => items += take::frame(frame),
            Err(error) => return Err(error),
        }
    }
    for body in [&input::PUSH_ACCEPTED[..], &input::PUSH_REPLY] {
        for body in lines(body) {
            match Reply::read(body) {
                Ok(ref reply) => items += take::push_reply(reply),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(items)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    run(&mut [], &RUNS)
}
