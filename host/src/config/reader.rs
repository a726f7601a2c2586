//! Reads TOML tables key by key, keeping the place of everything and every problem found.
//!
//! A serde derive stops at the first problem and forgets where a value stood by the time a rule between two values is
//! checked. Here each section asks for its keys by name and gets values that know their place; a key that nobody asked
//! for is unknown. So one pass finds all problems of a file, and what it builds is already the checked type.

use super::{
    problem::{Place, Problem},
    settings::{Noted, Origin, Setting, Settings},
};
use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Display,
    ops::{Range, RangeInclusive},
    path::Path,
};
use toml::{
    Spanned,
    de::{DeFloat, DeInteger, DeTable, DeValue},
};

/// The text being read and what was found so far.
pub(super) struct Source<'t> {
    text: &'t str,
    folder: &'t Path,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// Values with their keys and, unless they are defaults, where they start.
    noted: RefCell<Vec<(String, Noted, Option<usize>)>>,
    /// What entries of lists are called: `uplink.destinations[acme]` for `uplink.destinations[0]`.
    names: RefCell<HashMap<String, String>>,
    /// The first secret that is written in the text itself.
    secret: RefCell<Option<(usize, String)>>,
    /// Keys that were asked for and not there, so that a test can tell whether the example shows every key.
    #[cfg(test)]
    pub(super) absent: RefCell<Vec<String>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str, folder: &'t Path) -> Self {
        Self {
            text,
            folder,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            noted: RefCell::default(),
            names: RefCell::default(),
            secret: RefCell::default(),
            #[cfg(test)]
            absent: RefCell::default(),
        }
    }

    /// The folder that relative paths in the file start from.
    pub(super) fn folder(&self) -> &Path {
        self.folder
    }

    /// Notes that the value of `key`, which starts at byte `offset`, is wrong.
    pub(super) fn report(&self, offset: usize, key: &str, what: impl Display) {
        let place = Some(self.place(offset));
        self.problems.borrow_mut().push(Problem { place, key: key.to_owned(), what: what.to_string() });
    }

    /// Notes that the value of `key`, which starts at byte `offset`, deserves a look.
    pub(super) fn warn(&self, offset: usize, key: &str, what: impl Display) {
        let place = Some(self.place(offset));
        self.warnings.borrow_mut().push(Problem { place, key: key.to_owned(), what: what.to_string() });
    }

    /// The place and key of the first secret that is written in the text itself.
    pub(super) fn first_secret(&self) -> Option<(usize, String)> {
        self.secret.borrow().clone()
    }

    pub(super) fn into_found(self) -> Found {
        let names = self.names.into_inner();
        let lines: Vec<usize> = self.text.match_indices('\n').map(|(at, _)| at).collect();
        let setting = |(key, value, offset): (String, Noted, Option<usize>)| {
            let origin = offset.map_or(Origin::Default, |offset| Origin::File {
                line: lines.partition_point(|newline| *newline < offset) + 1,
            });
            Setting::new(called(key, &names), value, origin)
        };
        let settings = self.noted.into_inner().into_iter().map(setting).collect();
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(Problem::place);
        Found {
            problems: self.problems.into_inner(),
            warnings,
            settings: Settings::new(settings, names.into_values().collect()),
        }
    }

    fn place(&self, offset: usize) -> Place {
        Place::of(self.text.as_bytes(), offset)
    }
}

/// What reading a text has brought beside the configuration.
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    /// In the order of the lines.
    pub(super) warnings: Vec<Problem>,
    pub(super) settings: Settings,
}

/// A table whose keys are asked for one by one.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    key: String,
    span: Range<usize>,
    /// `None` when the file does not have the table: every key has its default then.
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Reads the whole document.
    pub(super) fn document<T>(
        source: &'a Source<'a>,
        document: &'a Spanned<DeTable<'a>>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        Self::read(source, String::new(), document.span(), Some(document.get_ref()), read)
    }

    /// The value of `key`, when the file has it.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let found = self.table.and_then(|table| table.get(key));
        #[cfg(test)]
        if found.is_none() {
            self.source.absent.borrow_mut().push(self.path_of(key));
        }
        found.map(|node| Value { source: self.source, key: self.path_of(key), node })
    }

    /// What `read` makes of the value of `key`, or `default` when the file does not have it.
    pub(super) fn or<T: Display>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> T {
        let value = self.value_or(key, &default);
        value.and_then(|value| read(&value)).unwrap_or(default)
    }

    /// The value of `key`; when the file does not have it, `default` is noted.
    pub(super) fn value_or(&mut self, key: &'static str, default: impl Display) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            let noted = (self.path_of(key), Noted::Text(default.to_string()), None);
            self.source.noted.borrow_mut().push(noted);
        }
        value
    }

    /// Calls this entry of a list `name` instead of by its place in the list.
    pub(super) fn call(&self, name: &str) {
        if let Some(start) = self.key.rfind('[') {
            let called = format!("{}[{name}]", &self.key[..start]);
            self.source.names.borrow_mut().insert(self.key.clone(), called);
        }
    }

    /// What `read` makes of the value of `key`; `None` when the file does not have it.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        self.value(key).and_then(|value| read(&value))
    }

    /// What `read` makes of the value of `key`, which the file must have.
    pub(super) fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.source.report(self.span.start, &self.path_of(key), "required, but missing");
        }
        read(&value?)
    }

    /// What `read` makes of the table `key`; of an empty one when the file does not have it.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.known.push(key);
        let node = self.table.and_then(|table| table.get(key));
        let path = self.path_of(key);
        let table = node.and_then(|node| Value { source: self.source, key: path.clone(), node }.as_table());
        Self::read(self.source, path, node.map_or(0..0, Spanned::span), table, read)
    }

    /// What `read` makes of each table in the list `key`.
    pub(super) fn each<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> Option<T>) -> Vec<T> {
        let items = self.optional(key, Value::list).unwrap_or_default();
        items.iter().filter_map(|item| item.table(&mut read).flatten()).collect()
    }

    fn read<T>(
        source: &'a Source<'a>,
        key: String,
        span: Range<usize>,
        table: Option<&'a DeTable<'a>>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut section = Self { source, key, span, table, known: Vec::new() };
        let made = read(&mut section);
        section.report_unknown_keys();
        made
    }

    fn report_unknown_keys(&self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref();
            if self.known.iter().any(|known| known == name) {
                continue;
            }
            let what = match nearest(name, &self.known) {
                Some(known) => format!("unknown key; did you mean `{known}`?"),
                None => format!("unknown key; the keys here are {}", self.known.join(", ")),
            };
            self.source.report(key.span().start, &self.path_of(name), what);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }
}

/// A value that knows its key and its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    source: &'a Source<'a>,
    key: String,
    node: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// Notes that this value is wrong.
    pub(super) fn report(&self, what: impl Display) {
        self.source.report(self.node.span().start, &self.key, what);
    }

    /// Notes that this value deserves a look.
    pub(super) fn warn(&self, what: impl Display) {
        self.source.warn(self.node.span().start, &self.key, what);
    }

    /// Notes what this value comes to.
    pub(super) fn note(&self, value: Noted) {
        self.source.noted.borrow_mut().push((self.key.clone(), value, Some(self.node.span().start)));
    }

    /// Notes that a secret is written here.
    pub(super) fn note_secret_in_place(&self) {
        self.source.secret.borrow_mut().get_or_insert_with(|| (self.node.span().start, self.key.clone()));
    }

    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// The line this value stands on, from 1.
    pub(super) fn line(&self) -> usize {
        self.source.place(self.node.span().start).line
    }

    /// What `parse` makes of this string, which is noted as it is written: no part of it may be a secret.
    pub(super) fn parse<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let made = self.parse_unnoted(parse)?;
        self.note(Noted::Text(self.node.get_ref().as_str().unwrap_or_default().to_owned()));
        Some(made)
    }

    /// What `parse` makes of this string; whoever calls notes what it comes to.
    pub(super) fn parse_unnoted<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.node.get_ref().as_str().or_else(|| self.wrong_type("a string"))?;
        parse(text).map_err(|what| self.report(what)).ok()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let value = self.node.get_ref().as_bool().or_else(|| self.wrong_type("true or false"))?;
        self.note(Noted::Text(value.to_string()));
        Some(value)
    }

    /// This number, with a fraction or without.
    pub(super) fn decimal(&self) -> Option<f64> {
        let node = self.node.get_ref();
        let integer = || node.as_integer().map(DeInteger::as_str);
        let text = node.as_float().map(DeFloat::as_str).or_else(integer);
        let number: f64 = text.and_then(|text| text.parse().ok()).or_else(|| self.wrong_type("a number"))?;
        self.note(Noted::Text(number.to_string()));
        Some(number)
    }

    /// This integer, which must lie in `range`.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let number = self.integer_unnoted(range)?;
        self.note(Noted::Text(number.to_string()));
        Some(number)
    }

    /// This integer, which must lie in `range`; whoever calls notes what it is part of.
    pub(super) fn integer_unnoted<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display,
    {
        let digits = self.node.get_ref().as_integer().or_else(|| self.wrong_type("an integer"))?;
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok().and_then(|n| T::try_from(n).ok());
        let inside = number.filter(|number| range.contains(number));
        if inside.is_none() {
            self.report(format_args!("must be from {} to {}", range.start(), range.end()));
        }
        inside
    }

    /// The elements of this array.
    pub(super) fn list(&self) -> Option<Vec<Value<'a>>> {
        let elements = self.node.get_ref().as_array().or_else(|| self.wrong_type("an array"))?;
        let element = |(index, node)| Value { source: self.source, key: format!("{}[{index}]", self.key), node };
        Some(elements.iter().enumerate().map(element).collect())
    }

    /// The elements of this array, which must have some.
    pub(super) fn non_empty_list(&self, advice: &str) -> Option<Vec<Value<'a>>> {
        let elements = self.list()?;
        if elements.is_empty() {
            self.report(format_args!("must not be empty; {advice}"));
            return None;
        }
        Some(elements)
    }

    /// What `read` makes of this table.
    pub(super) fn table<T>(&self, read: impl FnOnce(&mut Section<'a>) -> T) -> Option<T> {
        let table = self.as_table()?;
        Some(Section::read(self.source, self.key.clone(), self.node.span(), Some(table), read))
    }

    pub(super) fn is_table(&self) -> bool {
        self.node.get_ref().is_table()
    }

    fn as_table(&self) -> Option<&'a DeTable<'a>> {
        self.node.get_ref().as_table().or_else(|| self.wrong_type("a table"))
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.report(format_args!("must be {wanted}, but is of type {}", self.node.get_ref().type_str()));
        None
    }
}

/// `key` with the name of the list's entry it belongs to.
fn called(key: String, names: &HashMap<String, String>) -> String {
    let Some(end) = key.find(']') else { return key };
    names.get(&key[..=end]).map_or_else(|| key.clone(), |name| format!("{name}{}", &key[end + 1..]))
}

/// The one of `known` that `name` is most likely a misspelling of.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance_of = |key: &'k str| (edits(&name.to_lowercase().replace('-', "_"), key), key);
    let (distance, key) = known.iter().copied().map(distance_of).min()?;
    (distance <= key.chars().count().div_ceil(3)).then_some(key)
}

/// The number of characters to insert, delete or replace to turn `from` into `to`.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        let known = ["retries", "retry_every_ms", "timeout_ms", "url"];
        for (name, found) in [
            ("retrys", Some("retries")),
            ("timeout", Some("timeout_ms")),
            ("retry-every-ms", Some("retry_every_ms")),
            ("URL", Some("url")),
            ("ur", Some("url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), found, "{name}");
        }
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0), ("ab", "ba", 2)] {
            assert_eq!((edits(from, to), edits(to, from)), (count, count), "{from} {to}");
        }
    }
}
