//! What an outbox says, call by call. `tests/outbox.rs` holds it to a plain list of deliveries, over any calls.

use super::*;
use crate::delivery::{Outcome, Phase};
use alloc::{string::ToString, vec, vec::Vec};

/// Two slots of four bytes.
type Small = Outbox<2, 4>;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn push<const SLOTS: usize, const BYTES: usize>(
    outbox: &mut Outbox<SLOTS, BYTES>,
    schedule: &'static Schedule<'static>,
    now: u64,
    text: &str,
) -> Ticket {
    outbox.push(schedule, at(now), copied(text)).unwrap()
}

fn copied(text: &str) -> impl FnOnce(&mut [u8]) -> Result<usize, &'static str> {
    move |slot| {
        slot.get_mut(..text.len()).ok_or("longer than a slot")?.copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

fn send(ticket: Ticket, attempt: u8, payload: &str) -> Step<'_> {
    Step::Send { ticket, attempt, payload: payload.as_bytes() }
}

/// Runs it over a wire that never works, or, with `heard`, one that nobody answers on.
fn timeline<const SLOTS: usize, const BYTES: usize>(
    outbox: &mut Outbox<SLOTS, BYTES>,
    heard: bool,
) -> Vec<(u64, u64, u8)> {
    let (mut now, mut sends) = (at(0), vec![]);
    for _ in 0..200 {
        match outbox.poll(now) {
            Step::Send { ticket, attempt, .. } => {
                sends.push((now.as_millis(), ticket.number(), attempt));
                if heard { outbox.sent(ticket, now) } else { outbox.failed(ticket, now) }.unwrap();
            }
            Step::Done { ticket, outcome } => {
                assert_eq!(outbox.remove(ticket), Ok(Some(outcome)));
                assert_eq!(outcome, Outcome::Exhausted);
            }
            Step::WaitUntil(later) => now = later,
            Step::Idle => return sends,
        }
    }
    panic!("no end after {sends:?}");
}

#[test]
fn each_delivery_keeps_to_its_own_schedule() {
    type Row<'a> = (&'static Schedule<'static>, bool, &'a [u64]);
    let table: &[Row<'_>] = &[
        // "a retry every 1 second; after 3 retries pushing stops" (uplink page, "Retry")
        (&Schedule::UPLINK, false, &[0, 1000, 2000, 3000]),
        (&Schedule::UPLINK, true, &[0, 6000, 12_000, 18_000]),
        // "t = 0, 1, 3, 6, 11 s" (Lingyang page, "Delivery marks")
        (&Schedule::FLAG_2, true, &[0, 1000, 3000, 6000, 11_000]),
        (&Schedule::FLAG_3, true, &[0]),
    ];
    for &(schedule, heard, planned) in table {
        for &(beside, ..) in table {
            let mut outbox: Outbox<2, 4> = Outbox::new();
            let ticket = push(&mut outbox, schedule, 0, "a");
            push(&mut outbox, beside, 0, "b");
            let sends = timeline(&mut outbox, heard);
            let own: Vec<_> = sends.iter().filter(|(_, number, _)| *number == ticket.number()).collect();
            assert!(own.iter().map(|(at, ..)| at).eq(planned), "{schedule:?} beside {beside:?}: {own:?}");
            assert!(own.iter().map(|(.., attempt)| *attempt).eq(1..=schedule.sends()));
        }
    }
}

#[test]
fn first_sends_go_before_retries_and_each_in_their_order() {
    let mut outbox: Outbox<4, 4> = Outbox::new();
    let a = push(&mut outbox, &Schedule::FLAG_2, 0, "a");
    let b = push(&mut outbox, &Schedule::UPLINK, 0, "b");
    assert_eq!(outbox.poll(at(0)), send(a, 1, "a"));
    outbox.sent(a, at(0)).unwrap(); // again at 1000
    assert_eq!(outbox.poll(at(0)), send(b, 1, "b"));
    outbox.failed(b, at(0)).unwrap(); // again at 1000
    // The clock is set back between two pushes: they stay in their order.
    let c = push(&mut outbox, &Schedule::UPLINK, 1500, "c");
    let d = push(&mut outbox, &Schedule::UPLINK, 1400, "d");
    for (ticket, attempt, text) in [(c, 1, "c"), (d, 1, "d"), (a, 2, "a"), (b, 2, "b")] {
        assert_eq!(outbox.poll(at(1500)), send(ticket, attempt, text));
        outbox.sent(ticket, at(1500)).unwrap();
    }
    // `a` is due at 3000; of those that fail, the one whose wait is over first.
    outbox.failed(d, at(1900)).unwrap();
    outbox.failed(c, at(1901)).unwrap();
    outbox.answered(b, Verdict::Delivered, at(1902)).unwrap();
    assert_eq!(outbox.poll(at(2901)), Step::Done { ticket: b, outcome: Outcome::Delivered }, "it gives a slot back");
    assert_eq!(outbox.remove(b), Ok(Some(Outcome::Delivered)));
    for (ticket, text) in [(d, "d"), (c, "c")] {
        assert_eq!(outbox.poll(at(2901)), send(ticket, 2, text));
        outbox.sent(ticket, at(2901)).unwrap();
    }
    assert_eq!(outbox.poll(at(2901)), Step::WaitUntil(at(3000)));
}

#[test]
fn a_poll_one_millisecond_early_waits() {
    let mut outbox = Small::new();
    assert_eq!(outbox.poll(at(0)), Step::Idle);
    let a = push(&mut outbox, &Schedule::FLAG_2, 0, "a");
    for now in [0, 7, 0, 7] {
        assert_eq!(outbox.poll(at(now)), send(a, 1, "a"), "until it is answered");
    }
    outbox.sent(a, at(7)).unwrap();
    assert_eq!(outbox.deadline(a), Some(at(1007)));
    assert_eq!(outbox.poll(at(1006)), Step::WaitUntil(at(1007)));
    assert_eq!(outbox.poll(at(1007)), send(a, 2, "a"));
}

#[test]
fn a_full_outbox_says_so_and_drops_nothing() {
    let mut outbox = Small::new();
    let a = push(&mut outbox, &Schedule::UPLINK, 0, "a");
    let b = push(&mut outbox, &Schedule::UPLINK, 0, "b");
    let refused = outbox.push(&Schedule::UPLINK, at(0), |_| -> Result<usize, &str> { panic!("nowhere to write") });
    assert_eq!(refused, Err(PushError::Full { slots: 2 }));
    assert_eq!(refused.unwrap_err().blame(), Some(Blame::Capacity));
    assert_eq!((outbox.oldest(), outbox.len(), outbox.is_full()), (Some(a), 2, true));
    // What has ended keeps its slot until its outcome was taken.
    outbox.answered(a, Verdict::GiveUp, at(0)).unwrap();
    assert!(outbox.is_full());
    assert_eq!(outbox.remove(a), Ok(Some(Outcome::GivenUp)));
    let c = push(&mut outbox, &Schedule::UPLINK, 0, "c");
    // The policy of a device that would rather lose the oldest.
    while let (true, Some(oldest)) = (outbox.is_full(), outbox.oldest()) {
        assert_eq!((oldest, outbox.remove(oldest)), (b, Ok(None)));
    }
    let d = push(&mut outbox, &Schedule::UPLINK, 0, "d");
    assert_eq!([a, b, c, d].map(Ticket::number), [1, 2, 3, 4]);
    assert_eq!(outbox.poll(at(0)), send(c, 1, "c"));
}

#[test]
fn news_of_what_is_gone_reaches_no_other() {
    let mut outbox = Small::new();
    let a = push(&mut outbox, &Schedule::UPLINK, 0, "a");
    outbox.sent(a, at(0)).unwrap();
    assert_eq!(outbox.remove(a), Ok(None));
    let b = push(&mut outbox, &Schedule::UPLINK, 1, "b"); // in the same slot
    assert_eq!(outbox.answered(a, Verdict::Delivered, at(2)), Err(Gone(())));
    assert_eq!(outbox.sent(a, at(2)), Err(Gone(())));
    assert_eq!(outbox.failed(a, at(2)), Err(Gone(())));
    assert_eq!(outbox.remove(a), Err(Gone(())));
    assert_eq!(outbox.deadline(a), None);
    assert!(outbox.save(a).is_none());
    assert_eq!(outbox.poll(at(2)), send(b, 1, "b"));
}

#[test]
fn a_payload_that_cannot_be_written_takes_no_slot() {
    let mut outbox = Small::new();
    assert_eq!(outbox.push(&Schedule::UPLINK, at(0), copied("12345")), Err(PushError::Payload("longer than a slot")));
    let claimed = outbox.push(&Schedule::UPLINK, at(0), |_| Ok::<_, &str>(5));
    assert_eq!(claimed, Err(PushError::TooLong { len: 5, capacity: 4 }));
    assert!(outbox.is_empty());
    let whole = push(&mut outbox, &Schedule::UPLINK, 0, "1234");
    let nothing = push(&mut outbox, &Schedule::UPLINK, 0, "");
    assert_eq!(outbox.poll(at(0)), send(whole, 1, "1234"));
    outbox.sent(whole, at(0)).unwrap();
    assert_eq!(outbox.poll(at(0)), send(nothing, 1, ""));
}

#[test]
fn a_network_that_is_back_wakes_every_delivery() {
    let mut outbox = Small::new();
    let a = push(&mut outbox, &Schedule::UPLINK, 0, "a");
    let b = push(&mut outbox, &Schedule::FLAG_2, 0, "b");
    outbox.failed(a, at(0)).unwrap();
    outbox.failed(b, at(0)).unwrap();
    assert_eq!(outbox.poll(at(1)), Step::WaitUntil(at(1000)));
    outbox.wake(at(1));
    for ticket in [a, b] {
        assert!(matches!(outbox.poll(at(1)), Step::Send { ticket: next, attempt: 2, .. } if next == ticket));
        outbox.sent(ticket, at(1)).unwrap();
    }
}

#[test]
fn what_was_saved_goes_on_after_a_restart() {
    let mut outbox: Outbox<3, 4> = Outbox::new();
    let gone = push(&mut outbox, &Schedule::UPLINK, 0, "gone");
    let (a, b) = (push(&mut outbox, &Schedule::UPLINK, 0, "a"), push(&mut outbox, &Schedule::UPLINK, 0, "bb"));
    outbox.remove(gone).unwrap();
    let c = push(&mut outbox, &Schedule::UPLINK, 0, "ccc"); // in the first slot
    outbox.failed(a, at(0)).unwrap();
    outbox.sent(b, at(0)).unwrap();

    let flash: Vec<_> = outbox.saved().map(|kept| (kept.record.to_bytes(), kept.payload.to_vec())).collect();
    assert_eq!(outbox.save(b).unwrap().record.delivery.phase, Phase::Outstanding);
    let mut outbox: Outbox<4, 4> = Outbox::new(); // of the next release, with more slots
    for (record, payload) in flash {
        let record = Record::from_bytes(&record).unwrap();
        let ticket = outbox.resume(record, &Schedule::UPLINK, at(500), |slot| {
            slot.copy_from_slice(&payload);
            Ok::<_, &str>(())
        });
        assert_eq!(ticket, Ok(record.ticket()));
        let twice = outbox.resume(record, &Schedule::UPLINK, at(500), |_| Ok::<_, &str>(()));
        assert_eq!(twice, Err(ResumeError::NumberInUse));
    }
    assert_eq!(outbox.poll(at(500)), send(c, 1, "ccc"));
    outbox.sent(c, at(500)).unwrap();
    assert_eq!(outbox.poll(at(1000)), send(a, 2, "a"));
    outbox.sent(a, at(1000)).unwrap();
    assert_eq!(outbox.poll(at(1000)), Step::WaitUntil(at(1500)), "what was outstanding failed with the restart");
    assert_eq!(outbox.poll(at(1500)), send(b, 2, "bb"));
    assert_eq!(push(&mut outbox, &Schedule::UPLINK, 1500, "").number(), 5, "after the greatest number resumed");
}

#[test]
fn flash_that_makes_no_sense_is_refused() {
    let record = |number, len, phase, attempts| Record {
        number,
        len,
        delivery: crate::delivery::Saved { phase, attempts, at: 0, grid: 0 },
    };
    let read = |_: &mut [u8]| Err("unreadable");
    let mut outbox = Small::new();
    let a = push(&mut outbox, &Schedule::UPLINK, 0, "a");
    let b = push(&mut outbox, &Schedule::UPLINK, 0, "b");
    outbox.remove(a).unwrap();
    let table = [
        (record(0, 0, Phase::Due, 0), ResumeError::Damaged),
        (record(Record::MAX_NUMBER + 1, 0, Phase::Due, 0), ResumeError::Damaged),
        (record(9, 0, Phase::Outstanding, 0), ResumeError::Damaged),
        (record(9, 0, Phase::Closing, 0), ResumeError::Damaged),
        (record(9, 5, Phase::Due, 0), ResumeError::TooLong { len: 5, capacity: 4 }),
        (record(b.number(), 1, Phase::Due, 0), ResumeError::NumberInUse),
        // Its ticket may still be held by whoever pushed it.
        (record(a.number(), 1, Phase::Due, 0), ResumeError::NumberInUse),
        (record(9, 1, Phase::Due, 0), ResumeError::Payload("unreadable")),
    ];
    for (record, error) in table {
        assert_eq!(outbox.resume(record, &Schedule::UPLINK, at(0), read), Err(error), "{record:?}");
        assert_eq!(Record::from_bytes(&record.to_bytes()).is_err(), error == ResumeError::Damaged);
        assert_eq!(outbox.len(), 1);
    }
    assert_eq!(
        outbox.resume(record(9, 4, Phase::Due, 255), &Schedule::UPLINK, at(0), |_| Ok::<_, ()>(())),
        Ok(Ticket(9))
    );
    assert_eq!(
        outbox.resume(record(10, 4, Phase::Due, 0), &Schedule::UPLINK, at(0), read),
        Err(ResumeError::Full { slots: 2 })
    );
    assert_eq!(outbox.poll(at(0)), Step::Done { ticket: Ticket(9), outcome: Outcome::Exhausted }, "no sends are left");
    for erased in [0x00, 0xff] {
        assert!(Record::from_bytes(&[erased; Record::LEN]).is_err());
    }
}

#[test]
fn a_record_lies_in_flash_as_its_page_says() {
    let mut outbox = Small::new();
    let a = push(&mut outbox, &Schedule::FLAG_2, 0, "abc");
    outbox.sent(a, at(0x0102)).unwrap();
    let bytes = outbox.save(a).unwrap().record.to_bytes();
    // number, length, phase, attempts, the next send at 258 + 1000 ms and its place on the grid.
    let expected = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[3, 0], &[1, 1], &[0xea, 4, 0, 0, 0, 0, 0, 0].repeat(2)].concat();
    assert_eq!(bytes[..], expected);
}

#[test]
fn the_end_of_time_is_not_passed() {
    let end = Instant::NEVER;
    let mut outbox = Small::new();
    let a = outbox.push(&Schedule::UPLINK, end, copied("a")).unwrap();
    for attempt in 1..=4 {
        assert_eq!(outbox.poll(end), send(a, attempt, "a"));
        outbox.sent(a, end).unwrap();
    }
    assert_eq!(outbox.poll(end), Step::Done { ticket: a, outcome: Outcome::Exhausted });
}

#[test]
fn errors_say_what_to_do() {
    let table = [
        (
            PushError::<&str>::Full { slots: 4 }.to_string(),
            "outbox: all of its slots are taken, 4; push again when one is done, remove the oldest, or give it more slots",
        ),
        (
            PushError::<&str>::TooLong { len: 513, capacity: 512 }.to_string(),
            "payload: has 513 bytes, a slot of the outbox has 512; make it shorter, or give the slots more bytes",
        ),
        (PushError::Payload("no reading yet").to_string(), "payload: no reading yet"),
        (
            ResumeError::<&str>::NumberInUse.to_string(),
            "number: in use; resume each record once, before the first push",
        ),
        (
            ResumeError::<&str>::Damaged.to_string(),
            "record: no outbox saved it; it is damaged or of a later version, erase it",
        ),
        (Gone(()).to_string(), "ticket: its delivery was removed; nothing is left to do for it"),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}
