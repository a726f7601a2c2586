//! Reads the same bytes from the same wire and writes some, and knows nothing of messages.
#![no_std]
#![no_main]

use core::hint::black_box;

use embedded_io_async::{Read, Write};
use pushgate_firmware::{Outcome, Run, run};
use pushgate_peers::{Wire, block_on, input::MQTT};

const BUF_LEN: usize = 2048;

static RUNS: [Run; 1] = [Run { name: "bytes", items: 193, work: |buf| block_on(listen(buf)) }];

/// Returns how many bytes came.
async fn listen(buf: &mut [u8]) -> Outcome {
    let mut wire = Wire::new(&MQTT, 64);
    let mut items = 0;
    loop {
        let Ok(len) = wire.read(buf).await;
        if len == 0 {
            return Ok(items);
        }
        let Ok(()) = wire.write_all(black_box(b"ack")).await;
        let Ok(()) = wire.flush().await;
        items += len as u32;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
