//! Strings, numbers and literals: what stands between the brackets of a document.

use crate::Expected;

use super::{Fault, Flat, Kind, Reading};

impl Flat<'_, '_> {
    /// Reads a string that is a value.
    pub(super) fn text(&mut self) -> Reading<()> {
        self.string()?;
        let kept = self.kept();
        let mut slot = kept.slot();
        // Inside of a value that is not known here, this is what that is to be: anything.
        if let Kind::Checked(_) | Kind::Digits(_) = self.kind {
            let text = kept.text(self.document);
            if let Kind::Checked(check) = self.kind {
                self.refused = check(text);
                if self.refused.is_some() {
                    return self.fail_at(self.mark, Fault::Refused);
                }
            }
            if let Kind::Digits(&(_, number)) = self.kind {
                match number(text) {
                    Some(number) => slot = number.cast_unsigned(),
                    None => return self.wrong_type(Expected::IntegerOrDigits),
                }
            }
        }
        self.keep(slot);
        Ok(())
    }

    /// Reads a number, which must be the integer that is wanted, if one is.
    pub(super) fn number(&mut self) -> Reading<()> {
        let negative = self.take(b'-');
        (self.magnitude, self.overflow) = (0, false);
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let mut slot = 0;
        if let Kind::Integer(range) | Kind::Digits(&(range, _)) = self.kind {
            if !whole || negative && self.magnitude == 0 {
                return self.wrong_type(Expected::Integer);
            }
            match range.take(negative, self.magnitude) {
                Some(taken) if !self.overflow => slot = taken,
                _ => return self.fail_at(self.mark, Fault::Range),
            }
        }
        if self.at >= self.document.len() {
            // Only what follows a number shows that it has ended: until then, it is the one being read.
            return self.fail_at(self.at, Fault::End);
        }
        self.keep(slot);
        Ok(())
    }

    /// Reads at least one digit, and as many as there are.
    #[inline(never)]
    fn digits(&mut self) -> Reading<()> {
        let mut digit = self.peek().wrapping_sub(b'0');
        if digit > 9 {
            return self.unexpected(Expected::Digit);
        }
        while digit <= 9 {
            // In halves: the product of two words is one instruction.
            let low = (self.magnitude & 0xffff_ffff) * 10 + u64::from(digit);
            let high = (self.magnitude >> 32) * 10 + (low >> 32);
            if high >> 32 == 0 {
                self.magnitude = high << 32 | low & 0xffff_ffff;
            } else {
                self.overflow = true;
            }
            self.step();
            digit = self.peek().wrapping_sub(b'0');
        }
        Ok(())
    }

    /// Reads `true`, `false` or `null`; a member that is known here is `null`.
    pub(super) fn literal(&mut self, first: u8) -> Reading<()> {
        let word: &[u8] = match first {
            b't' => b"true",
            b'f' => b"false",
            _ => b"null",
        };
        for &byte in word {
            if !self.take(byte) {
                return self.unexpected(Expected::Literal);
            }
        }
        if self.required & self.current != 0 {
            return self.fail_at(self.mark, Fault::Missing);
        }
        self.current = 0;
        Ok(())
    }

    /// Reads a string from its opening quote on, and notes whether it has escapes.
    #[inline(never)]
    pub(super) fn string(&mut self) -> Reading<()> {
        self.escaped = false;
        self.step();
        loop {
            let rest = self.document.get(self.at..).unwrap_or_default();
            let ends = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
            self.at = self.at.wrapping_add(rest.iter().position(ends).unwrap_or(rest.len()));
            let (start, byte) = (self.at, self.peek());
            if byte < b' ' {
                return self.fail(start, Fault::ControlCharacter);
            }
            self.step();
            match byte {
                b'"' => return Ok(()),
                b'\\' => {
                    self.escaped = true;
                    self.escape(start)?;
                }
                0x80.. => self.beyond_ascii(byte, start)?,
                _ => {}
            }
        }
    }

    /// Reads what follows the backslash at `start`.
    fn escape(&mut self, start: usize) -> Reading<()> {
        if !self.take(b'u') {
            if !matches!(self.peek(), b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') {
                return self.fail(start, Fault::BadEscape);
            }
            self.step();
            return Ok(());
        }
        self.unit()?;
        let lone = if self.unit >> 10 == HIGH {
            if !self.take(b'\\') || !self.take(b'u') {
                return self.fail(start, Fault::LoneSurrogate);
            }
            self.unit()?;
            self.unit >> 10 != LOW
        } else {
            self.unit >> 10 == LOW
        };
        if lone {
            return self.fail_at(start, Fault::LoneSurrogate);
        }
        Ok(())
    }

    /// Reads four hexadecimal digits, and notes what they stand for.
    #[inline(never)]
    fn unit(&mut self) -> Reading<()> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.peek()).to_digit(16) else {
                return self.fail(self.at, Fault::BadEscape);
            };
            unit = unit << 4 | digit;
            self.step();
        }
        self.unit = unit;
        Ok(())
    }

    /// Reads what follows `lead`, the first byte of a character of UTF-8, at `start` (Unicode, table 3-7).
    fn beyond_ascii(&mut self, lead: u8, start: usize) -> Reading<()> {
        let (mut least, mut most) = (0x80, 0xbf);
        match lead {
            0xe0 => least = 0xa0,
            0xed => most = 0x9f,
            0xf0 => least = 0x90,
            0xf4 => most = 0x8f,
            0xc2..=0xf3 => {}
            _ => return self.fail_at(start, Fault::InvalidUtf8),
        }
        let mut to_come = 1 + u8::from(lead >= 0xe0) + u8::from(lead >= 0xf0);
        while to_come > 0 {
            let byte = self.peek();
            if byte < least || byte > most {
                return self.fail(start, Fault::InvalidUtf8);
            }
            self.step();
            (least, most) = (0x80, 0xbf);
            to_come -= 1;
        }
        Ok(())
    }
}

/// The upper bits of the two halves of a surrogate pair.
const HIGH: u32 = 0xd800 >> 10;
const LOW: u32 = 0xdc00 >> 10;
