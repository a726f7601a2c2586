//! What an app's own server is told: a POST to the app's webhook, signed over its raw bytes (see [`sign`](super::sign)).

use crate::{
    Error, Text,
    json::{
        Raw,
        cursor::Cursor,
        schema::{Member, Value, find_member, object, read_members},
        write::Writer,
    },
};

use super::{Cid, Cids, Msg};

/// The event of a message from a device, in the body and in the header `X-Topvdn-Event`.
pub const DEVICE_MESSAGE: &str = "device-message";

/// The `User-Agent` of every call (the Lingyang page, from the vendor).
pub const USER_AGENT: &str = "Topvdn";

object! {
    /// A message from a device whose push asked for a callback.
    pub struct DeviceMessage<'a> {
        /// The message.
        "msg" msg: Msg<'a>,
        /// Who sent it.
        "from" from: Cid,
        /// To whom.
        "to" to: Cids<'a>,
        /// When it was accepted, in unix seconds.
        "created" created: u64,
    }
}

/// The body of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook<'a> {
    /// `device-message`.
    DeviceMessage(DeviceMessage<'a>),
    /// Another event on the same URL, such as `device-state` and `device-record-clip`, kept as it came.
    Unknown {
        /// Its name.
        event: Text<'a>,
        /// The whole body.
        body: Raw<'a>,
    },
}

const MEMBERS: &[Member] = &[Member { name: "event", required: true }, Member { name: "data", required: true }];
const UNKNOWN_MEMBERS: &[Member] = &[Member { name: "event", required: true }];

impl<'a> Webhook<'a> {
    /// Reads a body, its members in any order.
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule.
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::over_document(body);
        let event = find_member(&cursor, "event").ok().flatten().and_then(|mut value| value.string().ok());
        let webhook = match event {
            Some(event) if event == DEVICE_MESSAGE => {
                let mut message = DeviceMessage::empty();
                read_members(&mut cursor, MEMBERS, &mut |index, cursor| {
                    match index {
                        0 => drop(cursor.string()?),
                        _ => message = Value::read(cursor)?,
                    }
                    Ok(())
                })?;
                Self::DeviceMessage(message)
            }
            // A body whose event cannot be read fails here, at whichever fault comes first.
            event => {
                read_members(&mut cursor, UNKNOWN_MEMBERS, &mut |_, cursor| cursor.string().map(drop))?;
                Self::Unknown { event: event.unwrap_or_default(), body: Raw::checked(body) }
            }
        };
        cursor.end()?;
        Ok(webhook)
    }

    /// Writes the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(buf);
        match self {
            Self::DeviceMessage(message) => {
                writer.open(b'{');
                writer.key("event");
                writer.text(Text::from(DEVICE_MESSAGE));
                writer.key("data");
                message.write(&mut writer);
                writer.close(b'}');
            }
            Self::Unknown { body, .. } => body.write(&mut writer),
        }
        writer.finish()
    }
}
