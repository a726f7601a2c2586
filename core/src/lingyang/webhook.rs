//! What an app's own server is told: a POST to the app's webhook, signed over its raw bytes (see [`sign`](super::sign)).

use crate::{
    Error, Text,
    json::{
        Payload, Raw, Whole,
        object::object,
        schema::{Kind, Member, Schema, Union},
        value::{Value, read_document},
        values::Values,
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

const EVENT: Member = Member::new("event", Kind::Text);
const MESSAGE: &Schema = &Schema::of(&[EVENT, Member::new("data", DeviceMessage::KIND)]);
const UNKNOWN: &Schema = &Schema::of(&[EVENT]).whole();
/// `data` may come first, and only `event` says what it is.
const BODY: &Union = &Union {
    pending: UNKNOWN,
    by: 0,
    choose: |values| if values.text(0).is(DEVICE_MESSAGE) { MESSAGE } else { UNKNOWN },
};

impl<'a> Whole<'a> for Webhook<'a> {
    const KIND: Kind = Kind::Union(BODY);

    fn whole(schema: &'static Schema, values: &Values<'_, 'a>) -> Self {
        if schema.whole {
            Self::Unknown { event: values.text(0), body: Raw::checked(values.raw(1)) }
        } else {
            Self::DeviceMessage(Value::of(values, 1, 2))
        }
    }
}

impl<'a> Payload<'a> for Webhook<'a> {}

impl<'a> Webhook<'a> {
    /// Reads a body, its members in any order.
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule.
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        read_document(body, u32::MAX)
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
