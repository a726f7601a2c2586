//! A whole device of other crates: it listens with minimq, reads each message with serde-json-core and base64, and
//! answers it with a push of its own, over HTTP with reqwless. Nothing is sent again, and nothing is kept to be.
#![no_std]
#![no_main]

use core::hint::black_box;

use base64::{Engine, engine::general_purpose::STANDARD};
use embedded_io_async::{Read, Write};
use minimq::{Buffers, ConfigBuilder, Session, TopicFilter};
use pushgate_firmware::{Outcome, Run, input::HTTP_ANSWER, run};
use pushgate_peers::{
    Wire, block_on,
    bodies::{ClientPush, Frame, Reply},
    input::MQTT_JSON,
};
use reqwless::{
    headers::ContentType,
    request::{Method, Request, RequestBody, RequestBuilder},
    response::Response,
};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// All the memory there is beside the stack.
struct Memory {
    rx: [u8; 1024],
    tx: [u8; 1024],
    /// A message, and the same in base64 again.
    msg: [u8; 256],
    text: [u8; 344],
    push: [u8; 480],
    answer: [u8; 320],
}

/// Three messages, and a push for each.
static RUNS: [Run<Memory>; 1] = [Run { name: "a day of a device", items: 3, work: |memory| block_on(day(memory)) }];

async fn day(memory: &mut Memory) -> Outcome {
    let mut items = 0;
    let Memory { rx, tx, msg, text, push, answer } = memory;
    let config = ConfigBuilder::new(Buffers::new(rx, tx)).keepalive_interval(30).client_id(black_box("5003062"));
    let Ok(config) = config.and_then(|config| config.auth("5003062", black_box(b"5574318032e39b62063d98e6bff50069")))
    else {
        return Ok(0);
    };
    let mut session = Session::new(config);
    let Ok(mut connection) = session.connect(Wire::new(&MQTT_JSON, 64)).await else { return Ok(0) };
    if connection.subscribe(&[TopicFilter::new("device/5003062")], &[]).await.is_err() {
        return Ok(0);
    }
    while let Ok(message) = connection.recv().await {
        let Some(len) = take(message.payload(), msg, text, push) else { return Ok(items) };
        let Some(status) = ask(push.get(..len).unwrap_or_default(), answer).await else { return Ok(items) };
        items += u32::from(status == 200);
    }
    Ok(items)
}

/// Reads a message, and writes a push with the same.
#[inline(never)]
fn take(line: &[u8], msg: &mut [u8], text: &mut [u8], push: &mut [u8]) -> Option<usize> {
    let Ok((Frame::Message(message), _)) = serde_json_core::from_slice(line) else { return None };
    black_box((message.id, message.from, message.created));
    let len = STANDARD.decode_slice(message.msg, msg).ok()?;
    let len = STANDARD.encode_slice(black_box(msg.get(..len)?), text).ok()?;
    let own = ClientPush {
        msg: str::from_utf8(text.get(..len)?).ok()?,
        flag: black_box(2),
        callback: black_box(1),
        access_tokens: &[black_box(TOKEN)],
    };
    serde_json_core::to_slice(&own, push).ok()
}

/// Pushes over HTTP, and returns the status.
async fn ask(body: &[u8], room: &mut [u8]) -> Option<u16> {
    let mut wire = Wire::new(&HTTP_ANSWER, 100);
    let headers = [("Authorization", black_box("Bearer token"))];
    let request = Request::post("/v2/message/client/push")
        .host("push.example.com")
        .content_type(ContentType::ApplicationJson)
        .headers(&headers)
        .body(body)
        .build();
    request.write_header(&mut wire).await.ok()?;
    body.write(&mut wire).await.ok()?;
    wire.flush().await.ok()?;
    let response = Response::read(&mut wire, Method::POST, room).await.ok()?;
    let status = response.status.0;
    let mut answer = [0; 128];
    let mut reader = response.body().reader();
    let mut len = 0;
    loop {
        match reader.read(answer.get_mut(len..)?).await.ok()? {
            0 => break,
            more => len += more,
        }
    }
    black_box(serde_json_core::from_slice::<Reply<'_>>(answer.get(..len)?).ok()?);
    Some(status)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut MEMORY: Memory =
        Memory { rx: [0; 1024], tx: [0; 1024], msg: [0; 256], text: [0; 344], push: [0; 480], answer: [0; 320] };
    run(MEMORY, &RUNS)
}
