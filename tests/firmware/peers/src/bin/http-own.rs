//! Pushes over HTTP with the core, over the same asynchronous stream as the others.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::http::{Connection, Exchange, Method, Part, Request, asynch::next};
use pushgate_firmware::{
    Outcome, Run,
    input::{CLIENT_PUSH, HTTP_ANSWER},
    run,
};
use pushgate_peers::{Wire, block_on, input::HTTP_CHUNKS};

const BUF_LEN: usize = 256;
const LINE_LEN: usize = 64;

static RUNS: [Run; 2] = [
    Run { name: "an answer at once", items: 37, work: |buf| block_on(exchange(buf, &HTTP_ANSWER, 256)) },
    Run { name: "an answer in chunks", items: 37, work: |buf| block_on(exchange(buf, &HTTP_CHUNKS, 100)) },
];

/// Returns the length of the body; 0 when something failed.
async fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    Ok(push(buf, Wire::new(answer, at_once)).await.unwrap_or_default())
}

async fn push(buf: &mut [u8], mut wire: Wire) -> Option<u32> {
    let (buf, line) = buf.split_at_mut_checked(BUF_LEN)?;
    let headers = [("Content-Type", "application/json"), ("Authorization", black_box("Bearer token"))];
    let request = Request {
        method: Method::Post,
        target: "/v2/message/client/push",
        host: "push.example.com",
        headers: &headers,
        body_len: 0,
        connection: Connection::KeepAlive,
    };
    let mut exchange = Exchange::new(&request, &CLIENT_PUSH, buf, line).ok()?;
    let mut items = 0;
    loop {
        match next(&mut exchange, &mut wire).await.ok()? {
            Part::Status(status) => drop(black_box(status)),
            Part::Header(header) => drop(black_box(header)),
            Part::Body(piece) => items += black_box(piece).len() as u32,
            Part::End(connection) => {
                black_box(connection);
                return Some(items);
            }
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN + LINE_LEN] = [0; BUF_LEN + LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
