//! Reads every payload of the three protocols: what a device pays that speaks all of them.
#![no_std]
#![no_main]

use pushgate_core::{tencent, uplink};
use pushgate_firmware::{
    Outcome, Run,
    input::{self, Chunks},
    read, run, take,
};

/// The longest of the bodies has 600 bytes.
const BUF_LEN: usize = 1024;

/// 2 messages, 2 reports, 3 events, 2 + 2 + 2 receivers, 2 receivers of the webhook's message, and 3 answers.
static RUNS: [Run; 1] = [Run { name: "every payload", items: 18, work: every_payload }];

fn every_payload(buf: &mut [u8]) -> Outcome {
    let payloads = [uplinks, events, uplink_reply, events_reply, client_push, server_pushes, webhook, push_reply];
    let mut items = 0;
    for payload in payloads {
        items += payload(buf)?;
    }
    Ok(items)
}

fn uplinks(buf: &mut [u8]) -> Outcome {
    let mut items = 0;
    for body in [&input::MESSAGES[..], &input::REPORTS] {
        items += read::uplinks(&mut uplink::BatchReader::new(buf), chunks(body), take::item)?.items;
    }
    Ok(items)
}

fn events(buf: &mut [u8]) -> Outcome {
    read::events(&mut tencent::BatchReader::new(buf), chunks(&input::EVENTS_OF_EACH_KIND), take::event)
}

fn uplink_reply(buf: &mut [u8]) -> Outcome {
    Ok(take::uplink_reply(&read::uplink_reply(buf, chunks(&input::UPLINK_REPLY))?))
}

fn events_reply(buf: &mut [u8]) -> Outcome {
    Ok(take::events_reply(&read::events_reply(buf, chunks(&input::EVENTS_REPLY))?))
}

fn client_push(buf: &mut [u8]) -> Outcome {
    Ok(take::client_push(&read::client_push(buf, chunks(&input::CLIENT_PUSH))?))
}

fn server_pushes(buf: &mut [u8]) -> Outcome {
    let mut receivers = 0;
    for body in [&input::SERVER_PUSH[..], &input::PROXIED_PUSH] {
        receivers += take::server_push(&read::server_push(buf, chunks(body))?);
    }
    Ok(receivers)
}

fn webhook(buf: &mut [u8]) -> Outcome {
    Ok(take::webhook(&read::webhook(buf, chunks(&input::WEBHOOK))?))
}

fn push_reply(buf: &mut [u8]) -> Outcome {
    Ok(take::push_reply(&read::push_reply(buf, chunks(&input::PUSH_REPLY))?))
}

fn chunks(body: &'static [u8]) -> Chunks {
    Chunks::new(body, 64)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
