//! What a command is given to read: a file or stdin, to a bound, and the place of what is wrong with it.

use super::Failure;
use crate::config::Secret;
use pushgate_core::Error;
use serde::Serialize;
use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

/// Bytes of one input that a command reads. Ours: a batch of the protocols is thousands of times smaller, and what
/// never ends shall not fill the memory.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// A file's bytes and the name that messages give it.
#[derive(Debug)]
pub(super) struct Input {
    name: String,
    bytes: Vec<u8>,
}

impl Input {
    /// Reads the file at `path`, or stdin when that is `-`.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read or has more than [`MAX_BYTES`].
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let stdin = path == Path::new("-");
        let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
        let bytes = if stdin {
            bounded(io::stdin().lock(), MAX_BYTES)
        } else {
            fs::File::open(path).and_then(|file| bounded(file, MAX_BYTES))
        };
        match bytes {
            Ok(bytes) => Ok(Self { name, bytes }),
            Err(error) => Err(Fault { file: name, place: None, message: format!("cannot be read: {error}") }),
        }
    }

    /// The name that messages give it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The fault that `error` found in this input.
    pub(super) fn fault(&self, error: &Error) -> Fault {
        self.fault_at(error.offset(), error.field().to_string(), error.kind().to_string())
    }

    /// A fault found at byte `offset` of this input.
    pub(super) fn fault_at(&self, offset: usize, field: String, message: String) -> Fault {
        let (line, column) = line_and_column(&self.bytes, offset);
        Fault { file: self.name.clone(), place: Some(Place { line, column, field }), message }
    }

    /// A fault of the input as a whole.
    pub(super) fn fault_of_all(&self, message: String) -> Fault {
        Fault { file: self.name.clone(), place: None, message }
    }
}

/// What is wrong with an input: `FILE:LINE:COLUMN: field: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The input's name.
    pub(super) file: String,
    /// Where in it, unless it is the input as a whole.
    pub(super) place: Option<Place>,
    /// What is wrong.
    pub(super) message: String,
}

/// Where in an input something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    line: usize,
    column: usize,
    field: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column, field }) = &self.place {
            write!(f, ":{line}:{column}: {field}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Reads the key in the file at `path`, one line.
pub(super) fn read_key(path: &Path) -> Result<Secret, Failure> {
    Secret::from_file(path).map_err(|error| Failure::Operation(format!("key file {}: {error}", path.display())))
}

fn bounded(stream: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = stream.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        return Ok(bytes);
    }
    let advice = format!("longer than the {} MiB that are read; split it", most >> 20);
    Err(io::Error::new(io::ErrorKind::FileTooLarge, advice))
}

/// The line, counted from 1, and the character in it, counted from 1, at byte `offset`.
fn line_and_column(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let lines = before.iter().filter(|&&byte| byte == b'\n').count();
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    // What is not UTF-8 counts as an editor shows it.
    let characters = String::from_utf8_lossy(&before[start..]).chars().count();
    (lines + 1, characters + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_1() {
        for (text, offset, place) in [
            (&b""[..], 0, (1, 1)),
            (b"abc", 2, (1, 3)),
            (b"abc", 3, (1, 4)),
            (b"abc", 99, (1, 4)),
            (b"a\nbc", 2, (2, 1)),
            (b"a\n", 2, (2, 1)),
            (b"a\nbc", 1, (1, 2)),
            (b"a\r\n\r\nbc", 6, (3, 2)),
            ("短信x".as_bytes(), 6, (1, 3)),
            ("é\n😀x".as_bytes(), 7, (2, 2)),
            (b"\xff\xfex", 2, (1, 3)),
        ] {
            assert_eq!(line_and_column(text, offset), place, "{text:?} {offset}");
        }
    }

    #[test]
    fn reading_ends_at_the_bound() {
        assert_eq!(bounded(&b"12345678"[..], 8).unwrap(), b"12345678");
        assert!(bounded(&b"123456789"[..], 8).is_err());
        let endless = bounded(io::repeat(b' '), 1 << 20).unwrap_err();
        assert_eq!(endless.to_string(), "longer than the 1 MiB that are read; split it");
    }

    #[test]
    fn a_fault_is_one_line_with_its_place_where_it_has_one() {
        let input = Input { name: "f.json".to_owned(), bytes: b"[\n 1,\n]".to_vec() };
        let error = pushgate_core::json::check(input.bytes()).unwrap_err();
        let fault = input.fault(&error);
        assert_eq!(fault.to_string(), "f.json:3:1: body: expected a value, found `]`");
        let fault = input.fault_of_all("no".to_owned());
        assert_eq!(fault.to_string(), "f.json: no");
    }
}
