//! However a document is cut and however small the buffer: the readers of chunks see what the readers of slices see.

use alloc::{string::String, vec, vec::Vec};

use crate::{Error, ErrorKind, Text, json, lingyang::ClientPush, tencent as im, uplink as usms};

use super::payload::Payload;

/// Documents up to this length are cut at every single position.
const SHORT: usize = 192;

/// Takes bytes as a document to be read in chunks. The first says what it is, the second how it is cut.
///
/// # Panics
///
/// When the chunks are not read as the whole is, a failed reader goes on, or a reader of batches remembers the last.
pub fn chunks(data: &[u8]) {
    let [payload, how, document @ ..] = data else { return };
    let payload = Payload::of(*payload);
    let expected = payload.read(document);
    let mut buf = vec![0; document.len()];
    let cuts = cuts(document, *how);
    for pieces in &cuts {
        assert_eq!(payload.read_pieces(pieces, &mut buf), expected, "{payload:?} in {pieces:?}");
    }
    let Some(pieces) = cuts.last() else { return };
    let (half, _) = document.split_at(document.len() / 2);
    let batches = payload.read_batches(&[&[half], pieces, &[half], pieces, &[document]], &mut buf);
    for (place, outcome) in batches.iter().enumerate() {
        let half = matches!(place, 0 | 2).then(|| payload.read(half));
        assert_eq!(outcome, half.as_ref().unwrap_or(&expected), "batch {place} of one reader");
    }
}

/// The ways of cutting `document` that a byte stands for: in seeds `a` to `p` for chunks of 1 to 16 bytes, `q` for two
/// chunks, cut at each position in turn, `r` for lengths that the document's own bytes say, some of them 0.
fn cuts(document: &[u8], how: u8) -> Vec<Vec<&[u8]>> {
    match how.wrapping_sub(b'a') % 18 {
        size @ 0..16 => vec![document.chunks(usize::from(size) + 1).collect()],
        16 if document.len() <= SHORT => (0..=document.len())
            .filter_map(|at| document.split_at_checked(at))
            .map(|(first, second)| vec![first, second])
            .collect(),
        _ => vec![by_own_bytes(document)],
    }
}

pub(super) fn by_own_bytes(mut document: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(&byte) = document.first() {
        let len = usize::from(byte % 24);
        if len == 0 {
            pieces.push(&[][..]);
        }
        let (piece, rest) = document.split_at_checked(len.max(1)).unwrap_or((document, &[]));
        pieces.push(piece);
        document = rest;
    }
    pieces
}

/// Takes bytes as a document to be read in a buffer that may be too small. The first says what it is, the second how
/// long the buffer is.
///
/// # Panics
///
/// When a small buffer changes more than that it is full, says less than it takes, or says it elsewhere when the
/// document is cut otherwise or another came before it; when a text or an item is copied in part.
pub fn small(data: &[u8]) {
    let [payload, capacity, document @ ..] = data else { return };
    let payload = Payload::of(*payload);
    let expected = payload.read(document);
    let ways = [vec![document], document.chunks(1).collect(), by_own_bytes(document)];
    let (half, _) = document.split_at(document.len() / 2);
    let mut full_at = 0;
    // One byte more at a time, or as many as leave it at some fifty turns.
    let (first, step) = (usize::from(*capacity), 1 + document.len() / 48);
    let mut buf = vec![0; first + document.len() + step];
    for capacity in (first..).step_by(step) {
        let small = buf.get_mut(..capacity).unwrap_or_default();
        let enough = capacity >= document.len();
        let mut outcomes = ways.iter().map(|pieces| payload.read_pieces(pieces, small));
        let outcome = outcomes.next();
        for other in outcomes {
            assert_eq!(Some(other), outcome, "{payload:?}, cut otherwise, in {capacity} bytes");
        }
        for again in payload.read_batches(&[&[half], &[document]], small).into_iter().skip(1) {
            assert_eq!(Some(again), outcome, "{payload:?}, after half of one, in {capacity} bytes");
        }
        let Some(Err(error)) = &outcome else {
            assert_eq!(outcome, Some(expected), "{payload:?} in {capacity} bytes");
            break;
        };
        let ErrorKind::BufferFull { needed, capacity: had } = error.kind() else {
            assert_eq!(outcome, Some(expected), "{payload:?} in {capacity} bytes");
            break;
        };
        assert!(!enough, "{capacity} bytes hold every text of a document of {} bytes", document.len());
        assert!(had == capacity && needed > capacity, "{error:?} in {capacity} bytes");
        assert!((full_at..document.len()).contains(&error.offset()), "{error:?} after {full_at}");
        full_at = error.offset();
    }
    copies(document, first);
}

/// Copies the texts of `document`, and writes what it is, in `capacity` bytes.
fn copies(document: &[u8], capacity: usize) {
    let mut buf = vec![0; capacity];
    let _ = usms::read(document, |item| assert_full(item.write(&mut buf), capacity));
    let _ = im::read(document, |event| assert_full(event.write(&mut buf), capacity));
    if let Ok(push) = ClientPush::read(document, u32::MAX) {
        assert_full(push.write(&mut buf), capacity);
        let bytes: Vec<u8> = push.msg.bytes().collect();
        assert_copied(push.msg.copy_to(&mut buf), &bytes, capacity);
    }
    if json::check(document).is_err() {
        return;
    }
    let mut rest = document;
    while let Some(quote) = rest.iter().position(|&byte| byte == b'"') {
        let (text, after) = json::split_text(rest.get(quote + 1..).unwrap_or_default());
        copy_text(text, &mut buf);
        rest = after;
    }
}

/// Asserts that what could not be written needs more than there is.
fn assert_full(written: Result<&[u8], Error>, capacity: usize) {
    let Err(error) = written else { return };
    let full =
        matches!(error.kind(), ErrorKind::BufferFull { needed, capacity: had } if had == capacity && needed > had);
    assert!(full, "{error:?} in {capacity} bytes");
}

fn copy_text(text: Text<'_>, buf: &mut [u8]) {
    let capacity = buf.len();
    let expected: String = text.chars().collect();
    assert_eq!(text.len(), expected.len());
    assert_copied(text.copy_to(buf).map(str::as_bytes), expected.as_bytes(), capacity);
}

fn assert_copied(copied: Result<&[u8], Error>, expected: &[u8], capacity: usize) {
    let needed = expected.len();
    if needed <= capacity {
        assert_eq!(copied, Ok(expected));
    } else {
        assert_eq!(copied.err().map(|error| error.kind()), Some(ErrorKind::BufferFull { needed, capacity }));
    }
}
