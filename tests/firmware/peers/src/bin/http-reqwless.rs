//! Pushes over HTTP with reqwless: its request writer and its answer reader, without the client that opens connections.
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
use reqwless::{
    headers::ContentType,
    request::{Method, Request, RequestBody, RequestBuilder},
    response::Response,
};

const BUF_LEN: usize = 320;

static RUNS: [Run; 2] = [
    Run { name: "an answer at once", items: 37, work: |buf| block_on(exchange(buf, &HTTP_ANSWER, 256)) },
    Run { name: "an answer in chunks", items: 37, work: |buf| block_on(exchange(buf, &HTTP_CHUNKS, 100)) },
];

/// Returns the length of the body.
async fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    let mut wire = Wire::new(answer, at_once);
    let headers = [("Authorization", black_box("Bearer token"))];
    let request = Request::post("/v2/message/client/push")
        .host("push.example.com")
        .content_type(ContentType::ApplicationJson)
        .headers(&headers)
        .body(&CLIENT_PUSH[..])
        .build();
    let Ok(()) = request.write_header(&mut wire).await else { return Ok(0) };
    let Ok(()) = (&CLIENT_PUSH[..]).write(&mut wire).await;
    let Ok(()) = wire.flush().await;
    let Ok(response) = Response::read(&mut wire, Method::POST, buf).await else { return Ok(0) };
    black_box(response.status);
    let mut body = response.body().reader();
    let mut items = 0;
    let mut piece = [0; 32];
    loop {
        match body.read(&mut piece).await {
            Ok(0) => return Ok(items),
            Ok(len) => {
                black_box(piece.get(..len));
                items += len as u32;
            }
            Err(error) => {
                black_box(error);
                return Ok(0);
            }
        }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
