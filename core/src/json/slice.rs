//! The fast reader: for documents that lie in memory as a whole and keep every rule.
//!
//! A document is read here in one pass over the bytes, eight at a time, straight into its fields. Members in documented
//! order are compared as constants one after the other; from the first that is not as expected on, members are found by
//! name. What breaks a rule is `None`, whichever rule it is: the table-driven reader goes over the whole document again
//! and says what is wrong. So this one knows no errors, and both accept the same documents with the same values. Its
//! code is generated from the same declaration as the table.

mod scan;

pub(crate) use scan::plain_len;
use scan::{ONES, digits, eight_digits, escaped, not_digits, past_digits, past_spaces};

use crate::Text;

use super::{
    MAX_DEPTH,
    schema::{Member, Schema},
    value::Value,
};

/// A place in a text that is known to be UTF-8: all that follows.
///
/// It is small and copied in and out of whatever is not inlined, so that the hot paths keep it in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a> {
    rest: &'a str,
    /// Levels of arrays and objects around this place.
    depth: u32,
    /// How many elements an array of receivers may have.
    pub(crate) most_elements: u32,
}

/// What follows a member or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Another,
    End,
}

impl<'a> Slice<'a> {
    #[inline]
    pub(crate) fn new(document: &'a str) -> Self {
        Self::within(document, 0)
    }

    /// A place that has `depth` levels around it.
    #[inline]
    pub(crate) fn within(rest: &'a str, depth: u32) -> Self {
        Self { rest, depth, most_elements: u32::MAX }
    }

    /// What follows this place.
    #[inline]
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The text from `start`, where this was before, to here.
    #[inline]
    pub(crate) fn since(&self, start: &'a str) -> Option<&'a str> {
        start.get(..start.len().checked_sub(self.rest.len())?)
    }

    /// Checks that nothing but white space follows.
    #[inline]
    pub(crate) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// The next byte that is no white space.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = *self.rest.as_bytes().first()?;
        if byte > b' ' {
            return Some(byte);
        }
        self.rest = past_spaces(self.rest);
        self.rest.as_bytes().first().copied()
    }

    /// Takes the one space that some senders put between tokens.
    #[inline]
    pub(crate) fn past_space(&mut self) {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
    }

    /// Takes a text of this crate's own, which must come next.
    #[inline(always)]
    fn take(&mut self, literal: &'static str) -> Option<()> {
        if !self.take_literal(literal) {
            self.rest = past_spaces(self.rest).strip_prefix(literal)?;
        }
        Some(())
    }

    /// Takes a text of this crate's own, if it comes next without a space before it.
    ///
    /// Always inlined: the text is a constant there, and comparing it a few instructions.
    #[inline(always)]
    pub(crate) fn take_literal(&mut self, literal: &'static str) -> bool {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `null`, if it comes next.
    #[inline(always)]
    pub(crate) fn take_null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.take_literal("null")
    }

    /// Reads an object from its brace on, whatever the order of its members, giving each of `members` that is there to
    /// `read`.
    #[inline]
    pub(crate) fn members(
        &mut self,
        schema: &'static Schema,
        read: &mut dyn FnMut(usize, &mut Self) -> Option<()>,
    ) -> Option<()> {
        let inside = Self { depth: self.depth + 1, ..*self };
        *self = inside.members_left(schema, 0, |_| None, read)?;
        Some(())
    }

    /// Inside of an object, one level deeper, as its brace comes next.
    #[inline]
    pub(crate) fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Outside of an object again, one level less deep, as its brace has been taken.
    #[inline]
    pub(crate) fn shallower(self) -> Self {
        Self { depth: self.depth - 1, ..self }
    }

    /// Reads what is left of an object whose members `seen` (a bit each) have been read; without any, from its brace on.
    ///
    /// `take_key` knows the members' keys as constants, for those that stand there without escapes and spaces.
    #[inline(never)]
    pub(crate) fn members_left(
        mut self,
        schema: &'static Schema,
        mut seen: u32,
        take_key: fn(&mut Self) -> Option<usize>,
        read: &mut dyn FnMut(usize, &mut Self) -> Option<()>,
    ) -> Option<Self> {
        let mut next = if seen == 0 { self.first_member()? } else { self.next("}")? };
        // Most senders keep the documented order.
        let mut likely = (u32::BITS - seen.leading_zeros()) as usize;
        while next == Next::Another {
            self.past_space();
            self.peek()?;
            let index = match schema.members.get(likely) {
                Some(member) if self.take_key(member.name) => Some(likely),
                _ => match take_key(&mut self) {
                    Some(index) => Some(index),
                    None => find(schema.members, self.key()?),
                },
            };
            if let Some(index) = index {
                if seen & 1 << index != 0 {
                    return None;
                }
                seen |= 1 << index;
                likely = index + 1;
                read(index, &mut self)?;
            } else {
                self.skip()?;
            }
            next = self.next("}")?;
        }
        (seen & schema.required == schema.required).then_some(self.shallower())
    }

    /// The value of member `name` of the object in which this place is before another member's value.
    ///
    /// For payloads whose other members can only be understood once this one is known.
    pub(crate) fn read_later<T: Value<'a>>(mut self, name: &'static str) -> Option<T> {
        loop {
            self.skip()?;
            if self.next("}")? == Next::End {
                return None;
            }
            if self.key()? == name {
                let value = T::read_plain(&mut self)?;
                // Only what follows shows that a number has ended.
                self.next("}")?;
                return Some(value);
            }
        }
    }

    /// Reads an array, giving the place of each element to `read`.
    #[inline]
    pub(crate) fn elements(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<u32> {
        let mut inside = self.deeper();
        inside.take("[")?;
        let mut count = 0;
        if inside.peek()? == b']' {
            inside.take("]")?;
        } else {
            loop {
                if count == inside.most_elements {
                    return None;
                }
                read(&mut inside)?;
                count += 1;
                if inside.next("]")? == Next::End {
                    break;
                }
            }
        }
        *self = inside.shallower();
        Some(count)
    }

    /// Takes the comma or bracket after an element.
    #[inline(always)]
    pub(crate) fn after_element(&mut self) -> Option<()> {
        self.next("]").map(drop)
    }

    fn first_member(&mut self) -> Option<Next> {
        self.take("{")?;
        if self.peek()? != b'}' {
            return Some(Next::Another);
        }
        self.take("}")?;
        Some(Next::End)
    }

    /// Takes what follows a member or an element: a comma, or the `end` of what it is in.
    #[inline(always)]
    fn next(&mut self, end: &'static str) -> Option<Next> {
        if self.take_literal(",") {
            return Some(Next::Another);
        }
        if self.take_literal(end) {
            return Some(Next::End);
        }
        self.rest = past_spaces(self.rest);
        if self.take_literal(",") {
            return Some(Next::Another);
        }
        self.take_literal(end).then_some(Next::End)
    }

    /// Takes key `name` and its colon, if they come next without escapes and spaces.
    #[inline]
    fn take_key(&mut self, name: &'static str) -> bool {
        if self.rest.as_bytes().get(1) != name.as_bytes().first() {
            return false;
        }
        let rest = self.rest.strip_prefix('"').and_then(|rest| rest.strip_prefix(name)?.strip_prefix("\":"));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a key and its colon.
    fn key(&mut self) -> Option<Text<'a>> {
        let key = self.string()?;
        self.take(":")?;
        Some(key)
    }

    /// Takes a string.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Option<Text<'a>> {
        self.string_past(plain_len)
    }

    /// Takes a string; `past` says of how many bytes at its start it has seen that they are plain.
    #[inline(always)]
    pub(crate) fn string_past(&mut self, past: impl FnOnce(&[u8]) -> usize) -> Option<Text<'a>> {
        self.take("\"")?;
        let inside = self.rest;
        let len = past(inside.as_bytes());
        if inside.as_bytes().get(len) == Some(&b'"') {
            let (text, quote) = inside.split_at_checked(len)?;
            self.rest = quote.strip_prefix('"')?;
            return Some(Text::from_json(text, false));
        }
        let (text, rest) = escaped(inside, len)?;
        self.rest = rest;
        Some(text)
    }

    /// Takes an integer that is not negative.
    ///
    /// What follows is looked at by whoever takes the next token: neither a fraction nor an exponent is one.
    #[inline(always)]
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let first = self.peek()?.wrapping_sub(b'0');
        if first > 9 {
            return None;
        }
        let second = self.rest.as_bytes().get(1)?.wrapping_sub(b'0');
        let (value, len) = if second > 9 { (u64::from(first), 1) } else { digits(self.rest.as_bytes())? };
        self.rest = self.rest.get(len..)?;
        Some(value)
    }

    /// As [`unsigned`](Self::unsigned), fastest for two to seven digits, as ids have.
    #[inline(always)]
    pub(crate) fn id(&mut self) -> Option<u64> {
        if let Some(word) = self.rest.as_bytes().first_chunk::<8>() {
            let word = u64::from_le_bytes(*word) ^ (ONES * 0x30);
            let bits = not_digits(word).trailing_zeros() & 0x78;
            if matches!(bits, 8..=56) && word & 0xff != 0 {
                self.rest = self.rest.get((bits / 8) as usize..)?;
                return Some(eight_digits(word.wrapping_shl(64 - bits)));
            }
        }
        self.unsigned()
    }

    /// Takes an integer.
    #[inline(always)]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        if self.peek()? != b'-' {
            return i64::try_from(self.unsigned()?).ok();
        }
        self.take("-")?;
        if !self.rest.as_bytes().first()?.is_ascii_digit() {
            return None;
        }
        // `-0` is no integer here.
        let magnitude = self.unsigned().filter(|&magnitude| magnitude > 0)?;
        0i64.checked_sub_unsigned(magnitude)
    }

    /// Steps over a value of any shape and returns its text.
    #[inline(never)]
    pub(crate) fn skip(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.rest;
        // Which bracket closes each open level, below a bit that marks the top: 1 for an object.
        let mut levels = 1u64;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    if self.depth + levels.checked_ilog2().unwrap_or(0) >= MAX_DEPTH {
                        return None;
                    }
                    let in_object = self.take_literal("{");
                    levels = levels << 1 | u64::from(in_object);
                    if in_object {
                        if self.peek()? != b'}' {
                            self.key()?;
                            continue;
                        }
                    } else {
                        self.take("[")?;
                        if self.peek()? != b']' {
                            continue;
                        }
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.take("true")?,
                b'f' => self.take("false")?,
                _ => self.take("null")?,
            }
            // A value has ended, or nothing is inside of a bracket: close what it ends, then go to the next.
            loop {
                if levels == 1 {
                    return self.since(start);
                }
                let in_object = levels & 1 == 1;
                let next = if in_object { self.next("}")? } else { self.next("]")? };
                if next == Next::Another {
                    if in_object {
                        self.key()?;
                    }
                    break;
                }
                levels >>= 1;
            }
        }
    }

    /// Steps over a number by the grammar of RFC 8259, section 6.
    fn number(&mut self) -> Option<()> {
        let bytes = self.rest.as_bytes();
        let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
        let mut left = match bytes {
            [b'0', left @ ..] => left,
            _ => past_digits(bytes)?,
        };
        if let [b'.', fraction @ ..] = left {
            left = past_digits(fraction)?;
        }
        if let [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] = left {
            left = past_digits(exponent)?;
        }
        self.rest = self.rest.get(self.rest.len() - left.len()..)?;
        Some(())
    }
}

/// Reads a document that is one value and nothing else.
#[inline]
pub(crate) fn read_document<'a, T: Value<'a>>(mut slice: Slice<'a>) -> Option<T> {
    let value = T::read_plain(&mut slice)?;
    slice.end()?;
    Some(value)
}

fn find(members: &'static [Member], key: Text<'_>) -> Option<usize> {
    match key.as_str() {
        Some(key) => members.iter().position(|member| key == member.name),
        None => members.iter().position(|member| key == member.name),
    }
}

#[cfg(test)]
mod tests;
