//! The query of a callback's URL: whose app it is for, and the proof that the backend sent it.
//!
//! The page "Push.OfflinePush callbacks", "Request", puts all that is decided before the body into the query. A
//! receiver reads it ([`CallbackQuery::parse`]) and lets in or refuses ([`CallbackQuery::check`]) without having read a
//! byte of the body; a sender writes it behind the receiver's URL ([`write_url`]) with a [`Sign`] where a token is
//! agreed.

mod auth;
mod param;
mod write;

use core::fmt;

pub use auth::{Refusal, SIGN_LEN, SIGN_WINDOW_SECS, Sign, sign};
pub use param::Param;
pub use write::{max_url_len, write_url};

const SDK_APPID: &str = "SdkAppid";
const CALLBACK_COMMAND: &str = "CallbackCommand";
const CONTENT_TYPE: &str = "contenttype";
const CLIENT_IP: &str = "ClientIP";
const OPT_PLATFORM: &str = "OptPlatform";
const REQUEST_TIME: &str = "RequestTime";
const SIGN: &str = "Sign";

/// The parameters of a callback that the vendor documents, as they came. All others are ignored.
///
/// ```
/// use pushgate_core::tencent::query::CallbackQuery;
///
/// let query = CallbackQuery::parse("SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json")?;
/// assert_eq!(query.command().ok_or("no command")?, "Push.OfflinePush");
/// assert_eq!(query.check("1400000000", None, 1669872112), Ok(()));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct CallbackQuery<'a> {
    sdk_app_id: Option<&'a str>,
    command: Option<&'a str>,
    content_type: Option<&'a str>,
    client_ip: Option<&'a str>,
    opt_platform: Option<&'a str>,
    request_time: Option<&'a str>,
    sign: Option<&'a str>,
}

impl<'a> CallbackQuery<'a> {
    /// Reads `query`: what follows the `?` of the URL, still percent-encoded. A URL without a query is `""`.
    ///
    /// Names are "exact": case counts. A parameter without `=` is an empty one.
    ///
    /// # Errors
    /// A documented parameter with a broken escape, or one that stands twice, where two readers could each pick another
    /// (ours). What is wrong with other parameters is not ours to judge.
    pub fn parse(query: &'a str) -> Result<Self, QueryError> {
        let mut read = Self::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let Some((name, slot)) = read.slot(name) else {
                continue;
            };
            if !param::is_well_formed(value) {
                return Err(QueryError::BadEscape(name));
            }
            if slot.replace(value).is_some() {
                return Err(QueryError::Repeated(name));
            }
        }
        Ok(read)
    }

    /// `SdkAppid`, the app the callback is about.
    #[must_use]
    pub fn sdk_app_id(&self) -> Option<Param<'a>> {
        self.sdk_app_id.map(|raw| Param::new(SDK_APPID, raw))
    }

    /// `CallbackCommand`, the kind of callback; the events of the body say it again, and they decide.
    #[must_use]
    pub fn command(&self) -> Option<Param<'a>> {
        self.command.map(|raw| Param::new(CALLBACK_COMMAND, raw))
    }

    /// `contenttype`, always `json`. "Parse the body as JSON whatever its Content-Type."
    #[must_use]
    pub fn content_type(&self) -> Option<Param<'a>> {
        self.content_type.map(|raw| Param::new(CONTENT_TYPE, raw))
    }

    /// `ClientIP`, which "other webhooks on the same URL may add".
    #[must_use]
    pub fn client_ip(&self) -> Option<Param<'a>> {
        self.client_ip.map(|raw| Param::new(CLIENT_IP, raw))
    }

    /// `OptPlatform`, which "other webhooks on the same URL may add".
    #[must_use]
    pub fn opt_platform(&self) -> Option<Param<'a>> {
        self.opt_platform.map(|raw| Param::new(OPT_PLATFORM, raw))
    }

    /// `RequestTime`, unix seconds, when the sender signs.
    #[must_use]
    pub fn request_time(&self) -> Option<Param<'a>> {
        self.request_time.map(|raw| Param::new(REQUEST_TIME, raw))
    }

    /// `Sign`, when the sender signs.
    #[must_use]
    pub fn sign(&self) -> Option<Param<'a>> {
        self.sign.map(|raw| Param::new(SIGN, raw))
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'a str>)> {
        [
            (SDK_APPID, &mut self.sdk_app_id),
            (CALLBACK_COMMAND, &mut self.command),
            (CONTENT_TYPE, &mut self.content_type),
            (CLIENT_IP, &mut self.client_ip),
            (OPT_PLATFORM, &mut self.opt_platform),
            (REQUEST_TIME, &mut self.request_time),
            (SIGN, &mut self.sign),
        ]
        .into_iter()
        .find(|(known, _)| param::decoded(name).eq(known.bytes()))
    }
}

/// Leaves `Sign` out: until its window closes, who reads it in a log could send it again.
impl fmt::Debug for CallbackQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackQuery")
            .field(SDK_APPID, &self.sdk_app_id)
            .field(CALLBACK_COMMAND, &self.command)
            .field(CONTENT_TYPE, &self.content_type)
            .field(CLIENT_IP, &self.client_ip)
            .field(OPT_PLATFORM, &self.opt_platform)
            .field(REQUEST_TIME, &self.request_time)
            .finish_non_exhaustive()
    }
}

/// Why a query cannot be read. Each arm carries the name of the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// A `%` is not followed by two hex digits.
    BadEscape(&'static str),
    /// The parameter stands twice.
    Repeated(&'static str),
}

impl QueryError {
    /// The HTTP status to answer with: 400 (ours).
    #[must_use]
    pub const fn status(self) -> u16 {
        400
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, what) = match *self {
            Self::BadEscape(name) => (name, ": a `%` must be followed by two hex digits; percent-encode the value"),
            Self::Repeated(name) => (name, ": stands twice in the query; send it once"),
        };
        f.write_str(name)?;
        f.write_str(what)
    }
}

impl core::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_parameters_are_read_in_any_order_and_others_ignored() {
        let query = CallbackQuery::parse(
            "Sign=ab&RequestTime=7&OptPlatform=RESTAPI&&x=%&=&ClientIP=192.0.2.1&contenttype=json&tag\
             &CallbackCommand=Push.OfflinePush&SdkAppid=1400000000",
        )
        .unwrap();
        for (param, name, value) in [
            (query.sdk_app_id(), "SdkAppid", "1400000000"),
            (query.command(), "CallbackCommand", "Push.OfflinePush"),
            (query.content_type(), "contenttype", "json"),
            (query.client_ip(), "ClientIP", "192.0.2.1"),
            (query.opt_platform(), "OptPlatform", "RESTAPI"),
            (query.request_time(), "RequestTime", "7"),
            (query.sign(), "Sign", "ab"),
        ] {
            let param = param.unwrap();
            assert_eq!(param.name(), name);
            assert_eq!(param, value);
        }
    }

    #[test]
    fn names_are_exact_and_values_may_be_absent() {
        for (query, expected) in [
            ("", None),
            ("&", None),
            ("sdkappid=1", None),
            ("SDKAppID=1", None),
            ("SdkAppid2=1", None),
            ("SdkAppi=1", None),
            ("SdkAppid", Some("")),
            ("SdkAppid=", Some("")),
            ("SdkAppid=a=b", Some("a=b")),
            ("Sdk%41ppid=1", Some("1")),
            ("SdkAppid%=1", None),
        ] {
            let read = CallbackQuery::parse(query).unwrap().sdk_app_id();
            match (read, expected) {
                (Some(read), Some(expected)) => assert_eq!(read, expected, "{query}"),
                (read, expected) => assert_eq!(read.is_some(), expected.is_some(), "{query}"),
            }
        }
    }

    #[test]
    fn broken_escapes_and_repeated_parameters_are_refused_by_name() {
        for (query, expected) in [
            ("SdkAppid=%", QueryError::BadEscape("SdkAppid")),
            ("SdkAppid=1%4", QueryError::BadEscape("SdkAppid")),
            ("Sign=%4g", QueryError::BadEscape("Sign")),
            ("RequestTime=%%31", QueryError::BadEscape("RequestTime")),
            ("ClientIP=%é", QueryError::BadEscape("ClientIP")),
            ("SdkAppid=1&SdkAppid=2", QueryError::Repeated("SdkAppid")),
            ("SdkAppid=1&SdkAppid=1", QueryError::Repeated("SdkAppid")),
            ("SdkAppid&SdkAppid=1", QueryError::Repeated("SdkAppid")),
            ("SdkAppid=1&Sdk%41ppid=2", QueryError::Repeated("SdkAppid")),
            ("Sign=&x=1&Sign=", QueryError::Repeated("Sign")),
        ] {
            let error = CallbackQuery::parse(query).map(drop).unwrap_err();
            assert_eq!((error, error.status()), (expected, 400), "{query}");
        }
        assert_eq!(
            QueryError::BadEscape("Sign").to_string(),
            "Sign: a `%` must be followed by two hex digits; percent-encode the value"
        );
        assert_eq!(QueryError::Repeated("Sign").to_string(), "Sign: stands twice in the query; send it once");
    }

    #[test]
    fn logs_show_no_sign() {
        let shown = format!("{:?}", CallbackQuery::parse("SdkAppid=1&Sign=deadbeef").unwrap());
        assert!(shown.contains("SdkAppid: Some(\"1\")") && !shown.contains("deadbeef"), "{shown}");
    }

    #[test]
    fn it_is_small_enough_to_pass_by_value() {
        assert!(size_of::<CallbackQuery<'_>>() <= 128);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(query in "((Sign|SdkAppid|RequestTime|x)?[=&%+0-9a-f]{0,4}\\PC?){0,12}") {
            if let Ok(read) = CallbackQuery::parse(&query) {
                let _ = read.check("1", Some(b"token"), 0);
            }
        }
    }
}
