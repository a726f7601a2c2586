//! The application server's push to devices: `POST /v2/message/server/push`, in its two shapes.

use core::str;

use crate::{
    Error, ErrorKind,
    json::{
        cursor::{Cursor, Result as JsonResult},
        list::list,
        schema::{Member, Value, find_member, object, read_members},
        slice::Slice,
        write::Writer,
    },
};

use super::{Cid, Flag, Msg};

list! {
    /// Device ids.
    pub struct Cids of Cid
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

const MEMBERS: &[Member] = &[Member { name: "proxy", required: true }, Member { name: "payload", required: true }];

/// Whether the server sends in devices' names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proxy {
    No,
    Yes,
}

impl Proxy {
    fn read(cursor: &mut Cursor<'_>) -> JsonResult<Self> {
        cursor.peek();
        let start = cursor.offset();
        match cursor.integer()?.unsigned(1) {
            Some(0) => Ok(Self::No),
            Some(_) => Ok(Self::Yes),
            None => Err(cursor.error(ErrorKind::NotOneOf("0 or 1"), start)),
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::No),
            1 => Some(Self::Yes),
            _ => None,
        }
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
        fast.map_or_else(|| Self::read_by_table(body, max_receivers), Ok)
    }

    /// Reads a body that keeps every rule.
    pub(crate) fn read_fast(text: &'a str, max_receivers: u32) -> Option<Self> {
        let mut slice = Slice::new(text);
        slice.most_elements = max_receivers;
        let (mut proxy, mut push) = (None, None);
        slice.members(MEMBERS, &mut |index, slice| {
            if index == 0 {
                proxy = Some(Proxy::from_code(slice.unsigned()?)?);
                return Some(());
            }
            // `payload` may come first, and only `proxy` says what it is.
            let proxy = match proxy {
                Some(proxy) => proxy,
                None => Proxy::from_code(slice.read_later("proxy")?)?,
            };
            push = Some(match proxy {
                Proxy::No => Self::Batch(Value::read_plain(slice)?),
                Proxy::Yes => Self::Proxy(Value::read_plain(slice)?),
            });
            Some(())
        })?;
        slice.end()?;
        push
    }

    pub(crate) fn read_by_table(body: &'a [u8], max_receivers: u32) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        cursor.most_elements = max_receivers;
        // `payload` may come first, and only `proxy` says what it is. A body whose `proxy` cannot be read fails below.
        let proxy = find_member(&cursor, "proxy").ok().flatten().and_then(|mut value| Proxy::read(&mut value).ok());
        let mut push = Self::Proxy(ProxyMessages::default());
        read_members(&mut cursor, MEMBERS, &mut |index, cursor| {
            match (index, proxy) {
                (0, _) => drop(Proxy::read(cursor)?),
                (_, Some(Proxy::No)) => push = Self::Batch(Value::read(cursor)?),
                (_, Some(Proxy::Yes)) => push = Self::Proxy(Value::read(cursor)?),
                (_, None) => drop(crate::json::skip::skip(cursor)?),
            }
            Ok(())
        })?;
        cursor.end()?;
        Ok(push)
    }

    /// Writes the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] with the length it takes.
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
