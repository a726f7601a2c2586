//! What the engine says over a device's link.

use pushgate_core::{
    Text,
    lingyang::{Cid, Msg},
    link::{Frame, MAX_LINE_LEN, Message, Receipt, ReceiptState},
};

use super::payload::{Meta, Payload};
use crate::store::{DeliveryId, State};

/// The line that carries a message; `None` for what is none.
pub(super) fn message(payload: &Payload, id: DeliveryId) -> Option<Vec<u8>> {
    let Meta::Message(meta) = &payload.meta else { return None };
    let id = id.to_string();
    let frame = Frame::Message(Message {
        id: Text::from(id.as_str()),
        from: meta.from,
        created: meta.created,
        msg: Msg::from_bytes(&payload.body).ok()?,
    });
    line(&frame)
}

/// The line that tells a sender what became of its message.
pub(super) fn receipt(push: &str, to: Cid, state: State) -> Option<Vec<u8>> {
    let state = if state == State::Delivered { ReceiptState::Delivered } else { ReceiptState::Dropped };
    line(&Frame::Receipt(Receipt { id: Text::from(push), to, state }))
}

fn line(frame: &Frame<'_>) -> Option<Vec<u8>> {
    frame.write(&mut [0; MAX_LINE_LEN]).map(<[u8]>::to_vec).ok()
}
