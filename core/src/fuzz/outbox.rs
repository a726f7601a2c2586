//! An outbox beside a list of deliveries, called in any order, at any time.

use alloc::{vec, vec::Vec};

use crate::{
    Delivery, Instant, Schedule, Verdict,
    delivery::{Action, Outcome},
    outbox::{Kept, Outbox, PushError, Record, ResumeError, Step, Ticket},
};

const SLOTS: usize = 3;
const BYTES: usize = 16;

/// The schedules of a script, by their digit.
static SCHEDULES: [Schedule<'static>; 5] = [
    Schedule::UPLINK,
    Schedule::FLAG_2,
    Schedule::FLAG_3,
    Schedule::TENCENT,
    // No answer is ever in time.
    Schedule::WEBHOOK.with_answer_within(0),
];

/// Takes bytes as a script of calls, one a line, whose first byte says which.
///
/// # Panics
///
/// When the outbox and a plain list of deliveries say different things at one moment, when it says two, when a payload
/// is not what was pushed, when it waits for the past, makes one send twice or one too many, or when a call that was
/// refused changed something.
pub fn outbox(data: &[u8]) {
    let mut script =
        Script { now: Instant::from_millis(0), outbox: Outbox::new(), model: Vec::new(), gone: Vec::new(), last: 0 };
    for line in data.split(|&byte| byte == b'\n') {
        script.call(line);
        script.check();
    }
}

struct Script {
    now: Instant,
    outbox: Outbox<SLOTS, BYTES>,
    /// In the order of acceptance.
    model: Vec<Expected>,
    /// The tickets of what was removed.
    gone: Vec<Ticket>,
    last: u64,
}

#[derive(Clone)]
struct Expected {
    ticket: Ticket,
    delivery: Delivery,
    schedule: &'static Schedule<'static>,
    payload: Vec<u8>,
    /// The latest send that went out on the wire.
    attempt: u8,
}

/// What is to be done, by value.
#[derive(Debug, PartialEq, Eq)]
enum Wants {
    Send(Ticket, u8, Vec<u8>),
    Done(Ticket, Outcome),
    Wait(Instant),
    Idle,
}

impl Script {
    /// The calls, by the byte that stands for them in seeds. Any other line changes nothing.
    fn call(&mut self, line: &[u8]) {
        let (code, rest) = line.split_first().map_or((0, line), |(code, rest)| (*code, rest));
        match code {
            b'+' => self.now = Instant::from_millis(self.now.as_millis().saturating_add(number(rest))),
            b'-' => self.now = Instant::from_millis(self.now.as_millis().saturating_sub(number(rest))),
            b'N' => self.now = Instant::NEVER,
            b'0' => self.now = Instant::from_millis(0),
            b'p' => self.push(rest),
            b'f' => self.fail_to_push(),
            b'=' => self.obey(true),
            b'x' => self.obey(false),
            b's' => self.on(rest, Delivery::sent, Outbox::sent),
            b'e' => self.on(rest, Delivery::failed, Outbox::failed),
            b'd' => self.answer(rest, Verdict::Delivered),
            b't' => self.answer(rest, Verdict::TryAgain),
            b'g' => self.answer(rest, Verdict::GiveUp),
            b'r' => {
                if let Some(ticket) = self.ticket(rest) {
                    self.remove(ticket);
                }
            }
            b'w' => {
                self.outbox.wake(self.now);
                self.model.iter_mut().for_each(|expected| expected.delivery.wake(expected.schedule, self.now));
            }
            b'R' => self.restart(),
            b'b' => self.resume_bytes(rest),
            _ => {}
        }
    }

    fn push(&mut self, rest: &[u8]) {
        let Some((digit, text)) = rest.split_first() else { return };
        let schedule =
            SCHEDULES.get(usize::from(digit.wrapping_sub(b'0')) % SCHEDULES.len()).unwrap_or(&Schedule::UPLINK);
        let mut called = false;
        let pushed = self.outbox.push(schedule, self.now, |slot| {
            called = true;
            assert_eq!(slot.len(), BYTES);
            slot.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            Ok::<_, ()>(text.len())
        });
        let full = self.model.len() == SLOTS;
        assert_eq!(called, !full, "nothing is written where there is no room");
        match pushed {
            Ok(ticket) => {
                self.last += 1;
                assert_eq!(ticket.number(), self.last, "no ticket is given twice");
                let delivery = Delivery::new(self.now);
                self.model.push(Expected { ticket, delivery, schedule, payload: text.to_vec(), attempt: 0 });
                assert!(!full && text.len() <= BYTES);
            }
            Err(PushError::Full { slots }) => assert!(full && slots == SLOTS, "refused while there was a slot"),
            Err(PushError::TooLong { len, capacity }) => {
                assert_eq!((len, capacity), (text.len(), BYTES));
                assert!(!full && len > capacity);
            }
            Err(PushError::Payload(())) => assert!(!called, "the writer did not fail"),
        }
    }

    fn fail_to_push(&mut self) {
        let pushed = self.outbox.push(&Schedule::UPLINK, self.now, |slot| {
            slot.fill(b'!');
            Err("no")
        });
        let full = self.model.len() == SLOTS;
        assert_eq!(pushed, Err(if full { PushError::Full { slots: SLOTS } } else { PushError::Payload("no") }));
    }

    /// Does what a caller does whose wire works or does not.
    fn obey(&mut self, works: bool) {
        match wants(&mut self.outbox, self.now) {
            Wants::Send(ticket, attempt, _) => {
                for expected in self.model.iter_mut().filter(|expected| expected.ticket == ticket) {
                    assert!(attempt > expected.attempt, "a send was made twice");
                    assert!(attempt <= expected.schedule.sends(), "a send too many");
                    expected.attempt = attempt;
                    match works {
                        true => expected.delivery.sent(expected.schedule, self.now),
                        false => expected.delivery.failed(expected.schedule, self.now),
                    }
                }
                let noted = if works { Outbox::sent } else { Outbox::failed }(&mut self.outbox, ticket, self.now);
                assert_eq!(noted, Ok(()));
            }
            Wants::Done(ticket, _) => self.remove(ticket),
            Wants::Wait(later) => self.now = later,
            Wants::Idle => {}
        }
    }

    fn answer(&mut self, rest: &[u8], verdict: Verdict) {
        self.on(
            rest,
            |delivery, schedule, now| delivery.answered(schedule, now, verdict),
            |outbox, ticket, now| outbox.answered(ticket, verdict, now),
        );
    }

    /// Makes the same call on the delivery and on the outbox.
    fn on(
        &mut self,
        which: &[u8],
        expect: impl Fn(&mut Delivery, &Schedule<'_>, Instant),
        call: impl Fn(&mut Outbox<SLOTS, BYTES>, Ticket, Instant) -> Result<(), crate::outbox::Gone>,
    ) {
        let Some(ticket) = self.ticket(which) else { return };
        let noted = call(&mut self.outbox, ticket, self.now);
        let found = self.model.iter_mut().find(|expected| expected.ticket == ticket);
        assert_eq!(noted.is_ok(), found.is_some());
        if let Some(expected) = found {
            expect(&mut expected.delivery, expected.schedule, self.now);
        }
    }

    /// Any ticket there ever was, by its place.
    fn ticket(&self, which: &[u8]) -> Option<Ticket> {
        let tickets: Vec<_> =
            self.model.iter().map(|expected| expected.ticket).chain(self.gone.iter().rev().copied()).collect();
        let count = u64::try_from(tickets.len()).unwrap_or(0);
        tickets.get(usize::try_from(number(which).checked_rem(count)?).ok()?).copied()
    }

    fn remove(&mut self, ticket: Ticket) {
        let place = self.model.iter().position(|expected| expected.ticket == ticket);
        let outcome = place.map(|place| self.model.remove(place).delivery.outcome());
        assert_eq!(self.outbox.remove(ticket).ok(), outcome);
        if outcome.is_some() {
            self.gone.push(ticket);
        }
    }

    /// The power goes and comes back. What is in flash was visited in another order than the pushes'.
    fn restart(&mut self) {
        let flash: Vec<_> =
            kept(&self.outbox).map(|(record, schedule, payload)| (record.to_bytes(), schedule, payload)).collect();
        self.outbox = Outbox::new();
        for (bytes, schedule, payload) in flash.iter().rev() {
            let resumed = Record::from_bytes(bytes).map(|record| {
                self.outbox.resume(record, schedule, self.now, |slot| {
                    slot.copy_from_slice(payload);
                    Ok::<_, ()>(())
                })
            });
            assert!(matches!(resumed, Ok(Ok(_))), "what was saved is taken back");
        }
        for expected in &mut self.model {
            expected.delivery = Delivery::resume(expected.delivery.save(), expected.schedule, self.now);
        }
        // What was gone before is not known any more, and its numbers may be given anew.
        self.last = self.model.iter().map(|expected| expected.ticket.number()).max().unwrap_or(0);
        self.gone.clear();
    }

    /// Whatever flash holds: it is refused, or it comes to an end.
    fn resume_bytes(&mut self, rest: &[u8]) {
        let mut bytes = [0; Record::LEN];
        bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let Ok(record) = Record::from_bytes(&bytes) else { return };
        assert_eq!(record.to_bytes(), bytes);
        let mut outbox = self.outbox.clone();
        match outbox.resume(record, &SCHEDULES[0], self.now, |_| Err(())) {
            Err(ResumeError::Payload(())) => {}
            other => assert!(other.is_err(), "taken without its payload"),
        }
        assert!(kept(&outbox).eq(kept(&self.outbox)), "what was refused changed nothing");
        if outbox.resume(record, &SCHEDULES[0], self.now, |_| Ok::<_, ()>(())).is_ok() {
            assert_eq!(outbox.len(), self.model.len() + 1);
            let ends = (0..SLOTS * 300 * 2).any(|_| match wants(&mut outbox, self.now) {
                Wants::Send(ticket, ..) => outbox.failed(ticket, self.now).is_err(),
                Wants::Done(ticket, _) => outbox.remove(ticket).is_err(),
                Wants::Wait(later) => {
                    self.now = later;
                    false
                }
                Wants::Idle => true,
            });
            assert!(ends, "an outbox with no end");
        }
    }

    fn check(&mut self) {
        let expected = self.expected();
        let wants_now = wants(&mut self.outbox, self.now);
        assert_eq!(wants_now, expected);
        assert_eq!(wants(&mut self.outbox, self.now), wants_now, "to ask is free");
        if let Wants::Wait(later) = wants_now {
            assert!(later > self.now, "the past is not waited for");
            let earliest = self.model.iter().filter_map(|expected| self.outbox.deadline(expected.ticket)).min();
            assert_eq!(Some(later), earliest);
        }
        let mut there: Vec<_> = kept(&self.outbox).collect();
        there.sort_by_key(|(record, ..)| record.number);
        let model = self.model.iter().map(|expected| {
            let len = u16::try_from(expected.payload.len()).unwrap_or(0);
            let record = Record { number: expected.ticket.number(), len, delivery: expected.delivery.save() };
            (record, *expected.schedule, expected.payload.clone())
        });
        assert!(there.into_iter().map(|(record, schedule, payload)| (record, *schedule, payload)).eq(model));
        assert_eq!(self.outbox.len(), self.model.len());
        assert_eq!(self.outbox.is_full(), self.model.len() == SLOTS);
        assert_eq!(self.outbox.oldest(), self.model.first().map(|expected| expected.ticket));
        assert!(self.gone.iter().all(|&ticket| self.outbox.save(ticket).is_none()));
    }

    /// What the list says, the plain way: who has ended; else who was never sent; else the retry that is due longest;
    /// else the first deadline.
    fn expected(&mut self) -> Wants {
        let (mut done, mut first, mut retries, mut waits) = (vec![], vec![], vec![], vec![]);
        for expected in &mut self.model {
            let (ticket, payload) = (expected.ticket, expected.payload.clone());
            match expected.delivery.poll(expected.schedule, self.now) {
                Action::Done(outcome) => done.push(Wants::Done(ticket, outcome)),
                Action::Send { attempt: 1, .. } => first.push(Wants::Send(ticket, 1, payload)),
                Action::Send { attempt, planned } => retries.push((planned, Wants::Send(ticket, attempt, payload))),
                Action::WaitUntil(later) => waits.push(later),
            }
        }
        retries.sort_by_key(|(planned, _)| *planned);
        let sends = done.into_iter().chain(first).chain(retries.into_iter().map(|(_, send)| send));
        sends.chain(waits.into_iter().min().map(Wants::Wait)).next().unwrap_or(Wants::Idle)
    }
}

fn wants(outbox: &mut Outbox<SLOTS, BYTES>, now: Instant) -> Wants {
    match outbox.poll(now) {
        Step::Send { ticket, attempt, payload } => Wants::Send(ticket, attempt, payload.to_vec()),
        Step::Done { ticket, outcome } => Wants::Done(ticket, outcome),
        Step::WaitUntil(later) => Wants::Wait(later),
        Step::Idle => Wants::Idle,
    }
}

fn kept(outbox: &Outbox<SLOTS, BYTES>) -> impl Iterator<Item = (Record, &'static Schedule<'static>, Vec<u8>)> {
    outbox.saved().map(|Kept { record, schedule, payload }| (record, schedule, payload.to_vec()))
}

/// The number that a line's digits say; 0 without any.
fn number(digits: &[u8]) -> u64 {
    core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
