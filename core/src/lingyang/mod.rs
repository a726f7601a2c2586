//! Lingyang cloud messages: a device or an application server pushes up to 256 bytes to devices.
//!
//! [`ClientPush`] and [`ServerPush`] are the two requests, [`Reply`] their answer, [`Webhook`] what the app's own
//! server is told. [`token`] identifies a device, [`sign`] a webhook call. How hard a message is tried is its [`Flag`].
//!
//! ```
//! use pushgate_core::lingyang::{self, Flag, ServerPush};
//!
//! let body = br#"{"proxy":0,"payload":{"msg":"aGVsbG8=","flag":3,"clients":[5003062,1003775]}}"#;
//! let Ok(ServerPush::Batch(push)) = ServerPush::read(body, lingyang::MAX_RECEIVERS) else { panic!() };
//! assert_eq!(push.flag, Some(Flag::Once));
//! assert!(push.clients.iter().map(|cid| cid.value()).eq([5003062, 1003775]));
//! ```

pub mod cid;
mod client_push;
mod flag;
mod msg;
mod reply;
mod server_push;
pub mod sign;
pub mod token;
mod webhook;

pub use cid::Cid;
pub use client_push::{AccessTokens, ClientPush};
pub use flag::{Callback, Flag};
pub use msg::{MAX_MSG_BASE64_LEN, MAX_MSG_BYTES, Msg};
pub use reply::{Refusal, Reply, verdict, webhook_verdict};
pub use server_push::{BatchPush, Cids, ProxyMessage, ProxyMessages, ServerPush};
pub use token::Token;
pub use webhook::{DEVICE_MESSAGE, DeviceMessage, USER_AGENT, Webhook};

use crate::json::{
    schema::{Kind, Range},
    slice::Slice,
    value::Value,
    values::Values,
    write::Writer,
};

/// Receivers of one request: "undocumented: at most 100 by default, a setting on the host" (the Lingyang page; ours).
/// Nothing here is sized by it: receivers are visited where they stand, so the limit is an argument.
pub const MAX_RECEIVERS: u32 = 100;

impl<'a> Value<'a> for Cid {
    const KIND: Kind = Kind::Integer(&Range { min: 1, ..Range::to(u32::MAX as u64) });

    fn empty() -> Self {
        Self::from(core::num::NonZeroU32::MIN)
    }

    fn of(values: &Values<'_, 'a>, index: usize, _: usize) -> Self {
        u32::try_from(values.number(index)).ok().and_then(Self::new).unwrap_or(Self::from(core::num::NonZeroU32::MIN))
    }

    #[inline(always)]
    fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
        Self::new(u32::try_from(slice.id()?).ok()?)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.unsigned(u64::from(self.value()));
    }
}
