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

#[cfg(test)]
mod tests {
    use pushgate_core::lingyang::token::MAX_ENCODED_LEN;

    use super::*;
    use crate::config::Config;

    const OLD: &str = "d57559a82027b7d846318a0c1596d645";
    const NEW: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "another app's own key";
    const NOW: u64 = 1_700_000_000;

    fn lingyang() -> Lingyang {
        let text = format!(
            "[[lingyang.apps]]\nid='Test'\nkeys=['{OLD}','{NEW}']\ncids=[[10,19],[30,30]]\n\
             [[lingyang.apps]]\nid='Other'\nkeys=['{}']\ncids=[[20,29]]",
            OTHER.replace(['\'', ' '], "-")
        );
        Config::parse(&text, "t.toml").unwrap().lingyang
    }

    fn token(key: &str, cid: u32, expire: u64) -> String {
        let (key, expire) = (key.replace(['\'', ' '], "-"), u32::try_from(expire).unwrap());
        Token::issue(key.as_bytes(), Cid::new(cid).unwrap(), 0, expire).encode(&mut [0; MAX_ENCODED_LEN]).to_owned()
    }

    /// "The app is found by cid: each app owns closed cid ranges; any of the app's keys may match"; "expired iff expire
    /// < now" (the Lingyang page).
    #[test]
    fn a_device_is_its_apps_whose_keys_have_signed_and_not_yet_expired() {
        let lingyang = lingyang();
        let no_app = |cid| Err(NotADevice::NoApp(Cid::new(cid).unwrap()));
        let wrong = Err(NotADevice::Token(TokenError::WrongDigest));
        let expired =
            |expire: u64| Err(NotADevice::Token(TokenError::Expired { expire: u32::try_from(expire).unwrap() }));
        let cases = [
            // The edges of the ranges.
            (OLD, 9, NOW, no_app(9)),
            (OLD, 10, NOW, Ok("Test")),
            (OLD, 19, NOW, Ok("Test")),
            (OLD, 20, NOW, wrong),
            (OTHER, 20, NOW, Ok("Other")),
            (OTHER, 29, NOW, Ok("Other")),
            (OTHER, 30, NOW, wrong),
            (OLD, 30, NOW, Ok("Test")),
            (OLD, 31, NOW, no_app(31)),
            (OLD, u32::MAX, NOW, no_app(u32::MAX)),
            // Every key of the app, and of no other.
            (NEW, 10, NOW, Ok("Test")),
            (OTHER, 10, NOW, wrong),
            // To the second.
            (OLD, 10, NOW + 1, Ok("Test")),
            (OLD, 10, NOW - 1, expired(NOW - 1)),
            (NEW, 10, 0, expired(0)),
            (OTHER, 10, NOW - 1, wrong),
        ];
        for (key, cid, expire, expected) in cases {
            let token = token(key, cid, expire);
            let found = device(&lingyang, Text::from(&*token), NOW);
            assert_eq!(
                found.map(|device| (device.cid.value(), device.app.id())),
                expected.map(|id| (cid, id)),
                "{token}"
            );
        }
        let malformed = device(&lingyang, Text::from("10_0_0"), NOW).unwrap_err();
        assert_eq!(malformed, NotADevice::Token(TokenError::Malformed(MalformedToken::TooFewSections)));
    }

    #[test]
    fn an_app_is_its_id_with_any_of_its_keys() {
        let lingyang = lingyang();
        for (id, key, found) in [
            ("Test", OLD, true),
            ("Test", NEW, true),
            ("Test", "another-app-s-own-key", false),
            ("Other", "another-app-s-own-key", true),
            ("Other", OLD, false),
            ("test", OLD, false),
            ("", OLD, false),
            ("Test", "", false),
            ("Test", &OLD[1..], false),
        ] {
            assert_eq!(app(&lingyang, id, key).map(App::id), Some(id).filter(|_| found), "{id} {key}");
        }
    }
}
