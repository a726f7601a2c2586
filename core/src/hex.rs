//! Digests as lower-case hex, the form every signature of these protocols travels in.

/// Writes `bytes` in lower-case hex to the start of `out` and returns that text; what `out` has no room for is left
/// out.
pub(crate) fn encode<'b>(bytes: &[u8], out: &'b mut [u8]) -> &'b str {
    let mut written: usize = 0;
    let (pairs, _) = out.as_chunks_mut::<2>();
    for ([high, low], byte) in pairs.iter_mut().zip(bytes) {
        *high = digit(byte >> 4);
        *low = digit(byte & 15);
        written = written.saturating_add(2);
    }
    out.get(..written).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or("")
}

/// Reads exactly `2 * N` lower-case hex digits; anything else is `None`.
pub(crate) fn decode<const N: usize>(mut digits: impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = value(digits.next()?)? << 4 | value(digits.next()?)?;
    }
    digits.next().is_none().then_some(bytes)
}

/// The lower-case digit of a value below 16.
pub(crate) const fn digit(value: u8) -> u8 {
    match value & 15 {
        small @ 0..=9 => b'0' | small,
        large => b'a' + (large - 10),
    }
}

/// The value of a lower-case hex digit.
pub(crate) const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for byte in 0..=u8::MAX {
            let mut out = [0; 2];
            let text = encode(&[byte], &mut out);
            assert_eq!(text, std::format!("{byte:02x}"));
            assert_eq!(decode(text.bytes()), Some([byte]));
        }
    }

    #[test]
    fn only_lower_case_digits_of_the_exact_length_are_read() {
        for (text, expected) in [
            ("0aff", Some([0x0a, 0xff])),
            ("", None),
            ("0af", None),
            ("0aff0", None),
            ("0aff00", None),
            ("0AFF", None),
            ("0xff", None),
            ("+aff", None),
            ("0a f", None),
            ("0agf", None),
        ] {
            assert_eq!(decode::<2>(text.bytes()), expected, "{text}");
        }
    }
}
