//! Walking through a text: character by character, or in runs between its escapes.

use core::fmt;

use super::unescape::{code_unit, control, pair};

/// The unescaped characters of a [`Text`].
#[derive(Clone)]
pub struct Chars<'a> {
    rest: &'a [u8],
    escaped: bool,
}

impl<'a> Chars<'a> {
    pub(super) fn new(rest: &'a [u8], escaped: bool) -> Self {
        Self { rest, escaped }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// What a backslash and what follows it stand for.
    fn escape(&mut self) -> Option<u32> {
        let escape = self.byte()?;
        if escape != b'u' {
            return Some(u32::from(control(escape)));
        }
        let mut code = self.unit();
        if (0xd800..0xdc00).contains(&code) {
            self.rest = self.rest.get(2..)?;
            code = pair(code, self.unit());
        }
        Some(code)
    }

    /// The code unit of four hexadecimal digits, which have been checked.
    fn unit(&mut self) -> u32 {
        let Some((&digits, rest)) = self.rest.split_first_chunk() else { return 0 };
        self.rest = rest;
        code_unit(digits)
    }

    /// The character beyond ASCII that `first` begins, which has been checked.
    fn beyond(&mut self, first: u8) -> u32 {
        // As many bits at the top are set as the character has bytes.
        let mut code = u32::from(first) & 0x7f >> first.leading_ones();
        while let Some((&byte @ 0x80..0xc0, rest)) = self.rest.split_first() {
            self.rest = rest;
            code = code << 6 | u32::from(byte & 0x3f);
        }
        code
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        let code = match self.byte()? {
            b'\\' if self.escaped => self.escape()?,
            ascii @ 0..0x80 => return Some(char::from(ascii)),
            first => self.beyond(first),
        };
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

impl fmt::Debug for Chars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The runs between escapes, and the characters that escapes stand for.
pub(super) struct Pieces<'a>(Chars<'a>);

impl<'a> Pieces<'a> {
    pub(super) fn new(chars: Chars<'a>) -> Self {
        Self(chars)
    }
}

pub(super) enum Piece<'a> {
    Run(&'a [u8]),
    Char(char),
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0.rest;
        let escape = if self.0.escaped { rest.iter().position(|&byte| byte == b'\\') } else { None };
        let run = escape.unwrap_or(rest.len());
        if run == 0 {
            return self.0.next().map(Piece::Char);
        }
        let (run, rest) = rest.split_at_checked(run)?;
        self.0.rest = rest;
        Some(Piece::Run(run))
    }
}

impl<'a> Piece<'a> {
    pub(super) fn encode<'e>(self, buf: &'e mut [u8; 4]) -> &'e [u8]
    where
        'a: 'e,
    {
        match self {
            Self::Run(run) => run,
            Self::Char(char) => char.encode_utf8(buf).as_bytes(),
        }
    }
}
