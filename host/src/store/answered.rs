//! What a destination answered, as far as it is kept: so that whoever asks why an attempt failed reads it in its words.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Caps the bytes of an answer that are kept with its attempt (ours): an error's text is in its first lines.
pub const MAX_ANSWER: usize = 1024;

/// Is the beginning of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    head: Bytes,
    bytes: u32,
}

impl Answered {
    /// Keeps the beginning of `body`, in memory of its own: what was received is part of a larger buffer.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let head = body.get(..MAX_ANSWER).unwrap_or(body);
        Self { head: Bytes::copy_from_slice(head), bytes: u32::try_from(body.len()).unwrap_or(u32::MAX) }
    }

    /// Takes up what was kept; `bytes` is how long the whole answer was.
    #[must_use]
    pub fn kept(head: Vec<u8>, bytes: u32) -> Self {
        Self { bytes: bytes.max(u32::try_from(head.len()).unwrap_or(u32::MAX)), head: head.into() }
    }

    /// The beginning, at most [`MAX_ANSWER`] bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// How long the whole answer was, as far as it was read.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Whether there was more than is kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.head.len() < self.bytes as usize
    }

    /// The beginning as text, if it is one; a character that the end cuts through is left out.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match str::from_utf8(&self.head) {
            Ok(text) => Some(text),
            Err(error) if self.is_cut() && error.error_len().is_none() => {
                str::from_utf8(self.head.get(..error.valid_up_to())?).ok()
            }
            Err(_) => None,
        }
    }
}

/// An answer as the admin API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Answered)]
pub(super) struct AnsweredShown<'a> {
    /// The first 1024 bytes, if they are UTF-8.
    #[schema(required)]
    text: Option<&'a str>,
    /// The same in base64, if they are not.
    #[schema(required)]
    base64: Option<String>,
    /// Bytes that were received.
    bytes: u32,
    /// Whether there were more than are kept.
    cut: bool,
}

impl Serialize for Answered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        let base64 = text.is_none().then(|| BASE64_STANDARD.encode(&self.head));
        AnsweredShown { text, base64, bytes: self.bytes, cut: self.is_cut() }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_as_text_where_it_is_one_and_says_what_is_missing() {
        let long = format!("{}éé", "x".repeat(MAX_ANSWER - 1));
        for (body, shown) in [
            (&b"no such route"[..], r#"{"text":"no such route","base64":null,"bytes":13,"cut":false}"#.to_owned()),
            (b"", r#"{"text":"","base64":null,"bytes":0,"cut":false}"#.to_owned()),
            (b"\xff", r#"{"text":null,"base64":"/w==","bytes":1,"cut":false}"#.to_owned()),
            (b"a\xc3", r#"{"text":null,"base64":"YcM=","bytes":2,"cut":false}"#.to_owned()),
            (
                long.as_bytes(),
                format!(r#"{{"text":"{}","base64":null,"bytes":1027,"cut":true}}"#, "x".repeat(MAX_ANSWER - 1)),
            ),
        ] {
            let answered = Answered::of(body);
            assert_eq!(serde_json::to_string(&answered).unwrap(), shown);
            assert_eq!(Answered::kept(answered.head().to_vec(), answered.bytes()), answered);
        }
    }
}
