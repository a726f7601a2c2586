//! Device tokens: who a device is, until when, and the proof that its app says so.
//!
//! A token is `cid_control_expire_digest`, issued by the application server with one of the app's keys. Whoever takes
//! one reads it ([`Token::parse`]), finds the app by [`Token::cid`], and checks it against all of that app's keys
//! ([`Token::verify`]). The form and the digest are those of the page "pushing custom messages", "Device token".

use core::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::{Choice, ConstantTimeEq};

use super::cid::Cid;
use crate::{hex, json};

/// The longest text of a token: three u32 of ten digits, three underscores, 32 hex digits.
pub const MAX_ENCODED_LEN: usize = 3 * (10 + 1) + 2 * DIGEST_LEN;

const DIGEST_LEN: usize = 16;

/// A device token of four sections.
///
/// That a `Token` exists means that its text is well formed; only [`verify`](Self::verify) says that it is genuine.
/// It is a credential: `Display` writes all of it, for the wire; `Debug` leaves the digest out, for logs.
///
/// ```
/// use pushgate_core::lingyang::token::{Token, TokenError};
///
/// let key: &[u8] = b"d57559a82027b7d846318a0c1596d645";
/// let token = Token::parse("10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424")?;
/// assert_eq!(token.cid().value(), 10000);
/// assert_eq!(token.verify([key], 1475031947), Ok(()));
/// assert_eq!(token.verify([key], 1475031948), Err(TokenError::Expired { expire: 1475031947 }));
/// # Ok::<(), TokenError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Token {
    cid: Cid,
    control: u32,
    expire: u32,
    digest: [u8; DIGEST_LEN],
}

impl Token {
    /// Reads the text of a token.
    ///
    /// # Errors
    /// The first section that is not as the page "pushing custom messages" has it: "exactly 4 sections", "u32 only, no
    /// leading zeros, signs or uppercase hex", "cid 0 invalid".
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        Self::parse_chars(text.chars())
    }

    /// Reads a token whose characters come one by one, such as those of a JSON string with escapes in it.
    ///
    /// Takes at most one character more than [`MAX_ENCODED_LEN`] from `chars`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    ///
    /// ```
    /// use pushgate_core::lingyang::token::{MalformedToken, Token};
    ///
    /// assert_eq!(Token::parse_chars("10000_0".chars()), Err(MalformedToken::TooFewSections));
    /// ```
    pub fn parse_chars(chars: impl IntoIterator<Item = char>) -> Result<Self, MalformedToken> {
        let mut reader = Reader::new();
        for c in chars {
            reader.take(c)?;
        }
        reader.finish()
    }

    /// Issues a token for `cid` that expires after `expire` (unix seconds), signed with the app's `key`.
    ///
    /// `control` is opaque for messages: 0 where nothing else is agreed.
    ///
    /// ```
    /// use pushgate_core::lingyang::{cid::Cid, token::Token};
    ///
    /// let token = Token::issue(b"d57559a82027b7d846318a0c1596d645", Cid::try_from(10000)?, 3222274048, 1475031947);
    /// assert_eq!(token.to_string(), "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424");
    /// # Ok::<(), pushgate_core::lingyang::cid::ZeroCid>(())
    /// ```
    #[must_use]
    pub fn issue(key: &[u8], cid: Cid, control: u32, expire: u32) -> Self {
        Self { cid, control, expire, digest: digest(key, cid, control, expire) }
    }

    /// The device it speaks for.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        self.cid
    }

    /// The control word, opaque for messages.
    #[must_use]
    pub const fn control(&self) -> u32 {
        self.control
    }

    /// The last second it is good for, in unix seconds.
    #[must_use]
    pub const fn expire(&self) -> u32 {
        self.expire
    }

    /// Checks that one of the app's `keys` issued this token and that it is not over at `now` (unix seconds).
    ///
    /// "Any of the app's keys may match; compare in constant time": every key is tried, so the time taken tells neither
    /// whether nor which one matched. An empty key, with which anybody could sign, matches nothing (ours).
    ///
    /// # Errors
    /// [`TokenError::WrongDigest`] before [`TokenError::Expired`], so that only who holds a genuine token learns that
    /// it is over (ours). "Expired iff expire < now."
    pub fn verify<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>, now: u64) -> Result<(), TokenError> {
        let mut genuine = Choice::from(0);
        for key in keys {
            genuine |= self.is_signed_with(key);
        }
        self.judge(genuine, now)
    }

    /// Writes the token's text into `out` and returns it.
    pub fn encode<'b>(&self, out: &'b mut [u8; MAX_ENCODED_LEN]) -> &'b str {
        let mut digits = [0; json::MAX_INTEGER_LEN];
        let mut hex_digits = [0; 2 * DIGEST_LEN];
        let mut room = out.iter_mut();
        let mut put = |text: &str| {
            for (from, to) in text.bytes().zip(&mut room) {
                *to = from;
            }
        };
        for number in [self.cid.value(), self.control, self.expire] {
            put(json::decimal(u64::from(number), &mut digits));
            put("_");
        }
        put(hex::encode(&self.digest, &mut hex_digits));
        let left = room.len();
        let written = MAX_ENCODED_LEN.saturating_sub(left);
        out.get(..written).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or("")
    }

    fn is_signed_with(&self, key: &[u8]) -> Choice {
        let expected = digest(key, self.cid, self.control, self.expire);
        expected.ct_eq(&self.digest) & !key.len().ct_eq(&0)
    }

    fn judge(&self, genuine: Choice, now: u64) -> Result<(), TokenError> {
        if !bool::from(genuine) {
            return Err(TokenError::WrongDigest);
        }
        if u64::from(self.expire) < now {
            return Err(TokenError::Expired { expire: self.expire });
        }
        Ok(())
    }
}

impl FromStr for Token {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        Self::parse(text)
    }
}

/// Compares the digests in constant time.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let digests = self.digest.ct_eq(&other.digest);
        (self.cid, self.control, self.expire) == (other.cid, other.control, other.expire) && bool::from(digests)
    }
}

impl Eq for Token {}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; MAX_ENCODED_LEN]))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; json::MAX_INTEGER_LEN];
        for number in [self.cid.value(), self.control, self.expire] {
            f.write_str(json::decimal(u64::from(number), &mut digits))?;
            f.write_str("_")?;
        }
        f.write_str("…")
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The text is no token.
    Malformed(MalformedToken),
    /// No key of the app made this digest.
    WrongDigest,
    /// It is genuine, and over.
    Expired {
        /// The last second it was good for, in unix seconds.
        expire: u32,
    },
}

impl From<MalformedToken> for TokenError {
    fn from(malformed: MalformedToken) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::WrongDigest => f.write_str(
                "the token's digest matches no key of the app; issue it anew with one of the keys configured here",
            ),
            Self::Expired { expire } => {
                let mut digits = [0; json::MAX_INTEGER_LEN];
                f.write_str("the token expired at ")?;
                f.write_str(json::decimal(u64::from(expire), &mut digits))?;
                f.write_str(" (unix seconds); issue a new one")
            }
        }
    }
}

impl core::error::Error for TokenError {}

/// The section of a text that keeps it from being a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedToken {
    /// The cid is no u32 in plain decimal, or is 0.
    Cid,
    /// The control word is no u32 in plain decimal.
    Control,
    /// The expiry is no u32 in plain decimal.
    Expire,
    /// The digest is not 32 lower-case hex digits.
    Digest,
    /// The text ends before the digest.
    TooFewSections,
    /// A fifth section follows: a token for another of the vendor's services.
    TooManySections,
}

impl MalformedToken {
    /// What the section must be, in the words of the message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cid => {
                "the token's cid (section 1) must be a decimal number from 1 to 4294967295 without sign or leading zeros"
            }
            Self::Control => {
                "the token's control (section 2) must be a decimal number from 0 to 4294967295 without sign or leading zeros"
            }
            Self::Expire => {
                "the token's expire (section 3) must be a decimal number from 0 to 4294967295 without sign or leading zeros"
            }
            Self::Digest => "the token's digest (section 4) must be 32 lower-case hex digits",
            Self::TooFewSections => "the token has fewer than 4 sections; it must be cid_control_expire_digest",
            Self::TooManySections => {
                "the token has more than 4 sections and is meant for another service; it must be cid_control_expire_digest"
            }
        }
    }
}

impl fmt::Display for MalformedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for MalformedToken {}

/// "HMAC-MD5(key = app key as ASCII, message = u32le(cid) ‖ u32le(control) ‖ u32le(expire))."
fn digest(key: &[u8], cid: Cid, control: u32, expire: u32) -> [u8; DIGEST_LEN] {
    // The constructor that takes a key of any length is fallible in its signature. This one is not, for a key that is
    // as long as a block of the hash: padded with zeros, or hashed first when it is longer (RFC 2104, section 2).
    let mut block = hmac::digest::Key::<Hmac<Md5>>::default();
    let hashed;
    let key = if key.len() > block.len() {
        hashed = Md5::digest(key);
        hashed.as_slice()
    } else {
        key
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }

    let mut mac = Hmac::<Md5>::new(&block);
    for word in [cid.value(), control, expire] {
        mac.update(&word.to_le_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// A token on its way in, one character at a time.
struct Reader {
    section: Section,
    /// The digits of the current section so far.
    digits: u8,
    /// The current section's number so far.
    number: u32,
    cid: Option<Cid>,
    control: u32,
    expire: u32,
    digest: [u8; DIGEST_LEN],
}

#[derive(Clone, Copy)]
enum Section {
    Cid,
    Control,
    Expire,
    Digest,
}

impl Reader {
    const fn new() -> Self {
        Self { section: Section::Cid, digits: 0, number: 0, cid: None, control: 0, expire: 0, digest: [0; DIGEST_LEN] }
    }

    fn take(&mut self, c: char) -> Result<(), MalformedToken> {
        match self.section {
            Section::Digest => self.take_hex(c),
            _ if c == '_' => self.end_number(),
            _ => self.take_decimal(c).ok_or(self.flaw()),
        }
    }

    fn finish(self) -> Result<Token, MalformedToken> {
        let (Section::Digest, Some(cid)) = (self.section, self.cid) else {
            return Err(MalformedToken::TooFewSections);
        };
        if usize::from(self.digits) != 2 * DIGEST_LEN {
            return Err(MalformedToken::Digest);
        }
        Ok(Token { cid, control: self.control, expire: self.expire, digest: self.digest })
    }

    /// Takes a digit; `None` for anything else, for a digit after a leading 0, and past `u32::MAX`.
    fn take_decimal(&mut self, c: char) -> Option<()> {
        let digit = c.to_digit(10)?;
        if self.digits > 0 && self.number == 0 {
            return None;
        }
        self.number = self.number.checked_mul(10)?.checked_add(digit)?;
        self.digits = self.digits.saturating_add(1);
        Some(())
    }

    fn end_number(&mut self) -> Result<(), MalformedToken> {
        if self.digits == 0 {
            return Err(self.flaw());
        }
        self.section = match self.section {
            Section::Cid => {
                self.cid = Some(Cid::new(self.number).ok_or(self.flaw())?);
                Section::Control
            }
            Section::Control => {
                self.control = self.number;
                Section::Expire
            }
            Section::Expire | Section::Digest => {
                self.expire = self.number;
                Section::Digest
            }
        };
        self.number = 0;
        self.digits = 0;
        Ok(())
    }

    fn take_hex(&mut self, c: char) -> Result<(), MalformedToken> {
        let Some(byte) = self.digest.get_mut(usize::from(self.digits / 2)) else {
            return Err(if c == '_' { MalformedToken::TooManySections } else { MalformedToken::Digest });
        };
        let value = u8::try_from(c).ok().and_then(hex::value).ok_or(MalformedToken::Digest)?;
        *byte = *byte << 4 | value;
        self.digits = self.digits.saturating_add(1);
        Ok(())
    }

    const fn flaw(&self) -> MalformedToken {
        match self.section {
            Section::Cid => MalformedToken::Cid,
            Section::Control => MalformedToken::Control,
            Section::Expire => MalformedToken::Expire,
            Section::Digest => MalformedToken::Digest,
        }
    }
}

#[cfg(test)]
mod tests;
