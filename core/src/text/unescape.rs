//! What the escapes of a JSON string stand for: where texts are copied, run by run.

/// Copies the inside of a JSON string, which has been checked, to the start of `buf` unescaped, and returns how long it
/// is there; `None` when it does not fit.
pub(super) fn unescape(raw: &[u8], buf: &mut [u8]) -> Option<usize> {
    let capacity = buf.len();
    let (mut raw, mut out) = (raw, buf);
    loop {
        let units = copy_units(raw, out);
        raw = raw.get(units * 6..)?;
        out = out.get_mut(units * 3..)?;
        match raw {
            [b'\\', b'u', a, b, c, d, after @ ..] => {
                raw = after;
                let mut code = code_unit([*a, *b, *c, *d]);
                if let (0xd800..0xdc00, [_, _, a, b, c, d, after @ ..]) = (code, raw) {
                    raw = after;
                    code = pair(code, code_unit([*a, *b, *c, *d]));
                }
                let mut utf8 = [0; 4];
                let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8);
                let (to, room) = out.split_at_mut_checked(char.len())?;
                to.iter_mut().zip(char.bytes()).for_each(|(to, from)| *to = from);
                out = room;
            }
            [b'\\', escape, after @ ..] => {
                raw = after;
                let (to, room) = out.split_first_mut()?;
                *to = control(*escape);
                out = room;
            }
            [] => return Some(capacity - out.len()),
            _ => {
                let run = copy_run(raw, out)?;
                raw = raw.get(run..)?;
                out = out.get_mut(run..)?;
            }
        }
    }
}

/// Copies the `\u` escapes of three bytes each at the start, as most of what is escaped is, and returns how many they are.
#[inline]
fn copy_units(raw: &[u8], out: &mut [u8]) -> usize {
    let mut units = 0;
    for ([backslash, u, digits @ ..], to) in raw.as_chunks::<6>().0.iter().zip(out.as_chunks_mut::<3>().0) {
        if [*backslash, *u] != *b"\\u" {
            break;
        }
        let unit = code_unit(*digits);
        if unit < 0x800 || unit & 0xf800 == 0xd800 {
            break;
        }
        let utf8 = 0x0080_80e0 | unit >> 12 | (unit << 2 & 0x3f00) | (unit & 0x3f) << 16;
        let [bytes @ .., _] = utf8.to_le_bytes();
        *to = bytes;
        units += 1;
    }
    units
}

/// Copies the bytes before the first backslash, and returns how many they are.
#[inline]
fn copy_run(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let mut run = 0;
    // Eight at a time; what is too much is overwritten by what comes next.
    for (word, room) in raw.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        *room = *word;
        let word = u64::from_le_bytes(*word) ^ (ONES * 0x5c);
        let backslash = word.wrapping_sub(ONES) & !word & HIGHS;
        if backslash != 0 {
            return Some(run + (backslash.trailing_zeros() / 8) as usize);
        }
        run += 8;
    }
    let mut room = out.get_mut(run..)?.iter_mut();
    for &byte in raw.get(run..)?.iter().take_while(|byte| **byte != b'\\') {
        *room.next()? = byte;
        run += 1;
    }
    Some(run)
}

/// What a backslash and `escape` stand for, `\u` aside.
pub(crate) fn control(escape: u8) -> u8 {
    match escape {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// The value of four hexadecimal digits, which have been checked.
#[inline]
pub(super) fn code_unit(digits: [u8; 4]) -> u32 {
    let digits = u32::from_be_bytes(digits);
    // A letter's low four bits are 1 to 6, and it has bit 6.
    let nibbles = (digits & 0x0f0f_0f0f).wrapping_add((digits >> 6 & 0x0101_0101).wrapping_mul(9));
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff;
    (bytes | bytes >> 8) & 0xffff
}

/// The character of a surrogate pair.
pub(super) fn pair(high: u32, low: u32) -> u32 {
    0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff)
}
