//! A text that never shows itself.

use super::{reader::Value, rights, settings::Noted};
use std::{fmt, fs, hint::black_box, io, path::Path, str::FromStr};

/// A key, token or URL with a password: whatever prints it prints `[secret]`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret.
    ///
    /// # Errors
    ///
    /// Fails when `text` is empty, which protects nothing, or holds a control character, which no key or token of the
    /// three protocols may have: most often the rest of a file whose first line was meant.
    pub fn new(text: &str) -> Result<Self, NotASecret> {
        if text.is_empty() {
            return Err(NotASecret("must not be empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(NotASecret("must be one line without control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a secret from the file at `path`; one newline at its end does not count.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, is not UTF-8, or holds no secret.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Self::new(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Hands out the text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads `"text"`, `{ env = "NAME" }` or `{ file = "PATH" }`, a relative path starting from the file's folder.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let secret = Self::fetch(value)?;
        if !value.is_table() {
            value.note_secret_in_place();
        }
        value.note(Noted::Hidden { shown: secret.to_string(), secret: secret.clone() });
        Some(secret)
    }

    /// As [`read`](Self::read), for what need not be secret; whoever calls notes what it comes to.
    pub(super) fn fetch(value: &Value<'_>) -> Option<Self> {
        if !value.is_table() {
            return value.parse_unnoted(Self::new);
        }
        let folder = value.source().folder();
        let given = value.table(|source| (source.value("env"), source.value("file")))?;
        match given {
            (Some(name), None) => name.parse(from_environment),
            (None, Some(file)) => file.parse(|path| {
                let path = folder.join(path);
                let secret = Self::from_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                if rights::open_to_everybody(&path) {
                    file.warn(rights::ADVICE);
                }
                Ok::<_, String>(secret)
            }),
            _ => {
                value.report("must be a string, { env = \"NAME\" } or { file = \"PATH\" }");
                None
            }
        }
    }

    /// Reads a secret that is sent in a header.
    pub(super) fn read_for_header(value: &Value<'_>) -> Option<Self> {
        let secret = Self::read(value)?;
        if !fits_a_header(secret.reveal()) {
            value.report(HEADER_ADVICE);
            return None;
        }
        Some(secret)
    }
}

/// Takes the whole text, as the command line gives it.
impl FromStr for Secret {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        Self::new(text)
    }
}

/// Compares without telling by its time where two secrets of one length differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let differ = |sum: u8, (a, b): (u8, u8)| black_box(sum | (a ^ b));
        self.0.len() == other.0.len() && self.0.bytes().zip(other.0.bytes()).fold(0, differ) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret(&'static str);

impl fmt::Display for NotASecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotASecret {}

/// What [`fits_a_header`] asks for.
pub(super) const HEADER_ADVICE: &str = "must be printable ASCII without spaces: it travels in a header";

/// Whether `text` is the same on both ends of an HTTP header.
pub(super) fn fits_a_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn from_environment(name: &str) -> Result<Secret, String> {
    let text = std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => format!("the environment variable {name} is not set"),
        std::env::VarError::NotUnicode(_) => format!("the environment variable {name} is not UTF-8"),
    })?;
    Secret::new(&text).map_err(|error| format!("the environment variable {name} {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_format_shows_it() {
        let secret = Secret::new("hunter2").unwrap();
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{secret:#?}"), format!("{secret:>20}")] {
            assert!(!shown.contains("hunter2") && shown.contains("[secret]"), "{shown}");
        }
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn secrets_compare_whole() {
        let secret = |text| Secret::new(text).unwrap();
        assert_eq!(secret("abc"), secret("abc"));
        for other in ["abd", "xbc", "ab", "abcd"] {
            assert_ne!(secret("abc"), secret(other));
        }
    }

    #[test]
    fn a_file_holds_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (content, secret) in [
            ("k1", Some("k1")),
            ("k1\n", Some("k1")),
            ("k1\r\n", Some("k1")),
            (" k1 \n", Some(" k1 ")),
            ("k1\n\n", None),
            ("k1\nk2\n", None),
            ("\n", None),
            ("", None),
        ] {
            fs::write(&path, content).unwrap();
            let read = Secret::from_file(&path);
            assert_eq!(read.ok().as_ref().map(Secret::reveal), secret, "{content:?}");
        }
        assert!(Secret::from_file(&folder.path().join("none")).is_err());
    }
}
