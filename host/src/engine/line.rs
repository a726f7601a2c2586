//! What the engine says over a device's link.

use pushgate_core::{
    Text,
    lingyang::{Cid, Msg},
    link::{Frame, MAX_LINE_LEN, Message, Receipt, ReceiptState},
};

use super::DeviceMessage;
use crate::store::{DeliveryId, State};

/// The line that carries a message.
pub(super) fn message(message: &DeviceMessage, id: DeliveryId) -> Option<Vec<u8>> {
    let id = id.to_string();
    let frame = Frame::Message(Message {
        id: Text::from(id.as_str()),
        from: message.meta.from,
        created: message.meta.created,
        msg: Msg::from_bytes(&message.msg).ok()?,
    });
    line(&frame)
}

/// The line that tells a sender what became of its message.
pub(super) fn receipt(push: &str, to: u32, state: State) -> Option<Vec<u8>> {
    let state = if state == State::Delivered { ReceiptState::Delivered } else { ReceiptState::Dropped };
    line(&Frame::Receipt(Receipt { id: Text::from(push), to: Cid::new(to)?, state }))
}

fn line(frame: &Frame<'_>) -> Option<Vec<u8>> {
    frame.write(&mut [0; MAX_LINE_LEN]).map(<[u8]>::to_vec).ok()
}
