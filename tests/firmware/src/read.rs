//! From chunks to what they say: one function for each payload, as a device would call it.

use pushgate_core::{
    Error,
    json::{ChunkReader, Payload},
    lingyang,
    lingyang::{ClientPush, ServerPush, Webhook},
    tencent, uplink,
};

use crate::input::Chunks;

/// Reads a Tencent batch, visiting its events, and returns how many there are.
///
/// # Errors
///
/// The core's.
pub fn events(
    reader: &mut tencent::BatchReader<'_>,
    chunks: Chunks,
    mut visit: impl FnMut(tencent::Event<'_, '_>),
) -> Result<u32, Error> {
    for chunk in chunks {
        reader.feed(chunk, &mut visit)?;
    }
    reader.finish()
}

/// Reads a UCloud batch, visiting its items, and says what it was.
///
/// # Errors
///
/// The core's.
pub fn uplinks(
    reader: &mut uplink::BatchReader<'_>,
    chunks: Chunks,
    mut visit: impl FnMut(uplink::Item<'_, '_>),
) -> Result<uplink::Summary, Error> {
    for chunk in chunks {
        reader.feed(chunk, &mut visit)?;
    }
    reader.finish()
}

/// Reads a Tencent answer.
///
/// # Errors
///
/// The core's.
pub fn events_reply(buf: &mut [u8], chunks: Chunks) -> Result<tencent::Reply<'_>, Error> {
    payload(buf, chunks)
}

/// Reads a UCloud answer.
///
/// # Errors
///
/// The core's.
pub fn uplink_reply(buf: &mut [u8], chunks: Chunks) -> Result<uplink::Reply<'_>, Error> {
    payload(buf, chunks)
}

/// Reads a device's push.
///
/// # Errors
///
/// The core's.
pub fn client_push(buf: &mut [u8], chunks: Chunks) -> Result<ClientPush<'_>, Error> {
    payload(buf, chunks)
}

/// Reads the application server's push, in both shapes.
///
/// # Errors
///
/// The core's.
pub fn server_push(buf: &mut [u8], chunks: Chunks) -> Result<ServerPush<'_>, Error> {
    payload(buf, chunks)
}

/// Reads a webhook call.
///
/// # Errors
///
/// The core's.
pub fn webhook(buf: &mut [u8], chunks: Chunks) -> Result<Webhook<'_>, Error> {
    payload(buf, chunks)
}

/// Reads the answer to a push.
///
/// # Errors
///
/// The core's.
pub fn push_reply(buf: &mut [u8], chunks: Chunks) -> Result<lingyang::Reply<'_>, Error> {
    payload(buf, chunks)
}

fn payload<'b, P: Payload<'b>>(buf: &'b mut [u8], mut chunks: Chunks) -> Result<P, Error> {
    let mut reader = ChunkReader::new(buf);
    // What has failed fails again, so that there is one place for what went wrong.
    chunks.all(|chunk| reader.feed(chunk).is_ok());
    reader.finish()
}
