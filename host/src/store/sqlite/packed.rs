//! An attempt as the bytes that are stored: one column, because nothing is ever looked for inside. Its answer, which is
//! larger than all of it and seldom read, has a table of its own.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | number |
//! | 1 to 2 | HTTP status, 0 for none |
//! | 3 to 26 | planned, started, finished |
//! | 27 | length of the class |
//! | 28 on | class, then detail, both UTF-8 |
//!
//! Numbers are little-endian.

use crate::store::{Attempt, MAX_CLASS, MAX_DETAIL};

const HEAD: usize = 28;

/// Packs an attempt, its texts cut to their limits.
pub(super) fn pack(attempt: &Attempt) -> Vec<u8> {
    let (class, detail) = (cut(&attempt.class, MAX_CLASS), cut(&attempt.detail, MAX_DETAIL));
    let mut bytes = Vec::with_capacity(HEAD + class.len() + detail.len());
    bytes.push(attempt.number);
    bytes.extend(attempt.status.unwrap_or(0).to_le_bytes());
    for time in [attempt.planned, attempt.started, attempt.finished] {
        bytes.extend(time.to_le_bytes());
    }
    bytes.push(u8::try_from(class.len()).unwrap_or(u8::MAX)); // MAX_CLASS is far below
    bytes.extend(class.as_bytes());
    bytes.extend(detail.as_bytes());
    bytes
}

/// Returns the attempt that was packed; `None` for bytes that [`pack`] did not make.
pub(super) fn unpack(bytes: &[u8]) -> Option<Attempt> {
    let (&[number], rest) = bytes.split_first_chunk()?;
    let (&status, rest) = rest.split_first_chunk()?;
    let (&planned, rest) = rest.split_first_chunk()?;
    let (&started, rest) = rest.split_first_chunk()?;
    let (&finished, rest) = rest.split_first_chunk()?;
    let (&[class], rest) = rest.split_first_chunk()?;
    let (class, detail) = rest.split_at_checked(class.into())?;
    let status = u16::from_le_bytes(status);
    Some(Attempt {
        number,
        planned: u64::from_le_bytes(planned),
        started: u64::from_le_bytes(started),
        finished: u64::from_le_bytes(finished),
        status: (status != 0).then_some(status),
        class: str::from_utf8(class).ok()?.to_owned(),
        detail: str::from_utf8(detail).ok()?.to_owned(),
        answer: None,
    })
}

/// Returns the most of `text` that fits into `limit` bytes, in whole characters.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    (0..=limit).rev().find_map(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            number: 255,
            planned: u64::MAX,
            started: 1,
            finished: 2,
            status: Some(503),
            class: "status".into(),
            detail: "dérangé".into(),
            answer: None,
        }
    }

    #[test]
    fn what_was_packed_comes_back_and_nothing_else_does() {
        for attempt in [attempt(), Attempt { status: None, class: String::new(), detail: String::new(), ..attempt() }] {
            let bytes = pack(&attempt);
            assert_eq!(unpack(&bytes), Some(attempt.clone()));
            for end in 0..HEAD + attempt.class.len() {
                assert_eq!(unpack(&bytes[..end]), None, "{end}");
            }
        }
        let mut bytes = pack(&attempt());
        bytes[HEAD] = 0xff;
        assert_eq!(unpack(&bytes), None, "not UTF-8");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long =
            Attempt { class: "é".repeat(MAX_CLASS), detail: format!("x{}", "é".repeat(MAX_DETAIL)), ..attempt() };
        let short = unpack(&pack(&long)).unwrap();
        assert_eq!((short.class.len(), short.detail.len()), (MAX_CLASS, MAX_DETAIL - 1));
    }
}
