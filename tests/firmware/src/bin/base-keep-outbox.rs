//! What `keep-outbox` has without an outbox: payloads copied into memory, into flash and back.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{Outcome, Run, run};

static RUNS: [Run<Sender>; 1] = [Run { name: "3 payloads through an outbox", items: 12, work: every_send }];

struct Sender {
    slots: [[u8; 64]; 3],
    flash: [([u8; 28], [u8; 64]); 3],
}

fn every_send(sender: &mut Sender) -> Outcome {
    for slot in &mut sender.slots {
        copy(black_box(b"23.5 degrees"), slot);
    }
    for ((record, bytes), slot) in sender.flash.iter_mut().zip(&mut sender.slots) {
        *record = black_box([0; 28]);
        copy(slot, bytes);
    }
    for ((record, bytes), slot) in sender.flash.iter().zip(&mut sender.slots) {
        black_box(record);
        copy(bytes, slot);
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
    static mut SENDER: Sender = Sender { slots: [[0; 64]; 3], flash: [([0; 28], [0; 64]); 3] };
    run(SENDER, &RUNS)
}
