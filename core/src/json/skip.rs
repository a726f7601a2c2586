//! Stepping over a value of any shape, without recursion.

use crate::{ErrorKind, Expected};

use super::{
    MAX_DEPTH,
    cursor::{Cursor, Result},
};

/// Which bracket closes each open level: one bit a level, 1 for an object.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    bits: u32,
    open: u32,
}

const _: () = assert!(MAX_DEPTH <= u32::BITS, "a level needs a bit");

impl Levels {
    pub(super) const NONE: Self = Self { bits: 0, open: 0 };

    pub(super) fn push_object(&mut self) {
        self.bits = self.bits << 1 | 1;
        self.open += 1;
    }

    pub(super) fn push_array(&mut self) {
        self.bits <<= 1;
        self.open += 1;
    }

    pub(super) fn pop(&mut self) {
        self.bits >>= 1;
        self.open = self.open.saturating_sub(1);
    }

    pub(super) fn count(self) -> u32 {
        self.open
    }

    pub(super) fn in_object(self) -> bool {
        self.bits & 1 == 1
    }
}

/// What a step over a document met.
pub(super) enum Step<'a> {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close(u8),
    /// A key, its colon taken.
    Key(crate::Text<'a>),
    /// A string.
    String(crate::Text<'a>),
    /// A number or a literal, as it stands.
    Scalar(&'a [u8]),
    /// `,`.
    Comma,
}

/// Walks through one value from its first byte to its last, telling `visit` each token.
///
/// Every rule of the grammar is checked; the depth is the cursor's, so levels around the value count.
pub(super) fn walk<'a>(cursor: &mut Cursor<'a>, visit: &mut dyn FnMut(Step<'a>)) -> Result<()> {
    let mut levels = Levels::NONE;
    loop {
        match cursor.peek() {
            Some(bracket @ (b'{' | b'[')) => {
                if levels.count() >= cursor.depth_left() {
                    return Err(cursor.error(ErrorKind::TooDeep { limit: MAX_DEPTH }, cursor.offset()));
                }
                cursor.take_if(bracket);
                visit(Step::Open(bracket));
                if bracket == b'{' {
                    levels.push_object();
                } else {
                    levels.push_array();
                }
                let close = closing(levels);
                if !cursor.take_if(close) {
                    if levels.in_object() {
                        visit(Step::Key(cursor.key()?));
                    }
                    continue;
                }
                visit(Step::Close(close));
                levels.pop();
            }
            Some(b'"') => visit(Step::String(cursor.quoted()?)),
            Some(b'-' | b'0'..=b'9') => visit(Step::Scalar(cursor.number()?)),
            Some(b't' | b'f' | b'n') => {
                let start = cursor.offset();
                cursor.literal()?;
                visit(Step::Scalar(cursor.since(start)));
            }
            _ => return Err(cursor.unexpected(Expected::Value)),
        }
        // A value has ended: close what it ends, then go to the next.
        loop {
            if levels.count() == 0 {
                return Ok(());
            }
            if cursor.take_if(b',') {
                visit(Step::Comma);
                if levels.in_object() {
                    visit(Step::Key(cursor.key()?));
                }
                break;
            }
            let close = closing(levels);
            let expected = if levels.in_object() { Expected::CommaOrBrace } else { Expected::CommaOrBracket };
            cursor.take(close, expected)?;
            visit(Step::Close(close));
            levels.pop();
        }
    }
}

fn closing(levels: Levels) -> u8 {
    if levels.in_object() { b'}' } else { b']' }
}

/// Steps over one value and returns its bytes.
pub(crate) fn skip<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    cursor.peek();
    let start = cursor.offset();
    walk(cursor, &mut |_| {})?;
    Ok(cursor.since(start))
}
