//! The table-driven reader: any payload, from chunks of any size, one byte at a time.
//!
//! It walks a document along the [`Schema`] of its payload and knows no payload by name. What it keeps of the object
//! being read are plain numbers: integers, and the places of texts in its [`Memory`]. A device feeds it what the wire
//! delivers and is given one element at a time; a host asks it what is wrong with a document that the fast reader in
//! `slice.rs` does not take. Where a document is cut makes no difference: every rule is applied at a byte.
//!
//! An object whose members depend on one of them, such as an event on its command, is held in memory until that one is
//! known, and then read again from its first byte by the schema it has turned out to have.
//!
//! Written for a device's flash: a function that fails says so in a byte, and what went wrong is put together in one
//! place from what the table knows by then.

mod begin;
mod end;
mod fault;
mod frame;
mod key;

use crate::{Error, ErrorKind, Expected};

use super::{
    memory::Memory,
    scan::{Scan, Step},
    schema::{Kind, Member, Schema, Union},
    values::{SLOTS, Values},
};

pub(crate) use fault::Fault;
use fault::Reading;
use frame::{Frame, Levels, NONE, OUTER, Shape};
use key::Key;

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// What is given each element of a batch: which schema's it is, and its values.
pub(crate) type Visit<'v> = dyn FnMut(&'static Schema, &Values<'_, '_>) + 'v;

/// A document under way.
///
/// In this order because a microcontroller's short instructions reach no further than the first 32 bytes and words.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Table {
    place: Place,
    /// What is being scanned, when something is.
    scanning: Option<Scalar>,
    /// Why bytes are copied to memory, if they are.
    keep: u8,
    /// How many frames the innermost is in.
    open: u8,
    /// What is wrong. The member it is wrong with is the one being read, and the byte too.
    fault: Option<Fault>,
    /// How many bytes before that it begins.
    back: u8,
    /// The frame of the object that is held, as long as it is; else none's.
    held: u8,
    /// Whether held bytes are being read again.
    again: bool,
    /// The brackets inside a value that is not known here.
    skip: Levels,
    /// The innermost of what is known here and not closed yet: an object or array, or the document.
    top: Frame,
    scan: Scan,
    /// The byte being read, counted from 0.
    offset: usize,
    /// The first byte of the key or value being read.
    mark: usize,
    /// Where the value being kept begins in memory.
    from: usize,
    /// What the value being read is to be.
    kind: Kind,
    key: Key,
    hold: Hold,
    /// Of the document itself, once it is read: its schema, and which members are there.
    schema: &'static Schema,
    given: u32,
    /// Elements of the last array that was read.
    elements: u32,
    /// How many elements an array of receivers may have.
    most_elements: u32,
    /// What was expected and found where something is wrong.
    expected: Expected,
    found: u8,
    refused: &'static ErrorKind,
    /// What the innermost frame is in, from the document on.
    outer: [Option<Frame>; OUTER],
    slots: [u64; SLOTS],
}

/// Why bytes are copied to memory: as a text with its quotes; as a value of any shape or a list; as an object whose
/// schema is not known yet; as an object that is kept as it came.
const TEXT: u8 = 1;
const VALUE: u8 = 2;
const HELD: u8 = 4;
const WHOLE: u8 = 8;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    /// After a member or an element.
    After,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Key,
    Value,
    /// The `null` of a member that is known here.
    Null,
}

/// The object being held: where it begins, and which of its members says what it is.
#[derive(Clone, Copy, Debug)]
struct Hold {
    offset: usize,
    /// How far offsets in the document are ahead of places in memory: 0 where memory is the document itself.
    shift: usize,
    union: Option<&'static Union>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// The schema of the object being held is known: it is to be read again, and then this byte.
    Again,
    /// This byte ends an element that is the caller's.
    Item,
    /// Such an element has ended before this byte, which is still to be read.
    ItemBefore,
}

impl Table {
    /// A table whose document has not begun.
    // Field by field: a constant of the whole would take flash twice, as itself and as the code that copies it.
    #[inline(never)]
    pub(crate) const fn new(kind: Kind, most_elements: u32) -> Self {
        Self {
            place: Place::Value,
            scanning: None,
            keep: 0,
            open: 0,
            fault: None,
            back: 0,
            held: NONE,
            again: false,
            skip: Levels::NONE,
            top: Frame::DOCUMENT,
            scan: Scan::NONE,
            offset: 0,
            mark: 0,
            from: 0,
            kind,
            key: Key::BEGUN,
            hold: Hold { offset: 0, shift: 0, union: None },
            schema: Schema::NONE,
            given: 0,
            elements: 0,
            most_elements,
            expected: Expected::Value,
            found: 0,
            refused: &ErrorKind::UnexpectedEnd,
            outer: [None, None, None],
            // No zeros: of those the compiler makes a call, and a device carries the function called.
            slots: [1; SLOTS],
        }
    }

    /// Begins another document.
    #[inline(never)]
    pub(crate) fn restart(&mut self, kind: Kind) {
        self.place = Place::Value;
        self.scanning = None;
        self.kind = kind;
        self.open = 0;
        self.top.shape = Shape::Document;
        self.top.base = 0;
        self.skip = Levels::NONE;
        self.offset = 0;
        self.keep = 0;
        self.held = NONE;
        self.again = false;
        self.fault = None;
        self.back = 0;
    }

    /// Reads the next bytes of the document. After an error every further call fails with the same.
    #[inline(never)]
    pub(crate) fn feed(&mut self, chunk: &[u8], memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Result<()> {
        if self.fault.is_none() && self.read(chunk, memory, visit).is_ok() { Ok(()) } else { Err(self.error()) }
    }

    /// Ends the document.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.end() { Ok(()) } else { Err(self.error()) }
    }

    /// Ends the document, and says whether it is one; else [`error`](Self::error) has what is wrong.
    #[inline(never)]
    pub(crate) fn end(&mut self) -> bool {
        self.fault.is_none() && self.end_document().is_ok()
    }

    /// What the document holds.
    pub(crate) fn values<'s, 'm>(&'s self, memory: &'m [u8]) -> (&'static Schema, Values<'s, 'm>) {
        (self.schema, Values::new(memory, &self.slots, 0, self.given, self.elements))
    }

    fn read(&mut self, mut chunk: &[u8], memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Reading<()> {
        while let Some((&byte, rest)) = chunk.split_first() {
            if self.scanning.is_some() && self.scan.in_text() {
                // Bytes that say no more than that the text goes on.
                let ends = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
                let len = chunk.iter().position(ends).unwrap_or(chunk.len());
                if let Some((plain, rest)) = chunk.split_at_checked(len)
                    && len > 0
                {
                    self.copy(plain, memory)?;
                    if self.scanning == Some(Scalar::Key) {
                        self.key.go_on(self.members(), plain);
                    }
                    self.offset = self.offset.wrapping_add(len);
                    chunk = rest;
                    continue;
                }
            }
            self.copy(&[byte], memory)?;
            if self.take(byte, memory, visit)? == Flow::Again {
                self.read_again(memory, visit)?;
                self.take(byte, memory, visit)?;
            }
            chunk = rest;
        }
        Ok(())
    }

    /// Reads the object being held from its first byte to the one before this one, now that its schema is known.
    fn read_again(&mut self, memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Reading<()> {
        let (until, schema) = (self.offset, self.schema);
        let Frame { start, base, .. } = self.top;
        self.top = Frame { shape: Shape::Object(schema), start, base, ..Frame::OPENED };
        self.keep = if schema.whole { WHOLE } else { 0 };
        self.scanning = None;
        self.place = Place::FirstKey;
        self.held = NONE;
        self.again = true;
        self.offset = self.hold.offset.wrapping_add(1);
        while self.offset < until {
            let byte = memory.byte(self.offset.wrapping_sub(self.hold.shift));
            self.take(byte, memory, visit)?;
        }
        self.again = false;
        Ok(())
    }

    /// Reads a byte, and gives the caller the element that it ends.
    #[inline(never)]
    fn take(&mut self, byte: u8, memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Reading<Flow> {
        let flow = self.step(byte, memory)?;
        match flow {
            Flow::Again => return Ok(flow),
            Flow::On => {}
            Flow::Item | Flow::ItemBefore => {
                visit(self.schema, &Values::new(memory.bytes(), &self.slots, self.top.base, self.given, 0));
                if self.keep == 0 && !self.again {
                    memory.truncate(self.top.start);
                }
                if flow == Flow::ItemBefore {
                    self.step(byte, memory)?;
                }
            }
        }
        self.offset = self.offset.wrapping_add(1);
        Ok(flow)
    }

    fn end_document(&mut self) -> Reading<()> {
        if let (Some(Scalar::Value), 0) = (self.scanning, self.skip.open)
            && self.scan.may_end()
        {
            // A number shows its end by what follows it, be that the end of everything.
            self.integer()?;
            if self.open == 0 {
                self.put(0, self.scan.magnitude);
                return Ok(());
            }
        } else if self.scanning.is_none() {
            match self.place {
                Place::End => return Ok(()),
                Place::Value | Place::FirstElement if self.skip.open == 0 => self.enter(0)?,
                _ => {}
            }
        }
        self.fail(Fault::End)
    }

    #[inline(never)]
    fn step(&mut self, byte: u8, memory: &mut Memory<'_>) -> Reading<Flow> {
        if let Some(scalar) = self.scanning {
            let after = match self.scan.step(byte) {
                Step::Inside => return Ok(Flow::On),
                Step::Char(char) => {
                    if scalar == Scalar::Key {
                        self.key.go_on(self.members(), &[char]);
                    }
                    return Ok(Flow::On);
                }
                Step::Last => 0,
                Step::After => 1,
                Step::Wrong(fault, back) => {
                    self.back = back;
                    return self.fail(fault);
                }
                Step::Unexpected(expected) => return self.unexpected(byte, expected),
            };
            match self.end_scalar(scalar, after, memory)? {
                flow if after == 0 => return Ok(flow),
                Flow::On => {}
                Flow::Item => return Ok(Flow::ItemBefore),
                flow => return Ok(flow),
            }
        }
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return Ok(Flow::On);
        }
        let object = self.in_object();
        let expected = match self.place {
            Place::FirstElement if byte == b']' => return self.close(memory),
            Place::FirstKey if byte == b'}' => return self.close(memory),
            Place::Value | Place::FirstElement => {
                self.begin_value(byte, memory)?;
                return Ok(Flow::On);
            }
            Place::FirstKey | Place::Key if byte == b'"' => {
                self.begin_scalar(Scalar::Key, byte);
                self.mark = self.offset;
                self.key = Key::BEGUN;
                return Ok(Flow::On);
            }
            Place::FirstKey | Place::Key => Expected::Key,
            Place::Colon if byte == b':' => {
                self.end_key()?;
                return Ok(Flow::On);
            }
            Place::Colon => Expected::Colon,
            Place::After if byte == b',' => {
                self.place = if object { Place::Key } else { Place::Value };
                return Ok(Flow::On);
            }
            Place::After if byte == if object { b'}' } else { b']' } => return self.close(memory),
            Place::After if object => Expected::CommaOrBrace,
            Place::After => Expected::CommaOrBracket,
            Place::End => return self.fail(Fault::TrailingBytes),
        };
        self.unexpected(byte, expected)
    }

    /// Keeps the bytes that come next, when they are to be kept.
    fn copy(&mut self, bytes: &[u8], memory: &mut Memory<'_>) -> Reading<()> {
        if self.keep == 0 {
            return Ok(());
        }
        match memory.push(bytes) {
            Ok(()) => Ok(()),
            Err((capacity, fitted)) => {
                self.offset = self.offset.wrapping_add(fitted);
                self.mark = capacity;
                self.fail(Fault::Full)
            }
        }
    }

    /// The place in memory after this byte, when it is kept.
    #[inline(never)]
    fn place(&self, memory: &Memory<'_>) -> usize {
        match memory.len() {
            Some(len) if !self.again => len,
            _ => self.offset.wrapping_add(1).wrapping_sub(self.hold.shift),
        }
    }

    fn put(&mut self, slot: u8, value: u64) {
        if let Some(kept) = self.slots.get_mut(usize::from(slot)) {
            *kept = value;
        }
    }

    /// Opens an object or array that is known here.
    fn push(&mut self, frame: Frame) {
        if let Some(outer) = self.outer.get_mut(usize::from(self.open)) {
            *outer = Some(self.top);
        }
        self.open = self.open.wrapping_add(1);
        self.top = frame;
    }

    /// Leaves the innermost object or array.
    fn pop(&mut self) {
        self.open = self.open.wrapping_sub(1);
        if let Some(Some(outer)) = self.outer.get(usize::from(self.open)) {
            self.top = *outer;
        }
    }

    /// The members of the innermost object; none inside of a value that is not known here.
    fn members(&self) -> &'static [Member] {
        match self.top.shape {
            Shape::Object(schema) if self.skip.open == 0 => schema.members,
            _ => &[],
        }
    }

    fn in_object(&self) -> bool {
        if self.skip.open > 0 { self.skip.in_object() } else { matches!(self.top.shape, Shape::Object(_)) }
    }
}
