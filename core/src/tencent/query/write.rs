//! The URL a callback is sent to: the receiver's, with the callback's parameters added to its query.

use super::{CALLBACK_COMMAND, CONTENT_TYPE, REQUEST_TIME, SDK_APPID, SIGN, SIGN_LEN, param, sign};
use crate::{Error, ErrorKind, Field, hex, json};

/// The field that errors about the receiver's URL name.
const URL: Field = Field::top("url");

/// Writes into `out` the URL to send a callback to and returns it.
///
/// To the query that `url` has, or to none, it adds `SdkAppid`, `CallbackCommand` and `contenttype`, and with `auth`,
/// the receiver's token and the unix seconds of this send, `RequestTime` and `Sign`: "exact names; add to a query the
/// URL already has" (page "Push.OfflinePush callbacks", "Request"). Values are percent-encoded. A fragment is dropped:
/// it never goes on the wire.
///
/// A retry is a send of its own and needs a URL of its own: the receiver's window for `RequestTime` closes after
/// [`SIGN_WINDOW_SECS`](super::SIGN_WINDOW_SECS).
///
/// # Errors
/// [`ErrorKind::NotSendable`] for an empty `sdk_app_id` or token, and for a `url` that has one of these parameters
/// already, so that the receiver would see it twice (ours). [`ErrorKind::BufferFull`] with the length needed;
/// [`max_url_len`] tells a length that always suffices.
///
/// ```
/// use pushgate_core::tencent::query::write_url;
///
/// let mut out = [0; 256];
/// let url = write_url(&mut out, "https://example.com/im?shard=7", "1400000000", "Push.OfflinePush", None)?;
/// assert_eq!(
///     url,
///     "https://example.com/im?shard=7&SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json",
/// );
/// # Ok::<(), pushgate_core::Error>(())
/// ```
pub fn write_url<'b>(
    out: &'b mut [u8],
    url: &str,
    sdk_app_id: &str,
    command: &str,
    auth: Option<(&[u8], u64)>,
) -> Result<&'b str, Error> {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    let query = url.split_once('?').map(|(_, query)| query);
    if let Some(query) = query {
        refuse_own_parameters(query)?;
    }
    if sdk_app_id.is_empty() {
        return Err(not_sendable(Field::top(SDK_APPID), "must not be empty; configure the app's id"));
    }

    let mut writer = Writer { out, needed: 0 };
    writer.put(url);
    writer.put(match query {
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    });
    writer.parameter("", SDK_APPID, sdk_app_id);
    writer.parameter("&", CALLBACK_COMMAND, command);
    writer.parameter("&", CONTENT_TYPE, "json");
    if let Some((token, request_time)) = auth {
        if token.is_empty() {
            return Err(not_sendable(
                Field::top("token"),
                "must not be empty; configure the receiver's token, or none",
            ));
        }
        writer.parameter("&", REQUEST_TIME, json::decimal(request_time, &mut [0; json::MAX_INTEGER_LEN]));
        writer.parameter("&", SIGN, sign(token, request_time).encode(&mut [0; SIGN_LEN]));
    }
    writer.finish()
}

/// The length of a buffer that always suffices for [`write_url`], from the lengths of what it is given.
///
/// ```
/// use pushgate_core::tencent::query::max_url_len;
///
/// const URL: &str = "https://example.com/im";
/// let buffer = [0; max_url_len(URL.len(), "1400000000".len(), "Push.OfflinePush".len())];
/// # assert!(buffer.len() < 300);
/// ```
#[must_use]
pub const fn max_url_len(url: usize, sdk_app_id: usize, command: usize) -> usize {
    /// The text of all parameters around the two values that the caller gives.
    const FIXED: usize = "?=&=&=json&=&=".len()
        + SDK_APPID.len()
        + CALLBACK_COMMAND.len()
        + CONTENT_TYPE.len()
        + REQUEST_TIME.len()
        + json::MAX_INTEGER_LEN
        + SIGN.len()
        + SIGN_LEN;

    url.saturating_add(sdk_app_id.saturating_mul(3)).saturating_add(command.saturating_mul(3)).saturating_add(FIXED)
}

fn refuse_own_parameters(query: &str) -> Result<(), Error> {
    const OWN: [&str; 5] = [SDK_APPID, CALLBACK_COMMAND, CONTENT_TYPE, REQUEST_TIME, SIGN];

    let is_own = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        OWN.iter().any(|own| param::decoded(name).eq(own.bytes()))
    };
    if query.split('&').any(is_own) {
        return Err(not_sendable(
            URL,
            "has a parameter that each send adds (SdkAppid, CallbackCommand, contenttype, RequestTime, Sign); \
             remove it from the URL",
        ));
    }
    Ok(())
}

const fn not_sendable(field: Field, why: &'static str) -> Error {
    Error::new(ErrorKind::NotSendable(why), field, 0)
}

/// Fills a buffer from its start, and counts on past its end to tell what would have been enough.
struct Writer<'b> {
    out: &'b mut [u8],
    needed: usize,
}

impl<'b> Writer<'b> {
    fn put(&mut self, text: &str) {
        for byte in text.bytes() {
            self.put_byte(byte);
        }
    }

    fn put_byte(&mut self, byte: u8) {
        if let Some(room) = self.out.get_mut(self.needed) {
            *room = byte;
        }
        self.needed = self.needed.saturating_add(1);
    }

    fn parameter(&mut self, separator: &str, name: &str, value: &str) {
        self.put(separator);
        self.put(name);
        self.put("=");
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.put_byte(byte);
            } else {
                // RFC 3986, section 2.1: producers should use uppercase digits.
                self.put_byte(b'%');
                self.put_byte(hex::digit(byte >> 4).to_ascii_uppercase());
                self.put_byte(hex::digit(byte).to_ascii_uppercase());
            }
        }
    }

    fn finish(self) -> Result<&'b str, Error> {
        let (needed, capacity) = (self.needed, self.out.len());
        let full = Error::new(ErrorKind::BufferFull { needed, capacity }, URL, capacity);
        let written = self.out.get(..needed).ok_or(full)?;
        core::str::from_utf8(written).map_err(|_| Error::new(ErrorKind::InvalidUtf8, URL, 0))
    }
}

#[cfg(test)]
mod tests {
    use std::{string::ToString, vec};

    use proptest::prelude::*;

    use super::{super::CallbackQuery, *};

    const APP: &str = "1400000000";
    const COMMAND: &str = "Push.OfflinePush";
    const ADDED: &str = "SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json";

    fn write(url: &str, sdk_app_id: &str, auth: Option<(&[u8], u64)>) -> Result<std::string::String, Error> {
        write_url(&mut [0; 1024], url, sdk_app_id, COMMAND, auth).map(ToString::to_string)
    }

    #[test]
    fn the_parameters_are_added_to_the_query_the_url_already_has() {
        for (url, start) in [
            ("http://example.com/cb", "http://example.com/cb?"),
            ("http://example.com", "http://example.com?"),
            ("http://example.com/cb?", "http://example.com/cb?"),
            ("http://example.com/cb?a=1", "http://example.com/cb?a=1&"),
            ("http://example.com/cb?a=1&", "http://example.com/cb?a=1&"),
            ("http://example.com/cb?&", "http://example.com/cb?&"),
            ("http://example.com/cb?a=1?", "http://example.com/cb?a=1?&"),
            ("http://example.com/cb??", "http://example.com/cb??&"),
            ("http://example.com/cb?a=%20%2", "http://example.com/cb?a=%20%2&"),
            ("http://example.com/cb#part", "http://example.com/cb?"),
            ("http://example.com/cb?a=1#part?x", "http://example.com/cb?a=1&"),
            ("http://example.com/cb?#", "http://example.com/cb?"),
            ("http://example.com/cb#?Sign=1", "http://example.com/cb?"),
            ("http://example.com/SdkAppid=1", "http://example.com/SdkAppid=1?"),
            ("http://example.com/cb?sign=1", "http://example.com/cb?sign=1&"),
        ] {
            assert_eq!(write(url, APP, None).unwrap(), start.to_string() + ADDED, "{url}");
        }
    }

    #[test]
    fn with_a_token_the_query_also_has_request_time_and_sign() {
        let url = write("https://example.com/cb", APP, Some((b"xxxxyyyy", 1_669_872_112))).unwrap();
        assert_eq!(
            url,
            "https://example.com/cb?".to_string()
                + ADDED
                + "&RequestTime=1669872112\
                   &Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        );
    }

    #[test]
    fn values_are_percent_encoded() {
        let url = write("http://h/", "a b&c=d#é%+~", None).unwrap();
        assert!(url.starts_with("http://h/?SdkAppid=a%20b%26c%3Dd%23%C3%A9%25%2B~&"), "{url}");
    }

    #[test]
    fn what_no_receiver_would_take_is_not_written() {
        for url in [
            "http://h/?SdkAppid=1400000000",
            "http://h/?a=1&Sign",
            "http://h/?RequestTime=&a=1",
            "http://h/?content%74ype=json",
            "http://h/?CallbackCommand=x#part",
        ] {
            let error = write(url, APP, None).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NotSendable(_)), "{url}");
            assert!(error.to_string().starts_with("url: has a parameter that each send adds"), "{error}");
        }
        assert_eq!(
            write("http://h/", "", None).unwrap_err().to_string(),
            "SdkAppid: must not be empty; configure the app's id"
        );
        assert_eq!(
            write("http://h/", APP, Some((b"", 0))).unwrap_err().to_string(),
            "token: must not be empty; configure the receiver's token, or none"
        );
    }

    #[test]
    fn a_full_buffer_says_what_it_needs() {
        let auth = Some((b"xxxxyyyy".as_slice(), 1_669_872_112));
        let whole = write("http://h/?a=1", APP, auth).unwrap();
        for capacity in 0..whole.len() {
            let error = write_url(&mut vec![0; capacity], "http://h/?a=1", APP, COMMAND, auth).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BufferFull { needed: whole.len(), capacity });
            assert_eq!(error.offset(), capacity);
        }
        let mut exact = vec![0; whole.len()];
        assert_eq!(write_url(&mut exact, "http://h/?a=1", APP, COMMAND, auth), Ok(whole.as_str()));
    }

    #[test]
    fn the_greatest_length_is_reached_and_not_passed() {
        let (url, app, command) = ("http://h/?a=1", "é", "&");
        let written = write_url(&mut [0; 1024], url, app, command, Some((b"t", u64::MAX))).unwrap().len();
        assert_eq!(written, max_url_len(url.len(), app.len(), command.len()));
        assert_eq!(max_url_len(usize::MAX, usize::MAX, usize::MAX), usize::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_let_in(
            query in "([?][a-z=&]{0,12})?",
            app in "\\PC{1,12}",
            command in "\\PC{0,12}",
            token in prop::collection::vec(any::<u8>(), 1..40),
            time: u64,
        ) {
            let url = "http://h/".to_string() + &query;
            let mut out = vec![0; max_url_len(url.len(), app.len(), command.len())];
            let written = write_url(&mut out, &url, &app, &command, Some((&token, time)))?;
            let (_, query) = written.split_once('?').unwrap();
            let read = CallbackQuery::parse(query)?;
            prop_assert_eq!(read.check(&app, Some(&token), time), Ok(()));
            prop_assert_eq!(read.command().unwrap(), command.as_str());
            prop_assert_eq!(read.content_type().unwrap(), "json");
        }
    }
}
