//! Sends three payloads through an outbox, over a wire that fails and answers.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{Instant, Outbox, Schedule, Verdict, outbox::Step};
use pushgate_firmware::{Outcome, Run, run};

type Sender = Outbox<3, 64>;

/// Four sends of each; the fourth push finds no slot.
static RUNS: [Run<Sender>; 1] = [Run { name: "3 payloads through an outbox", items: 12, work: every_send }];

fn every_send(outbox: &mut Sender) -> Outcome {
    let now = black_box(Instant::from_millis(1));
    for _ in 0..4 {
        push(outbox, now);
    }
    Ok(pump(outbox, now))
}

/// Does what is to be done until all is. How many sends that were.
#[inline(never)]
fn pump(outbox: &mut Sender, mut now: Instant) -> u32 {
    let mut sends = 0;
    loop {
        match outbox.poll(now) {
            Step::Send { ticket, attempt, payload } => {
                black_box(payload);
                sends += 1;
                if black_box(attempt) == 1 {
                    black_box(outbox.failed(ticket, now).is_ok());
                    continue;
                }
                black_box(outbox.sent(ticket, now).is_ok());
                black_box(outbox.answered(ticket, black_box(Verdict::TryAgain), now).is_ok());
            }
            Step::WaitUntil(later) => {
                now = later;
                outbox.wake(now);
            }
            Step::Done { ticket, outcome } => {
                black_box(outcome);
                black_box(outbox.remove(ticket).is_ok());
            }
            Step::Idle => return sends,
        }
    }
}

#[inline(never)]
fn push(outbox: &mut Sender, now: Instant) {
    let pushed = outbox.push(&Schedule::UPLINK, now, |slot| {
        copy(black_box(b"23.5 degrees"), slot);
        black_box(Ok::<_, ()>(12))
    });
    black_box(pushed.is_ok());
}

fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SENDER: Sender = Outbox::new();
    run(SENDER, &RUNS)
}
