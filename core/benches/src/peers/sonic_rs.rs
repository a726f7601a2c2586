//! sonic-rs: like serde_json with SIMD; of its unsafe shortcuts none is taken, so UTF-8 is checked.

use serde::{Deserialize, Serialize};
use sonic_rs::{from_slice, to_writer};

use super::{Operation, REFUSED, ROOM, UNWRITTEN};
use crate::{
    model::{Batch, ClientPush, EscapedMessage, Event, Events, Message, Parsed, Proxied, ServerPush, Uplinks},
    rows::Input,
};

pub(super) fn operation(input: &Input) -> Result<Operation<'_>, &'static str> {
    Ok(match input {
        Input::Events(body) => read::<Events<Vec<Event<'_>>>>(body),
        Input::Uplinks(body) => read::<Uplinks<Vec<Message<'_>>>>(body),
        Input::EscapedUplinks(body) => read::<Uplinks<Vec<EscapedMessage<'_>>>>(body),
        Input::ClientPush(body) => read::<ClientPush<'_, Vec<&str>>>(body),
        Input::ServerPush(body) => read::<ServerPush<Batch<'_, Vec<u32>>>>(body),
        Input::ProxiedPush(body) => read::<ServerPush<Vec<Proxied<'_>>>>(body),
        Input::WriteEvents(events) => write(events),
        Input::WriteUplinks(uplinks) => write(uplinks),
    })
}

fn read<'r, T: Deserialize<'r> + Parsed>(body: &'r [u8]) -> Operation<'r> {
    Box::new(move |results| from_slice::<T>(body).expect(REFUSED).take(results))
}

fn write<T: Serialize>(value: &T) -> Operation<'_> {
    let mut body = Vec::with_capacity(ROOM);
    Box::new(move |results| {
        body.clear();
        to_writer(&mut body, value).expect(UNWRITTEN);
        results.take(body.as_slice());
    })
}
