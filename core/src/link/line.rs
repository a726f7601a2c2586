//! Finding the lines in what a stream delivers, in a buffer of fixed size.

use crate::{Error, ErrorKind, Field, Unit};

use super::MAX_LINE_LEN;

/// Collects bytes into lines of at most `N` bytes.
///
/// ```
/// use pushgate_core::link::{Frame, LineBuffer};
///
/// let mut lines = LineBuffer::<1024>::new();
/// let mut input = &b"{\"ping\":1}\n{\"ack\""[..];
/// while let Some(line) = lines.feed(&mut input) {
///     assert_eq!(Frame::read(line.unwrap()), Ok(Frame::Ping(1)));
/// }
/// ```
// In this order, because what lies at the beginning is reached by shorter instructions.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct LineBuffer<const N: usize = MAX_LINE_LEN> {
    len: usize,
    /// Whether the bytes in the buffer have been given out as a line.
    given: bool,
    /// Whether the line under way is over the limit: its rest is thrown away.
    skipping: bool,
    bytes: [u8; N],
}

impl<const N: usize> Default for LineBuffer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> LineBuffer<N> {
    /// Makes an empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { len: 0, given: false, skipping: false, bytes: [0; N] }
    }

    /// Empties the buffer, for the next stream.
    pub const fn clear(&mut self) {
        (self.len, self.given, self.skipping) = (0, false, false);
    }

    /// The line that the last [`feed`](Self::feed) returned, for callers that cannot keep its borrow.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        let len = if self.given { self.len } else { 0 };
        self.bytes.get(..len).unwrap_or_default()
    }

    /// Whether no line is under way: what is fed next begins one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        (self.given || self.len == 0) && !self.skipping
    }

    /// Takes bytes from the front of `input` up to the end of the next line and returns that line without its line
    /// feed; `None` when `input` is used up before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLong`] once for a line that does not fit; what follows it is found again.
    #[inline(never)]
    pub fn feed(&mut self, input: &mut &[u8]) -> Option<Result<&[u8], Error>> {
        if self.given {
            self.clear();
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if byte == b'\n' && !self.skipping {
                self.given = true;
                return Some(Ok(self.line()));
            }
            if byte == b'\n' {
                self.skipping = false;
            } else if !self.skipping && self.keep(byte).is_none() {
                self.len = 0;
                self.skipping = true;
                return Some(Err(too_long::<N>()));
            }
        }
        None
    }

    /// Keeps a byte of the line under way, unless it leaves no room for the line feed, which counts too.
    fn keep(&mut self, byte: u8) -> Option<()> {
        let [place, _, ..] = self.bytes.get_mut(self.len..)? else { return None };
        *place = byte;
        self.len += 1;
        Some(())
    }
}

#[cold]
fn too_long<const N: usize>() -> Error {
    let limit = u32::try_from(N).unwrap_or(u32::MAX);
    Error::new(ErrorKind::TooLong { limit, unit: Unit::Bytes }, Field::BODY, N)
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;

    fn lines_of(input: &[u8], chunk: usize) -> Vec<Result<String, ErrorKind>> {
        let mut buffer = LineBuffer::<8>::new();
        let mut lines = Vec::new();
        for mut chunk in input.chunks(chunk) {
            while let Some(line) = buffer.feed(&mut chunk) {
                lines.push(match line {
                    Ok(line) => Ok(String::from_utf8(line.to_vec()).unwrap()),
                    Err(error) => Err(error.kind()),
                });
            }
        }
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let long = Err(ErrorKind::TooLong { limit: 8, unit: Unit::Bytes });
        let ok = |line: &str| Ok(String::from(line));
        let input = b"one\n\n1234567\n12345678\ntwo\n1234567890123456789\nthree\nrest";
        let lines = [ok("one"), ok(""), ok("1234567"), long.clone(), ok("two"), long, ok("three")];
        assert!(LineBuffer::<8>::new().is_empty());
        for (fed, is_empty) in
            [(&b"one\n"[..], true), (b"one\ntw", false), (b"123456789", false), (b"123456789\n", true)]
        {
            let mut buffer = LineBuffer::<8>::new();
            let mut rest = fed;
            while buffer.feed(&mut rest).is_some() {}
            assert_eq!(buffer.is_empty(), is_empty, "{fed:?}");
        }
        for chunk in 1..=input.len() {
            assert_eq!(lines_of(input, chunk), lines, "chunks of {chunk}");
        }
    }
}
