//! The webhook's signature: proof that a request comes from who holds an app's key.
//!
//! `X-Event-Sign` is "lowercase hex MD5(app id ‖ raw body ‖ app key)" (page "pushing custom messages", "Webhook to the
//! application server"). The sender signs the very bytes it sends and the receiver the very bytes it got, before either
//! reads them as JSON. The construction is the vendor's: it is as strong as MD5, so TLS should carry it.

use core::fmt;

use md5::{Digest, Md5};
use subtle::{Choice, ConstantTimeEq};

use crate::hex;

/// The header that carries the signature. Header names are compared without regard to case.
pub const SIGN_HEADER: &str = "X-Event-Sign";

/// The length of a signature's text: 32 hex digits.
pub const SIGN_LEN: usize = 2 * DIGEST_LEN;

const DIGEST_LEN: usize = 16;

/// Signs the raw `body` of a webhook for the app `app_id` with one of its keys.
///
/// ```
/// use pushgate_core::lingyang::sign::{sign, verify};
///
/// let body = br#"{"event":"device-message","data":{}}"#;
/// let header = sign("Test", body, b"a key of the app").to_string();
/// let keys: [&[u8]; 2] = [b"the app's next key", b"a key of the app"];
/// assert_eq!(verify(&header, "Test", body, keys), Ok(()));
/// ```
#[must_use]
pub fn sign(app_id: &str, body: &[u8], key: &[u8]) -> EventSign {
    Signer::new(app_id).update(body).finish(key)
}

/// Checks the `X-Event-Sign` header that came with the raw `body` against all keys of the app `app_id`.
///
/// # Errors
/// As [`Signer::verify`].
pub fn verify<'k>(
    header: &str,
    app_id: &str,
    body: &[u8],
    keys: impl IntoIterator<Item = &'k [u8]>,
) -> Result<(), SignError> {
    Signer::new(app_id).update(body).verify(header, keys)
}

/// The signature of a body that comes, or goes, in chunks.
///
/// ```
/// use pushgate_core::lingyang::sign::{Signer, sign};
///
/// let mut signer = Signer::new("Test");
/// for chunk in [b"{\"event\":".as_slice(), b"\"device-message\"}"] {
///     signer.update(chunk);
/// }
/// assert_eq!(signer.finish(b"key"), sign("Test", b"{\"event\":\"device-message\"}", b"key"));
/// ```
#[derive(Clone)]
pub struct Signer(Md5);

impl Signer {
    /// Starts a signature for the app `app_id`.
    #[must_use]
    pub fn new(app_id: &str) -> Self {
        Self(Md5::new_with_prefix(app_id))
    }

    /// Takes the next `chunk` of the raw body.
    pub fn update(&mut self, chunk: &[u8]) -> &mut Self {
        self.0.update(chunk);
        self
    }

    /// The signature of all chunks so far under `key`. The signer is left as it was, ready for the next key or chunk.
    #[must_use]
    pub fn finish(&self, key: &[u8]) -> EventSign {
        EventSign(self.0.clone().chain_update(key).finalize().into())
    }

    /// Checks an `X-Event-Sign` `header` against all chunks so far and all keys of the app.
    ///
    /// Every key is tried and compared in constant time, so the time taken tells neither whether nor which one matched.
    /// An empty key, with which anybody could sign, matches nothing (ours).
    ///
    /// # Errors
    /// [`SignError::Malformed`] when the header is no signature at all; [`SignError::Mismatch`] when no key made it.
    pub fn verify<'k>(&self, header: &str, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<(), SignError> {
        let claimed = EventSign::parse(header)?;
        let mut genuine = Choice::from(0);
        for key in keys {
            genuine |= self.is_signed_with(key, claimed);
        }
        if bool::from(genuine) { Ok(()) } else { Err(SignError::Mismatch) }
    }

    fn is_signed_with(&self, key: &[u8], claimed: EventSign) -> Choice {
        self.finish(key).0.ct_eq(&claimed.0) & !key.len().ct_eq(&0)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// The value of an `X-Event-Sign` header. Two of them compare in constant time.
#[derive(Clone, Copy)]
pub struct EventSign([u8; DIGEST_LEN]);

impl EventSign {
    /// Reads a header's value: 32 hex digits in lower case, as the page has it, and nothing else (ours).
    ///
    /// # Errors
    /// [`SignError::Malformed`] for any other text.
    pub fn parse(header: &str) -> Result<Self, SignError> {
        hex::decode(header.bytes()).map(Self).ok_or(SignError::Malformed)
    }

    /// Writes the header's value into `out` and returns it.
    pub fn encode<'b>(&self, out: &'b mut [u8; SIGN_LEN]) -> &'b str {
        hex::encode(&self.0, out)
    }
}

impl PartialEq for EventSign {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for EventSign {}

impl fmt::Display for EventSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; SIGN_LEN]))
    }
}

/// Shows nothing: who reads a body and its signature in a log could send both again.
impl fmt::Debug for EventSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSign(…)")
    }
}

/// Why a webhook's signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignError {
    /// The header is not 32 lower-case hex digits.
    Malformed,
    /// No key of the app made this signature of this body.
    Mismatch,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "X-Event-Sign: must be 32 lower-case hex digits",
            Self::Mismatch => {
                "X-Event-Sign: not the signature of this body under any key of the app; \
                 compare the app id and the keys of both sides, and sign the raw bytes of the body"
            }
        })
    }
}

impl core::error::Error for SignError {}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    const APP_ID: &str = "Test";
    const KEY: &[u8] = b"d57559a82027b7d846318a0c1596d645";
    const BODY: &[u8] =
        br#"{"event":"device-message","data":{"msg":"aGVsbG8=","from":1003200,"to":[5003062],"created":1452666295}}"#;

    /// MD5 of another implementation over the app id, the page's sample body and a key.
    const SIGN: &str = "a606396db1bc687ecab319806775a84c";

    #[test]
    fn the_sign_is_lowercase_hex_md5_of_app_id_body_and_key() {
        for (app_id, body, key, expected) in
            [(APP_ID, BODY, KEY, SIGN), (APP_ID, b"" as &[u8], b"key", "91d1bc970bb6c2050430cb07c2a2db85")]
        {
            let signed = sign(app_id, body, key);
            assert_eq!(signed.to_string(), expected);
            assert_eq!(signed.encode(&mut [0; SIGN_LEN]), expected);
            assert_eq!(EventSign::parse(expected), Ok(signed));
            assert_eq!(verify(expected, app_id, body, [key]), Ok(()));
        }
    }

    #[test]
    fn any_of_the_apps_keys_may_match() {
        for (keys, expected) in [
            (&[KEY, b"other"] as &[&[u8]], Ok(())),
            (&[b"other", KEY], Ok(())),
            (&[b"other"], Err(SignError::Mismatch)),
            (&[], Err(SignError::Mismatch)),
        ] {
            assert_eq!(verify(SIGN, APP_ID, BODY, keys.iter().copied()), expected, "{keys:?}");
        }
    }

    #[test]
    fn every_key_is_tried_even_after_one_has_matched() {
        let mut tried = 0;
        let keys = [KEY, b"other", b"third"].into_iter().inspect(|_| tried += 1);
        assert_eq!(verify(SIGN, APP_ID, BODY, keys), Ok(()));
        assert_eq!(tried, 3);
    }

    #[test]
    fn an_empty_key_signs_for_nobody() {
        let forged = sign(APP_ID, BODY, b"").to_string();
        assert_eq!(verify(&forged, APP_ID, BODY, [b"" as &[u8], KEY]), Err(SignError::Mismatch));
    }

    #[test]
    fn a_header_is_32_lower_case_hex_digits() {
        for (header, expected) in [
            (SIGN.to_string(), Ok(())),
            (SIGN.to_uppercase(), Err(SignError::Malformed)),
            (String::new(), Err(SignError::Malformed)),
            (SIGN.to_string() + "0", Err(SignError::Malformed)),
            (SIGN.to_string() + " ", Err(SignError::Malformed)),
            ("md5=".to_string() + SIGN, Err(SignError::Malformed)),
        ] {
            assert_eq!(verify(&header, APP_ID, BODY, [KEY]), expected, "{header:?}");
        }
    }

    #[test]
    fn the_signature_is_the_same_however_the_body_is_cut() {
        let whole = sign(APP_ID, BODY, KEY);
        for size in 1..=BODY.len() {
            let mut signer = Signer::new(APP_ID);
            for chunk in BODY.chunks(size) {
                signer.update(chunk);
            }
            assert_eq!(signer.finish(KEY), whole, "chunks of {size}");
            assert_eq!(signer.verify(SIGN, [KEY]), Ok(()), "chunks of {size}, after finish");
        }
    }

    #[test]
    fn no_change_and_no_truncation_of_header_or_body_verifies() {
        for len in 0..SIGN.len() {
            assert_eq!(verify(&SIGN[..len], APP_ID, BODY, [KEY]), Err(SignError::Malformed), "{len}");
        }
        for len in 0..BODY.len() {
            assert_eq!(verify(SIGN, APP_ID, &BODY[..len], [KEY]), Err(SignError::Mismatch), "{len}");
        }
        for change in 1..=u8::MAX {
            for at in 0..SIGN.len() {
                let mut bytes = SIGN.as_bytes().to_vec();
                bytes[at] ^= change;
                let Ok(header) = core::str::from_utf8(&bytes) else { continue };
                assert!(verify(header, APP_ID, BODY, [KEY]).is_err(), "{header:?}");
            }
            for at in 0..BODY.len() {
                let mut body = BODY.to_vec();
                body[at] ^= change;
                assert_eq!(verify(SIGN, APP_ID, &body, [KEY]), Err(SignError::Mismatch), "byte {at} ^ {change}");
            }
        }
    }

    #[test]
    fn logs_hold_no_signature_and_messages_say_what_to_do() {
        assert_eq!(std::format!("{:?}", sign(APP_ID, BODY, KEY)), "EventSign(…)");
        assert_eq!(SignError::Malformed.to_string(), "X-Event-Sign: must be 32 lower-case hex digits");
        assert_eq!(
            SignError::Mismatch.to_string(),
            "X-Event-Sign: not the signature of this body under any key of the app; \
             compare the app id and the keys of both sides, and sign the raw bytes of the body"
        );
    }
}
