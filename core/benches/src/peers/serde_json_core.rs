//! serde-json-core: serde without an allocator, into lists of a fixed size.

use heapless::Vec;
use serde::{Deserialize, Serialize};
use serde_json_core::{from_slice, to_slice};

use super::{Operation, REFUSED, ROOM, UNWRITTEN};
use crate::{
    model::{Batch, ClientPush, Event, Events, MAX_ELEMENTS, Message, Parsed, Proxied, ServerPush, Uplinks},
    rows::Input,
};

pub(super) fn operation(input: &Input) -> Result<Operation<'_>, &'static str> {
    Ok(match input {
        Input::Events(body) => read::<Events<Vec<Event<'_>, MAX_ELEMENTS>>>(body),
        Input::Uplinks(body) => read::<Uplinks<Vec<Message<'_>, MAX_ELEMENTS>>>(body),
        Input::EscapedUplinks(_) => return Err("refuses surrogate pairs: no emoji in escapes"),
        Input::ClientPush(body) => read::<ClientPush<'_, Vec<&str, MAX_ELEMENTS>>>(body),
        Input::ServerPush(body) => read::<ServerPush<Batch<'_, Vec<u32, MAX_ELEMENTS>>>>(body),
        Input::ProxiedPush(body) => read::<ServerPush<Vec<Proxied<'_>, MAX_ELEMENTS>>>(body),
        Input::WriteEvents(events) => write(events),
        Input::WriteUplinks(uplinks) => write(uplinks),
    })
}

fn read<'r, T: Deserialize<'r> + Parsed>(body: &'r [u8]) -> Operation<'r> {
    Box::new(move |results| from_slice::<T>(body).expect(REFUSED).0.take(results))
}

fn write<T: Serialize>(value: &T) -> Operation<'_> {
    let mut body = vec![0; ROOM];
    Box::new(move |results| {
        let len = to_slice(value, &mut body).expect(UNWRITTEN);
        results.take(&body[..len]);
    })
}
