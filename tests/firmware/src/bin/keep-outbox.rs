//! Sends three payloads through an outbox, over a wire that fails and answers, and takes them from flash in between.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Instant, Outbox, Schedule, Verdict,
    outbox::{Record, Step},
};
use pushgate_firmware::{Outcome, Run, run};

/// Four sends of each; the fourth push finds no slot.
static RUNS: [Run<Sender>; 1] = [Run { name: "3 payloads through an outbox", items: 12, work: every_send }];

/// What such a device keeps: the same outbox before and after it was off.
struct Sender {
    before: Outbox<3, 64>,
    after: Outbox<3, 64>,
    flash: [([u8; Record::LEN], [u8; 64]); 3],
}

fn every_send(sender: &mut Sender) -> Outcome {
    let now = black_box(Instant::from_millis(1));
    for _ in 0..4 {
        push(&mut sender.before, now);
    }
    let (before, _) = pump(&mut sender.before, now, now);
    restart(sender, now);
    let (after, _) = pump(&mut sender.after, now, Instant::NEVER);
    while let Some(oldest) = sender.before.oldest() {
        black_box(sender.before.remove(oldest).is_ok());
    }
    Ok(before + after)
}

/// Does what is to be done until then. How many sends, and when it was.
#[inline(never)]
fn pump(outbox: &mut Outbox<3, 64>, mut now: Instant, until: Instant) -> (u32, Instant) {
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
            Step::WaitUntil(later) if later > until => return (sends, now),
            Step::WaitUntil(later) => now = later,
            Step::Done { ticket, outcome } => {
                black_box(outcome);
                black_box(outbox.remove(ticket).is_ok());
            }
            Step::Idle => return (sends, now),
        }
    }
}

#[inline(never)]
fn push(outbox: &mut Outbox<3, 64>, now: Instant) {
    let pushed = outbox.push(&Schedule::UPLINK, now, |slot| {
        copy(black_box(b"23.5 degrees"), slot);
        black_box(Ok::<_, ()>(12))
    });
    black_box(pushed.is_ok());
}

#[inline(never)]
fn restart(sender: &mut Sender, now: Instant) {
    for ((record, bytes), kept) in sender.flash.iter_mut().zip(sender.before.saved()) {
        *record = kept.record.to_bytes();
        copy(kept.payload, bytes);
    }
    for (record, bytes) in &sender.flash {
        let Ok(record) = Record::from_bytes(black_box(record)) else { continue };
        let resumed = sender.after.resume(record, &Schedule::UPLINK, now, |slot| {
            copy(bytes, slot);
            black_box(Ok::<_, ()>(()))
        });
        black_box(resumed.is_ok());
    }
}

fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SENDER: Sender =
        Sender { before: Outbox::new(), after: Outbox::new(), flash: [([0; Record::LEN], [0; 64]); 3] };
    run(SENDER, &RUNS)
}
