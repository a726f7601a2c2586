//! "No input panics": every sample cut at every length, with every byte changed, in every buffer that is too small, in
//! chunks as well as whole, and brackets without end.

mod samples;

use pushgate_core::{
    Error, ErrorKind, Text,
    json::{self, ChunkReader, Payload},
    lingyang::{ClientPush, MAX_RECEIVERS, Msg, Reply, ServerPush, Token, Webhook, sign},
    link::{Frame, LineBuffer},
    tencent::{
        self,
        query::{CallbackQuery, write_url},
    },
    uplink,
};
use samples::{Kind, SAMPLES};

type Write<'w> = dyn for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error> + 'w;

/// Reads `body` as what it is meant to be and, when it is accepted, writes it into buffers up to `sizes`.
fn exercise(kind: Kind, body: &[u8], sizes: Sizes) -> Result<(), Error> {
    let run = |write: &mut Write<'_>| try_sizes(write, sizes);
    match kind {
        Kind::Json => run(&mut |buf| json::compact(body, buf)),
        Kind::Uplink => {
            let mut items = Ok(());
            uplink::read(body, |item| {
                let _ = item.identity();
                items = items.and(run(&mut |buf| item.write(buf)));
            })?;
            run(&mut |buf| uplink::compact(body, buf)).and(items)
        }
        Kind::UplinkReply => {
            let _ = uplink::Answer::read(200, body).to_string();
            uplink::Reply::read(body).and_then(|reply| run(&mut |buf| reply.write(buf)))
        }
        Kind::ClientPush => ClientPush::read(body, MAX_RECEIVERS).and_then(|push| {
            for token in push.access_tokens.iter() {
                let _ = Token::parse_chars(token.chars());
            }
            texts(push.access_tokens.iter(), sizes)?;
            message(push.msg, sizes)?;
            run(&mut |buf| push.write(buf))
        }),
        Kind::ServerPush => ServerPush::read(body, MAX_RECEIVERS).and_then(|push| run(&mut |buf| push.write(buf))),
        Kind::PushReply => Reply::read(body).and_then(|reply| run(&mut |buf| reply.write(buf))),
        Kind::Webhook => {
            let _ = sign::verify("a606396db1bc687ecab319806775a84c", "Test", body, [body]);
            Webhook::read(body).and_then(|webhook| run(&mut |buf| webhook.write(buf)))
        }
        Kind::Tencent => {
            let mut events = Ok(());
            tencent::read(body, |event| {
                let _ = event.identity();
                events = events.and(texts([event.command()].into_iter(), sizes));
                events = events.and(run(&mut |buf| event.write(buf)));
            })?;
            tencent::first_command(body)?;
            run(&mut |buf| tencent::compact(body, buf)).and(events)
        }
        Kind::TencentReply => {
            let _ = tencent::Answer::read(200, body).to_string();
            tencent::Reply::read(body).and_then(|reply| run(&mut |buf| reply.write(buf)))
        }
        Kind::Frame => {
            let mut lines = LineBuffer::<16>::new();
            let mut rest = body;
            while lines.feed(&mut rest).is_some() {}
            Frame::read(body).and_then(|frame| run(&mut |buf| frame.write(buf)))
        }
        Kind::Token => {
            let Ok(text) = core::str::from_utf8(body) else { return Ok(()) };
            if let Ok(token) = Token::parse(text) {
                assert_eq!(token.to_string(), text);
                let _ = token.verify([body], 0);
            }
            Ok(())
        }
        Kind::Query => {
            let Ok(text) = core::str::from_utf8(body) else { return Ok(()) };
            if let Ok(query) = CallbackQuery::parse(text) {
                let _ = query.check("1400000000", Some(body), 1_669_872_112);
                for param in [query.client_ip(), query.opt_platform(), query.sign()].into_iter().flatten() {
                    match run(&mut |buf| param.copy_to(buf).map(str::as_bytes)) {
                        Err(error) if error.kind() == ErrorKind::InvalidUtf8 => {}
                        copied => copied?,
                    }
                }
            }
            run(&mut |buf| write_url(buf, "http://h/", text, text, Some((body, 7))).map(str::as_bytes))
        }
    }
}

/// Reads `body` as what it is meant to be, whole; nothing for what is never read in chunks.
fn whole(kind: Kind, body: &[u8]) -> Option<Result<(), Error>> {
    Some(match kind {
        Kind::Uplink => uplink::read(body, |_| {}).map(drop),
        Kind::UplinkReply => uplink::Reply::read(body).map(drop),
        Kind::ClientPush => ClientPush::read(body, MAX_RECEIVERS).map(drop),
        Kind::ServerPush => ServerPush::read(body, MAX_RECEIVERS).map(drop),
        Kind::PushReply => Reply::read(body).map(drop),
        Kind::Webhook => Webhook::read(body).map(drop),
        Kind::Tencent => tencent::read(body, |_| {}).map(drop),
        Kind::TencentReply => tencent::Reply::read(body).map(drop),
        Kind::Frame => Frame::read(body).map(drop),
        Kind::Json | Kind::Token | Kind::Query => return None,
    })
}

/// Reads `body` in chunks of `size` bytes, in a buffer of its length.
fn in_chunks(kind: Kind, body: &[u8], size: usize) -> Option<Result<(), Error>> {
    fn object<'b, P: Payload<'b>>(body: &[u8], size: usize, buf: &'b mut [u8]) -> Result<(), Error> {
        let mut reader = ChunkReader::<P>::new(buf);
        body.chunks(size).try_for_each(|chunk| reader.feed(chunk))?;
        reader.finish().map(drop)
    }
    let buf = &mut vec![0; body.len()];
    Some(match kind {
        Kind::Uplink => {
            let mut reader = uplink::BatchReader::new(buf);
            let fed = body.chunks(size).try_for_each(|chunk| reader.feed(chunk, |item| _ = item.identity()));
            fed.and(reader.finish().map(drop))
        }
        Kind::Tencent => {
            let mut reader = tencent::BatchReader::new(buf);
            let fed = body.chunks(size).try_for_each(|chunk| reader.feed(chunk, |event| _ = event.identity()));
            fed.and(reader.finish().map(drop))
        }
        Kind::UplinkReply => object::<uplink::Reply<'_>>(body, size, buf),
        Kind::ClientPush => object::<ClientPush<'_>>(body, size, buf),
        Kind::ServerPush => object::<ServerPush<'_>>(body, size, buf),
        Kind::PushReply => object::<Reply<'_>>(body, size, buf),
        Kind::Webhook => object::<Webhook<'_>>(body, size, buf),
        Kind::TencentReply => object::<tencent::Reply<'_>>(body, size, buf),
        Kind::Frame => object::<Frame<'_>>(body, size, buf),
        Kind::Json | Kind::Token | Kind::Query => return None,
    })
}

/// Byte by byte, and in chunks that end in the middle of words, escapes and characters.
const SIZES: [usize; 2] = [1, 3];

fn read_alike(kind: Kind, body: &[u8]) {
    let expected = whole(kind, body);
    for size in SIZES {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(in_chunks(kind, body, size), expected, "in chunks of {size}: {shown}");
    }
}

fn texts<'a>(texts: impl Iterator<Item = Text<'a>>, sizes: Sizes) -> Result<(), Error> {
    for text in texts {
        try_sizes(&mut |buf| text.copy_to(buf).map(str::as_bytes), sizes)?;
    }
    Ok(())
}

fn message(msg: Msg<'_>, sizes: Sizes) -> Result<(), Error> {
    try_sizes(&mut |buf| msg.copy_to(buf), sizes)
}

#[derive(Clone, Copy)]
enum Sizes {
    /// Every size up to what is needed.
    Every,
    /// None, one byte too few, and what is needed.
    Few,
}

/// Writes into a buffer of each size: those too small tell exactly what is needed, and that is enough.
fn try_sizes(write: &mut Write<'_>, sizes: Sizes) -> Result<(), Error> {
    let needed = match write(&mut []).map(<[u8]>::len) {
        Ok(len) => len,
        Err(error) => match error.kind() {
            ErrorKind::BufferFull { needed, capacity: 0 } => needed,
            _ => return Err(error),
        },
    };
    let mut whole = vec![0xaa; needed];
    match write(&mut whole).map(<[u8]>::len) {
        Ok(len) => assert_eq!(len, needed),
        Err(error) => match error.kind() {
            ErrorKind::BufferFull { .. } => panic!("{needed} bytes were asked for and given: {error}"),
            _ => return Err(error),
        },
    }
    let mut more = vec![0xaa; needed + 7];
    assert_eq!(write(&mut more).unwrap(), whole, "more room changes nothing");
    let every = match sizes {
        Sizes::Every => 0..needed,
        Sizes::Few => needed.saturating_sub(1)..needed,
    };
    for capacity in every {
        let error = write(&mut vec![0; capacity]).expect_err("a part is no success");
        assert_eq!(error.kind(), ErrorKind::BufferFull { needed, capacity });
    }
    Ok(())
}

#[test]
fn samples_are_good_and_every_buffer_that_is_too_small_says_by_how_much() {
    for &(kind, sample) in SAMPLES {
        assert_eq!(exercise(kind, sample.as_bytes(), Sizes::Every), Ok(()), "{sample}");
    }
}

#[test]
fn no_truncation_panics_or_passes_for_the_whole() {
    for &(kind, sample) in SAMPLES {
        for len in 0..sample.trim_end().len() {
            let outcome = exercise(kind, &sample.as_bytes()[..len], Sizes::Few);
            if !matches!(kind, Kind::Token | Kind::Query) {
                let error = outcome.expect_err("half a body");
                assert_eq!(
                    (error.kind(), error.offset()),
                    (ErrorKind::UnexpectedEnd, len),
                    "{}",
                    &sample[..len.min(40)]
                );
            }
        }
    }
}

#[test]
fn no_changed_byte_panics() {
    for &(kind, sample) in SAMPLES {
        let mut body = sample.as_bytes().to_vec();
        for at in 0..body.len() {
            for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                body[at] ^= mask;
                let _ = exercise(kind, &body, Sizes::Few);
                body[at] ^= mask;
            }
        }
    }
}

#[test]
fn no_removed_or_repeated_byte_panics() {
    for &(kind, sample) in SAMPLES {
        for at in 0..sample.len() {
            let mut body = sample.as_bytes().to_vec();
            let byte = body.remove(at);
            let _ = exercise(kind, &body, Sizes::Few);
            body.splice(at..at, [byte, byte]);
            let _ = exercise(kind, &body, Sizes::Few);
        }
    }
}

#[test]
fn every_truncation_fails_alike_in_chunks() {
    for &(kind, sample) in SAMPLES {
        for len in 0..=sample.len() {
            read_alike(kind, &sample.as_bytes()[..len]);
        }
    }
}

#[test]
fn every_changed_byte_is_judged_alike_in_chunks() {
    for &(kind, sample) in SAMPLES {
        let mut body = sample.as_bytes().to_vec();
        for at in 0..body.len() {
            for mask in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                body[at] ^= mask;
                read_alike(kind, &body);
                body[at] ^= mask;
            }
        }
    }
}

/// "The buffer holds the texts of one item at a time."
#[test]
fn a_hundred_items_need_no_more_room_than_one() {
    let fits = |kind: Kind, body: &str, capacity: usize| {
        let buf = &mut vec![0; capacity];
        match kind {
            Kind::Uplink => uplink::BatchReader::new(buf).feed(body.as_bytes(), |_| {}),
            _ => tencent::BatchReader::new(buf).feed(body.as_bytes(), |_| {}),
        }
        .is_ok()
    };
    for (kind, before, item) in [
        (Kind::Uplink, "[", r#"{"Phone":"185****9057","x":["y"],"ReplyContent":"\u6536\u5230","ReplyTime":1}"#),
        (Kind::Uplink, r#"{"MsgType":7,"Data":["#, r#"{"Phone":"185"}"#),
        (Kind::Tencent, r#"{"Events":["#, r#"{"x":[],"CallbackCommand":"State.StateChange"}"#),
        (
            Kind::Tencent,
            r#"{"Events":["#,
            r#"{"EventType":1,"EventTime":1557481127,"To_Account":"user2","CallbackCommand":"Push.OfflinePush","PushStage":1,"ErrCode":0,"ErrInfo":"OK"}"#,
        ),
    ] {
        let one = format!("{before}{item}");
        let least = (0..one.len()).find(|&capacity| fits(kind, &one, capacity)).expect("less than all of it");
        let hundred = format!("{before}{}", vec![item; 100].join(","));
        assert!(fits(kind, &hundred, least), "{least} bytes hold one {item}");
    }
}

#[test]
fn brackets_without_end_are_too_deep_without_recursion() {
    const LEN: usize = 200 * 1024;
    let places: [(Kind, &str, usize); 12] = [
        (Kind::Json, "", 0),
        (Kind::Json, r#"{"a":"#, 1),
        (Kind::Uplink, r#"{"x":"#, 1),
        (Kind::Uplink, r#"{"MsgType":0,"Data":[{"x":"#, 3),
        (Kind::Uplink, r#"{"MsgType":7,"Data":["#, 2),
        (Kind::UplinkReply, r#"{"x":"#, 1),
        (Kind::ClientPush, r#"{"x":"#, 1),
        (Kind::ServerPush, r#"{"payload":"#, 1),
        (Kind::Webhook, r#"{"event":"other","data":"#, 1),
        (Kind::Tencent, r#"{"Events":[{"x":"#, 3),
        (Kind::Tencent, r#"{"Events":[{"CallbackCommand":"Push.AllMemberPush","DeviceType":"#, 3),
        (Kind::Frame, r#"{"x":"#, 1),
    ];
    // A thread with little stack: what recursed would not live to tell.
    let small = std::thread::Builder::new().stack_size(64 * 1024 + 64 * 1024 * usize::from(cfg!(debug_assertions)));
    let run = small.spawn(move || {
        for (kind, before, levels) in places {
            for unit in ["[", r#"{"a":"#, "[[[[", r#"[{"":"#, " [\n"] {
                let body = before.to_owned() + &unit.repeat(LEN / unit.len());
                let error = exercise(kind, body.as_bytes(), Sizes::Few).expect_err("never closed");
                assert_eq!(error.kind(), ErrorKind::TooDeep { limit: json::MAX_DEPTH }, "{before} {unit}");
                let brackets = body.char_indices().filter(|(_, char)| matches!(char, '[' | '{')).map(|(at, _)| at);
                let first_too_deep = brackets.skip_while(|&at| at < before.len()).nth(32 - levels);
                assert_eq!(Some(error.offset()), first_too_deep, "{before} {unit}");
            }
        }
    });
    run.expect("a thread").join().expect("no overflow and no panic");
}

#[test]
fn long_bodies_are_read_whole() {
    let items = 5000;
    let item = r#"{"Phone":"18512345678","ReplyContent":"\u6536","ReplyTime":1,"x":[[[[[[]]]]]]}"#;
    let body = format!("[{}]", vec![item; items].join(","));
    assert_eq!(uplink::read(body.as_bytes(), |_| {}).map(|summary| summary.items), Ok(5000));
    let string = format!("\"{}\"", r"\ud83d\ude00".repeat(100_000));
    let compacted = json::to_vec(|buf| json::compact(string.as_bytes(), buf)).unwrap();
    assert_eq!(compacted.len(), 400_002);
    let spaces = " ".repeat(1 << 20) + "1";
    assert_eq!(json::check(spaces.as_bytes()), Ok(()));
}
