//! Pushes over HTTP with edge-http: its headers' writer, answer's reader and body, without the connection that opens
//! sockets.
#![no_std]
#![no_main]

use core::hint::black_box;

use edge_http::{
    Headers, Method, RequestHeaders, ResponseHeaders,
    io::{Body, SendBody},
};
use embedded_io_async::{Read, Write};
use pushgate_firmware::{
    Outcome, Run,
    input::{CLIENT_PUSH, HTTP_ANSWER},
    run,
};
use pushgate_peers::{Wire, block_on, input::HTTP_CHUNKS};

const BUF_LEN: usize = 320;

static RUNS: [Run; 2] = [
    Run { name: "an answer at once", items: 37, work: |buf| block_on(exchange(buf, &HTTP_ANSWER, 256)) },
    Run { name: "an answer in chunks", items: 37, work: |buf| block_on(exchange(buf, &HTTP_CHUNKS, 100)) },
];

/// Returns the length of the body; 0 when something failed.
async fn exchange(buf: &mut [u8], answer: &'static [u8], at_once: usize) -> Outcome {
    Ok(push(buf, Wire::new(answer, at_once)).await.unwrap_or_default())
}

async fn push(buf: &mut [u8], mut wire: Wire) -> Option<u32> {
    let mut len = Default::default();
    let mut headers = Headers::<8>::new();
    headers
        .set_host("push.example.com")
        .set("Content-Type", "application/json")
        .set("Authorization", black_box("Bearer token"))
        .set_content_len(black_box(CLIENT_PUSH.len() as u64), &mut len);
    let request = RequestHeaders { http11: true, method: Method::Post, path: "/v2/message/client/push", headers };
    let (connection, body) = request.send(false, &mut wire).await.ok()?;
    let mut out = SendBody::new(body, &mut wire);
    out.write_all(&CLIENT_PUSH).await.ok()?;
    out.finish().await.ok()?;
    let mut response = ResponseHeaders::<8>::new();
    let (rest, read) = response.receive(buf, &mut wire, true).await.ok()?;
    black_box(response.code);
    let (_, body) = response.resolve::<core::convert::Infallible>(connection).ok()?;
    let mut body = Body::new(body, rest, read, &mut wire);
    let mut items = 0;
    let mut piece = [0; 32];
    loop {
        let len = body.read(&mut piece).await.ok()?;
        if len == 0 {
            return Some(items);
        }
        black_box(piece.get(..len));
        items += len as u32;
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUF: [u8; BUF_LEN] = [0; BUF_LEN];
    run(&mut BUF[..], &RUNS)
}
