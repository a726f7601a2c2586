//! Listens and acknowledges with minimq: connects, subscribes, takes messages of QoS 1 and acknowledges them.
#![no_std]
#![no_main]

use core::hint::black_box;

use minimq::{Buffers, ConfigBuilder, Session, TopicFilter};
use pushgate_firmware::{Outcome, Run, run};
use pushgate_peers::{Wire, block_on, input::MQTT};

/// As many bytes as the two lines of the link.
const BUF_LEN: usize = 2048;

static RUNS: [Run; 1] = [Run { name: "a session of MQTT", items: 3, work: |buf| block_on(listen(buf)) }];

/// Returns how many messages came.
async fn listen(buf: &mut [u8]) -> Outcome {
    let mut items = 0;
    let (rx, tx) = buf.split_at_mut_checked(BUF_LEN / 2).unwrap_or_default();
    let config = ConfigBuilder::new(Buffers::new(rx, tx)).keepalive_interval(30).client_id(black_box("5003062"));
    let Ok(config) = config.and_then(|config| config.auth("5003062", black_box(b"5574318032e39b62063d98e6bff50069")))
    else {
        return Ok(0);
    };
    let mut session = Session::new(config);
    let Ok(mut connection) = session.connect(Wire::new(&MQTT, 64)).await else { return Ok(0) };
    if connection.subscribe(&[TopicFilter::new("device/5003062")], &[]).await.is_err() {
        return Ok(0);
    }
    while let Ok(message) = connection.recv().await {
        black_box(message.payload());
        items += 1;
    }
    Ok(items)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
