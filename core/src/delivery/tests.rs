use super::*;
use crate::Verdict::{Delivered, GiveUp, TryAgain};
use Reply::{Refused, Silence, Verdict as After};
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

const UPLINK: Schedule<'_> = Schedule::UPLINK;
const FLAG_2: Schedule<'_> = Schedule::FLAG_2;
const FLAG_3: Schedule<'_> = Schedule::FLAG_3;
const WEBHOOK: Schedule<'_> = Schedule::WEBHOOK;
const TENCENT: Schedule<'_> = Schedule::TENCENT;
const ONCE: Schedule<'_> = Schedule::once(2000);

/// What comes of one send.
#[derive(Clone, Copy, Debug)]
enum Reply {
    /// It goes out, and nothing comes back.
    Silence,
    /// It cannot go out.
    Refused,
    /// It goes out, and this comes back so many milliseconds later.
    Verdict(u64, Verdict),
}

#[derive(Debug, PartialEq)]
struct Run {
    sends: Vec<u64>,
    end: u64,
    outcome: Outcome,
}

/// A receiver and a clock. Silence answers the sends beyond `replies`.
#[derive(Clone, Copy)]
struct World<'a> {
    schedule: Schedule<'a>,
    replies: &'a [Reply],
    wakes: &'a [u64],
    /// By how much every poll for a deadline is late.
    late: u64,
    /// Whether the delivery is saved to bytes and resumed after every call, unless an answer is outstanding.
    rests: bool,
}

impl World<'_> {
    fn run(self) -> Run {
        let schedule = &self.schedule;
        let mut delivery = Delivery::new(ms(0));
        let mut answers: Vec<(u64, Verdict)> = vec![];
        let mut wakes = self.wakes.to_vec();
        let mut sends = vec![];
        let mut now = 0;
        // A machine that never ends must fail the test, not hang it.
        for _ in 0..2000 {
            if self.rests && delivery.save().phase != Phase::Outstanding {
                delivery = reborn(delivery, schedule, ms(now));
            }
            if let Some(due) = answers.iter().position(|&(at, _)| at <= now) {
                delivery.answered(schedule, ms(now), answers.remove(due).1);
                continue;
            }
            if let Some(due) = wakes.iter().position(|&at| at <= now) {
                wakes.remove(due);
                delivery.wake(schedule, ms(now));
                continue;
            }
            match delivery.poll(schedule, ms(now)) {
                Action::Send { attempt, planned } => {
                    assert!(planned <= ms(now));
                    sends.push(now);
                    assert_eq!(usize::from(attempt), sends.len());
                    if schedule.anchor() == Anchor::Failure {
                        // The caller drops the overdue request, and its answer with it.
                        answers.clear();
                    }
                    match self.replies.get(sends.len() - 1).copied().unwrap_or(Silence) {
                        Silence => delivery.sent(schedule, ms(now)),
                        Refused => delivery.failed(schedule, ms(now)),
                        After(delay, verdict) => {
                            delivery.sent(schedule, ms(now));
                            answers.push((now + delay, verdict));
                        }
                    }
                    assert_eq!(delivery.attempts(), attempt);
                }
                Action::WaitUntil(until) => {
                    assert!(until > ms(now));
                    assert_eq!(delivery.deadline(), Some(until));
                    let events = answers.iter().map(|&(at, _)| at).chain(wakes.iter().copied());
                    now = events.chain([until.as_millis() + self.late]).min().unwrap();
                }
                Action::Done(outcome) => return Run { sends, end: now, outcome },
            }
        }
        panic!("no end after {sends:?}");
    }
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn reborn(delivery: Delivery, schedule: &Schedule<'_>, now: Instant) -> Delivery {
    Delivery::resume(Saved::from_bytes(&delivery.save().to_bytes()).unwrap(), schedule, now)
}

type Row<'a> = (&'a str, Schedule<'a>, &'a [Reply], &'a [u64], &'a [u64], u64, Outcome);

#[test]
fn timelines_are_the_pages() {
    use Outcome::{Delivered as Done, Exhausted, GivenUp};
    let table: &[Row<'_>] = &[
        // uplink: "a retry every 1 second; after 3 retries pushing stops. So at most 4 sends"
        ("refused at once", UPLINK, &[Refused; 4], &[], &[0, 1000, 2000, 3000], 3000, Exhausted),
        // "the failure of one send starts the 1 s wait for the next"
        ("bad after 200 ms", UPLINK, &[After(200, TryAgain); 4], &[], &[0, 1200, 2400, 3600], 3800, Exhausted),
        // "Answer timeout 5 s"
        ("silent", UPLINK, &[], &[], &[0, 6000, 12_000, 18_000], 23_000, Exhausted),
        ("bad just in time", UPLINK, &[After(4999, TryAgain), After(0, Delivered)], &[], &[0, 5999], 5999, Done),
        (
            "good at last",
            UPLINK,
            &[Refused, Refused, Refused, After(7, Delivered)],
            &[],
            &[0, 1000, 2000, 3000],
            3007,
            Done,
        ),
        (
            "good too late",
            UPLINK,
            &[Refused, Refused, Refused, After(5000, Delivered)],
            &[],
            &[0, 1000, 2000, 3000],
            8000,
            Exhausted,
        ),
        ("good before the retry", UPLINK, &[After(5999, Delivered)], &[], &[0], 5999, Done),
        ("never wanted", UPLINK, &[After(10, GiveUp)], &[], &[0], 10, GivenUp),
        // lingyang: "the waits between sends being 1, 2, 3, 5 s (t = 0, 1, 3, 6, 11 s); no answer within 5 s (ours) of
        // the last send = dropped"
        ("silent", FLAG_2, &[], &[], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        // "sent up to 5 times until the receiver answers"
        ("before the 2nd send", FLAG_2, &[After(999, Delivered)], &[], &[0], 999, Done),
        ("after the 2nd send", FLAG_2, &[After(1001, Delivered)], &[], &[0, 1000], 1001, Done),
        ("first copy, late", FLAG_2, &[After(4000, Delivered)], &[], &[0, 1000, 3000], 4000, Done),
        ("in time", FLAG_2, &[After(15_999, Delivered)], &[], &[0, 1000, 3000, 6000, 11_000], 15_999, Done),
        ("too late", FLAG_2, &[After(16_000, Delivered)], &[], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        ("never wanted", FLAG_2, &[Silence, After(10, GiveUp)], &[], &[0, 1000], 1010, GivenUp),
        ("asks for more", FLAG_2, &[After(10, TryAgain); 5], &[], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        // "A device that is not connected counts as no answer"
        ("not connected", FLAG_2, &[Refused; 5], &[], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        // "a device that connects while sends remain gets the message at once, and the remaining schedule still holds"
        ("connects", FLAG_2, &[Refused], &[500], &[0, 500, 3000, 6000, 11_000], 16_000, Exhausted),
        ("connects, answers", FLAG_2, &[Refused, Refused, After(9, Delivered)], &[2500], &[0, 1000, 2500], 2509, Done),
        ("connects twice", FLAG_2, &[], &[500, 600], &[0, 500, 600, 6000, 11_000], 16_000, Exhausted),
        ("connects as a send is due", FLAG_2, &[], &[1000], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        ("connects before the last", FLAG_2, &[], &[7000], &[0, 1000, 3000, 6000, 7000], 12_000, Exhausted),
        ("connects after the last", FLAG_2, &[], &[11_001], &[0, 1000, 3000, 6000, 11_000], 16_000, Exhausted),
        ("connects all the time", FLAG_2, &[], &[1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4], 5004, Exhausted),
        // "flag 3: sent once, then dropped whether or not it arrived"
        ("silent", FLAG_3, &[], &[], &[0], 5000, Exhausted),
        ("not connected, connects", FLAG_3, &[Refused], &[100], &[0], 5000, Exhausted),
        ("in time", FLAG_3, &[After(4999, Delivered)], &[], &[0], 4999, Done),
        ("too late", FLAG_3, &[After(5000, Delivered)], &[], &[0], 5000, Exhausted),
        // webhook: "timeout 5 s; retried on the 1, 2, 3, 5 s schedule, then a dead letter"
        ("refused at once", WEBHOOK, &[Refused; 5], &[], &[0, 1000, 3000, 6000, 11_000], 11_000, Exhausted),
        ("silent", WEBHOOK, &[], &[], &[0, 6000, 13_000, 21_000, 31_000], 36_000, Exhausted),
        // tencent: "Answer timeout 2 s", "default 3 retries, 1 s apart; `0` = the vendor's default"
        ("silent", TENCENT, &[], &[], &[0, 3000, 6000, 9000], 11_000, Exhausted),
        ("refused at once", TENCENT, &[Refused; 4], &[], &[0, 1000, 2000, 3000], 3000, Exhausted),
        ("no retry", ONCE, &[After(1999, TryAgain)], &[], &[0], 1999, Exhausted),
        ("no retry, silent", ONCE, &[], &[], &[0], 2000, Exhausted),
        // A wake cuts short the wait for a retry, and only that.
        ("woken while waiting", UPLINK, &[Refused; 4], &[400], &[0, 400, 1400, 2400], 2400, Exhausted),
        ("woken while outstanding", TENCENT, &[], &[1000], &[0, 3000, 6000, 9000], 11_000, Exhausted),
    ];
    for &(name, schedule, replies, wakes, sends, end, outcome) in table {
        let expected = Run { sends: sends.to_vec(), end, outcome };
        let world = World { schedule, replies, wakes, late: 0, rests: false };
        assert_eq!(world.run(), expected, "{name}: {schedule:?}");
        assert_eq!(World { rests: true, ..world }.run(), expected, "{name}, resumed: {schedule:?}");
    }
}

#[test]
fn late_polls_do_not_add_up() {
    let world = World { schedule: FLAG_2, replies: &[], wakes: &[], late: 7, rests: false };
    assert_eq!(world.run().sends, [0, 1007, 3007, 6007, 11_007]);
    // A silence fails at its deadline, 5 s after the send, and the wait starts there.
    let world = World { schedule: UPLINK, ..world };
    assert_eq!(world.run().sends, [0, 6007, 12_014, 18_021]);
}

#[test]
fn a_poll_one_millisecond_early_waits() {
    let mut delivery = Delivery::new(ms(0));
    delivery.sent(&FLAG_2, ms(0));
    assert_eq!(delivery.poll(&FLAG_2, ms(999)), Action::WaitUntil(ms(1000)));
    assert_eq!(delivery.poll(&FLAG_2, ms(1000)), Action::Send { attempt: 2, planned: ms(1000) });

    let mut delivery = Delivery::new(ms(0));
    delivery.sent(&UPLINK, ms(0));
    assert_eq!(delivery.poll(&UPLINK, ms(4999)), Action::WaitUntil(ms(5000)));
    assert_eq!(delivery.poll(&UPLINK, ms(5000)), Action::WaitUntil(ms(6000)));
    assert_eq!(delivery.poll(&UPLINK, ms(5999)), Action::WaitUntil(ms(6000)));
    assert_eq!(delivery.poll(&UPLINK, ms(6000)), Action::Send { attempt: 2, planned: ms(6000) });
}

#[test]
fn only_a_send_that_went_out_moves_it() {
    let mut delivery = Delivery::new(ms(5));
    for now in [5, 6, 5000] {
        assert_eq!(delivery.poll(&FLAG_2, ms(now)), Action::Send { attempt: 1, planned: ms(5) });
    }
    // The grid starts when the first send really went out.
    delivery.sent(&FLAG_2, ms(5000));
    assert_eq!(delivery.poll(&FLAG_2, ms(5000)), Action::WaitUntil(ms(6000)));
}

#[test]
fn what_was_missed_goes_out_without_a_burst() {
    let mut delivery = Delivery::new(ms(0));
    delivery.sent(&FLAG_2, ms(0));
    // 3.5 s into the grid two sends are overdue, at 1 and 3 s: one goes out, the next waits its 2 s.
    let mut delivery = reborn(delivery, &FLAG_2, ms(3500));
    assert_eq!(delivery.poll(&FLAG_2, ms(3500)), Action::Send { attempt: 2, planned: ms(1000) });
    delivery.sent(&FLAG_2, ms(3500));
    assert_eq!(delivery.poll(&FLAG_2, ms(3500)), Action::WaitUntil(ms(5500)));
    delivery.sent(&FLAG_2, ms(5500));
    assert_eq!(delivery.poll(&FLAG_2, ms(5500)), Action::WaitUntil(ms(8500)));
}

#[test]
fn a_crash_fails_the_outstanding_send_and_no_other() {
    for (back, expected) in [
        (1, Action::WaitUntil(ms(1001))),
        (4999, Action::WaitUntil(ms(5999))),
        (5500, Action::WaitUntil(ms(6000))),
        (60_000, Action::Send { attempt: 2, planned: ms(6000) }),
    ] {
        let mut delivery = Delivery::new(ms(0));
        delivery.sent(&UPLINK, ms(0));
        let mut delivery = reborn(delivery, &UPLINK, ms(back));
        assert_eq!(delivery.poll(&UPLINK, ms(back)), expected, "back after {back} ms");
    }

    // A crash in the middle of each send: every one is used, none twice.
    let mut delivery = Delivery::new(ms(0));
    let mut sends = vec![];
    for now in (0..).step_by(100).take(100) {
        if let Action::Send { .. } = delivery.poll(&UPLINK, ms(now)) {
            sends.push(now);
            delivery.sent(&UPLINK, ms(now));
            delivery = reborn(delivery, &UPLINK, ms(now + 50));
        }
    }
    assert_eq!(sends, [0, 1100, 2200, 3300]);
    assert_eq!(delivery.outcome(), Some(Outcome::Exhausted));
}

#[test]
fn another_clock_cannot_stretch_a_wait() {
    let mut delivery = Delivery::new(ms(1_000_000));
    delivery.sent(&FLAG_2, ms(1_000_000));
    // The device starts again, and its clock with it.
    let mut waiting = reborn(delivery, &FLAG_2, ms(10));
    assert_eq!(waiting.poll(&FLAG_2, ms(10)), Action::WaitUntil(ms(1010)));

    for now in [1_001_000, 1_003_000, 1_006_000, 1_011_000] {
        delivery.sent(&FLAG_2, ms(now));
    }
    let mut closing = reborn(delivery, &FLAG_2, ms(10));
    assert_eq!(closing.poll(&FLAG_2, ms(10)), Action::WaitUntil(ms(5010)));
}

#[test]
fn a_schedule_that_became_shorter_ends_it() {
    let mut delivery = Delivery::new(ms(0));
    delivery.failed(&UPLINK, ms(0));
    assert_eq!(delivery.poll(&UPLINK, ms(0)), Action::WaitUntil(ms(1000)));
    assert_eq!(delivery.poll(&ONCE, ms(0)), Action::Done(Outcome::Exhausted));
}

#[test]
fn late_news_of_a_send_is_not_the_next_one() {
    // The connection is lost between two sends of a grid, and after a failure that was already counted.
    for schedule in [FLAG_2, UPLINK] {
        let mut delivery = Delivery::new(ms(0));
        delivery.failed(&schedule, ms(0));
        let before = delivery;
        delivery.failed(&schedule, ms(999));
        delivery.answered(&schedule, ms(999), TryAgain);
        assert_eq!(delivery, before);
    }
    // The caller's own timer fires after the deadline, but before the poll that would notice.
    let mut delivery = Delivery::new(ms(0));
    delivery.sent(&UPLINK, ms(0));
    delivery.failed(&UPLINK, ms(5003));
    assert_eq!(delivery.poll(&UPLINK, ms(5003)), Action::WaitUntil(ms(6000)));
    assert_eq!(delivery.attempts(), 1);
}

#[test]
fn the_end_of_time_is_not_passed() {
    let end = Instant::NEVER;
    for schedule in [UPLINK, FLAG_2, FLAG_3] {
        let mut delivery = Delivery::new(end);
        for attempt in 1..=schedule.sends() {
            assert_eq!(delivery.poll(&schedule, end), Action::Send { attempt, planned: end });
            delivery.sent(&schedule, end);
        }
        assert_eq!(delivery.poll(&schedule, end), Action::Done(Outcome::Exhausted));
    }
}

#[test]
fn no_bytes_are_a_surprise() {
    for code in 0..=255 {
        let mut bytes = [code; Saved::LEN];
        assert_eq!(Saved::from_bytes(&bytes).is_ok(), (1..=6).contains(&code));
        bytes[0] = 1;
        let mut delivery = Delivery::resume(Saved::from_bytes(&bytes).unwrap(), &UPLINK, ms(0));
        assert_eq!(matches!(delivery.poll(&UPLINK, ms(0)), Action::Done(_)), code >= 4, "{code} sends went out");
    }
    let saved = Saved { phase: Phase::Due, attempts: 2, at: 0x0102_0304_0506_0708, grid: 9 };
    let bytes = [1, 2, 8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(saved.to_bytes(), bytes, "the layout is kept: flash outlives a version");
    assert_eq!(Saved::from_bytes(&bytes), Ok(saved));
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Poll,
    Sent,
    Failed,
    Answered(Verdict),
    Wake,
    Reborn,
    Later(u64),
    /// The clock is set back.
    Earlier(u64),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => Just(Call::Poll),
        3 => Just(Call::Sent),
        2 => Just(Call::Failed),
        2 => Just(Call::Answered(TryAgain)),
        1 => prop_oneof![Just(Delivered), Just(GiveUp)].prop_map(Call::Answered),
        1 => Just(Call::Wake),
        1 => Just(Call::Reborn),
        4 => (0_u64..4000).prop_map(Call::Later),
        1 => (0_u64..4000).prop_map(Call::Earlier),
    ]
}

fn anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![Just(Anchor::Failure), Just(Anchor::Send)]
}

fn reply() -> impl Strategy<Value = Reply> {
    let verdict = prop_oneof![8 => Just(TryAgain), 1 => Just(Delivered), 1 => Just(GiveUp)];
    prop_oneof![1 => Just(Silence), 1 => Just(Refused), 2 => (0_u64..9000, verdict).prop_map(|(delay, v)| After(delay, v))]
}

/// The sends, the end and the outcome, straight from the words of the pages, when no poll is late.
fn by_the_book(schedule: &Schedule<'_>, replies: &[Reply]) -> Run {
    let mut sends = vec![];
    let mut ending: Option<(u64, Outcome)> = None;
    let within = u64::from(schedule.answer_within());
    let mut at = 0;
    let mut closes = 0;
    for attempt in 0..usize::from(schedule.sends()) {
        if ending.is_some_and(|(end, _)| end <= at) {
            break;
        }
        if schedule.anchor() == Anchor::Failure {
            ending = None;
        }
        sends.push(at);
        let mut failed = at + within;
        match replies.get(attempt).copied().unwrap_or(Silence) {
            Silence => {}
            Refused => failed = at,
            After(delay, TryAgain) => failed = failed.min(at + delay),
            After(delay, verdict) => {
                let outcome = if verdict == Delivered { Outcome::Delivered } else { Outcome::GivenUp };
                let new = (at + delay, outcome);
                ending = Some(ending.map_or(new, |old| if new.0 < old.0 { new } else { old }));
            }
        }
        closes = if schedule.anchor() == Anchor::Send { at + within } else { failed };
        let from = if schedule.anchor() == Anchor::Send { at } else { failed };
        at = from + u64::from(schedule.waits().get(attempt).copied().unwrap_or(0));
    }
    match ending {
        Some((end, outcome)) if end < closes || sends.len() < usize::from(schedule.sends()) => {
            Run { sends, end, outcome }
        }
        _ => Run { sends, end: closes, outcome: Outcome::Exhausted },
    }
}

proptest! {
    #[test]
    fn any_answers_run_by_the_book(
        waits in prop::collection::vec(1_u32..6000, 0..6),
        anchor in anchor(),
        within in 1_u32..6000,
        replies in prop::collection::vec(reply(), 0..8),
        rests: bool,
    ) {
        let schedule = Schedule::new(&waits, anchor, within).unwrap();
        let world = World { schedule, replies: &replies, wakes: &[], late: 0, rests };
        prop_assert_eq!(world.run(), by_the_book(&schedule, &replies));
    }

    #[test]
    fn no_calls_break_the_promises(
        waits in prop::collection::vec(0_u32..3000, 0..5),
        anchor in anchor(),
        within in 0_u32..3000,
        calls in prop::collection::vec(call(), 0..60),
    ) {
        let schedule = Schedule::new(&waits, anchor, within).unwrap();
        let mut now = 10_000_u64;
        let mut delivery = Delivery::new(ms(now));
        for call in calls {
            let before = delivery;
            match call {
                Call::Poll => {}
                Call::Sent => delivery.sent(&schedule, ms(now)),
                Call::Failed => delivery.failed(&schedule, ms(now)),
                Call::Answered(verdict) => delivery.answered(&schedule, ms(now), verdict),
                Call::Wake => delivery.wake(&schedule, ms(now)),
                Call::Reborn => delivery = reborn(delivery, &schedule, ms(now)),
                Call::Later(by) => now += by,
                Call::Earlier(by) => now = now.saturating_sub(by),
            }
            let counted = delivery.attempts() - before.attempts();
            prop_assert!(counted <= u8::from(matches!(call, Call::Sent | Call::Failed)));
            prop_assert!(delivery.attempts() <= schedule.sends());
            if before.outcome().is_some() {
                prop_assert_eq!(delivery, before, "done is done");
            }

            let action = delivery.poll(&schedule, ms(now));
            let polled = delivery;
            prop_assert_eq!(delivery.poll(&schedule, ms(now)), action);
            prop_assert_eq!(delivery, polled, "a poll too many changes nothing");
            match action {
                Action::Send { attempt, planned } => {
                    prop_assert_eq!(attempt, delivery.attempts() + 1);
                    prop_assert!(attempt <= schedule.sends());
                    prop_assert!(planned <= ms(now));
                    prop_assert_eq!(delivery.deadline(), Some(planned));
                }
                Action::WaitUntil(until) => {
                    prop_assert!(until > ms(now));
                    prop_assert_eq!(delivery.deadline(), Some(until));
                }
                Action::Done(outcome) => {
                    prop_assert_eq!(delivery.outcome(), Some(outcome));
                    prop_assert_eq!(delivery.deadline(), None);
                }
            }
        }
    }
}
