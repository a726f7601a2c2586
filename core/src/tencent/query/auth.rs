//! Whether a callback is let in: the checks that need no more than its query.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{CallbackQuery, Param, QueryError};
use crate::{hex, json};

/// How far, in seconds, `RequestTime` may be from the receiver's clock, either way: the receiver "refuses when
/// |now − RequestTime| > 60 s" (page "Push.OfflinePush callbacks", "Request").
pub const SIGN_WINDOW_SECS: u64 = 60;

/// The length of a signature's text: 64 hex digits.
pub const SIGN_LEN: usize = 2 * DIGEST_LEN;

const DIGEST_LEN: usize = 32;

impl CallbackQuery<'_> {
    /// Lets in or refuses a callback to the app `sdk_app_id` at `now` (unix seconds), before its body is read.
    ///
    /// "Order of checks: SdkAppid missing 400, foreign 403; signature 403." An empty `SdkAppid` names no app and counts
    /// as missing (ours). "With no token configured, Sign is ignored; configured and absent = refused." The signature
    /// is compared in constant time, its hex in either case. An empty `token`, with which anybody could sign, matches
    /// nothing (ours): configure none to ignore `Sign`.
    ///
    /// # Errors
    /// The first check that fails.
    ///
    /// ```
    /// use pushgate_core::tencent::query::{CallbackQuery, Refusal};
    ///
    /// let query = CallbackQuery::parse(
    ///     "SdkAppid=1400000000&RequestTime=1669872112\
    ///      &Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
    /// )?;
    /// assert_eq!(query.check("1400000000", Some(b"xxxxyyyy"), 1669872112 + 60), Ok(()));
    ///
    /// let late = query.check("1400000000", Some(b"xxxxyyyy"), 1669872112 + 61);
    /// assert_eq!(late, Err(Refusal::OutsideWindow));
    /// assert_eq!(late.map_err(Refusal::status), Err(403));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn check(&self, sdk_app_id: &str, token: Option<&[u8]>, now: u64) -> Result<(), Refusal> {
        match self.sdk_app_id() {
            None => return Err(Refusal::SdkAppidMissing),
            Some(claimed) if claimed.is_empty() => return Err(Refusal::SdkAppidMissing),
            Some(claimed) if claimed != *sdk_app_id => return Err(Refusal::SdkAppidForeign),
            Some(_) => {}
        }
        match token {
            Some(token) => self.check_sign(token, now),
            None => Ok(()),
        }
    }

    fn check_sign(&self, token: &[u8], now: u64) -> Result<(), Refusal> {
        let claimed = self.sign().ok_or(Refusal::SignMissing)?;
        let request_time = self.request_time().ok_or(Refusal::RequestTimeMissing)?;
        let request_time = decimal(request_time).ok_or(Refusal::RequestTimeNotANumber)?;
        if now.abs_diff(request_time) > SIGN_WINDOW_SECS {
            return Err(Refusal::OutsideWindow);
        }
        let claimed = Sign::read(claimed).ok_or(Refusal::SignMalformed)?;
        if token.is_empty() || claimed != sign(token, request_time) {
            return Err(Refusal::SignWrong);
        }
        Ok(())
    }
}

/// Signs a request made at `request_time` (unix seconds): "Sign = lowercase hex SHA-256(token ‖ RequestTime)".
///
/// ```
/// use pushgate_core::tencent::query::sign;
///
/// assert_eq!(
///     sign(b"xxxxyyyy", 1669872112).to_string(),
///     "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
/// );
/// ```
#[must_use]
pub fn sign(token: &[u8], request_time: u64) -> Sign {
    let mut digits = [0; json::MAX_INTEGER_LEN];
    let hash = Sha256::new_with_prefix(token).chain_update(json::decimal(request_time, &mut digits));
    Sign(hash.finalize().into())
}

/// A request's signature. Two of them compare in constant time.
#[derive(Clone, Copy)]
pub struct Sign([u8; DIGEST_LEN]);

impl Sign {
    /// Writes the parameter's value into `out` and returns it.
    pub fn encode<'b>(&self, out: &'b mut [u8; SIGN_LEN]) -> &'b str {
        hex::encode(&self.0, out)
    }

    fn read(param: Param<'_>) -> Option<Self> {
        hex::decode(param.bytes().map(|byte| byte.to_ascii_lowercase())).map(Self)
    }
}

impl PartialEq for Sign {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Sign {}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; SIGN_LEN]))
    }
}

/// Shows nothing: until its window closes, who reads a signature in a log could send it again.
impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sign(…)")
    }
}

/// Why a callback is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The query cannot be read.
    Query(QueryError),
    /// `SdkAppid` is absent or empty.
    SdkAppidMissing,
    /// `SdkAppid` names another app.
    SdkAppidForeign,
    /// A token is configured and `Sign` is absent.
    SignMissing,
    /// A token is configured and `RequestTime` is absent.
    RequestTimeMissing,
    /// `RequestTime` is no decimal number of seconds.
    RequestTimeNotANumber,
    /// `RequestTime` is more than [`SIGN_WINDOW_SECS`] from the receiver's clock.
    OutsideWindow,
    /// `Sign` is not 64 hex digits.
    SignMalformed,
    /// `Sign` was not made with the receiver's token and this `RequestTime`.
    SignWrong,
}

impl Refusal {
    /// The HTTP status to answer with: "SdkAppid missing 400, foreign 403; signature 403"; 400 for a query that cannot
    /// be read (ours).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Query(error) => error.status(),
            Self::SdkAppidMissing => 400,
            Self::SdkAppidForeign
            | Self::SignMissing
            | Self::RequestTimeMissing
            | Self::RequestTimeNotANumber
            | Self::OutsideWindow
            | Self::SignMalformed
            | Self::SignWrong => 403,
        }
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Query(error) => return error.fmt(f),
            Self::SdkAppidMissing => "SdkAppid: missing from the query; send the app's id in it",
            Self::SdkAppidForeign => "SdkAppid: not the app of this receiver; compare the id and the URL of both sides",
            Self::SignMissing => {
                "Sign: missing from the query, and this receiver has a token; configure the same token at the sender"
            }
            Self::RequestTimeMissing => {
                "RequestTime: missing from the query, and this receiver has a token; send the unix seconds that Sign signs"
            }
            Self::RequestTimeNotANumber => {
                "RequestTime: must be unix seconds as a decimal number without sign or leading zeros"
            }
            Self::OutsideWindow => {
                "RequestTime: more than 60 s from this receiver's clock; set both clocks and sign each send anew"
            }
            Self::SignMalformed => "Sign: must be 64 hex digits, the SHA-256 of token and RequestTime",
            Self::SignWrong => {
                "Sign: not the SHA-256 of this receiver's token and RequestTime; configure the same token at both sides"
            }
        })
    }
}

impl core::error::Error for Refusal {}

/// Reads a decimal number in the one form that its sender can have signed: without sign or leading zeros.
fn decimal(param: Param<'_>) -> Option<u64> {
    let mut number: Option<u64> = None;
    for byte in param.bytes() {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number = match number {
            None => Some(u64::from(digit)),
            Some(0) => return None,
            Some(number) => Some(number.checked_mul(10)?.checked_add(u64::from(digit))?),
        };
    }
    number
}

#[cfg(test)]
mod tests {
    use std::{
        format,
        string::{String, ToString},
    };

    use super::*;

    const APP: &str = "1400000000";
    /// The published vector.
    const TOKEN: &[u8] = b"xxxxyyyy";
    const TIME: u64 = 1_669_872_112;
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

    fn signed_query() -> String {
        format!("SdkAppid={APP}&CallbackCommand=Push.OfflinePush&contenttype=json&RequestTime={TIME}&Sign={SIGN}")
    }

    fn check(query: &str, token: Option<&[u8]>, now: u64) -> Result<(), Refusal> {
        CallbackQuery::parse(query)?.check(APP, token, now)
    }

    #[test]
    fn the_published_vector_is_signed_and_let_in() {
        let signed = sign(TOKEN, TIME);
        assert_eq!(signed.to_string(), SIGN);
        assert_eq!(signed.encode(&mut [0; SIGN_LEN]), SIGN);
        assert_eq!(check(&signed_query(), Some(TOKEN), TIME), Ok(()));
    }

    #[test]
    fn checks_come_in_the_pages_order() {
        for (query, token, expected) in [
            // "SdkAppid missing 400"
            ("", None, Err(Refusal::SdkAppidMissing)),
            ("SdkAppid=", None, Err(Refusal::SdkAppidMissing)),
            ("sdkappid=1400000000", None, Err(Refusal::SdkAppidMissing)),
            ("Sign=wrong", Some(TOKEN), Err(Refusal::SdkAppidMissing)),
            // "foreign 403"
            ("SdkAppid=1400000001", None, Err(Refusal::SdkAppidForeign)),
            ("SdkAppid=140000000", None, Err(Refusal::SdkAppidForeign)),
            ("SdkAppid=14000000000", None, Err(Refusal::SdkAppidForeign)),
            ("SdkAppid=01400000000", None, Err(Refusal::SdkAppidForeign)),
            ("SdkAppid=1400000001", Some(TOKEN), Err(Refusal::SdkAppidForeign)),
            // "With no token configured, Sign is ignored"
            ("SdkAppid=1400000000", None, Ok(())),
            ("SdkAppid=1400000000&Sign=wrong&RequestTime=never", None, Ok(())),
            // "configured and absent = refused", "signature 403"
            ("SdkAppid=1400000000", Some(TOKEN), Err(Refusal::SignMissing)),
            ("SdkAppid=1400000000&RequestTime=1669872112", Some(TOKEN), Err(Refusal::SignMissing)),
            ("SdkAppid=1400000000&Sign=00", Some(TOKEN), Err(Refusal::RequestTimeMissing)),
            ("SdkAppid=1400000000&Sign=00&RequestTime=", Some(TOKEN), Err(Refusal::RequestTimeNotANumber)),
            ("SdkAppid=1400000000&Sign=00&RequestTime=0", Some(TOKEN), Err(Refusal::OutsideWindow)),
            ("SdkAppid=1400000000&Sign=00&RequestTime=1669872112", Some(TOKEN), Err(Refusal::SignMalformed)),
            ("SdkAppid=1400000000&Sign=&RequestTime=1669872112", Some(TOKEN), Err(Refusal::SignMalformed)),
            (&signed_query(), Some(b"other"), Err(Refusal::SignWrong)),
            (&signed_query(), Some(TOKEN), Ok(())),
        ] {
            let refusal = check(query, token, TIME);
            assert_eq!(refusal, expected, "{query}");
            if let Err(refusal) = refusal {
                let status = if refusal == Refusal::SdkAppidMissing { 400 } else { 403 };
                assert_eq!(refusal.status(), status, "{query}");
            }
        }
        assert_eq!(check("SdkAppid=%", None, 0).map_err(Refusal::status), Err(400));
    }

    #[test]
    fn the_window_is_sixty_seconds_either_way() {
        // "refuses when |now − RequestTime| > 60 s"
        for (now, expected) in [
            (TIME - 61, Err(Refusal::OutsideWindow)),
            (TIME - 60, Ok(())),
            (TIME, Ok(())),
            (TIME + 60, Ok(())),
            (TIME + 61, Err(Refusal::OutsideWindow)),
            (0, Err(Refusal::OutsideWindow)),
            (u64::MAX, Err(Refusal::OutsideWindow)),
        ] {
            assert_eq!(check(&signed_query(), Some(TOKEN), now), expected, "{now}");
        }
    }

    #[test]
    fn hex_is_read_in_either_case_and_through_escapes() {
        for sign in [SIGN.to_uppercase(), SIGN.replace('a', "A"), SIGN.replace('1', "%31")] {
            let query = format!("SdkAppid={APP}&RequestTime={TIME}&Sign={sign}");
            assert_eq!(check(&query, Some(TOKEN), TIME), Ok(()), "{sign}");
        }
        for sign in [format!("{SIGN}0"), format!("{SIGN}+"), format!("0x{}", &SIGN[2..]), SIGN[1..].to_string()] {
            let query = format!("SdkAppid={APP}&RequestTime={TIME}&Sign={sign}");
            assert_eq!(check(&query, Some(TOKEN), TIME), Err(Refusal::SignMalformed), "{sign}");
        }
    }

    #[test]
    fn request_time_is_a_plain_decimal_number() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999999", None),
            ("", None),
            ("00", None),
            ("01669872112", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            ("1e9", None),
            ("%31", Some(1)),
            ("1/", None),
            ("1:", None),
        ] {
            assert_eq!(decimal(Param::new("RequestTime", text)), expected, "{text:?}");
        }
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let query = format!("SdkAppid={APP}&RequestTime={TIME}&Sign={}", sign(b"", TIME));
        assert_eq!(check(&query, Some(b""), TIME), Err(Refusal::SignWrong));
    }

    #[test]
    fn no_truncation_of_the_vector_is_let_in() {
        let query = signed_query();
        for len in 0..query.len() {
            assert!(check(&query[..len], Some(TOKEN), TIME).is_err(), "{len}");
        }
    }

    #[test]
    fn a_changed_byte_is_let_in_only_where_it_changes_nothing_that_is_checked() {
        let query = signed_query();
        let sign_starts = query.len() - SIGN.len();
        let time_starts = query.find("RequestTime").unwrap();
        let unchecked = query.find("CallbackCommand").unwrap()..time_starts - 1;
        for at in 0..query.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = query.clone().into_bytes();
                let was = core::mem::replace(&mut bytes[at], byte);
                let Ok(changed) = core::str::from_utf8(&bytes) else { continue };
                let same_digit = at >= sign_starts && byte.eq_ignore_ascii_case(&was);
                let same_meaning = byte == was || same_digit || unchecked.contains(&at);
                let let_in = check(changed, Some(TOKEN), TIME);
                assert!(let_in.is_err() || same_meaning, "{changed}");
                assert!(let_in.is_ok() || !(byte == was || same_digit), "{changed}");
            }
        }
    }

    #[test]
    fn messages_name_the_parameter_and_logs_hold_no_signature() {
        for (refusal, name) in [
            (Refusal::Query(QueryError::Repeated("ClientIP")), "ClientIP: "),
            (Refusal::SdkAppidMissing, "SdkAppid: "),
            (Refusal::SdkAppidForeign, "SdkAppid: "),
            (Refusal::SignMissing, "Sign: "),
            (Refusal::RequestTimeMissing, "RequestTime: "),
            (Refusal::RequestTimeNotANumber, "RequestTime: "),
            (Refusal::OutsideWindow, "RequestTime: "),
            (Refusal::SignMalformed, "Sign: "),
            (Refusal::SignWrong, "Sign: "),
        ] {
            assert!(refusal.to_string().starts_with(name), "{refusal}");
        }
        assert!(Refusal::OutsideWindow.to_string().contains(&format!("{SIGN_WINDOW_SECS} s")));
        assert_eq!(format!("{:?}", sign(TOKEN, TIME)), "Sign(…)");
    }
}
