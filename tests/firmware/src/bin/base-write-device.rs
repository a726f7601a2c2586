//! What `write-device` has without a writer: the same payloads, made and not written.
#![no_std]
#![no_main]

use core::hint::black_box;

use pushgate_core::{
    Error, Text,
    lingyang::{AccessTokens, Callback, ClientPush, Flag, Msg},
    link::{Hello, MAX_LINE_LEN, Outgoing},
};
use pushgate_firmware::{Outcome, Run, run};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// A push and four lines.
static RUNS: [Run; 1] = [Run { name: "push, hello, ack, ping, pong", items: 5, work: every_payload }];

fn every_payload(buf: &mut [u8]) -> Outcome {
    push(buf)?;
    let token = Text::from(black_box(TOKEN));
    line(buf, &Outgoing::Hello(Hello { token }))?;
    line(buf, &Outgoing::Ack(token))?;
    line(buf, &Outgoing::Ping(number()))?;
    line(buf, &Outgoing::Pong(number()))?;
    Ok(5)
}

#[inline(never)]
fn line(buf: &mut [u8], frame: &Outgoing<'_>) -> Result<(), Error> {
    black_box((frame, buf));
    Ok(())
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
    black_box((&push, buf));
    Ok(())
}

fn number() -> u64 {
    black_box(7)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; MAX_LINE_LEN] = [0; MAX_LINE_LEN];
    run(&mut BUF[..], &RUNS)
}
