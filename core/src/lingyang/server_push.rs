//! The application server's push to devices: `POST /v2/message/server/push`, in its two shapes.

use core::str;

use crate::{
    Error,
    json::{
        Payload, Whole,
        list::list,
        object::object,
        schema::{Kind, Member, Range, Schema, Union},
        slice::Slice,
        value::{Value, read_document},
        values::Values,
        write::Writer,
    },
};

use super::{Cid, Flag, Msg};

list! {
    /// Device ids.
    pub struct Cids of small Cid
}

list! {
    /// The messages of a proxied push.
    pub struct ProxyMessages of ProxyMessage<'a>
}

object! {
    /// One message to many devices.
    pub struct BatchPush<'a> {
        /// The message.
        "msg" msg: Msg<'a>,
        /// How hard to try; `None` counts as [`Flag::UntilAnswered`].
        "flag" flag: Option<Flag>,
        /// To whom.
        "clients" clients: Cids<'a>,
    }
}

object! {
    /// A message that the application server sends in a device's name.
    pub struct ProxyMessage<'a> {
        /// In whose name.
        "from" from: Cid,
        /// To whom.
        "to" to: Cid,
        /// How hard to try; `None` counts as [`Flag::UntilAnswered`].
        "flag" flag: Option<Flag>,
        /// The message.
        "msg" msg: Msg<'a>,
    }
}

/// The body of the application server's push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerPush<'a> {
    /// `proxy` 0.
    Batch(BatchPush<'a>),
    /// `proxy` 1.
    Proxy(ProxyMessages<'a>),
}

/// Whether the server sends in devices' names.
const PROXY: Member = Member::new("proxy", Kind::Integer(&Range { one_of: Some("0 or 1"), ..Range::to(1) }));
const PENDING: &Schema = &Schema::of(&[PROXY, Member::new("payload", Kind::Any)]);
const BATCH: &Schema = &Schema::of(&[PROXY, Member::new("payload", BatchPush::KIND)]);
const PROXIED: &Schema = &Schema::of(&[PROXY, Member::new("payload", ProxyMessages::KIND)]);
/// `payload` may come first, and only `proxy` says what it is.
const BODY: &Union =
    &Union { pending: PENDING, by: 0, choose: |values| if values.number(0) == 0 { BATCH } else { PROXIED } };

impl<'a> Whole<'a> for ServerPush<'a> {
    const KIND: Kind = Kind::Union(BODY);
    const MOST_ELEMENTS: u32 = super::MAX_RECEIVERS;

    fn whole(_: &'static Schema, values: &Values<'_, 'a>) -> Self {
        match values.number(0) {
            0 => Self::Batch(Value::of(values, 1, 2)),
            _ => Self::Proxy(Value::of(values, 1, 2)),
        }
    }
}

impl<'a> Payload<'a> for ServerPush<'a> {}

/// What `proxy` says.
fn is_proxied(proxy: u64) -> Option<bool> {
    match proxy {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

impl<'a> ServerPush<'a> {
    /// Reads a body with at most `max_receivers` clients or messages ([`MAX_RECEIVERS`](super::MAX_RECEIVERS) by
    /// default), its members in any order.
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule, a payload of the wrong shape for its `proxy` among them.
    pub fn read(body: &'a [u8], max_receivers: u32) -> Result<Self, Error> {
        let fast = str::from_utf8(body).ok().and_then(|text| Self::read_fast(text, max_receivers));
        fast.map_or_else(|| read_document(body, max_receivers), Ok)
    }

    /// Reads a body that keeps every rule.
    pub(crate) fn read_fast(text: &'a str, max_receivers: u32) -> Option<Self> {
        let mut slice = Slice::new(text);
        slice.most_elements = max_receivers;
        let (mut proxied, mut push) = (None, None);
        slice.members(PENDING, &mut |index, slice| {
            if index == 0 {
                proxied = Some(is_proxied(slice.unsigned()?)?);
                return Some(());
            }
            // `payload` may come first, and only `proxy` says what it is.
            let proxied = match proxied {
                Some(proxied) => proxied,
                None => is_proxied(slice.read_later("proxy")?)?,
            };
            push = Some(if proxied {
                Self::Proxy(Value::read_plain(slice)?)
            } else {
                Self::Batch(Value::read_plain(slice)?)
            });
            Some(())
        })?;
        slice.end()?;
        push
    }

    /// Writes the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(buf);
        writer.open(b'{');
        writer.key("proxy");
        writer.unsigned(u64::from(matches!(self, Self::Proxy(_))));
        writer.key("payload");
        match self {
            Self::Batch(payload) => payload.write(&mut writer),
            Self::Proxy(messages) => {
                writer.open(b'[');
                for message in messages.iter() {
                    writer.separate();
                    Value::write(&message, &mut writer);
                }
                writer.close(b']');
            }
        }
        writer.close(b'}');
        writer.finish()
    }
}
