//! Words and numbers to the standard output of whoever runs the machine, without formatting machinery.

use semihosting::io::{Write, stdout};

/// Prints `text`.
pub(crate) fn text(text: &str) {
    // Nobody is left to tell when the output is gone.
    let _ = stdout().and_then(|mut out| out.write_all(text.as_bytes()));
}

/// Prints `number` in decimal.
pub(crate) fn number(number: u32) {
    let mut rest = number;
    let mut digits = [0; 10];
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        // A remainder of 10 fits every integer.
        *digit = b'0' + (rest % 10) as u8;
        first = place;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text(digits.get(first..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default());
}
