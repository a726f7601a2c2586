//! The fast writer: for the objects of a batch, in a buffer with room to spare.
//!
//! Each step takes the room that is left and gives back what is left after it. A key stands in memory with all that is
//! constant around it and is copied in whole blocks, over its end when it is shorter; so are digits. What finds no room
//! for that is left to the small writer in `write.rs`, from the object's first byte on: so this one knows no
//! errors, and both write the same bytes. The code is generated from the same declaration as the table.

use crate::Text;

use super::{
    slice::plain_len,
    write::{hex, short_escape},
};

/// The part of a buffer that is not written yet.
#[derive(Debug)]
pub(crate) struct Room<'b>(&'b mut [u8]);

impl<'b> Room<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self(buf)
    }

    /// Bytes left.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes a key and the constants around it; `before` is what stands before it, a comma or an opening brace.
    ///
    /// Always inlined: the key is a constant there, and copying it two to six moves.
    #[inline(always)]
    pub(crate) fn key(self, key: &'static Key, before: u8) -> Option<Self> {
        let block = self.0.first_chunk_mut::<MAX_KEY_LEN>()?;
        match key.len {
            0..=16 => copy::<16>(&key.bytes, block),
            17..=32 => copy::<32>(&key.bytes, block),
            _ => *block = key.bytes,
        }
        if before != b','
            && let Some(first) = block.first_mut()
        {
            *first = before;
        }
        self.0.get_mut(key.len..).map(Self)
    }

    #[inline(always)]
    pub(crate) fn byte(self, byte: u8) -> Option<Self> {
        let (first, rest) = self.0.split_first_mut()?;
        *first = byte;
        Some(Self(rest))
    }

    #[inline(always)]
    pub(crate) fn signed(self, value: i64) -> Option<Self> {
        if value < 0 {
            return self.byte(b'-')?.unsigned(value.unsigned_abs());
        }
        self.unsigned(value.unsigned_abs())
    }

    #[inline(always)]
    pub(crate) fn unsigned(self, value: u64) -> Option<Self> {
        // Most codes have one digit.
        match u8::try_from(value) {
            Ok(digit @ 0..=9) => self.byte(b'0' + digit),
            _ => self.digits(value),
        }
    }

    #[inline(never)]
    fn digits(self, value: u64) -> Option<Self> {
        const EIGHT: u64 = 100_000_000;
        if value < EIGHT {
            return self.up_to_eight(value);
        }
        let (high, low) = (value / EIGHT, value % EIGHT);
        let room =
            if high < EIGHT { self.up_to_eight(high)? } else { self.up_to_eight(high / EIGHT)?.eight(high % EIGHT)? };
        room.eight(low)
    }

    /// Writes a number below 10⁸ and above 0.
    #[inline(always)]
    fn up_to_eight(self, value: u64) -> Option<Self> {
        let digits = eight_digits(value);
        let zeros = (digits.trailing_zeros() & !7).min(56);
        *self.0.first_chunk_mut()? = ((digits | ZEROS) >> zeros).to_le_bytes();
        self.0.get_mut(8 - zeros as usize / 8..).map(Self)
    }

    /// Writes a number below 10⁸ with leading zeros.
    #[inline(always)]
    fn eight(self, value: u64) -> Option<Self> {
        let (block, rest) = self.0.split_first_chunk_mut()?;
        *block = (eight_digits(value) | ZEROS).to_le_bytes();
        Some(Self(rest))
    }

    /// Writes a text and the quote after it; the one before it is a constant of its key.
    #[inline]
    pub(crate) fn text(self, text: Text<'_>) -> Option<Self> {
        self.plain(text.plain()?)
    }

    #[inline(never)]
    fn plain(self, text: &[u8]) -> Option<Self> {
        let (place, _) = self.0.split_at_mut_checked(text.len())?;
        if copy_unless_special(text, place) {
            return self.escaped(text);
        }
        let (quote, rest) = self.0.get_mut(text.len()..)?.split_first_mut()?;
        *quote = b'"';
        Some(Self(rest))
    }

    #[cold]
    fn escaped(self, mut text: &[u8]) -> Option<Self> {
        let mut room = self;
        loop {
            let (plain, rest) = text.split_at_checked(plain_len(text))?;
            let (place, after) = room.0.split_at_mut_checked(plain.len())?;
            // Not `copy_from_slice`: of many, the compiler makes one function, and keeps its panic.
            place.iter_mut().zip(plain).for_each(|(place, byte)| *place = *byte);
            let Some((&byte, rest)) = rest.split_first() else { return Self(after).byte(b'"') };
            let letter = short_escape(byte)?;
            room = Self(after).byte(b'\\')?.byte(letter)?;
            if letter == b'u' {
                room = room.byte(b'0')?.byte(b'0')?.byte(hex(byte >> 4))?.byte(hex(byte & 15))?;
            }
            text = rest;
        }
    }
}

/// The longest key with all that is constant around it: `,"CallbackCommand":"Push.AllMemberPush"` has 39 bytes.
const MAX_KEY_LEN: usize = 48;

/// A key as it stands in an object, after a comma, with its colon and what every value of its type begins with.
#[derive(Debug)]
pub(crate) struct Key {
    bytes: [u8; MAX_KEY_LEN],
    len: usize,
}

impl Key {
    /// Puts together the key `quoted`, which has its comma and colon, and the beginning of its value.
    #[expect(clippy::indexing_slicing, reason = "runs when the crate is compiled, where a panic is a compile error")]
    pub(crate) const fn new(quoted: &'static str, value: &'static str) -> Self {
        let mut bytes = [0; MAX_KEY_LEN];
        let (quoted, value) = (quoted.as_bytes(), value.as_bytes());
        let mut len = 0;
        while len < quoted.len() + value.len() {
            bytes[len] = if len < quoted.len() { quoted[len] } else { value[len - quoted.len()] };
            len += 1;
        }
        Self { bytes, len }
    }
}

#[inline(always)]
fn copy<const N: usize>(from: &[u8; MAX_KEY_LEN], to: &mut [u8; MAX_KEY_LEN]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
}

/// Copies all of `text`, and says whether there is a byte in it that a JSON string must escape.
///
/// Where the last block is not a whole one, it overlaps the one before it.
#[inline(always)]
fn copy_unless_special(text: &[u8], place: &mut [u8]) -> bool {
    let special = if let (Some(last), Some(last_place)) = (text.last_chunk::<16>(), place.last_chunk_mut()) {
        *last_place = *last;
        let mut special = special_block(last);
        for (from, to) in text.as_chunks::<16>().0.iter().zip(place.as_chunks_mut::<16>().0) {
            special |= special_block(from);
            *to = *from;
        }
        special
    } else if let (Some(&first), Some(&last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        if let Some(place) = place.first_chunk_mut() {
            *place = first;
        }
        if let Some(place) = place.last_chunk_mut() {
            *place = last;
        }
        special_word(u64::from_le_bytes(first)) | special_word(u64::from_le_bytes(last))
    } else if let (Some(&first), Some(&last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        if let Some(place) = place.first_chunk_mut() {
            *place = first;
        }
        if let Some(place) = place.last_chunk_mut() {
            *place = last;
        }
        special_word((u64::from(u32::from_le_bytes(first)) << 32) | u64::from(u32::from_le_bytes(last)))
    } else {
        let Some(&last) = text.last() else { return false };
        let (first, middle) = (text.first().copied().unwrap_or(last), text.get(1).copied().unwrap_or(last));
        if let Some(place) = place.first_mut() {
            *place = first;
        }
        if let Some(place) = place.get_mut(1) {
            *place = middle;
        }
        if let Some(place) = place.last_mut() {
            *place = last;
        }
        special_word(u64::from_le_bytes([first, middle, last, last, last, last, last, last]))
    };
    special & (ONES * 0x80) != 0
}

#[inline(always)]
fn special_block(block: &[u8; 16]) -> u64 {
    let word = |half: &[u8]| half.first_chunk().map_or(0, |half| special_word(u64::from_le_bytes(*half)));
    let (low, high) = block.split_at(8);
    word(low) | word(high)
}

/// A word with the high bit of some byte set if and only if one of the bytes must be escaped.
#[inline(always)]
fn special_word(word: u64) -> u64 {
    // With this bit turned the quote comes just after the control characters, and nothing but they before it.
    let quote_or_control = word ^ (ONES * 2);
    let backslash = word ^ (ONES * 0x5c);
    (quote_or_control.wrapping_sub(ONES * 0x21) & !quote_or_control) | (backslash.wrapping_sub(ONES) & !backslash)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);

/// The eight digits of a number below 10⁸ as the bytes of a word, the first in the lowest.
///
/// Halves the number three times, each time for all parts at once; the products are the reciprocals that are exact for
/// parts of that size.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

/// What makes characters of digits.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

#[cfg(test)]
mod tests;
