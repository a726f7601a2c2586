//! What is wrong with a configuration file, and where.

use std::{fmt, io};

/// Everything found wrong with one configuration file, in the order of its lines.
///
/// Shown as one line for each problem: `FILE:LINE:COLUMN: key.path: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self { file: file.to_owned(), problems }
    }

    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        let what = format!("cannot be read: {error}");
        Self { file: file.to_owned(), problems: vec![Problem { place: None, key: String::new(), what }] }
    }

    /// What is wrong: one entry for each problem, never none.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{problem}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// One problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) place: Option<Place>,
    pub(super) key: String,
    pub(super) what: String,
}

impl Problem {
    /// Where it shows, unless it concerns the file as a whole.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// The path of the key, such as `uplink.destinations[0].url`; empty for what is not TOML.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong and what to do. Never quotes a value, which may be a secret.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.what)
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// Finds the line and column of the byte at `offset` of `text`; past the end counts as the end.
    pub(super) fn of(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        // A UTF-8 continuation byte starts no character.
        let characters = before[line_start..].iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        Self { line: before.iter().filter(|&&byte| byte == b'\n').count() + 1, column: characters + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters() {
        let text = "a = 1\n名 = \"é\" # x\n".as_bytes();
        for (offset, line, column) in [(0, 1, 1), (4, 1, 5), (6, 2, 1), (9, 2, 2), (15, 2, 7), (999, 3, 1)] {
            assert_eq!(Place::of(text, offset), Place { line, column }, "byte {offset}");
        }
    }
}
