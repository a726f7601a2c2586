//! Writes the same bytes over the same wire and reads what comes, and knows nothing of HTTP.
#![no_std]
#![no_main]

use core::hint::black_box;

use embedded_io_async::{Read, Write};
use pushgate_firmware::{
    Outcome, Run,
    input::{CLIENT_PUSH, HTTP_ANSWER},
    run,
};
use pushgate_peers::{Wire, block_on, input::HTTP_CHUNKS};

const BUF_LEN: usize = 320;

static RUNS: [Run; 2] = [
    Run { name: "an answer at once", items: 76, work: |buf| block_on(exchange(buf, &HTTP_ANSWER, 256)) },
    Run { name: "an answer in chunks", items: 133, work: |buf| block_on(exchange(buf, &HTTP_CHUNKS, 100)) },
];

/// Returns how many bytes came.
async fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    let mut wire = Wire::new(answer, at_once);
    let Ok(()) = wire.write_all(black_box(b"POST /v2/message/client/push HTTP/1.1\r\n\r\n")).await;
    let Ok(()) = wire.write_all(&CLIENT_PUSH).await;
    let Ok(()) = wire.flush().await;
    let mut items = 0;
    loop {
        let Ok(len) = wire.read(buf).await;
        if len == 0 {
            return Ok(items);
        }
        black_box(buf.get(..len));
        items += len as u32;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
