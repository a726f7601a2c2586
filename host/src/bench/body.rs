//! What is submitted: batches of SMS replies of a wanted size, each with a number that the receiver can read back.

use std::fmt::Write;

use pushgate_core::uplink::{self, Item};

/// What numbers are counted from, so that all have ten digits and every body its size.
const FIRST: u64 = 1_000_000_000;

/// Bytes of a batch beside its items, and of an item with its comma beside its text.
const ENVELOPE: usize = 23;
const ITEM: usize = 65;

/// Writes a batch of `items` replies of about `bytes` bytes together, all with the number `number`.
pub(super) fn batch(number: u64, items: usize, bytes: usize) -> String {
    let items = items.max(1);
    let mut body = String::with_capacity(bytes + items * 80);
    body.push_str(r#"{"MsgType":0,"Data":["#);
    let text = (bytes.saturating_sub(ENVELOPE) / items).saturating_sub(ITEM);
    for item in 0..items {
        let comma = if item == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            r#"{comma}{{"Phone":"18512345678","ReplyContent":"{:x<text$}","ReplyTime":{}}}"#,
            "",
            FIRST + number
        );
    }
    body.push_str("]}");
    body
}

/// Tells `visit` the number of every reply in a batch, and returns how many there are.
pub(super) fn numbers(body: &[u8], mut visit: impl FnMut(u64)) -> u32 {
    let read = uplink::read(body, |item| {
        if let Item::Message(message) = item {
            visit(message.reply_time.saturating_sub(FIRST));
        }
    });
    read.map_or(0, |summary| summary.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_its_size_its_items_and_its_number() {
        for (number, items, bytes) in [(0, 1, 1024), (7, 10, 1024), (123_456, 1, 200), (9, 100, 20_000)] {
            let body = batch(number, items, bytes);
            let mut seen = Vec::new();
            assert_eq!(numbers(body.as_bytes(), |number| seen.push(number)) as usize, items);
            assert_eq!(seen, vec![number; items]);
            assert!(body.len().abs_diff(bytes) <= items, "{items} items: {} of {bytes}", body.len());
        }
    }
}
