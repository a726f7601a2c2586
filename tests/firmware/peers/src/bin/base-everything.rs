//! Reads the same bytes from the same wires and writes some, and knows nothing of what they say.
#![no_std]
#![no_main]

use core::hint::black_box;

use embedded_io_async::{Read, Write};
use pushgate_firmware::{Outcome, Run, input::HTTP_ANSWER, run};
use pushgate_peers::{Wire, block_on, input::MQTT_JSON};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";
const BUF_LEN: usize = 3448;

/// So many chunks of 64 bytes come.
static RUNS: [Run; 1] = [Run { name: "a day of a device", items: 7, work: |buf| block_on(day(buf)) }];

async fn day(buf: &mut [u8]) -> Outcome {
    let mut items = 0;
    let mut wire = Wire::new(&MQTT_JSON, 64);
    loop {
        let Ok(len) = wire.read(buf).await;
        if len == 0 {
            return Ok(items);
        }
        let Ok(()) = wire.write_all(black_box(b"ack")).await;
        let Ok(()) = wire.flush().await;
        black_box(TOKEN);
        ask(buf).await;
        items += 1;
    }
}

async fn ask(room: &mut [u8]) {
    let mut wire = Wire::new(&HTTP_ANSWER, 100);
    let Ok(()) = wire.write_all(black_box(b"POST /v2/message/client/push HTTP/1.1\r\n\r\n")).await;
    let Ok(()) = wire.flush().await;
    let Ok(len) = wire.read(room).await;
    black_box(room.get(..len));
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
