//! What begins at a byte: a member, an element, a value.

use crate::Expected;

use super::{
    super::{MAX_DEPTH, memory::Memory, schema::Kind},
    Fault, Frame, HELD, NONE, Place, Reading, Scalar, Shape, TEXT, Table, VALUE,
};

/// What a value begins with: a string and an object by the bit of why either may be kept.
const STRING: u8 = TEXT;
const NUMBER: u8 = 2;
const OBJECT: u8 = HELD;
const ARRAY: u8 = 8;
const LITERAL: u8 = 16;

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

impl Table {
    /// Takes the colon: from here on the member is the one being read.
    pub(super) fn end_key(&mut self) -> Reading<()> {
        self.place = Place::Value;
        if self.skip.open > 0 {
            return Ok(());
        }
        self.kind = Kind::Any;
        let Some((index, member)) = self.key.end(self.members()) else { return Ok(()) };
        self.kind = member.kind;
        let top = &mut self.top;
        let bit = 1 << index;
        let again = top.seen & bit != 0;
        top.current = index;
        top.seen |= bit;
        if again { self.fail_at_mark(Fault::Duplicate) } else { Ok(()) }
    }

    /// Enters an element, or the value of a member that is known here; `byte` is its first, or 0 when there is none.
    pub(super) fn enter(&mut self, byte: u8) -> Reading<()> {
        let top = &self.top;
        let (kind, most) = match top.shape {
            Shape::Document => return Ok(()),
            Shape::Object(schema) => {
                let second = schema.alone.is_some() && top.current != NONE && top.given != 0 && byte != b'n';
                return if second { self.fail(Fault::Alone) } else { Ok(()) };
            }
            Shape::Items(items) => (items.kind, items.most),
            Shape::List(kind) => (*kind, self.most_elements),
        };
        self.kind = kind;
        if top.given >= most {
            return self.fail(Fault::TooMany);
        }
        self.top.current = 0;
        Ok(())
    }

    #[inline(never)]
    pub(super) fn begin_value(&mut self, byte: u8, memory: &mut Memory<'_>) -> Reading<()> {
        self.mark = self.offset;
        if self.skip.open == 0 {
            self.enter(byte)?;
            if byte == b'n' && self.top.current != NONE && self.in_object() {
                self.begin_scalar(Scalar::Null, byte);
                return Ok(());
            }
        }
        let class = class(byte);
        let (fits, keep) = self.fits();
        if class & fits == 0 {
            return self.misfit(class, byte);
        }
        let keep = keep & (class | VALUE);
        if keep != 0 {
            let began = self.keep == 0;
            self.keep |= keep;
            if began && !self.again {
                self.copy(&[byte], memory)?;
            }
        }
        let mut from = self.place(memory);
        if keep != 0 {
            from = from.wrapping_sub(usize::from(keep != TEXT));
            self.from = from;
        }
        if class & (OBJECT | ARRAY) == 0 {
            self.begin_scalar(Scalar::Value, byte);
            return Ok(());
        }
        if u32::from(self.open + self.skip.open) >= MAX_DEPTH {
            return self.fail(Fault::TooDeep);
        }
        self.place = if class == OBJECT { Place::FirstKey } else { Place::FirstElement };
        let shape = match self.expected_kind() {
            Kind::Object(schema) => Shape::Object(schema),
            Kind::Items(items) => Shape::Items(items),
            Kind::List(kind) => Shape::List(kind),
            Kind::Body(&(items, _)) if class == ARRAY => Shape::Items(items),
            Kind::Union(union) | Kind::Body(&(_, union)) => {
                self.hold.offset = self.offset;
                self.hold.shift = self.offset.wrapping_sub(from);
                self.held = self.open + 1;
                self.hold.union = Some(union);
                Shape::Object(union.pending)
            }
            _ => {
                self.skip.push(class == OBJECT);
                return Ok(());
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "an object has fewer members than there are slots")]
        let before = self.members().len() as u8;
        let base = self.top.base.wrapping_add(before);
        self.push(Frame { shape, start: from, base, ..Frame::OPENED });
        Ok(())
    }

    /// What the value that begins is to be.
    fn expected_kind(&self) -> Kind {
        if self.skip.open > 0 { Kind::Any } else { self.kind }
    }

    /// What the value may begin with, and why it is kept.
    #[inline(never)]
    fn fits(&self) -> (u8, u8) {
        // Constants alone, which make a table of bytes.
        match self.expected_kind() {
            Kind::Any => (u8::MAX, 0),
            Kind::Raw => (u8::MAX, VALUE),
            Kind::Text | Kind::Checked(_) => (STRING, TEXT),
            Kind::Integer(_) => (NUMBER, 0),
            Kind::Digits(_) => (STRING | NUMBER, TEXT),
            Kind::Object(_) => (OBJECT, 0),
            Kind::Union(_) => (OBJECT, HELD),
            Kind::Items(_) => (ARRAY, 0),
            Kind::List(_) => (ARRAY, VALUE),
            Kind::Body(_) => (OBJECT | ARRAY, HELD),
        }
    }

    #[inline(never)]
    pub(super) fn begin_scalar(&mut self, scalar: Scalar, byte: u8) {
        self.scanning = Some(scalar);
        self.scan.begin(byte);
    }

    #[cold]
    #[inline(never)]
    fn misfit(&mut self, class: u8, byte: u8) -> Reading<()> {
        self.found = byte;
        self.expected = match self.expected_kind() {
            Kind::Any | Kind::Raw => Expected::Value,
            Kind::Text | Kind::Checked(_) => Expected::String,
            Kind::Integer(_) | Kind::Digits(_) => Expected::Integer,
            Kind::Object(_) | Kind::Union(_) => Expected::Object,
            Kind::Items(_) | Kind::List(_) => Expected::Array,
            Kind::Body(_) => Expected::ObjectOrArray,
        };
        self.fail(if class == 0 { Fault::Byte } else { Fault::WrongType })
    }
}
