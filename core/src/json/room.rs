//! The fast writer: for the objects of a batch, in a buffer with room to spare.
//!
//! Each step takes the room that is left and gives back what is left after it. Keys stand in memory with all that is
//! constant around them and are copied in whole blocks, over the end where they are shorter; so are digits. Whatever does
//! not fit that way is left to the table-driven writer in `write.rs`, from the object's first byte on: so this one knows
//! no errors, and both write the same bytes. The code is generated from the same declaration as the table.

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
        self.plain(text.as_str()?)
    }

    #[inline(never)]
    fn plain(self, text: &str) -> Option<Self> {
        let text = text.as_bytes();
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
            place.copy_from_slice(plain);
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
/// The last block may overlap the one before it, so that no text needs a loop over single bytes.
#[inline(always)]
fn copy_unless_special(text: &[u8], place: &mut [u8]) -> bool {
    if let (Some(last), Some(last_place)) = (text.last_chunk::<16>(), place.last_chunk_mut::<16>()) {
        *last_place = *last;
        let mut special = has_special(last);
        for (from, to) in text.as_chunks::<16>().0.iter().zip(place.as_chunks_mut::<16>().0) {
            special |= has_special(from);
            *to = *from;
        }
        return special;
    }
    let (first, last) = if let (Some(&first), Some(&last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        if let Some(place) = place.first_chunk_mut() {
            *place = first;
        }
        if let Some(place) = place.last_chunk_mut() {
            *place = last;
        }
        (u64::from_le_bytes(first), u64::from_le_bytes(last))
    } else if let (Some(&first), Some(&last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        if let Some(place) = place.first_chunk_mut() {
            *place = first;
        }
        if let Some(place) = place.last_chunk_mut() {
            *place = last;
        }
        let word = (u64::from(u32::from_le_bytes(first)) << 32) | u64::from(u32::from_le_bytes(last));
        (word, word)
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
        return is_special(first) | is_special(middle) | is_special(last);
    };
    special_bytes(first) | special_bytes(last) != 0
}

/// Whether one of the bytes must be escaped: all are looked at, which a compiler makes a few vector instructions of.
#[inline(always)]
fn has_special(bytes: &[u8; 16]) -> bool {
    bytes.iter().fold(false, |special, &byte| special | is_special(byte))
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

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

/// A word that is not 0 when one of its bytes must be escaped.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let special = (word.wrapping_sub(ONES * 0x20) & !word)
        | (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash);
    special & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};
    use std::{string::String, vec::Vec};

    use super::*;
    use crate::{
        json::{
            Raw,
            schema::{Object, Value, write_document, write_item},
            write::Writer,
        },
        lingyang::{self, BatchPush, Callback, Cid, ClientPush, DeviceMessage, Flag, Msg, ProxyMessage, Refusal},
        link::{self, Hello, Problem, Receipt, ReceiptState, Welcome},
        tencent::{self, ActionStatus, AllMemberPush, OfflinePush},
        uplink::{self, Code, Message, Report},
    };

    /// What serde_json makes of a payload, where its `Serialize` is there.
    trait Oracle {
        #[cfg(feature = "serde")]
        fn expected(&self) -> Option<Vec<u8>>;
        #[cfg(not(feature = "serde"))]
        fn expected(&self) -> Option<Vec<u8>> {
            None
        }
    }

    #[cfg(feature = "serde")]
    impl<T: serde::Serialize> Oracle for T {
        fn expected(&self) -> Option<Vec<u8>> {
            serde_json::to_vec(self).ok()
        }
    }
    #[cfg(not(feature = "serde"))]
    impl<T> Oracle for T {}

    /// Writes `object` by the table, as `serde_json` writes it.
    fn table<'a, T: Value<'a> + Oracle>(object: &T) -> Vec<u8> {
        let mut buf = [0; 4096];
        let written = write_document(object, &mut buf).unwrap().to_vec();
        if let Some(expected) = object.expected() {
            assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&expected));
        }
        written
    }

    /// Writes `object` by both writers: the fast one takes it where there is room, and wherever there is not the result
    /// is that of the other.
    fn both<'a, T: Object<'a> + Value<'a> + Oracle>(object: &T) {
        let expected = table(object);
        let mut buf = std::vec![0; expected.len() + MAX_KEY_LEN];
        let capacity = buf.len();
        let left = object.write_plain(Room::new(&mut buf)).map(|room| room.len());
        let written = left.and_then(|left| buf.get(..capacity - left));
        assert_eq!(written.map(String::from_utf8_lossy), Some(String::from_utf8_lossy(&expected)));
        for capacity in 0..expected.len() + MAX_KEY_LEN {
            let mut buf = std::vec![0; capacity];
            let mut writer = Writer::new(&mut buf);
            write_item(object, &mut writer);
            assert_eq!(writer.len(), expected.len());
            assert_eq!(writer.finish().ok(), Some(&expected[..]).filter(|_| capacity >= expected.len()));
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{0,40}", "[a-z0-9]{0,70}", "\\PC{0,12}", any::<String>()]
    }

    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 96 }, ..ProptestConfig::default() })]

        #[test]
        fn both_writers_write_what_serde_json_writes(
            texts in vec(text(), 6),
            given in vec(option::of(Just(())), 6),
            numbers in vec(number(), 4),
        ) {
            let text = |at: usize| Text::from(texts[at].as_str());
            let optional = |at: usize| given[at].map(|()| text(at));
            let integer = |at: usize| i64::from_le_bytes(numbers[at].to_le_bytes());
            let code = |at: usize| if given[at].is_some() { integer(at) } else { integer(at) & 7 };
            let small = |at: usize| u32::try_from(numbers[at] & 0xffff_ffff).unwrap();
            both(&Message {
                extend_code: optional(0),
                user_id: optional(1),
                phone: text(2),
                reply_content: text(3),
                reply_time: numbers[0],
            });
            both(&Report {
                session_no: text(0),
                phone: text(1),
                cost_count: integer(1),
                receipt_time: numbers[0],
                receipt_result: text(2),
                receipt_code: text(3),
                receipt_desc: text(4),
                user_id: optional(5),
            });
            both(&OfflinePush {
                event_type: code(0).into(),
                event_time: numbers[1],
                from_account: optional(0),
                to_account: text(1),
                push_platform: given[2].map(|()| code(2).into()),
                push_stage: code(3).into(),
                msg_key: optional(2),
                group_id: optional(3),
                msg_seq: given[4].map(|()| small(0)),
                msg_random: given[5].map(|()| small(1)),
                msg_time: given[0].map(|()| numbers[2]),
                push_id: optional(4),
                err_code: integer(3),
                err_info: optional(5),
                ..OfflinePush::default()
            });
            both(&AllMemberPush {
                event_type: code(0).into(),
                task_id: text(0),
                data_id: optional(1),
                task_time: numbers[0],
                event_time: numbers[1],
                to_account: text(2),
                push_platform: code(1).into(),
                push_stage: code(2).into(),
                err_code: integer(2),
                err_info: text(3),
                ..AllMemberPush::default()
            });
        }

        #[test]
        fn what_is_sent_one_by_one_is_written_as_serde_json_writes_it(
            texts in vec(text(), 4),
            given in vec(option::of(Just(())), 4),
            numbers in vec(number(), 4),
            bytes in vec(any::<u8>(), 0..=256),
        ) {
            let text = |at: usize| Text::from(texts[at].as_str());
            let optional = |at: usize| given[at].map(|()| text(at));
            let integer = |at: usize| i64::from_le_bytes(numbers[at].to_le_bytes());
            let small = |at: usize| u32::try_from(numbers[at] & 0xffff_ffff).unwrap();
            let cid = |at: usize| Cid::new(small(at).max(1)).unwrap();
            let msg = Msg::from_bytes(&bytes).unwrap();
            let flag = given[0].map(|()| if given[1].is_some() { Flag::Once } else { Flag::UntilAnswered });
            let (tokens, cids) = ([text(0), text(1), text(2)], [cid(0), cid(1), cid(2)]);
            let some = numbers[3] as usize % 4;
            let callback = if given[2].is_some() { Callback::Yes } else { Callback::No };
            table(&ClientPush { msg, flag, callback, access_tokens: tokens[..some].into() });
            table(&BatchPush { msg, flag, clients: cids[..some].into() });
            table(&ProxyMessage { from: cid(0), to: cid(1), flag, msg });
            table(&DeviceMessage { msg, from: cid(0), to: cids[..some].into(), created: numbers[2] });
            let error = given[3].map(|()| Refusal { code: small(0), field: optional(0), message: text(1) });
            table(&lingyang::Reply { request_id: text(0), error });
            table(&uplink::Reply { code: Code(integer(0)), message: optional(1) });
            let action_status = optional(2).map(ActionStatus::Unknown);
            table(&tencent::Reply { action_status, error_info: optional(1), error_code: integer(0) });
            table(&Hello { token: text(0) });
            table(&Welcome { cid: cid(0), time: numbers[0], heartbeat: small(1) });
            table(&link::Message { id: text(0), from: small(0), created: numbers[1], msg });
            table(&Receipt { id: text(0), to: cid(0), state: ReceiptState::Unknown(text(1)) });
            table(&Problem { code: small(0), message: text(1) });
        }

        #[test]
        fn a_text_that_came_with_escapes_is_written_with_the_fewest(text in text(), spelling in any::<u64>()) {
            let mut json = String::new();
            for (place, char) in text.chars().enumerate() {
                if spelling >> (place % 64) & 1 == 1 || matches!(char, '"' | '\\' | '\0'..=' ') {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        json.push_str(&std::format!("\\u{unit:04X}"));
                    }
                } else {
                    json.push(char);
                }
            }
            let hello = |token| table(&Hello { token });
            prop_assert_eq!(hello(Text::from_json(&json, true)), hello(Text::from(text.as_str())));
            let spaced = std::format!(" [ \"{json}\" ,\t[ ],\r\n{{ \"{json}\" : -1.5e3 , \"\":null}} ] ");
            let mut buf = [0; 4096];
            let expected = crate::json::compact(spaced.as_bytes(), &mut buf).unwrap().to_vec();
            let raw = Raw::parse(spaced.as_bytes()).unwrap();
            prop_assert_eq!(write_document(&raw, &mut buf).unwrap(), expected);
        }
    }

    #[test]
    fn the_escapes_of_php_are_undone() {
        let text = Text::from_json(r#"\/\"\\\b\f\n\r\t\u0008\u001F\u0022\u005c\ud83d\ude00\u77ed"#, true);
        let hello = table(&Hello { token: text });
        assert_eq!(hello, "{\"token\":\"/\\\"\\\\\\b\\f\\n\\r\\t\\b\\u001f\\\"\\\\😀短\"}".as_bytes());
    }

    #[test]
    fn a_special_byte_is_found_in_a_text_of_any_length() {
        for len in 0..70 {
            for special in [b'"', b'\\', b'\n', 0x1f, 0] {
                for place in 0..len {
                    let mut text = std::vec![b'!'; len];
                    assert!(!copy_unless_special(&text, &mut std::vec![0; len]));
                    text[place] = special;
                    assert!(copy_unless_special(&text, &mut std::vec![0; len]), "{special} at {place} of {len}");
                }
            }
            // Neighbours that differ from a special byte in one bit only, and bytes of longer characters.
            let text: Vec<u8> =
                [b'#', b'!', b'[', b']', 0x20, 0x7f, 0x80, 0xff].into_iter().cycle().take(len).collect();
            let mut place = std::vec![0; len];
            assert!(!copy_unless_special(&text, &mut place));
            assert_eq!(place, text);
        }
    }

    #[test]
    fn integers_of_every_length_have_their_digits() {
        let powers = (0..20).map(|exponent| 10u64.pow(exponent));
        for number in powers.flat_map(|power| [power - 1, power, power + 1, power.saturating_mul(9)]).chain([u64::MAX])
        {
            let mut buf = [0; 48];
            let left = Room::new(&mut buf).unsigned(number).unwrap().len();
            let expected = std::format!("{number}");
            assert_eq!(buf[..48 - left], *expected.as_bytes());
            let mut writer = Writer::new(&mut buf);
            writer.unsigned(number);
            assert_eq!(writer.finish().unwrap(), expected.as_bytes());
        }
        for number in 0..100_000 {
            let digits = (eight_digits(number * 997) | ZEROS).to_le_bytes();
            assert_eq!(digits, *std::format!("{:08}", number * 997).as_bytes());
        }
    }
}
