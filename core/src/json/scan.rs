//! Strings, numbers and literals, byte by byte: what stands between the brackets of a document.
//!
//! A scan goes on wherever the input is cut. It knows the grammar of RFC 8259 and nothing of what a value is for.

use crate::{Expected, text::control};

use super::table::Fault;

/// What of a scalar has been seen so far.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Scan {
    /// Of a number.
    pub(crate) magnitude: u64,
    /// Of a `\u` escape: a 1 and the digits so far; of a literal: the bytes to come, the next in the lowest.
    word: u32,
    state: State,
    /// Of a string: whether it has an escape.
    pub(crate) escaped: bool,
    /// Of a character beyond ASCII: how many of its bytes are to come, and how many have come after the first.
    to_come: u8,
    seen: u8,
    /// Which quarters of 0x80 to 0xbf the next of them may be in, a bit each.
    quarters: u8,
    pub(crate) negative: bool,
    /// Past 64 bits.
    overflow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum State {
    Text,
    Escape,
    Unit,
    /// After the first half of a surrogate pair, and after the backslash of the second.
    Half,
    HalfEscape,
    SecondUnit,
    Literal,
    /// A number, from here on: before its first digit.
    Begun,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// Not of a number under way: that it has ended before this byte, and that this byte must be a digit.
    Over,
    Wrong,
}

/// What follows each state of a number, from the first on, by a digit, a point, an `e`, a sign, anything else.
const NUMBER: [State; 40] = {
    use State::{Digits, Exponent, ExponentDigits as Power, ExponentSign as Sign, Fraction, Over, Point, Wrong};
    [
        Digits, Wrong, Wrong, Wrong, Wrong, // Begun
        Over, Point, Exponent, Over, Over, // Zero
        Digits, Point, Exponent, Over, Over, // Digits
        Fraction, Wrong, Wrong, Wrong, Wrong, // Point
        Fraction, Over, Exponent, Over, Over, // Fraction
        Power, Wrong, Wrong, Sign, Wrong, // Exponent
        Power, Wrong, Wrong, Wrong, Wrong, // ExponentSign
        Power, Over, Over, Over, Over, // ExponentDigits
    ]
};

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

const ALL_QUARTERS: u8 = 0b1111;

impl Scan {
    pub(crate) const NONE: Self = Self {
        magnitude: 0,
        // No zeros all over: for those the compiler would call a function that a device then carries.
        word: 1,
        state: State::Text,
        escaped: false,
        to_come: 0,
        seen: 0,
        quarters: ALL_QUARTERS,
        negative: false,
        overflow: false,
    };

    /// Begins a scalar with its first byte, which is one that a scalar begins with.
    pub(crate) fn begin(&mut self, byte: u8) {
        self.magnitude = 0;
        self.escaped = false;
        self.to_come = 0;
        self.negative = byte == b'-';
        self.overflow = false;
        self.word = match byte {
            b't' => u32::from_le_bytes(*b"rue\0"),
            b'f' => u32::from_le_bytes(*b"alse"),
            _ => u32::from_le_bytes(*b"ull\0"),
        };
        self.state = match byte {
            b'"' => State::Text,
            b't' | b'f' | b'n' => State::Literal,
            _ => State::Begun,
        };
        if byte.is_ascii_digit() {
            self.number(byte);
        }
    }

    #[inline(never)]
    pub(crate) fn step(&mut self, byte: u8) -> Step {
        match self.state {
            State::Text => self.text(byte),
            State::Escape => self.escape(byte),
            State::Unit | State::SecondUnit => self.unit(byte),
            State::Half if byte == b'\\' => self.inside(State::HalfEscape),
            State::Half => Step::Wrong(Fault::LoneSurrogate, 6),
            State::HalfEscape if byte == b'u' => {
                self.word = 1;
                self.inside(State::SecondUnit)
            }
            State::HalfEscape => Step::Wrong(Fault::LoneSurrogate, 7),
            State::Literal => self.literal(byte),
            _ => self.number(byte),
        }
    }

    /// Whether the scalar is a number that may end here.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.state, State::Zero | State::Digits | State::Fraction | State::ExponentDigits)
    }

    /// Whether the scalar is a string, between two of its characters.
    pub(crate) fn in_text(&self) -> bool {
        self.state == State::Text && self.to_come == 0
    }

    /// Whether the number is an integer: one with a fraction or an exponent is none, nor is `-0`.
    pub(crate) fn is_integer(&self) -> bool {
        self.state == State::Digits || self.state == State::Zero && !self.negative
    }

    /// The digits of an integer; `None` past 64 bits.
    pub(crate) fn magnitude(&self) -> Option<u64> {
        if self.overflow { None } else { Some(self.magnitude) }
    }

    fn inside(&mut self, state: State) -> Step {
        self.state = state;
        Step::Inside
    }

    fn text(&mut self, byte: u8) -> Step {
        if byte >= 0x80 || self.to_come > 0 {
            return self.beyond_ascii(byte);
        }
        match byte {
            b'"' => Step::Last,
            b'\\' => {
                self.escaped = true;
                self.inside(State::Escape)
            }
            0..=0x1f => Step::Wrong(Fault::ControlCharacter, 0),
            _ => Step::Char(byte),
        }
    }

    /// UTF-8 across cuts: how many bytes of a character are to come, and what the next may be (Unicode, table 3-7).
    fn beyond_ascii(&mut self, byte: u8) -> Step {
        if self.to_come == 0 {
            if !matches!(byte, 0xc2..=0xf4) {
                return Step::Wrong(Fault::InvalidUtf8, 0);
            }
            self.seen = 0;
            self.to_come = if byte < 0xe0 { 1 } else { 2 + u8::from(byte >= 0xf0) };
            self.quarters = match byte {
                0xe0 => 0b1100,
                0xed => 0b0011,
                0xf0 => 0b1110,
                0xf4 => 0b0001,
                _ => ALL_QUARTERS,
            };
            return BEYOND;
        }
        self.seen += 1;
        let quarter = byte.wrapping_sub(0x80) >> 4;
        if quarter > 3 || self.quarters >> quarter & 1 == 0 {
            return Step::Wrong(Fault::InvalidUtf8, self.seen);
        }
        self.to_come -= 1;
        self.quarters = ALL_QUARTERS;
        BEYOND
    }

    fn escape(&mut self, byte: u8) -> Step {
        if byte == b'u' {
            self.word = 1;
            return self.inside(State::Unit);
        }
        self.state = State::Text;
        let char = control(byte);
        if char == byte && !matches!(byte, b'"' | b'\\' | b'/') {
            return Step::Wrong(Fault::BadEscape, 1);
        }
        Step::Char(char)
    }

    fn unit(&mut self, byte: u8) -> Step {
        let digit = match byte {
            b'0'..=b'9' => byte & 15,
            b'a'..=b'f' | b'A'..=b'F' => (byte & 15) + 9,
            _ => return Step::Wrong(Fault::BadEscape, 0),
        };
        self.word = self.word << 4 | u32::from(digit);
        // The 1 before the digits has come to the 17th bit with the fourth of them.
        let Some(unit) = self.word.checked_sub(0x10000) else { return Step::Inside };
        let second = self.state == State::SecondUnit;
        let half = unit >> 10;
        if half == 0xd800 >> 10 && !second {
            return self.inside(State::Half);
        }
        self.state = State::Text;
        if second != (half == 0xdc00 >> 10) {
            // The backslash of the pair's first half stands 11 bytes before its last digit.
            return Step::Wrong(Fault::LoneSurrogate, if second { 11 } else { 5 });
        }
        Step::Char(u8::try_from(unit).unwrap_or(0xff))
    }

    fn literal(&mut self, byte: u8) -> Step {
        let [next, ..] = self.word.to_le_bytes();
        if byte != next {
            return Step::Unexpected(Expected::Literal);
        }
        self.word >>= 8;
        if self.word == 0 { Step::Last } else { Step::Inside }
    }

    fn number(&mut self, byte: u8) -> Step {
        let class = match byte {
            b'0'..=b'9' => 0,
            b'.' => 1,
            b'e' | b'E' => 2,
            b'+' | b'-' => 3,
            _ => 4,
        };
        let place = (self.state as usize).wrapping_sub(State::Begun as usize).wrapping_mul(5).wrapping_add(class);
        match NUMBER.get(place) {
            Some(State::Over) => return Step::After,
            None | Some(State::Wrong) => return Step::Unexpected(Expected::Digit),
            Some(State::Digits) if byte == b'0' && self.state == State::Begun => self.state = State::Zero,
            Some(State::Digits) => {
                self.add(byte & 15);
                self.state = State::Digits;
            }
            Some(next) => self.state = *next,
        }
        Step::Inside
    }

    fn add(&mut self, digit: u8) {
        let low = (self.magnitude & u64::from(u32::MAX)) * 10 + u64::from(digit);
        let high = (self.magnitude >> 32) * 10 + (low >> 32);
        self.overflow |= high >> 32 != 0;
        self.magnitude = high << 32 | low & u64::from(u32::MAX);
    }
}
