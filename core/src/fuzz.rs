//! The bodies of the fuzz targets: what must hold for every input there is. No part of the API.
//!
//! Each takes whatever bytes the fuzzer found, reads them, and asserts that what was accepted is written, read again
//! and found the same, in a buffer of just the length asked for and in none that is smaller. What can be done in two ways
//! is done in both and compared: read at once or in chunks, checked here or by another reader, written fast or by table.
//! A panic is the finding.

mod chunks;
mod flat;
mod http;
mod link_sessions;
mod outbox;
mod payload;
mod strict;
mod writers;

pub use chunks::{chunks, small};
pub use flat::flat;
pub use http::http;
pub use link_sessions::link_sessions;
pub use outbox::outbox;
pub use strict::strict;
pub use writers::writers;

use alloc::{string::String, string::ToString, vec, vec::Vec};

use crate::{
    Error, ErrorKind, Identity, json,
    lingyang::{ClientPush, MAX_RECEIVERS, Reply as PushReply, ServerPush, Webhook, sign::EventSign, token},
    link::{Frame, LineBuffer},
    tencent::{self as im, query as callback},
    uplink as usms,
};

/// Takes bytes as a document of strict JSON.
///
/// # Panics
///
/// When [`json::check`](crate::json::check) and [`json::compact`](crate::json::compact) disagree, or compacting is not final.
pub fn json(data: &[u8]) {
    let checked = json::check(data);
    let compacted = json::to_vec(|buf| json::compact(data, buf));
    assert_eq!(checked.err(), compacted.as_ref().err().copied());
    if let Ok(compacted) = compacted {
        assert!(compacted.len() <= data.len());
        assert_eq!(exactly(&mut |buf| json::compact(data, buf)), compacted);
        assert_eq!(exactly(&mut |buf| json::compact(&compacted, buf)), compacted);
    }
}

/// Takes bytes as an uplink batch and as the answer to one.
///
/// # Panics
///
/// When what was read is not what is read again after writing.
pub fn uplink(data: &[u8]) {
    let read = |body: &[u8]| {
        let mut items = Vec::new();
        let summary = usms::read(body, |item| {
            let known = !matches!(item, usms::Item::Unsupported(_));
            items.push((exactly(&mut |buf| item.write(buf)), known.then(|| item.identity())));
        });
        summary.map(|summary| (summary, items))
    };
    if let Ok(batch) = read(data) {
        let written = exactly(&mut |buf| usms::compact(data, buf));
        assert_eq!(read(&written), Ok(batch));
        assert_eq!(exactly(&mut |buf| usms::compact(&written, buf)), written);
        sent_uplink(&written);
    }
    if let Ok(reply) = usms::Reply::read(data) {
        let written = exactly(&mut |buf| reply.write(buf));
        assert_eq!(usms::Reply::read(&written), Ok(reply));
    }
    let _ = usms::Answer::read(200, data).to_string();
}

/// Sends a batch again, item by item: what may be sent arrives as it was.
fn sent_uplink(body: &[u8]) {
    let mut buf = vec![0; body.len()];
    let mut refused = false;
    let Ok(summary) = usms::read(body, |_| {}) else { return };
    let mut batch = usms::BatchWriter::new(&mut buf, summary.msg_type);
    let _ = usms::read(body, |item| refused |= batch.push(item).is_err());
    if !refused && summary.items > 0 {
        assert_eq!(batch.finish(), Ok(body));
    }
}

/// Takes bytes as each body of the Lingyang API.
///
/// # Panics
///
/// When what was read is not what is read again after writing.
pub fn lingyang(data: &[u8]) {
    if let Ok(push) = ClientPush::read(data, MAX_RECEIVERS) {
        let written = exactly(&mut |buf| push.write(buf));
        assert_eq!(ClientPush::read(&written, MAX_RECEIVERS), Ok(push));
        assert!(push.access_tokens.len() <= MAX_RECEIVERS as usize);
        assert_eq!(push.access_tokens.iter().count(), push.access_tokens.len());
        assert_eq!(push.msg.bytes().count(), push.msg.len());
        for text in push.access_tokens.iter() {
            assert_eq!(token::Token::parse_chars(text.chars()), token::Token::parse(&text.to_cow()));
        }
    }
    if let Ok(push) = ServerPush::read(data, MAX_RECEIVERS) {
        let written = exactly(&mut |buf| push.write(buf));
        assert_eq!(ServerPush::read(&written, MAX_RECEIVERS), Ok(push));
    }
    if let Ok(webhook) = Webhook::read(data) {
        let written = exactly(&mut |buf| webhook.write(buf));
        match (Webhook::read(&written), webhook) {
            // Kept as it came, so white space and escapes may differ.
            (Ok(Webhook::Unknown { event, body }), Webhook::Unknown { event: came, .. }) => {
                assert_eq!((event, body.as_bytes()), (came, &*written));
            }
            (again, webhook) => assert_eq!(again, Ok(webhook)),
        }
    }
    if let Ok(reply) = PushReply::read(data) {
        let written = exactly(&mut |buf| reply.write(buf));
        assert_eq!(PushReply::read(&written), Ok(reply));
    }
}

/// Takes bytes as a batch of events and as the answer to one.
///
/// # Panics
///
/// When what was read is not what is read again after writing.
pub fn tencent(data: &[u8]) {
    let read = |body: &[u8]| {
        let mut events: Vec<(Vec<u8>, String, Option<Identity>)> = Vec::new();
        let count = im::read(body, |event| {
            // An event kept as it came is the same only to the byte, white space and all.
            let raw = match event {
                im::Event::Unknown { .. } => true,
                im::Event::AllMemberPush(push) => push.device_type.is_some(),
                im::Event::OfflinePush(_) => false,
            };
            let identity = (!raw).then(|| event.identity());
            events.push((exactly(&mut |buf| event.write(buf)), event.command().to_string(), identity));
        });
        count.map(|count| (count, events))
    };
    let first = im::first_command(data);
    match read(data) {
        Ok((count, events)) => {
            assert!((1..=im::MAX_EVENTS).contains(&count));
            assert_eq!(first.map(|command| command.to_string()).ok().as_ref(), events.first().map(|event| &event.1));
            let written = exactly(&mut |buf| im::compact(data, buf));
            assert_eq!(read(&written), Ok((count, events)));
            assert_eq!(exactly(&mut |buf| im::compact(&written, buf)), written);
        }
        Err(error) => assert_eq!(first, Err(error)),
    }
    if let Ok(reply) = im::Reply::read(data) {
        let written = exactly(&mut |buf| reply.write(buf));
        assert_eq!(im::Reply::read(&written), Ok(reply));
    }
    let _ = im::Answer::read(200, data).to_string();
}

/// Takes bytes as the stream of a device link, cut by its own bytes.
///
/// # Panics
///
/// When the lines depend on where the stream is cut, or a frame is not what is read again after writing.
pub fn link(data: &[u8]) {
    let whole = lines::<64>(&mut [data].into_iter());
    let mut rest = data;
    let mut pieces = core::iter::from_fn(|| {
        let size = usize::from(rest.first()? & 15);
        let (piece, after) = rest.split_at_checked(size.max(1)).unwrap_or((rest, &[]));
        rest = after;
        Some(piece)
    });
    assert_eq!(lines::<64>(&mut pieces), whole);
    for line in lines::<1024>(&mut [data].into_iter()).into_iter().flatten() {
        if let Ok(frame) = Frame::read(&line) {
            let written = exactly(&mut |buf| frame.write(buf));
            assert_eq!(Frame::read(&written), Ok(frame));
        }
    }
}

fn lines<const N: usize>(pieces: &mut dyn Iterator<Item = &[u8]>) -> Vec<Result<Vec<u8>, Error>> {
    let mut buffer = LineBuffer::<N>::new();
    let mut lines = Vec::new();
    for mut piece in pieces {
        while let Some(line) = buffer.feed(&mut piece) {
            assert!(line.is_ok_and(|line| line.len() < N) || line.is_err());
            lines.push(line.map(<[u8]>::to_vec));
        }
        assert!(piece.is_empty());
    }
    lines
}

/// Takes bytes as the text of a device token and as a webhook's signature.
///
/// # Panics
///
/// When a text that was taken is not written as it was.
pub fn token(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let parsed = token::Token::parse(text);
    assert_eq!(token::Token::parse_chars(text.chars()), parsed);
    if let Ok(token) = parsed {
        assert_eq!(token.to_string(), text);
        assert_eq!(token.encode(&mut [0; token::MAX_ENCODED_LEN]), text);
        let _ = token.verify([data], 0);
        let issued = token::Token::issue(data, token.cid(), token.control(), token.expire());
        assert_eq!(issued.verify([data], u64::from(token.expire())), Ok(()));
    }
    if let Ok(sign) = EventSign::parse(text) {
        assert_eq!(sign.to_string(), text);
    }
}

/// Takes bytes as the query of a callback, and as the URL one is sent to.
///
/// # Panics
///
/// When a URL that was written is not let in by who reads it, or a buffer of the promised length does not hold it.
pub fn query(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(read) = callback::CallbackQuery::parse(text) {
        let _ = (read.check(text, Some(data), 0), read.check("1", None, 0));
        let params = [read.sdk_app_id(), read.command(), read.content_type(), read.client_ip(), read.opt_platform()];
        for param in params.into_iter().flatten() {
            let mut buf = vec![0; param.as_raw().len()];
            if let Ok(value) = param.copy_to(&mut buf) {
                assert_eq!(param, *value);
            }
        }
    }
    let mut out = vec![0; callback::max_url_len(text.len(), text.len(), text.len())];
    if let Ok(url) = callback::write_url(&mut out, text, text, text, Some((data, 7))) {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        // The query the URL had before is the caller's, and may have broken escapes of documented names.
        if let Ok(read) = callback::CallbackQuery::parse(query) {
            assert_eq!(read.check(text, Some(data), 7), Ok(()));
        }
    }
}

type Write<'w> = dyn for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error> + 'w;

/// Runs a writer in a buffer of just the length it takes, and asserts that no smaller one will do.
fn exactly(write: &mut Write<'_>) -> Vec<u8> {
    let needed = match write(&mut []) {
        Ok(written) => written.len(),
        Err(error) => match error.kind() {
            ErrorKind::BufferFull { needed, capacity: 0 } => needed,
            _ => return assert_no_fault(error),
        },
    };
    let mut buf = vec![0; needed];
    for capacity in [1, needed / 2, needed.saturating_sub(1)] {
        if let Some(small) = buf.get_mut(..capacity).filter(|small| small.len() < needed) {
            let error = write(small).err().map(|error| error.kind());
            assert_eq!(error, Some(ErrorKind::BufferFull { needed, capacity }));
        }
    }
    assert_eq!(write(&mut buf).map(<[u8]>::len), Ok(needed));
    buf
}

fn assert_no_fault(error: Error) -> Vec<u8> {
    assert_eq!(None, Some(error), "what was read cannot be written");
    Vec::new()
}
