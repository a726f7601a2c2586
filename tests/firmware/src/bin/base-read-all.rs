//! What `read-all` has without a reader: the same bodies in chunks, and the same takers of what nobody reads.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_firmware::{
    Outcome, Run,
    input::{self, Chunks},
    run, take,
};

const BUF_LEN: usize = 1024;

static RUNS: [Run; 1] = [Run { name: "every payload", items: 0, work: every_payload }];

fn every_payload(buf: &mut [u8]) -> Outcome {
    let payloads = [uplinks, events, uplink_reply, events_reply, client_push, server_pushes, webhook, push_reply];
    let mut items = 0;
    for payload in payloads {
        items += payload(buf)?;
    }
    Ok(items)
}

fn uplinks(buf: &mut [u8]) -> Outcome {
    for body in [&input::MESSAGES[..], &input::REPORTS] {
        take::chunks(buf, chunks(body));
        black_box(None).map(take::item);
    }
    Ok(0)
}

fn events(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::EVENTS_OF_EACH_KIND));
    black_box(None).map(take::event);
    Ok(0)
}

fn uplink_reply(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::UPLINK_REPLY));
    Ok(black_box(None).map_or(0, take::uplink_reply))
}

fn events_reply(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::EVENTS_REPLY));
    Ok(black_box(None).map_or(0, take::events_reply))
}

fn client_push(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::CLIENT_PUSH));
    Ok(black_box(None).map_or(0, take::client_push))
}

fn server_pushes(buf: &mut [u8]) -> Outcome {
    let mut receivers = 0;
    for body in [&input::SERVER_PUSH[..], &input::PROXIED_PUSH] {
        take::chunks(buf, chunks(body));
        receivers += black_box(None).map_or(0, take::server_push);
    }
    Ok(receivers)
}

fn webhook(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::WEBHOOK));
    Ok(black_box(None).map_or(0, take::webhook))
}

fn push_reply(buf: &mut [u8]) -> Outcome {
    take::chunks(buf, chunks(&input::PUSH_REPLY));
    Ok(black_box(None).map_or(0, take::push_reply))
}

fn chunks(body: &'static [u8]) -> Chunks {
    Chunks::new(body, 64)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
