//! What `send-outbox` has without an outbox: payloads copied into memory.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Outcome, Run, run};

type Sender = [[u8; 64]; 3];

static RUNS: [Run<Sender>; 1] = [Run { name: "3 payloads through an outbox", items: 12, work: every_send }];

fn every_send(slots: &mut Sender) -> Outcome {
    for slot in slots {
        copy(black_box(b"23.5 degrees"), slot);
    }
    Ok(black_box(12))
}

fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: Sender = [[0; 64]; 3];
    run(SLOTS, &RUNS)
}
