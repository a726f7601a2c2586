//! A whole device: it holds the link, takes what it hears there, and answers each message with a push of its own, which
//! goes through the outbox over HTTP until the gateway has it.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Instant, Outbox, Schedule, Text, Verdict,
    http::{Connection, Exchange, Method, Part, Request, Step as Http},
    lingyang::{self, AccessTokens, Callback, ClientPush, Flag, Msg},
    link::{
        Device, LineBuffer, MAX_LINE_LEN, ReceiptState,
        device::{Event, Step as Link},
    },
    outbox::Step as Send,
};
use pushgate_firmware::{
    Outcome, Run,
    input::{Chunks, HTTP_ANSWER, LINK},
    run, take,
};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// The longest message in base64 and its push's own bytes, with one receiver.
const PUSH_LEN: usize = 480;

/// Ids remembered.
const RECENT: usize = 8;

/// Hello, three acknowledgements, a pong, two pings, and two pushes of two sends each.
static RUNS: [Run<Memory>; 1] = [Run { name: "a day of a device", items: 11, work: day }];

/// All the memory there is beside the stack.
struct Memory {
    device: &'static mut Device<'static, RECENT>,
    lines: &'static mut LineBuffer<MAX_LINE_LEN>,
    outbox: &'static mut Outbox<2, PUSH_LEN>,
    wire: &'static mut Wire,
}

/// What goes out and what comes in.
struct Wire {
    /// A line of ours or a request's head, then what is read.
    buf: [u8; 256],
    /// A line of an answer's head.
    line: [u8; 48],
    /// An answer's body.
    answer: [u8; 128],
    /// Whether the connection may be used again.
    again: bool,
}

fn day(memory: &mut Memory) -> Outcome {
    let mut now = Instant::from_millis(0);
    let mut done = 0;
    let mut heard = Chunks::new(&LINK, 64);
    memory.device.renew(black_box(TOKEN));
    while let Some(later) = turn(memory, now, &mut done) {
        match heard.next() {
            Some(chunk) => hear(memory, chunk, now),
            None => now = later,
        }
    }
    Ok(done)
}

// Each of these in a function of its own: what one needs of the stack, the others need not at the same time.

/// Does what is due, and says until when there is nothing to do but to listen; `None` when the link has ended.
#[inline(never)]
fn turn(memory: &mut Memory, now: Instant, done: &mut u32) -> Option<Instant> {
    let due = send(memory, now, done).unwrap_or(Instant::NEVER);
    loop {
        match memory.device.poll(now) {
            Link::Connect => {
                memory.lines.clear();
                memory.device.opened(now);
            }
            Link::Send(frame) => {
                black_box(frame.write(&mut memory.wire.buf).unwrap_or_default());
                memory.device.sent(now);
                *done += 1;
            }
            Link::WaitUntil(later) => return Some(later.min(due)),
            Link::Close(_) => {
                memory.device.closed(now, black_box(7));
                return None;
            }
            Link::Stop(_) => return None,
        }
    }
}

/// Takes what the gateway says, and pushes an answer to each message.
#[inline(never)]
fn hear(memory: &mut Memory, mut chunk: &[u8], now: Instant) {
    while let Some(line) = memory.lines.feed(&mut chunk) {
        match memory.device.received(line, now) {
            Event::Message(message) => {
                take::message(&message);
                memory.device.acknowledge(message.id);
                let pushed = memory.outbox.push(&Schedule::FLAG_2, now, |slot| push(message.msg, slot).ok_or(()));
                black_box(pushed.is_ok());
            }
            Event::Receipt(receipt) => drop(black_box(receipt.state == ReceiptState::Delivered)),
            Event::Refused(problem) => drop(black_box(problem.code)),
            Event::Nothing | Event::Welcome(_) | Event::Copy(_) => {}
        }
    }
}

/// Writes a push with the same message; `None` when the slot is too short for it.
#[inline(never)]
fn push(msg: Msg<'_>, slot: &mut [u8]) -> Option<usize> {
    let receivers = [Text::from(black_box(TOKEN))];
    let push = ClientPush {
        msg,
        flag: black_box(Some(Flag::UntilAnswered)),
        callback: black_box(Callback::Yes),
        access_tokens: AccessTokens::from(&receivers[..]),
    };
    push.write(slot).ok().map(<[u8]>::len)
}

/// Sends what is due, and says when more is.
fn send(memory: &mut Memory, now: Instant, done: &mut u32) -> Option<Instant> {
    loop {
        match memory.outbox.poll(now) {
            Send::Send { ticket, attempt, payload } => {
                // The first answer of all gets lost.
                let verdict = if attempt == 1 { Verdict::TryAgain } else { ask(payload, memory.wire) };
                *done += 1;
                // A ticket that a poll gave is there until it is removed.
                let _ = memory.outbox.sent(ticket, now);
                let _ = memory.outbox.answered(ticket, verdict, now);
            }
            Send::Done { ticket, outcome } => {
                black_box(outcome);
                let _ = memory.outbox.remove(ticket);
            }
            Send::WaitUntil(later) => return Some(later),
            Send::Idle => return None,
        }
    }
}

/// Pushes over HTTP.
#[inline(never)]
fn ask(body: &[u8], room: &mut Wire) -> Verdict {
    let Wire { buf, line, answer, again } = room;
    let headers = [("Content-Type", "application/json"), ("Authorization", black_box("Bearer token"))];
    let request = Request {
        method: Method::Post,
        target: "/v2/message/client/push",
        host: "push.example.com",
        headers: &headers,
        body_len: 0,
        connection: Connection::KeepAlive,
    };
    let mut wire = Chunks::new(&HTTP_ANSWER, 100);
    let (mut status, mut len) = (0, 0);
    let Ok(mut exchange) = Exchange::new(&request, body, buf, line) else { return Verdict::GiveUp };
    loop {
        match exchange.step() {
            Ok(Http::Write(bytes)) => {
                let len = black_box(bytes).len();
                exchange.written(len);
            }
            Ok(Http::Flush) => exchange.flushed(),
            Ok(Http::Read(room)) => {
                let len = take::into(room, wire.next());
                if exchange.received(len).is_err() {
                    return Verdict::TryAgain;
                }
            }
            Ok(Http::Part(Part::Status(told))) => status = told,
            Ok(Http::Part(Part::Body(part))) => {
                len += take::into(answer.get_mut(len..).unwrap_or_default(), Some(part));
            }
            Ok(Http::Part(Part::End(connection))) => {
                *again = connection == Connection::KeepAlive;
                break;
            }
            Ok(Http::Part(_)) => {}
            Err(_) => return Verdict::TryAgain,
        }
    }
    understand(status, answer.get(..len).unwrap_or_default())
}

/// Makes of an answer what it means.
#[inline(never)]
fn understand(status: u16, body: &[u8]) -> Verdict {
    if let Ok(reply) = lingyang::Reply::read(body) {
        black_box(take::push_reply(&reply));
    }
    lingyang::verdict(status)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut MEMORY: Option<Memory> = None;
    static mut DEVICE: Device<'static, RECENT> = Device::idle();
    static mut LINES: LineBuffer = LineBuffer::new();
    static mut OUTBOX: Outbox<2, PUSH_LEN> = Outbox::new();
    static mut WIRE: Wire = Wire { buf: [0; 256], line: [0; 48], answer: [0; 128], again: false };
    run(MEMORY.insert(Memory { device: DEVICE, lines: LINES, outbox: OUTBOX, wire: WIRE }), &RUNS)
}
