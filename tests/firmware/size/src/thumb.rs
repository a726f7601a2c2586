//! The branches of thumb code: where a function jumps to and what it calls, found in its bytes.
//!
//! Constants between instructions are read as if they were instructions too. One may look like a branch, but hardly like
//! one into a given function; and after one that looks like half of a long instruction the next instruction may be
//! missed. Both are rare, and a count of zero is held by the names of the functions anyway: a panic that is called has
//! one.

/// The branches and calls of the code that lies at `address`, with where each leads: (from, to).
pub(crate) fn branches(address: u64, code: &[u8]) -> Vec<(u64, u64)> {
    let mut halves = code.chunks_exact(2).map(|half| u32::from(u16::from_le_bytes([half[0], half[1]])));
    let mut at = address;
    let mut found = Vec::new();
    while let Some(first) = halves.next() {
        let (offset, len) = if first >> 11 >= 0b11101 {
            (halves.next().and_then(|second| long(first, second)), 4)
        } else {
            (short(first), 2)
        };
        // A branch counts from four bytes past its own address.
        found.extend(offset.map(|offset| (at, at.wrapping_add(4).wrapping_add_signed(offset))));
        at += len;
    }
    found
}

/// B, conditional or not, of 16 bits.
fn short(half: u32) -> Option<i64> {
    match half >> 12 {
        // 1110 and 1111 are no conditions.
        0b1101 if half >> 9 & 0b111 != 0b111 => Some(signed((half & 0xFF) << 1, 9)),
        0b1110 if half >> 11 & 1 == 0 => Some(signed((half & 0x7FF) << 1, 12)),
        _ => None,
    }
}

/// BL, and B, conditional or not, of 32 bits.
fn long(first: u32, second: u32) -> Option<i64> {
    if first >> 11 != 0b11110 || second >> 15 == 0 {
        return None;
    }
    let (sign, j1, j2) = (first >> 10 & 1, second >> 13 & 1, second >> 11 & 1);
    let low = (second & 0x7FF) << 1;
    if second >> 12 & 1 == 1 {
        let (i1, i2) = (1 ^ j1 ^ sign, 1 ^ j2 ^ sign);
        let offset = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | low;
        return Some(signed(offset, 25));
    }
    let is_branch = second >> 14 & 1 == 0 && first >> 7 & 0b111 != 0b111;
    let offset = sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3F) << 12 | low;
    is_branch.then(|| signed(offset, 21))
}

fn signed(value: u32, bits: u32) -> i64 {
    let unused = 32 - bits;
    i64::from((value << unused).cast_signed() >> unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an assembler wrote them, at address 0x100.
    #[test]
    fn branches_lead_where_the_assembler_meant_them_to() {
        for (what, code, to) in [
            ("b .", &[0xfe, 0xe7][..], Some(0x100)),
            ("b .+0x104", &[0x80, 0xe0], Some(0x204)),
            ("beq .+8", &[0x02, 0xd0], Some(0x108)),
            ("bl .+4", &[0x00, 0xf0, 0x00, 0xf8], Some(0x104)),
            ("bl .", &[0xff, 0xf7, 0xfe, 0xff], Some(0x100)),
            ("bl .+0x1004", &[0x01, 0xf0, 0x00, 0xf8], Some(0x1104)),
            ("b.w .+0x1004", &[0x01, 0xf0, 0x00, 0xb8], Some(0x1104)),
            ("bne.w .+0x1004", &[0x41, 0xf0, 0x00, 0x80], Some(0x1104)),
            ("bne.w .", &[0x7f, 0xf4, 0xfe, 0xaf], Some(0x100)),
            ("svc 0", &[0x00, 0xdf], None),
            ("udf", &[0xfe, 0xde], None),
            ("movs r0, 0", &[0x00, 0x20], None),
            ("bkpt 0xab", &[0xab, 0xbe], None),
            ("mrs r0, msp", &[0xef, 0xf3, 0x08, 0x80], None),
            ("dsb", &[0xbf, 0xf3, 0x4f, 0x8f], None),
            ("movw r0, 0x1234", &[0x41, 0xf2, 0x34, 0x20], None),
            ("half of a long one", &[0x00, 0xf0], None),
        ] {
            let found: Vec<_> = to.map(|to| (0x100, to)).into_iter().collect();
            assert_eq!(branches(0x100, code), found, "{what}");
        }
    }

    #[test]
    fn what_follows_is_found_after_instructions_of_either_length() {
        let code = [0x00, 0x20, 0x41, 0xf2, 0x34, 0x20, 0xfe, 0xe7, 0xff, 0xf7, 0xfe, 0xff];
        assert_eq!(branches(0x100, &code), [(0x106, 0x106), (0x108, 0x108)]);
    }
}
