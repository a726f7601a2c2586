//! The names of receivers and destinations, and lists in which each stands once.

use super::reader::Section;
use std::{fmt, str::FromStr};

/// Characters a name may have.
const MAX_NAME_LEN: usize = 64;

/// The name of a receiver or destination: 1 to 64 of `a`–`z`, `A`–`Z`, `0`–`9`, `-`, `_` and `.`, the first a letter or
/// digit, so that it stands in a URL path, a metric label and a log line as it is. (ours)
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if plain && starts && text.len() <= MAX_NAME_LEN { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "must be 1 to {MAX_NAME_LEN} letters, digits, `-`, `_` or `.`, the first a letter or digit: \
             it becomes part of a URL"
        )
    }
}

impl std::error::Error for NotAName {}

/// What a [`Roster`] lists.
pub trait Named {
    /// The name it is found by.
    fn name(&self) -> &Name;
}

/// A list in the order of the file in which every name stands once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster<T> {
    entries: Vec<T>,
}

impl<T: Named> Roster<T> {
    /// Finds the entry called `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&T> {
        self.entries.iter().find(|entry| entry.name().as_str() == name)
    }

    /// Goes through the entries in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.entries.iter()
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads the list `key` of `parent`; `read` gets each entry's name (`None` when that is wrong, so that the rest of
    /// the entry is checked all the same).
    pub(super) fn read<'a>(
        parent: &mut Section<'a>,
        key: &'static str,
        mut read: impl FnMut(Option<Name>, &mut Section<'a>) -> Option<T>,
    ) -> Self {
        let mut taken: Vec<(Name, usize)> = Vec::new();
        let entries = parent.each(key, |entry| {
            let name = entry.required("name", |value| {
                let name: Name = value.parse_unnoted(str::parse)?;
                if let Some((_, line)) = taken.iter().find(|(other, _)| *other == name) {
                    value.report(format_args!("`{name}` is taken by the one on line {line}; names are unique"));
                    return None;
                }
                taken.push((name.clone(), value.line()));
                Some(name)
            });
            if let Some(name) = &name {
                entry.call(name.as_str());
            }
            read(name, entry)
        });
        Self { entries }
    }
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<'a, T: Named> IntoIterator for &'a Roster<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_a_path_as_it_is() {
        let long = "x".repeat(MAX_NAME_LEN);
        for name in ["ucloud", "a", "9-x_y.z", &long] {
            assert_eq!(name.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for text in ["", ".", "..", ".a", "-a", "a/b", "a b", "a%2F", "é", "a?", &format!("{long}x")] {
            assert_eq!(text.parse::<Name>(), Err(NotAName), "{text:?}");
        }
    }
}
