//! Reads and writes the bodies of a device with the core.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Error, Text,
    lingyang::{AccessTokens, Callback, ClientPush, Flag, Msg, Reply},
    link::{Frame, Hello, Outgoing},
};
use pushgate_firmware::{
    Outcome, Run,
    input::{LINK, PUSH_REPLY},
    run,
};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";
const BUF_LEN: usize = 1024;

/// A push, its answer, the lines that a device says and those that it hears.
static RUNS: [Run; 1] = [Run { name: "the bodies of a device", items: 12, work: every_body }];

fn every_body(buf: &mut [u8]) -> Outcome {
    push(buf)?;
    black_box(Reply::read(&PUSH_REPLY)?);
    let mut items = 2;
    for frame in [
        Outgoing::Hello(Hello { token: Text::from(black_box(TOKEN)) }),
        Outgoing::Ack(Text::from(black_box("0123456789abcdef0123456789abcdef"))),
        Outgoing::Ping(black_box(7)),
        Outgoing::Pong(black_box(7)),
    ] {
        black_box(frame.write(buf)?);
        items += 1;
    }
    for line in LINK.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        black_box(Frame::read(line)?);
        items += 1;
    }
    Ok(items)
}

#[inline(never)]
fn push(buf: &mut [u8]) -> Result<(), Error> {
    let receivers = [Text::from(black_box(TOKEN)), Text::from(black_box(TOKEN))];
    let push = ClientPush {
        msg: Msg::from_bytes(black_box(b"hello"))?,
        flag: black_box(Some(Flag::Once)),
        callback: black_box(Callback::Yes),
        access_tokens: AccessTokens::from(&receivers[..]),
    };
    black_box(push.write(buf)?);
    Ok(())
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
