//! The small reader: for an object of scalars, or of such objects, that lies in memory as a whole.
//!
//! A device has a line of its link, or the answer to a push, in a buffer of its own. Such a document is walked here along
//! its [`Schema`] by straight code that asks for the next byte, where the table-driven reader has to keep in mind how to
//! go on wherever a chunk ends: half the flash, two thirds of the stack, and less time. Both give the same values and the
//! same errors, down to the byte. A schema that has arrays, or objects that one of their members tells apart, does not
//! compile with this one.
//!
//! Nothing recurses: brackets inside of a value that is not known here take a bit each. A fault is noted in a byte where
//! it is found, and told in full in one place.

mod fault;
mod scalar;

use crate::{ErrorKind, Expected};

use super::{
    MAX_DEPTH,
    chunks::Whole,
    memory::Kept,
    schema::{Kind, Schema},
    table::Result,
    values::Values,
};

use fault::{Fault, Reading};

/// Values kept at a time: a line of the device link and the largest object in one, a message.
const SLOTS: usize = 12;

/// Reads a document that is one payload and nothing else.
pub(crate) fn read_document<'a, P: Whole<'a>>(document: &'a [u8]) -> Result<P> {
    let schema = const { schema(P::KIND) };
    let mut slots = slots();
    let mut flat = Flat::new(document, schema, &mut slots);
    if flat.read().is_err() {
        return Err(flat.error());
    }
    Ok(P::whole(schema, &Values::new(document, flat.slots, 0, flat.given, 0)))
}

/// The schema of a payload that can be read here; of any other, an error when it is compiled.
#[expect(clippy::panic, reason = "runs when the crate is compiled, where a panic is a compile error")]
const fn schema(kind: Kind) -> &'static Schema {
    let Kind::Object(schema) = kind else { panic!("the small reader reads objects") };
    let (mut objects, mut most) = (0, 0);
    let mut members = schema.members;
    while let [member, rest @ ..] = members {
        if let Kind::Object(inner) = member.kind {
            let mut members = inner.members;
            while let [member, rest @ ..] = members {
                assert!(is_scalar(member.kind), "an object in an object holds scalars");
                members = rest;
            }
            assert!(!inner.whole && inner.alone.is_none(), "an object in an object is no more than its members");
            objects += 1;
            if most < inner.members.len() {
                most = inner.members.len();
            }
        } else {
            assert!(is_scalar(member.kind), "an object holds scalars, and objects of such");
        }
        members = rest;
    }
    assert!(!schema.whole, "nothing is kept as it came");
    assert!(objects <= 1 || schema.alone.is_some(), "there are slots for the members of one object");
    assert!(schema.members.len() + most <= SLOTS, "each value has a slot");
    schema
}

const fn is_scalar(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Checked(_) | Kind::Integer(_) | Kind::Digits(_))
}

/// Slots that hold nothing yet. Not zeros, which a device would call a function of the language's runtime for.
#[inline(never)]
fn slots() -> [u64; SLOTS] {
    [1; SLOTS]
}

/// A document under way.
///
/// In this order because a microcontroller's short instructions reach no further than the first few bytes and words, and
/// because what begins as zeros all in one place is made by a function of the language's runtime.
#[repr(C)]
struct Flat<'s, 'd> {
    /// The byte that comes next.
    at: usize,
    /// The first byte of the token being read.
    mark: usize,
    document: &'d [u8],
    /// Brackets open, and how many of them are inside of a value that is not known here.
    open: u8,
    skip: u8,
    /// What is wrong, and what was expected instead.
    fault: Fault,
    expected: Expected,
    /// Of a string: whether it has an escape.
    escaped: bool,
    /// Of a number: past 64 bits.
    overflow: bool,
    /// What the value that comes next is to be.
    kind: Kind,
    /// The first slot of the innermost known object's members.
    base: usize,
    /// The member being read: its slot's bit; 0 for none that is known here.
    current: u32,
    /// The innermost object that is known here.
    schema: &'static Schema,
    /// The document's member whose object is being read, likewise.
    outer: u32,
    root: &'static Schema,
    /// Members that have come, members that are there and not `null`, and those that must be: a bit each, by their slots.
    seen: u32,
    given: u32,
    required: u32,
    /// What is wrong by the schema's own check.
    refused: Option<&'static ErrorKind>,
    /// The brackets open, a bit a level, 1 for an object.
    levels: u32,
    slots: &'s mut [u64; SLOTS],
    /// Of a `\u` escape: its code unit.
    unit: u32,
    /// Of a number.
    magnitude: u64,
}

const _: () = assert!(MAX_DEPTH <= u32::BITS, "a level needs a bit");

/// What a value begins with.
const STRING: u8 = 1;
const NUMBER: u8 = 2;
const LITERAL: u8 = 4;
const OBJECT: u8 = 8;
const ARRAY: u8 = 16;

/// Called, so that what is made of it is not threaded through every arm.
#[inline(never)]
fn class(byte: u8) -> u8 {
    match byte {
        b'"' => STRING,
        b'-' | b'0'..=b'9' => NUMBER,
        b'{' => OBJECT,
        b'[' => ARRAY,
        b't' | b'f' | b'n' => LITERAL,
        _ => 0,
    }
}

impl<'s, 'd> Flat<'s, 'd> {
    /// A document that has not begun.
    #[inline(never)]
    fn new(document: &'d [u8], root: &'static Schema, slots: &'s mut [u64; SLOTS]) -> Self {
        Self {
            at: 0,
            mark: 0,
            document,
            open: 0,
            skip: 0,
            fault: Fault::End,
            expected: Expected::Value,
            escaped: false,
            unit: 0,
            overflow: false,
            kind: Kind::Object(root),
            base: 0,
            schema: root,
            root,
            current: 0,
            outer: 0,
            seen: 0,
            given: 0,
            required: root.required,
            levels: 0,
            refused: None,
            magnitude: 0,
            slots,
        }
    }

    #[inline(never)]
    fn read(&mut self) -> Reading<()> {
        self.value()?;
        let mut first = true;
        while self.open > 0 {
            let byte = self.token();
            let object = self.levels & 1 == 1;
            if byte == if object { b'}' } else { b']' } {
                self.close()?;
                first = false;
                continue;
            }
            if !first {
                if byte != b',' {
                    return self.unexpected(if object { Expected::CommaOrBrace } else { Expected::CommaOrBracket });
                }
                self.step();
            }
            if object {
                self.key()?;
            }
            let open = self.open;
            self.value()?;
            first = self.open > open;
        }
        self.token();
        if self.at < self.document.len() { self.fail_at(self.at, Fault::TrailingBytes) } else { Ok(()) }
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Reading<()> {
        if self.token() != b'"' {
            return self.unexpected(Expected::Key);
        }
        self.string()?;
        let (start, kept) = (self.mark, self.kept());
        let (len, key) = (kept.end.wrapping_sub(kept.start), kept.text(self.document));
        // Nearly every name is ruled out by its length, before it is compared character by character.
        let is = |name: &str| (kept.escaped || name.len() == len) && key.is(name);
        let index = self.schema.members.iter().position(|member| is(member.name));
        self.token();
        if !self.take(b':') {
            return self.unexpected(Expected::Colon);
        }
        if self.skip > 0 {
            return Ok(());
        }
        self.kind = Kind::Any;
        let Some(index) = index else { return Ok(()) };
        if let Some(member) = self.schema.members.get(index) {
            self.kind = member.kind;
        }
        self.current = 1 << self.base << index;
        if self.seen & self.current != 0 {
            return self.fail_at(start, Fault::Duplicate);
        }
        self.seen |= self.current;
        Ok(())
    }

    /// Reads a scalar or opens a bracket.
    fn value(&mut self) -> Reading<()> {
        let byte = self.token();
        let class = class(byte);
        if self.current == 0 || byte != b'n' {
            if self.current != 0 && self.schema.alone.is_some() && self.given != 0 {
                return self.fail_at(self.at, Fault::Alone);
            }
            // Constants alone, which make a table of bytes.
            let (fits, expected) = match self.kind {
                Kind::Text | Kind::Checked(_) => (STRING, Expected::String),
                Kind::Integer(_) => (NUMBER, Expected::Integer),
                Kind::Digits(_) => (STRING | NUMBER, Expected::Integer),
                Kind::Object(_) => (OBJECT, Expected::Object),
                _ => (u8::MAX, Expected::Value),
            };
            if class == 0 {
                return self.unexpected(expected);
            }
            if class & fits == 0 {
                return self.wrong_type(expected);
            }
        }
        match class {
            STRING => self.text(),
            NUMBER => self.number(),
            LITERAL => self.literal(byte),
            _ => self.open(u32::from(class == OBJECT)),
        }
    }

    /// Opens a bracket, 1 for an object.
    fn open(&mut self, object: u32) -> Reading<()> {
        if u32::from(self.open) >= MAX_DEPTH {
            return self.fail_at(self.at, Fault::TooDeep);
        }
        self.step();
        self.open += 1;
        self.levels = self.levels << 1 | object;
        let Kind::Object(schema) = self.kind else {
            self.skip += 1;
            return Ok(());
        };
        self.outer = self.current;
        if self.outer != 0 {
            self.base = self.root.members.len();
        }
        self.current = 0;
        self.schema = schema;
        self.required = schema.required << self.base;
        Ok(())
    }

    /// Closes the innermost bracket.
    fn close(&mut self) -> Reading<()> {
        if self.skip > 0 {
            self.skip -= 1;
        } else {
            let missing = self.required & !self.given;
            if missing != 0 {
                self.current = missing;
                return self.fail_at(self.at, Fault::Missing);
            }
            if self.outer != 0 {
                // Its members' bits stay: there is no other object of which they could be.
                let given = self.given >> self.base;
                self.schema = self.root;
                self.required = self.root.required;
                self.base = 0;
                self.current = self.outer;
                self.outer = 0;
                self.keep(u64::from(given));
            }
        }
        self.open -= 1;
        self.levels >>= 1;
        self.step();
        Ok(())
    }

    /// Keeps the value of the member being read, if it is one that is known here.
    #[inline(never)]
    fn keep(&mut self, slot: u64) {
        if let Some(kept) = self.slots.get_mut(self.current.trailing_zeros() as usize) {
            *kept = slot;
        }
        self.given |= self.current;
        self.current = 0;
    }

    /// Where the inside of the string stands that has just been read.
    fn kept(&self) -> Kept {
        Kept { start: self.mark.wrapping_add(1), end: self.at.wrapping_sub(1), escaped: self.escaped }
    }

    /// The next byte that is no white space, where a token begins; 0 at the end.
    #[inline(never)]
    fn token(&mut self) -> u8 {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.step();
        }
        self.mark = self.at;
        self.peek()
    }

    /// The byte that comes next; 0 at the end, as no byte of a token is.
    fn peek(&self) -> u8 {
        self.document.get(self.at).copied().unwrap_or_default()
    }

    /// Takes `byte`, if it comes next.
    #[inline(never)]
    fn take(&mut self, byte: u8) -> bool {
        let comes = self.peek() == byte;
        if comes {
            self.step();
        }
        comes
    }

    fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests;
