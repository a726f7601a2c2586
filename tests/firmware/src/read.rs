//! From chunks to what they say: one function for each payload, as a device would call it.
//!
//! The core reads whole bodies, so each of these collects its chunks first: the buffer has to hold the body.

use pushgate_core::{
    Error, lingyang,
    lingyang::{ClientPush, MAX_RECEIVERS, ServerPush, Webhook},
    tencent, uplink,
};

use crate::input::Chunks;

/// Reads a Tencent batch, visiting its events, and returns how many there are.
///
/// # Errors
///
/// The core's.
pub fn events(buf: &mut [u8], chunks: Chunks, visit: impl FnMut(tencent::Event<'_, '_>)) -> Result<u32, Error> {
    tencent::read(collect(buf, chunks), visit)
}

/// Reads a UCloud batch, visiting its items, and says what it was.
///
/// # Errors
///
/// The core's.
pub fn uplinks(
    buf: &mut [u8],
    chunks: Chunks,
    visit: impl FnMut(uplink::Item<'_, '_>),
) -> Result<uplink::Summary, Error> {
    uplink::read(collect(buf, chunks), visit)
}

/// Reads a Tencent answer.
///
/// # Errors
///
/// The core's.
pub fn events_reply(buf: &mut [u8], chunks: Chunks) -> Result<tencent::Reply<'_>, Error> {
    tencent::Reply::read(collect(buf, chunks))
}

/// Reads a UCloud answer.
///
/// # Errors
///
/// The core's.
pub fn uplink_reply(buf: &mut [u8], chunks: Chunks) -> Result<uplink::Reply<'_>, Error> {
    uplink::Reply::read(collect(buf, chunks))
}

/// Reads a device's push.
///
/// # Errors
///
/// The core's.
pub fn client_push(buf: &mut [u8], chunks: Chunks) -> Result<ClientPush<'_>, Error> {
    ClientPush::read(collect(buf, chunks), MAX_RECEIVERS)
}

/// Reads the application server's push, in both shapes.
///
/// # Errors
///
/// The core's.
pub fn server_push(buf: &mut [u8], chunks: Chunks) -> Result<ServerPush<'_>, Error> {
    ServerPush::read(collect(buf, chunks), MAX_RECEIVERS)
}

/// Reads a webhook call.
///
/// # Errors
///
/// The core's.
pub fn webhook(buf: &mut [u8], chunks: Chunks) -> Result<Webhook<'_>, Error> {
    Webhook::read(collect(buf, chunks))
}

/// Reads the answer to a push.
///
/// # Errors
///
/// The core's.
pub fn push_reply(buf: &mut [u8], chunks: Chunks) -> Result<lingyang::Reply<'_>, Error> {
    lingyang::Reply::read(collect(buf, chunks))
}

/// Joins `chunks` in `buf`. Of a body that does not fit, the reader sees the start and says that it ends too early.
fn collect(buf: &mut [u8], chunks: Chunks) -> &[u8] {
    let mut len = 0;
    for chunk in chunks {
        let Some(room) = buf.get_mut(len..).and_then(|free| free.get_mut(..chunk.len())) else { break };
        room.copy_from_slice(chunk);
        len += chunk.len();
    }
    buf.get(..len).unwrap_or_default()
}
