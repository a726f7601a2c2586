//! What `http-exchange` has without an exchange: a body that is written, and an answer that nobody reads.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Outcome, Run,
    input::{CLIENT_PUSH, Chunks, HTTP_ANSWER, HTTP_CHUNKS},
    run, take,
};

const BUF_LEN: usize = 256;
const LINE_LEN: usize = 64;

static RUNS: [Run; 3] = [
    Run { name: "an answer at once", items: 0, work: |buf| exchange(buf, &HTTP_ANSWER, 256) },
    Run { name: "an answer in chunks, 100 bytes at a time", items: 0, work: |buf| exchange(buf, &HTTP_CHUNKS, 100) },
    Run { name: "the same, byte by byte", items: 0, work: |buf| exchange(buf, &HTTP_CHUNKS, 1) },
];

fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    let (buf, line) = buf.split_at_mut_checked(BUF_LEN).unwrap_or_default();
    let headers = [("Content-Type", "application/json"), ("Authorization", black_box("Bearer token"))];
    black_box((headers, "/v2/message/client/push", "push.example.com", line));
    black_box(&CLIENT_PUSH[..]);
    let mut wire = Chunks::new(answer, at_once);
    while take::into(buf, wire.next()) > 0 {
        black_box(&mut *buf);
    }
    Ok(0)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN + LINE_LEN] = [0; BUF_LEN + LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
