//! Strict JSON (RFC 8259) in bounded memory.

/// The longest text of a 64-bit integer: `-9223372036854775808` and `18446744073709551615` have 20 bytes.
pub const MAX_INTEGER_LEN: usize = 20;

/// Writes `n` in decimal into the end of `digits` and returns that text.
pub(crate) fn decimal(mut n: u64, digits: &mut [u8; MAX_INTEGER_LEN]) -> &str {
    let mut start = MAX_INTEGER_LEN;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        start = place;
        if n == 0 {
            break;
        }
    }
    digits.get(start..).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or("")
}
