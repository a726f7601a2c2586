//! What ends at a byte: a scalar, a value, an object or array.

use crate::{ErrorKind, Expected};

use super::{
    super::{
        memory::{Kept, Memory},
        schema::{Kind, Schema},
        values::Values,
    },
    Fault, Flow, Frame, HELD, NONE, Place, Reading, Scalar, Shape, TEXT, Table, VALUE, WHOLE,
};

impl Table {
    /// Ends a scalar; `after` bytes have been read past it.
    pub(super) fn end_scalar(&mut self, scalar: Scalar, after: usize, memory: &Memory<'_>) -> Reading<Flow> {
        self.scanning = None;
        self.place = if scalar == Scalar::Key { Place::Colon } else { Place::After };
        if scalar == Scalar::Key || self.skip.open > 0 {
            return Ok(Flow::On);
        }
        if scalar == Scalar::Null {
            let current = usize::from(self.top.current);
            if matches!(self.top.shape, Shape::Object(schema) if schema.required & 1 << (current % 32) != 0) {
                return self.fail_at_mark(Fault::Missing);
            }
            self.top.current = NONE;
            return Ok(Flow::On);
        }
        let slot = if self.keep & TEXT != 0 {
            self.keep &= !TEXT;
            let end = self.place(memory).wrapping_sub(after.wrapping_add(1));
            let kept = Kept { start: self.from, end, escaped: self.scan.escaped };
            let mut slot = kept.slot();
            let text = kept.text(memory.bytes());
            let refused = match self.kind {
                Kind::Checked(check) => check(text),
                Kind::Digits(&(_, number)) => match number(text) {
                    Some(number) => {
                        slot = number.cast_unsigned();
                        None
                    }
                    None => Some(&ErrorKind::WrongType { expected: Expected::IntegerOrDigits }),
                },
                _ => None,
            };
            if let Some(refused) = refused {
                self.refused = refused;
                return self.fail_at_mark(Fault::Refused);
            }
            slot
        } else if let Kind::Raw = self.kind {
            Kept { start: self.from, end: self.place(memory).wrapping_sub(after), escaped: false }.slot()
        } else {
            self.integer()?;
            self.scan.magnitude
        };
        self.end_value(slot, memory)
    }

    /// Has the number being read as it is kept.
    #[inline(never)]
    pub(super) fn integer(&mut self) -> Reading<()> {
        let (Kind::Integer(range) | Kind::Digits(&(range, _))) = self.kind else { return Ok(()) };
        if !self.scan.is_integer() {
            self.expected = Expected::Integer;
            return self.fail_at_mark(Fault::WrongType);
        }
        match self.scan.magnitude().and_then(|magnitude| range.take(self.scan.negative, magnitude)) {
            Some(slot) => {
                self.scan.magnitude = slot;
                Ok(())
            }
            None => self.fail_at_mark(Fault::Range),
        }
    }

    /// Ends a value that is known here, or one that a member not known here has.
    pub(super) fn end_value(&mut self, slot: u64, memory: &Memory<'_>) -> Reading<Flow> {
        if let Kind::Raw = self.kind {
            self.keep &= !VALUE;
        }
        self.place = Place::After;
        let current = core::mem::replace(&mut self.top.current, NONE);
        match self.top.shape {
            Shape::Document => {
                self.place = Place::End;
                // The members of an object are in their slots.
                if !matches!(self.kind, Kind::Any) {
                    self.put(0, slot);
                }
            }
            Shape::Object(_) if current == NONE => {}
            Shape::Object(_) => {
                self.top.given |= 1 << current;
                self.put(self.top.base.wrapping_add(current), slot);
                if let Some(union) = self.hold.union
                    && self.held == self.open
                    && union.by == current
                {
                    let values = Values::new(memory.bytes(), &self.slots, self.top.base, u32::MAX, 0);
                    self.schema = (union.choose)(&values);
                    return Ok(Flow::Again);
                }
            }
            Shape::Items(items) => {
                self.top.given = self.top.given.wrapping_add(1);
                if let Kind::Raw = items.kind {
                    self.put(self.top.base, slot);
                    (self.schema, self.given) = (Schema::NONE, 1);
                }
                return Ok(if self.keep & HELD == 0 { Flow::Item } else { Flow::On });
            }
            Shape::List(_) => self.top.given = self.top.given.wrapping_add(1),
        }
        Ok(Flow::On)
    }

    /// Closes the innermost object or array.
    pub(super) fn close(&mut self, memory: &Memory<'_>) -> Reading<Flow> {
        let end = self.place(memory);
        if self.skip.open > 0 {
            self.skip.pop();
            self.place = Place::After;
            if self.skip.open > 0 {
                return Ok(Flow::On);
            }
            return self.end_value(Kept { start: self.from, end, escaped: false }.slot(), memory);
        }
        let Frame { shape, given, start, base, .. } = self.top;
        let mut slot = u64::from(given);
        let whole = Kept { start, end, escaped: false }.slot();
        match shape {
            Shape::Object(schema) => {
                let missing = schema.required & !given;
                if missing != 0 {
                    self.top.current = u8::try_from(missing.trailing_zeros()).unwrap_or(NONE);
                    return self.fail(Fault::Missing);
                }
                if schema.whole {
                    self.put(base.wrapping_add(schema.len()), whole);
                    self.keep &= !WHOLE;
                }
                (self.schema, self.given) = (schema, given);
                self.pop();
            }
            Shape::Items(items) => {
                self.pop();
                if given < items.least {
                    return self.fail(Fault::TooFew);
                }
                self.elements = given;
                // A document that is an array has no members.
                self.given = 0;
            }
            _ => {
                self.pop();
                self.keep &= !VALUE;
                self.elements = given;
                slot = whole;
            }
        }
        // A bracket has closed the value, whatever its last element was.
        self.kind = Kind::Any;
        self.end_value(slot, memory)
    }
}
