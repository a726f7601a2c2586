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

use crate::{Error, ErrorKind, Expected, Field};

use super::{
    MAX_DEPTH,
    memory::{Kept, Memory},
    scan::{Scan, Step},
    schema::{Items, Kind, Member, SLOTS, Schema, Values},
};

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// What is given each element of a batch: which schema's it is, and its values.
pub(crate) type Visit<'v> = dyn FnMut(&'static Schema, &Values<'_, '_>) + 'v;

/// A document under way.
///
/// In this order because a microcontroller's short instructions reach no further than the first few bytes and words.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Table {
    scan: Scan,
    place: Place,
    /// What is being scanned, when something is.
    scanning: Option<Scalar>,
    /// Why bytes are copied to memory, if they are.
    keep: u8,
    /// The innermost frame.
    open: u8,
    key: Key,
    /// What is wrong, and what was expected and found there. The member it is wrong with is the one being read.
    fault: Option<Fault>,
    expected: Expected,
    found: u8,
    /// The brackets inside a value that is not known here.
    skip: Levels,
    /// The byte being read, counted from 0.
    offset: usize,
    /// The first byte of the key or value being read.
    mark: usize,
    /// Where the value being kept begins in memory.
    from: usize,
    /// What the value being read is to be.
    kind: Kind,
    hold: Hold,
    /// Elements of the last array that was read.
    elements: u32,
    /// How many elements an array of receivers may have.
    most_elements: u32,
    /// Of the document itself, once it is read: its schema, and which members are there.
    schema: &'static Schema,
    given: u32,
    refused: &'static ErrorKind,
    fault_at: usize,
    /// The document, and the objects and arrays in it that are known here and not closed yet.
    frames: [Frame; FRAMES],
    slots: [u64; SLOTS],
}

/// A frame for the document and for each of the three levels that are known here: a webhook's receivers are the third.
const FRAMES: usize = 4;

/// No member, or none that is known; not inside of an element.
const NONE: u8 = u8::MAX;

/// Why bytes are copied to memory: as a text with its quotes; as a value of any shape or a list; as an object whose
/// schema is not known yet; as an object that is kept as it came.
const TEXT: u8 = 1;
const VALUE: u8 = 2;
const HELD: u8 = 4;
const WHOLE: u8 = 8;

/// What a value begins with.
const STRING: u8 = 1;
const NUMBER: u8 = 2;
const LITERAL: u8 = 4;
const OBJECT: u8 = 8;
const ARRAY: u8 = 16;

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

#[derive(Clone, Copy, Debug)]
struct Frame {
    shape: Shape,
    /// The member being read, by its place in the schema; 0 inside of an element.
    current: u8,
    /// The member that comes next in documented order.
    next: u8,
    /// The first of its members' slots.
    base: u8,
    /// Members that have come.
    seen: u32,
    /// Members that are there and not `null`; the number of elements so far.
    given: u32,
    /// Where its first byte stands in memory, when it is kept there; else where what it holds begins.
    start: usize,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Document,
    Object(&'static Schema),
    /// An array whose elements are given to the caller.
    Items(&'static Items),
    /// An array that is kept as it came.
    List(&'static Kind),
}

/// The object being held: where it begins, and which of its members says what it is.
#[derive(Clone, Copy, Debug)]
struct Hold {
    offset: usize,
    /// How far offsets in the document are ahead of places in memory: 0 where memory is the document itself.
    shift: usize,
    /// The frame of the object, as long as it is held; else none's.
    frame: u8,
    by: u8,
    choose: fn(&Values<'_, '_>) -> &'static Schema,
    /// Whether held bytes are being read again.
    again: bool,
}

/// What is wrong. The rest of what an error says is in the table by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    End,
    Byte,
    ControlCharacter,
    BadEscape,
    LoneSurrogate,
    InvalidUtf8,
    TooDeep,
    TrailingBytes,
    WrongType,
    Missing,
    Duplicate,
    Range,
    TooMany,
    TooFew,
    Alone,
    /// By the schema's own check.
    Refused,
    /// The buffer is full.
    Full,
}

/// Why reading stops: the table keeps the fault, so that no function has to hand it on.
#[derive(Debug)]
struct Stop;

type Reading<T> = core::result::Result<T, Stop>;

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
    /// A table whose document has not begun. Copied as it stands: on a device that takes less than to make it.
    const NEW: Self = Self {
        place: Place::Value,
        scanning: None,
        scan: Scan::NONE,
        kind: Kind::Any,
        frames: [Frame::DOCUMENT; FRAMES],
        open: 0,
        skip: Levels::NONE,
        key: Key::NONE,
        offset: 0,
        mark: 0,
        keep: 0,
        from: 0,
        hold: Hold { offset: 0, shift: 0, frame: NONE, by: 0, choose: |_| Schema::NONE, again: false },
        slots: [0; SLOTS],
        elements: 0,
        most_elements: 0,
        schema: Schema::NONE,
        given: 0,
        fault: None,
        fault_at: 0,
        expected: Expected::Value,
        found: 0,
        refused: &ErrorKind::UnexpectedEnd,
    };

    #[inline(never)]
    pub(crate) const fn new(kind: Kind, most_elements: u32) -> Self {
        let mut table = Self::NEW;
        table.kind = kind;
        table.most_elements = most_elements;
        table
    }

    /// Begins another document. Its frame is as it was: only those of what is in it change.
    #[inline(never)]
    pub(crate) fn restart(&mut self, kind: Kind) {
        self.place = Place::Value;
        self.scanning = None;
        self.kind = kind;
        self.open = 0;
        self.skip = Levels::NONE;
        self.offset = 0;
        self.keep = 0;
        self.hold.frame = NONE;
        self.hold.again = false;
        self.fault = None;
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
            if self.scan.in_text() {
                let len = self.plain_len(chunk);
                if let Some((plain, rest)) = chunk.split_at_checked(len)
                    && len > 0
                {
                    self.copy(plain, memory)?;
                    self.offset = self.offset.wrapping_add(len);
                    chunk = rest;
                    continue;
                }
            }
            self.copy(&[byte], memory)?;
            let mut flow = self.step(byte, memory)?;
            if flow == Flow::Again {
                self.read_again(memory, visit)?;
                flow = self.step(byte, memory)?;
            }
            if flow != Flow::On {
                self.visit(flow, byte, memory, visit)?;
            }
            self.offset = self.offset.wrapping_add(1);
            chunk = rest;
        }
        Ok(())
    }

    /// How many of the bytes that come next say no more than that the text being scanned goes on.
    fn plain_len(&mut self, chunk: &[u8]) -> usize {
        match self.scanning {
            Some(Scalar::Key) => self.key.go_on_along(self.members(), chunk),
            Some(Scalar::Value) => {
                let ends = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
                chunk.iter().position(ends).unwrap_or(chunk.len())
            }
            _ => 0,
        }
    }

    /// Reads the object being held from its first byte to the one before this one, now that its schema is known.
    fn read_again(&mut self, memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Reading<()> {
        let (until, schema) = (self.offset, self.schema);
        let Frame { start, base, .. } = *self.top();
        *self.top_mut() = Frame { shape: Shape::Object(schema), start, base, ..Frame::OPENED };
        self.keep = if schema.whole { WHOLE } else { 0 };
        self.scanning = None;
        self.place = Place::FirstKey;
        self.hold.frame = NONE;
        self.hold.again = true;
        self.offset = self.hold.offset.wrapping_add(1);
        while self.offset < until {
            let byte = memory.byte(self.offset.wrapping_sub(self.hold.shift));
            let flow = self.step(byte, memory)?;
            if flow != Flow::On {
                self.visit(flow, byte, memory, visit)?;
            }
            self.offset = self.offset.wrapping_add(1);
        }
        self.hold.again = false;
        Ok(())
    }

    /// Gives the caller the element that has ended.
    #[inline(never)]
    fn visit(&mut self, flow: Flow, byte: u8, memory: &mut Memory<'_>, visit: &mut Visit<'_>) -> Reading<()> {
        visit(self.schema, &Values::new(memory.bytes(), &self.slots, self.top().base, self.given, 0));
        if self.keep == 0 && !self.hold.again {
            memory.truncate(self.top().start);
        }
        if flow == Flow::ItemBefore {
            self.step(byte, memory)?;
        }
        Ok(())
    }

    fn end_document(&mut self) -> Reading<()> {
        if let (Some(Scalar::Value), 0) = (self.scanning, self.skip.open)
            && self.scan.may_end()
        {
            // A number shows its end by what follows it, be that the end of everything.
            let slot = self.integer()?;
            if self.open == 0 {
                self.put(0, slot);
                return Ok(());
            }
        } else if self.scanning.is_none() {
            match self.place {
                Place::End => return Ok(()),
                Place::Value | Place::FirstElement if self.skip.open == 0 => self.enter(0)?,
                _ => {}
            }
        }
        self.fail(Fault::End, 0)
    }

    #[inline(never)]
    fn step(&mut self, byte: u8, memory: &mut Memory<'_>) -> Reading<Flow> {
        if let Some(scalar) = self.scanning {
            let after = match self.scan.step(byte) {
                Step::Inside => return Ok(Flow::On),
                Step::Char(char) => {
                    if scalar == Scalar::Key {
                        self.key.go_on(self.members(), char);
                    }
                    return Ok(Flow::On);
                }
                Step::Last => 0,
                Step::After => 1,
                Step::Wrong(fault, back) => return self.fail(fault, back),
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
                self.scan.begin(byte);
                self.scanning = Some(Scalar::Key);
                self.mark = self.offset;
                self.key = Key { candidate: self.top().next, matched: 0 };
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
            Place::End => return self.fail(Fault::TrailingBytes, 0),
        };
        self.unexpected(byte, expected)
    }

    /// Takes the colon: from here on the member is the one being read.
    fn end_key(&mut self) -> Reading<()> {
        self.place = Place::Value;
        if self.skip.open > 0 {
            return Ok(());
        }
        self.kind = Kind::Any;
        let Some((index, member)) = self.key.end(self.members()) else { return Ok(()) };
        self.kind = member.kind;
        let top = self.top_mut();
        let bit = 1 << index;
        let again = top.seen & bit != 0;
        top.current = index;
        top.next = index.wrapping_add(1);
        top.seen |= bit;
        if again { self.fail_at_mark(Fault::Duplicate) } else { Ok(()) }
    }

    /// Enters an element, or the value of a member that is known here; `byte` is its first, or 0 when there is none.
    fn enter(&mut self, byte: u8) -> Reading<()> {
        let top = *self.top();
        let (kind, most) = match top.shape {
            Shape::Document => return Ok(()),
            Shape::Object(schema) => {
                let second = schema.alone.is_some() && top.current != NONE && top.given != 0 && byte != b'n';
                return if second { self.fail(Fault::Alone, 0) } else { Ok(()) };
            }
            Shape::Items(items) => (items.kind, items.most),
            Shape::List(kind) => (*kind, self.most_elements),
        };
        self.kind = kind;
        if top.given >= most {
            return self.fail(Fault::TooMany, 0);
        }
        self.top_mut().current = 0;
        Ok(())
    }

    fn begin_value(&mut self, byte: u8, memory: &mut Memory<'_>) -> Reading<()> {
        self.mark = self.offset;
        let mut kind = Kind::Any;
        if self.skip.open == 0 {
            self.enter(byte)?;
            kind = self.kind;
            if byte == b'n' && self.top().current != NONE && self.in_object() {
                self.scan.begin(byte);
                self.scanning = Some(Scalar::Null);
                return Ok(());
            }
        }
        let class = match byte {
            b'"' => STRING,
            b'-' | b'0'..=b'9' => NUMBER,
            b'{' => OBJECT,
            b'[' => ARRAY,
            b't' | b'f' | b'n' => LITERAL,
            _ => 0,
        };
        // Constants alone, which make a table of bytes.
        let (fits, expected, keep) = match kind {
            Kind::Any => (u8::MAX, Expected::Value, 0),
            Kind::Raw => (u8::MAX, Expected::Value, VALUE),
            Kind::Text | Kind::Checked(_) => (STRING, Expected::String, TEXT),
            Kind::Integer(_) => (NUMBER, Expected::Integer, 0),
            Kind::Digits(_) => (STRING | NUMBER, Expected::Integer, TEXT),
            Kind::Object(_) => (OBJECT, Expected::Object, 0),
            Kind::Union(_) => (OBJECT, Expected::Object, HELD),
            Kind::Items(_) => (ARRAY, Expected::Array, 0),
            Kind::List(_) => (ARRAY, Expected::Array, VALUE),
            Kind::Body(_) => (OBJECT | ARRAY, Expected::ObjectOrArray, HELD),
        };
        let keep = match class {
            STRING => keep & (TEXT | VALUE),
            OBJECT => keep & (HELD | VALUE),
            _ => keep & VALUE,
        };
        if class & fits == 0 {
            self.expected = expected;
            self.found = byte;
            return self.fail(if class == 0 { Fault::Byte } else { Fault::WrongType }, 0);
        }
        let mut from = self.place(memory);
        if keep != 0 {
            let began = self.keep == 0;
            self.keep |= keep;
            if began && !self.hold.again {
                self.copy(&[byte], memory)?;
            }
            from = self.place(memory).wrapping_sub(usize::from(keep != TEXT));
            self.from = from;
        }
        if class & (OBJECT | ARRAY) == 0 {
            self.scan.begin(byte);
            self.scanning = Some(Scalar::Value);
            return Ok(());
        }
        if u32::from(self.open + self.skip.open) >= MAX_DEPTH {
            return self.fail(Fault::TooDeep, 0);
        }
        self.place = if class == OBJECT { Place::FirstKey } else { Place::FirstElement };
        let shape = match kind {
            Kind::Object(schema) => Shape::Object(schema),
            Kind::Items(items) => Shape::Items(items),
            Kind::List(kind) => Shape::List(kind),
            Kind::Body(&(items, _)) if class == ARRAY => Shape::Items(items),
            Kind::Union(union) | Kind::Body(&(_, union)) => {
                self.hold.offset = self.offset;
                self.hold.shift = self.offset.wrapping_sub(from);
                self.hold.frame = self.open + 1;
                self.hold.by = union.by;
                self.hold.choose = union.choose;
                Shape::Object(union.pending)
            }
            _ => {
                self.skip.push(class == OBJECT);
                return Ok(());
            }
        };
        let base = self.top().base.wrapping_add(u8::try_from(self.members().len()).unwrap_or(NONE));
        self.open += 1;
        *self.top_mut() = Frame { shape, start: from, base, ..Frame::OPENED };
        Ok(())
    }

    /// Ends a scalar; `after` bytes have been read past it.
    fn end_scalar(&mut self, scalar: Scalar, after: usize, memory: &Memory<'_>) -> Reading<Flow> {
        self.scanning = None;
        self.place = if scalar == Scalar::Key { Place::Colon } else { Place::After };
        if scalar == Scalar::Key || self.skip.open > 0 {
            return Ok(Flow::On);
        }
        if scalar == Scalar::Null {
            let current = usize::from(self.top().current);
            if matches!(self.top().shape, Shape::Object(schema) if schema.required & 1 << (current % 32) != 0) {
                return self.fail_at_mark(Fault::Missing);
            }
            self.top_mut().current = NONE;
            return Ok(Flow::On);
        }
        let text = self.keep & TEXT != 0;
        let end = self.place(memory).wrapping_sub(after.wrapping_add(usize::from(text)));
        let kept = Kept { start: self.from, end, escaped: text && self.scan.escaped };
        let slot = match self.kind {
            Kind::Raw | Kind::Text => kept.slot(),
            Kind::Checked(check) => match check(kept.text(memory.bytes())) {
                None => kept.slot(),
                Some(refused) => {
                    self.refused = refused;
                    return self.fail_at_mark(Fault::Refused);
                }
            },
            Kind::Digits(&(_, number)) if text => match number(kept.text(memory.bytes())) {
                Some(number) => number.cast_unsigned(),
                None => {
                    self.expected = Expected::IntegerOrDigits;
                    return self.fail_at_mark(Fault::WrongType);
                }
            },
            _ => self.integer()?,
        };
        self.keep &= !TEXT;
        self.end_value(slot, memory)
    }

    /// What the number being read is kept as.
    fn integer(&mut self) -> Reading<u64> {
        let (Kind::Integer(range) | Kind::Digits(&(range, _))) = self.kind else { return Ok(0) };
        if !self.scan.is_integer() {
            self.expected = Expected::Integer;
            return self.fail_at_mark(Fault::WrongType);
        }
        match self.scan.magnitude().and_then(|magnitude| range.take(self.scan.negative, magnitude)) {
            Some(slot) => Ok(slot),
            None => self.fail_at_mark(Fault::Range),
        }
    }

    /// Ends a value that is known here, or one that a member not known here has.
    fn end_value(&mut self, slot: u64, memory: &Memory<'_>) -> Reading<Flow> {
        if let Kind::Raw = self.kind {
            self.keep &= !VALUE;
        }
        self.place = Place::After;
        let top = *self.top();
        self.top_mut().current = NONE;
        match top.shape {
            Shape::Document => {
                self.place = Place::End;
                // The members of an object are in their slots.
                if !matches!(self.kind, Kind::Any) {
                    self.put(0, slot);
                }
            }
            Shape::Object(_) if top.current == NONE => {}
            Shape::Object(_) => {
                self.top_mut().given |= 1 << top.current;
                self.put(top.base.wrapping_add(top.current), slot);
                if self.hold.by == top.current && self.hold.frame == self.open {
                    let values = Values::new(memory.bytes(), &self.slots, top.base, u32::MAX, 0);
                    self.schema = (self.hold.choose)(&values);
                    return Ok(Flow::Again);
                }
            }
            Shape::Items(items) => {
                self.top_mut().given = top.given.saturating_add(1);
                if let Kind::Raw = items.kind {
                    self.put(top.base, slot);
                    (self.schema, self.given) = (Schema::NONE, 1);
                }
                return Ok(if self.keep & HELD == 0 { Flow::Item } else { Flow::On });
            }
            Shape::List(_) => self.top_mut().given = top.given.saturating_add(1),
        }
        Ok(Flow::On)
    }

    /// Closes the innermost object or array.
    fn close(&mut self, memory: &Memory<'_>) -> Reading<Flow> {
        let end = self.place(memory);
        if self.skip.open > 0 {
            self.skip.pop();
            self.place = Place::After;
            if self.skip.open > 0 {
                return Ok(Flow::On);
            }
            return self.end_value(Kept { start: self.from, end, escaped: false }.slot(), memory);
        }
        let top = *self.top();
        let mut slot = u64::from(top.given);
        let whole = Kept { start: top.start, end, escaped: false }.slot();
        match top.shape {
            Shape::Object(schema) => {
                let missing = schema.required & !top.given;
                if missing != 0 {
                    self.top_mut().current = u8::try_from(missing.trailing_zeros()).unwrap_or(NONE);
                    return self.fail(Fault::Missing, 0);
                }
                if schema.whole {
                    self.put(top.base.wrapping_add(u8::try_from(schema.members.len()).unwrap_or(NONE)), whole);
                    self.keep &= !WHOLE;
                }
                (self.schema, self.given) = (schema, top.given);
                self.open = self.open.wrapping_sub(1);
            }
            Shape::Items(items) => {
                self.open = self.open.wrapping_sub(1);
                if top.given < items.least {
                    return self.fail(Fault::TooFew, 0);
                }
                self.elements = top.given;
                // A document that is an array has no members.
                self.given = 0;
            }
            _ => {
                self.open = self.open.wrapping_sub(1);
                self.keep &= !VALUE;
                self.elements = top.given;
                slot = whole;
            }
        }
        // A bracket has closed the value, whatever its last element was.
        self.kind = Kind::Any;
        self.end_value(slot, memory)
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
                self.fail(Fault::Full, 0)
            }
        }
    }

    /// The place in memory after this byte, when it is kept.
    fn place(&self, memory: &Memory<'_>) -> usize {
        match memory.len() {
            Some(len) if !self.hold.again => len,
            _ => self.offset.wrapping_add(1).wrapping_sub(self.hold.shift),
        }
    }

    fn put(&mut self, slot: u8, value: u64) {
        if let Some(kept) = self.slots.get_mut(usize::from(slot)) {
            *kept = value;
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder by the length is a place in the array")]
    fn top(&self) -> &Frame {
        &self.frames[usize::from(self.open) % FRAMES]
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder by the length is a place in the array")]
    fn top_mut(&mut self) -> &mut Frame {
        &mut self.frames[usize::from(self.open) % FRAMES]
    }

    /// The members of the innermost object; none inside of a value that is not known here.
    fn members(&self) -> &'static [Member] {
        match self.top().shape {
            Shape::Object(schema) if self.skip.open == 0 => schema.members,
            _ => &[],
        }
    }

    fn in_object(&self) -> bool {
        if self.skip.open > 0 { self.skip.in_object() } else { matches!(self.top().shape, Shape::Object(_)) }
    }

    // ------------------------------------------------------------------------------------------------------- errors

    #[inline(never)]
    fn unexpected<T>(&mut self, found: u8, expected: Expected) -> Reading<T> {
        self.found = found;
        self.expected = expected;
        self.fail(Fault::Byte, 0)
    }

    /// Fails at the first byte of the value or key being read.
    fn fail_at_mark<T>(&mut self, fault: Fault) -> Reading<T> {
        self.offset = self.mark;
        self.fail(fault, 0)
    }

    fn fail<T>(&mut self, fault: Fault, back: u8) -> Reading<T> {
        self.fault = Some(fault);
        self.fault_at = self.offset.wrapping_sub(usize::from(back));
        Err(Stop)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn error(&self) -> Error {
        let expected = self.expected;
        let kind = match self.fault {
            None | Some(Fault::End) => ErrorKind::UnexpectedEnd,
            Some(Fault::Byte) => ErrorKind::UnexpectedByte { found: self.found, expected },
            Some(Fault::ControlCharacter) => ErrorKind::ControlCharacter,
            Some(Fault::BadEscape) => ErrorKind::BadEscape,
            Some(Fault::LoneSurrogate) => ErrorKind::LoneSurrogate,
            Some(Fault::InvalidUtf8) => ErrorKind::InvalidUtf8,
            Some(Fault::TooDeep) => ErrorKind::TooDeep { limit: MAX_DEPTH },
            Some(Fault::TrailingBytes) => ErrorKind::TrailingBytes,
            Some(Fault::WrongType) => ErrorKind::WrongType { expected },
            Some(Fault::Missing) => ErrorKind::Missing,
            Some(Fault::Duplicate) => ErrorKind::Duplicate,
            Some(Fault::Range) => match self.kind {
                Kind::Integer(range) | Kind::Digits(&(range, _)) => range.error(),
                _ => ErrorKind::UnexpectedEnd,
            },
            Some(Fault::TooMany) => match self.top().shape {
                Shape::Items(items) => ErrorKind::TooMany { limit: items.most },
                _ => ErrorKind::TooMany { limit: self.most_elements },
            },
            Some(Fault::TooFew) => ErrorKind::TooFew { least: 1 },
            Some(Fault::Alone) => match self.top().shape {
                Shape::Object(schema) => ErrorKind::Malformed(schema.alone.unwrap_or_default()),
                _ => ErrorKind::UnexpectedEnd,
            },
            Some(Fault::Refused) => *self.refused,
            Some(Fault::Full) => ErrorKind::BufferFull { needed: self.mark.saturating_add(1), capacity: self.mark },
        };
        Error::new(kind, self.field(), self.fault_at)
    }

    /// The path of what is being read.
    fn field(&self) -> Field {
        let mut field = Field::BODY;
        for frame in self.frames.iter().take(usize::from(self.open) + 1) {
            if frame.current == NONE {
                continue;
            }
            field = match frame.shape {
                Shape::Object(schema) => match schema.members.get(usize::from(frame.current)) {
                    Some(member) => field.member(member.name),
                    None => field,
                },
                Shape::Document => field,
                Shape::Items(_) | Shape::List(_) => field.element(frame.given),
            };
        }
        field
    }
}

impl Frame {
    /// Before its first member or element.
    const OPENED: Self = Self { current: NONE, ..Self::DOCUMENT };

    const DOCUMENT: Self = Self { shape: Shape::Document, current: 0, next: 0, base: 0, seen: 0, given: 0, start: 0 };
}

/// A key under way: a member that begins like it. Keys are compared as they come, so none needs room.
#[derive(Clone, Copy, Debug)]
struct Key {
    candidate: u8,
    /// How many bytes of the candidate's name have come.
    matched: u8,
}

impl Key {
    const NONE: Self = Self { candidate: NONE, matched: 0 };

    /// Takes the next byte of the unescaped key.
    fn go_on(&mut self, members: &'static [Member], byte: u8) {
        let matched = usize::from(self.matched);
        let next = |member: &Member| member.name.as_bytes().get(matched) == Some(&byte);
        if self.candidate == NONE {
            return;
        }
        if !members.get(usize::from(self.candidate)).is_some_and(next) {
            let begun = self.begun(members);
            let other = |member: &Member| next(member) && member.name.as_bytes().starts_with(begun);
            self.candidate = place(members.iter().position(other));
        }
        self.matched = self.matched.saturating_add(1);
    }

    /// The member whose name the whole key is.
    fn end(self, members: &'static [Member]) -> Option<(u8, &'static Member)> {
        let begun = self.begun(members);
        if self.candidate == NONE || begun.len() != usize::from(self.matched) {
            return None;
        }
        let mut index = usize::from(self.candidate);
        if members.get(index)?.name.len() != begun.len() {
            index = members.iter().position(|member| member.name.as_bytes() == begun)?;
        }
        Some((place(Some(index)), members.get(index)?))
    }

    /// Takes as many bytes as the candidate's name has next, and says how many.
    fn go_on_along(&mut self, members: &'static [Member], bytes: &[u8]) -> usize {
        let name = members.get(usize::from(self.candidate)).map_or(&[][..], |member| member.name.as_bytes());
        let rest = name.get(usize::from(self.matched)..).unwrap_or_default();
        let len = rest.iter().zip(bytes).take_while(|(name, byte)| name == byte).count();
        self.matched = self.matched.saturating_add(u8::try_from(len).unwrap_or(NONE));
        len
    }

    fn begun(self, members: &'static [Member]) -> &'static [u8] {
        let name = members.get(usize::from(self.candidate)).map_or(&[][..], |member| member.name.as_bytes());
        name.get(..usize::from(self.matched)).unwrap_or_default()
    }
}

fn place(index: Option<usize>) -> u8 {
    index.and_then(|index| u8::try_from(index).ok()).unwrap_or(NONE)
}

/// The brackets open inside a value that is not known here: one bit a level, 1 for an object.
#[derive(Clone, Copy, Debug)]
struct Levels {
    open: u8,
    bits: u32,
}

const _: () = assert!(MAX_DEPTH <= u32::BITS, "a level needs a bit");

impl Levels {
    const NONE: Self = Self { open: 0, bits: 0 };

    fn push(&mut self, object: bool) {
        self.bits = self.bits << 1 | u32::from(object);
        self.open += 1;
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.open = self.open.saturating_sub(1);
    }

    fn in_object(self) -> bool {
        self.bits & 1 == 1
    }
}
