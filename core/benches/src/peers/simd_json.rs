//! simd-json: two stages, the first in SIMD chosen at run time; it rewrites its input, so each run begins with a copy.

use serde::Serialize;
use simd_json::{Buffers, serde::from_slice_with_buffers, to_writer};

use super::{Operation, REFUSED, ROOM, UNWRITTEN};
use crate::{
    model::{Batch, ClientPush, EscapedMessage, Event, Events, Message, Parsed, Proxied, ServerPush, Uplinks},
    rows::Input,
};

/// Reads `$body` as a `$Type`: a macro, since the type borrows from a copy that lives for one run only.
macro_rules! read {
    ($Type:ty, $body:expr) => {{
        let (mut copy, mut buffers) = (Vec::new(), Buffers::new($body.len()));
        Box::new(move |results| {
            copy.clear();
            copy.extend_from_slice($body);
            from_slice_with_buffers::<$Type>(&mut copy, &mut buffers).expect(REFUSED).take(results);
        })
    }};
}

pub(super) fn operation(input: &Input) -> Result<Operation<'_>, &'static str> {
    Ok(match input {
        Input::Events(body) => read!(Events<Vec<Event<'_>>>, body),
        Input::Uplinks(body) => read!(Uplinks<Vec<Message<'_>>>, body),
        Input::EscapedUplinks(body) => read!(Uplinks<Vec<EscapedMessage<'_>>>, body),
        Input::ClientPush(body) => read!(ClientPush<'_, Vec<&str>>, body),
        Input::ServerPush(body) => read!(ServerPush<Batch<'_, Vec<u32>>>, body),
        Input::ProxiedPush(body) => read!(ServerPush<Vec<Proxied<'_>>>, body),
        Input::WriteEvents(events) => write(events),
        Input::WriteUplinks(uplinks) => write(uplinks),
    })
}

fn write<T: Serialize>(value: &T) -> Operation<'_> {
    let mut body = Vec::with_capacity(ROOM);
    Box::new(move |results| {
        body.clear();
        to_writer(&mut body, value).expect(UNWRITTEN);
        results.take(body.as_slice());
    })
}
