//! What stands at the start of some bytes: spaces, digits, plain text, escapes; eight bytes at a time where it pays.

use crate::Text;

/// Out of line: bodies with white space between their tokens are rare.
#[inline(never)]
pub(super) fn past_spaces(rest: &str) -> &str {
    let mut left = rest.as_bytes();
    while let [b' ' | b'\n' | b'\r' | b'\t', after @ ..] = left {
        left = after;
    }
    rest.get(rest.len() - left.len()..).unwrap_or_default()
}

pub(super) fn past_digits(bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 { None } else { bytes.get(len..) }
}

pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes come before the first quote, backslash or control character.
#[inline(always)]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return bytes.len() - rest.len() + (special.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    bytes.len() - rest.len() + plain_len_at_end(rest)
}

/// Out of line: fewer than eight bytes follow at the end of a document only.
#[inline(never)]
fn plain_len_at_end(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count()
}

/// The high bit of every byte that is special, and of some above the lowest such one.
#[inline(always)]
fn special(word: u64) -> u64 {
    // With bit 1 turned over the quote is a space, control characters stay below it, and nothing else goes there.
    let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & HIGHS
}

/// The value and number of the digits at the start of `bytes`, where two are.
#[inline(always)]
pub(super) fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    // No integer begins with a zero but zero itself.
    if bytes.first() == Some(&b'0') {
        return None;
    }
    let Some((word, after)) = bytes.split_first_chunk::<8>() else {
        return add_digits(0, bytes).map(|(value, left)| (value, bytes.len() - left));
    };
    let word = u64::from_le_bytes(*word) ^ (ONES * 0x30);
    let others = not_digits(word);
    if others == 0 {
        let value = eight_digits(word);
        // Times have ten.
        if let [a @ b'0'..=b'9', b @ b'0'..=b'9', end, ..] = *after
            && !end.is_ascii_digit()
        {
            return Some((value * 100 + u64::from(a - b'0') * 10 + u64::from(b - b'0'), 10));
        }
        return add_digits(value, after).map(|(value, left)| (value, bytes.len() - left));
    }
    let bits = others.trailing_zeros() & 0x38;
    Some((eight_digits(word.wrapping_shl(64 - bits)), (bits / 8) as usize))
}

/// The high bit of every byte that is more than nine, and of some above the lowest such one.
#[inline(always)]
pub(super) fn not_digits(word: u64) -> u64 {
    (word.wrapping_add(ONES * 0x76) | word) & HIGHS
}

/// The value of eight digits, one a byte, the first one lowest.
#[inline(always)]
pub(super) fn eight_digits(digits: u64) -> u64 {
    // Pairs, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// Adds digits to a value, if it stays within 64 bits, and says how many bytes are left.
#[inline(never)]
fn add_digits(mut value: u64, bytes: &[u8]) -> Option<(u64, usize)> {
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        rest = after;
    }
    Some((value, rest.len()))
}

/// Takes the rest of a string that stands at the start of `inside` and whose first escape is at `first`.
#[inline(never)]
pub(super) fn escaped(inside: &str, first: usize) -> Option<(Text<'_>, &str)> {
    let mut rest = inside.as_bytes().get(first..)?;
    loop {
        // Most of them: characters beyond ASCII, one after the other.
        while let Some(([backslash, u, digits @ ..], after)) = rest.split_first_chunk::<6>() {
            if [*backslash, *u] != *b"\\u" {
                break;
            }
            rest = past_unit(*digits, after)?;
        }
        rest = match rest {
            [b'"', ..] => break,
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
            [b'\\' | 0..=0x1f, ..] | [] => return None,
            plain => plain.get(plain_len(plain)..)?,
        };
    }
    let (text, quote) = inside.split_at_checked(inside.len() - rest.len())?;
    Some((Text::from_json(text, true), quote.strip_prefix('"')?))
}

/// What comes after the `digits` of a `\u`, which `after` follows; a surrogate pair is one escape.
#[inline]
fn past_unit(digits: [u8; 4], after: &[u8]) -> Option<&[u8]> {
    let [a, b, c, d] = digits;
    if (nibble(a) | nibble(b) | nibble(c) | nibble(d)) & NO_NIBBLE != 0 {
        return None;
    }
    if a | 0x20 != b'd' { Some(after) } else { past_d_unit(b, after) }
}

/// As [`past_unit`], after a `d` and digit `b`: where surrogates are.
#[cold]
fn past_d_unit(b: u8, after: &[u8]) -> Option<&[u8]> {
    if nibble(b) < 8 {
        return Some(after);
    }
    // Half of a pair: the first, if the second follows.
    let ([b'\\', b'u', c, d, e, f], rest) = after.split_first_chunk::<6>()? else { return None };
    let low = c | 0x20 == b'd' && matches!(nibble(*d), 12..16) && (nibble(*e) | nibble(*f)) & NO_NIBBLE == 0;
    (nibble(b) < 12 && low).then_some(rest)
}

#[inline]
fn nibble(digit: u8) -> u8 {
    NIBBLES.get(usize::from(digit)).copied().unwrap_or(NO_NIBBLE)
}

/// What no hexadecimal digit has.
const NO_NIBBLE: u8 = 0x80;

/// The value of each hexadecimal digit; [`NO_NIBBLE`] for what is none.
#[expect(clippy::indexing_slicing, reason = "runs when the crate is compiled, where a panic is a compile error")]
const NIBBLES: [u8; 256] = {
    let mut nibbles = [NO_NIBBLE; 256];
    let mut value = 0;
    while value < 16 {
        nibbles[b"0123456789abcdef"[value as usize] as usize] = value;
        nibbles[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    nibbles
};
