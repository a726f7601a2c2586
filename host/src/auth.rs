//! Who a caller of the device API is: a device by its token, an application server by its app's id and key.

use std::fmt;

use pushgate_core::{
    Text,
    lingyang::{
        Cid, Token,
        token::{MalformedToken, TokenError},
    },
};

use crate::config::{App, Lingyang, Secret};

/// A device whose token holds, and the app it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Device<'c> {
    /// The device.
    pub cid: Cid,
    /// The last second its token is good for, in unix seconds.
    pub expire: u32,
    /// Its app.
    pub app: &'c App,
}

/// Why a device's token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotADevice {
    /// The token itself is wrong.
    Token(TokenError),
    /// No app owns the token's cid.
    NoApp(Cid),
}

impl fmt::Display for NotADevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::NoApp(cid) => write!(f, "no app here owns cid {cid}"),
        }
    }
}

impl std::error::Error for NotADevice {}

impl From<MalformedToken> for NotADevice {
    fn from(malformed: MalformedToken) -> Self {
        Self::Token(malformed.into())
    }
}

/// Checks a device's token: the app is found by the cid, and any of the app's keys may have signed it.
///
/// # Errors
///
/// Why it does not hold. `now` is in unix seconds.
pub fn device<'c>(lingyang: &'c Lingyang, token: Text<'_>, now: u64) -> Result<Device<'c>, NotADevice> {
    let token = Token::parse_chars(token.chars())?;
    let cid = token.cid();
    let app = lingyang.app_of(cid.value()).ok_or(NotADevice::NoApp(cid))?;
    let keys = app.keys().iter().map(|key| key.reveal().as_bytes());
    token.verify(keys, now).map_err(NotADevice::Token)?;
    Ok(Device { cid, expire: token.expire(), app })
}

/// Finds the app of an application server, whose key may be any of the app's.
///
/// Every key is compared, each in constant time.
#[must_use]
pub fn app<'c>(lingyang: &'c Lingyang, id: &str, key: &str) -> Option<&'c App> {
    let given = Secret::new(key).ok()?;
    let app = lingyang.app(id)?;
    let matching = app.keys().iter().filter(|own| **own == given).count();
    (matching > 0).then_some(app)
}
