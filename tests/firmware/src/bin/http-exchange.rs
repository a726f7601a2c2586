//! Pushes over HTTP: writes the head of a request and reads the answer, interim ones, chunks and all.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::http::{Connection, Exchange, Method, Part, Request, Step};
use pushgate_firmware::{
    Outcome, Run,
    input::{CLIENT_PUSH, Chunks, HTTP_ANSWER, HTTP_CHUNKS},
    run, take,
};

const BUF_LEN: usize = 256;
const LINE_LEN: usize = 64;

static RUNS: [Run; 3] = [
    Run { name: "an answer at once", items: 4, work: |buf| exchange(buf, &HTTP_ANSWER, 256) },
    Run { name: "an answer in chunks, 100 bytes at a time", items: 6, work: |buf| exchange(buf, &HTTP_CHUNKS, 100) },
    Run { name: "the same, byte by byte", items: 41, work: |buf| exchange(buf, &HTTP_CHUNKS, 1) },
];

/// Returns how many parts the answer has.
fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    let (buf, line) = buf.split_at_mut_checked(BUF_LEN).unwrap_or_default();
    let headers = [("Content-Type", "application/json"), ("Authorization", black_box("Bearer token"))];
    let (request, body) = black_box((
        Request {
            method: Method::Post,
            target: "/v2/message/client/push",
            host: "push.example.com",
            headers: &headers,
            body_len: 0,
            connection: Connection::KeepAlive,
        },
        &CLIENT_PUSH[..],
    ));
    let Ok(mut exchange) = Exchange::new(&request, body, buf, line) else { return Ok(0) };
    let mut wire = Chunks::new(answer, at_once);
    let mut parts = 0;
    loop {
        match exchange.step() {
            Ok(Step::Write(bytes)) => {
                let len = black_box(bytes).len();
                exchange.written(len);
            }
            Ok(Step::Flush) => exchange.flushed(),
            Ok(Step::Read(room)) => {
                let len = take::into(room, wire.next());
                if black_box(exchange.received(len)).is_err() {
                    return Ok(parts);
                }
            }
            Ok(Step::Part(part)) => {
                parts += 1;
                if let Part::End(_) = black_box(part) {
                    return Ok(parts);
                }
            }
            Err(error) => {
                black_box(error);
                return Ok(parts);
            }
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN + LINE_LEN] = [0; BUF_LEN + LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
