//! Strings, numbers and literals, byte by byte: what stands between the brackets of a document.
//!
//! A scan goes on wherever the input is cut. It knows the grammar of RFC 8259 and nothing of what a value is for.

use crate::Expected;

use super::table::Fault;

/// What of a scalar has been seen so far.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Scan {
    /// Of a number.
    magnitude: u64,
    state: State,
    /// Of a string: whether it has an escape.
    pub(crate) escaped: bool,
    utf8: Utf8,
    /// Of a `\u` escape: the digits so far; of a literal: its bytes so far.
    count: u8,
    pub(crate) negative: bool,
    /// Neither fraction nor exponent.
    whole: bool,
    /// Past 64 bits.
    overflow: bool,
    unit: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Escape,
    Unit,
    /// After the first half of a surrogate pair, and after the backslash of the second.
    Half,
    HalfEscape,
    SecondUnit,
    True,
    False,
    Null,
    /// A number, from here on.
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// What a byte was to a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A part of it.
    Inside,
    /// The last byte of a character of a string: the character, or a byte that is none where it is not ASCII.
    Char(u8),
    /// Its last byte.
    Last,
    /// What follows it: a number shows its end by the byte after.
    After,
    /// What no scalar has at this place, and how many bytes ago that began.
    Wrong(Fault, u8),
    /// Not what must stand here.
    Unexpected(Expected),
}

/// A part of a character that is not ASCII.
const BEYOND: Step = Step::Char(0xff);

impl Scan {
    pub(crate) const NONE: Self = Self {
        state: State::Text,
        escaped: false,
        utf8: Utf8::START,
        count: 0,
        unit: 0,
        negative: false,
        whole: true,
        overflow: false,
        magnitude: 0,
    };

    /// Begins a scalar with its first byte, which is one that a scalar begins with.
    pub(crate) fn begin(&mut self, byte: u8) {
        *self = Self::NONE;
        self.state = match byte {
            b'"' => State::Text,
            b'-' => {
                self.negative = true;
                State::Minus
            }
            b'0' => State::Zero,
            b't' => State::True,
            b'f' => State::False,
            b'n' => State::Null,
            _ => {
                self.magnitude = u64::from(byte & 15);
                State::Digits
            }
        };
    }

    #[inline(never)]
    pub(crate) fn step(&mut self, byte: u8) -> Step {
        match self.state {
            State::Text => self.text(byte),
            State::Escape => self.escape(byte),
            State::Unit | State::SecondUnit => self.unit(byte),
            State::Half if byte == b'\\' => {
                self.state = State::HalfEscape;
                Step::Inside
            }
            State::Half => Step::Wrong(Fault::LoneSurrogate, 6),
            State::HalfEscape if byte == b'u' => {
                self.state = State::SecondUnit;
                Step::Inside
            }
            State::HalfEscape => Step::Wrong(Fault::LoneSurrogate, 7),
            State::True => self.literal(byte, b"true"),
            State::False => self.literal(byte, b"false"),
            State::Null => self.literal(byte, b"null"),
            _ => self.number(byte),
        }
    }

    /// Whether the scalar is a number that may end here.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.state, State::Zero | State::Digits | State::Fraction | State::ExponentDigits)
    }

    /// Whether the scalar is a string, between two of its characters.
    pub(crate) fn in_text(&self) -> bool {
        self.state == State::Text && self.utf8.to_come == 0
    }

    /// Whether the number is an integer: one with a fraction or an exponent is none, nor is `-0`.
    pub(crate) fn is_integer(&self) -> bool {
        self.whole && !(self.negative && self.magnitude == 0 && !self.overflow)
    }

    /// The digits of an integer; `None` past 64 bits.
    pub(crate) fn magnitude(&self) -> Option<u64> {
        if self.overflow { None } else { Some(self.magnitude) }
    }

    fn text(&mut self, byte: u8) -> Step {
        if byte >= 0x80 || self.utf8.to_come > 0 {
            return match self.utf8.step(byte) {
                Ok(()) => BEYOND,
                Err(back) => Step::Wrong(Fault::InvalidUtf8, back),
            };
        }
        match byte {
            b'"' => Step::Last,
            b'\\' => {
                self.escaped = true;
                self.state = State::Escape;
                Step::Inside
            }
            0..=0x1f => Step::Wrong(Fault::ControlCharacter, 0),
            _ => Step::Char(byte),
        }
    }

    fn escape(&mut self, byte: u8) -> Step {
        self.state = State::Text;
        Step::Char(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.state = State::Unit;
                return Step::Inside;
            }
            _ => return Step::Wrong(Fault::BadEscape, 1),
        })
    }

    fn unit(&mut self, byte: u8) -> Step {
        let digit = match byte {
            b'0'..=b'9' => byte & 15,
            b'a'..=b'f' | b'A'..=b'F' => (byte & 15) + 9,
            _ => return Step::Wrong(Fault::BadEscape, 0),
        };
        self.unit = self.unit << 4 | u16::from(digit);
        self.count = (self.count + 1) % 4;
        if self.count > 0 {
            return Step::Inside;
        }
        let second = self.state == State::SecondUnit;
        self.state = State::Text;
        match self.unit {
            0xdc00..=0xdfff if second => BEYOND,
            // The backslash of the pair's first half stands 11 bytes before its last digit.
            _ if second => Step::Wrong(Fault::LoneSurrogate, 11),
            0xdc00..=0xdfff => Step::Wrong(Fault::LoneSurrogate, 5),
            0xd800..=0xdbff => {
                self.state = State::Half;
                Step::Inside
            }
            unit @ 0..=0x7f => Step::Char((unit & 0x7f) as u8),
            _ => BEYOND,
        }
    }

    fn literal(&mut self, byte: u8, word: &'static [u8]) -> Step {
        self.count += 1;
        match word.get(usize::from(self.count)) {
            Some(&next) if next == byte => {}
            _ => return Step::Unexpected(Expected::Literal),
        }
        if usize::from(self.count) + 1 == word.len() { Step::Last } else { Step::Inside }
    }

    fn number(&mut self, byte: u8) -> Step {
        use State::{Digits, Exponent, ExponentDigits, ExponentSign, Fraction, Minus, Point, Zero};
        let digit = byte.wrapping_sub(b'0');
        self.state = if digit <= 9 {
            match self.state {
                Minus if digit == 0 => Zero,
                Minus | Digits => {
                    let (magnitude, past) = self.magnitude.overflowing_mul(10);
                    let (magnitude, past_too) = magnitude.overflowing_add(u64::from(digit));
                    self.magnitude = magnitude;
                    self.overflow |= past | past_too;
                    Digits
                }
                Zero => return Step::After,
                Point | Fraction => Fraction,
                _ => ExponentDigits,
            }
        } else {
            match (self.state, byte) {
                (Zero | Digits, b'.') => Point,
                (Zero | Digits | Fraction, b'e' | b'E') => Exponent,
                (Exponent, b'+' | b'-') => ExponentSign,
                (Minus | Point | Exponent | ExponentSign, _) => return Step::Unexpected(Expected::Digit),
                _ => return Step::After,
            }
        };
        self.whole &= matches!(self.state, Zero | Digits);
        Step::Inside
    }
}

/// UTF-8 across cuts: how many bytes of a character are to come, and what the next may be (Unicode, table 3-7).
#[derive(Clone, Copy, Debug)]
struct Utf8 {
    to_come: u8,
    seen: u8,
    least: u8,
    most: u8,
}

impl Utf8 {
    const START: Self = Self { to_come: 0, seen: 0, least: 0x80, most: 0xbf };

    /// Takes the next byte of a character; an error is how many bytes ago the character began.
    fn step(&mut self, byte: u8) -> Result<(), u8> {
        if self.to_come > 0 {
            self.seen += 1;
            if byte < self.least || byte > self.most {
                return Err(self.seen);
            }
            (self.to_come, self.least, self.most) = (self.to_come - 1, 0x80, 0xbf);
            return Ok(());
        }
        *self = Self::START;
        self.to_come = match byte {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => return Err(0),
        };
        match byte {
            0xe0 => self.least = 0xa0,
            0xed => self.most = 0x9f,
            0xf0 => self.least = 0x90,
            0xf4 => self.most = 0x8f,
            _ => {}
        }
        Ok(())
    }
}
