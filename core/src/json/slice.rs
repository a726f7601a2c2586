//! The fast reader: for objects that stand in a whole slice as their page prints them.
//!
//! Most senders write the documented members in the documented order. An object like that is read here in one pass over
//! the bytes, eight at a time, straight into its fields. Whatever is not plainly right, by one byte, is left to the
//! table-driven reader in `schema.rs`, from the object's first byte on: so this one knows no errors, and both accept the
//! same objects with the same values. The code is generated from the same declaration as the table.

use crate::Text;

/// A place in a text that is known to be UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a> {
    text: &'a str,
    pos: usize,
    /// How many elements an array of receivers may have.
    pub(crate) most_elements: u32,
}

/// What follows a member or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Another,
    End,
}

impl<'a> Slice<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str, pos: usize, most_elements: u32) -> Self {
        Self { text, pos, most_elements }
    }

    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.pos
    }

    /// The text from `start` to here.
    pub(crate) fn since(&self, start: usize) -> Option<&'a [u8]> {
        self.text.as_bytes().get(start..self.pos)
    }

    /// The next byte that is no white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.pos)?;
        if byte > b' ' { Some(byte) } else { self.peek_past_spaces() }
    }

    fn peek_past_spaces(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.pos..)?;
        let spaces = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        self.pos += spaces;
        rest.get(spaces).copied()
    }

    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.pos += 1;
        Some(())
    }

    /// Takes a key of this crate's own with its quotes and its colon, if it comes next.
    ///
    /// Always inlined: the key is a constant there, and comparing it a few instructions.
    #[inline(always)]
    pub(crate) fn take_key(&mut self, quoted: &'static str) -> bool {
        if self.text.as_bytes().get(self.pos).is_some_and(|&byte| byte <= b' ') {
            self.peek_past_spaces();
        }
        self.take_literal(quoted.as_bytes())
    }

    #[inline(always)]
    fn take_literal(&mut self, literal: &'static [u8]) -> bool {
        let end = self.pos + literal.len();
        let taken = self.text.as_bytes().get(self.pos..end) == Some(literal);
        if taken {
            self.pos = end;
        }
        taken
    }

    /// Takes what follows a member: a comma, or the end of its object.
    #[inline]
    pub(crate) fn next_member(&mut self) -> Option<Next> {
        self.next(b'}')
    }

    /// Takes what follows an element: a comma, or the end of its array.
    #[inline]
    pub(crate) fn next_element(&mut self) -> Option<Next> {
        self.next(b']')
    }

    #[inline]
    fn next(&mut self, end: u8) -> Option<Next> {
        let byte = self.peek()?;
        self.pos += 1;
        match byte {
            b',' => Some(Next::Another),
            byte if byte == end => Some(Next::End),
            _ => None,
        }
    }

    /// Takes `null`, if it comes next.
    #[inline]
    pub(crate) fn take_null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.take_literal(b"null")
    }

    /// Takes a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<Text<'a>> {
        self.take(b'"')?;
        let start = self.pos;
        let bytes = self.text.as_bytes();
        let end = start + plain_len(bytes.get(start..)?);
        match *bytes.get(end)? {
            b'"' => {
                self.pos = end + 1;
                Some(Text::from_json(self.text.get(start..end)?, false))
            }
            b'\\' => self.escaped(start, end),
            _ => None,
        }
    }

    /// Takes the rest of a string from its first escape on.
    fn escaped(&mut self, start: usize, first_escape: usize) -> Option<Text<'a>> {
        let bytes = self.text.as_bytes();
        let mut pos = first_escape;
        loop {
            match *bytes.get(pos)? {
                b'"' => break,
                b'\\' => pos += escape_len(bytes.get(pos..)?)?,
                0..=0x1f => return None,
                _ => pos += plain_len(bytes.get(pos..)?),
            }
        }
        self.pos = pos + 1;
        Some(Text::from_json(self.text.get(start..pos)?, true))
    }

    /// Takes an integer that is not negative.
    #[inline]
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let first = self.peek()?.wrapping_sub(b'0');
        if first > 9 {
            return None;
        }
        let bytes = self.text.as_bytes();
        let (start, mut value) = (self.pos + 1, u64::from(first));
        let mut pos = start;
        while let Some(&byte) = bytes.get(pos) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                if matches!(byte, b'.' | b'e' | b'E') {
                    return None;
                }
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            pos += 1;
        }
        // 18 more digits cannot overflow; what is longer is left to the other reader, as is a leading zero.
        if pos - start > 18 || first == 0 && pos > start {
            return None;
        }
        self.pos = pos;
        Some(value)
    }

    /// Takes an integer.
    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        if self.peek()? != b'-' {
            return i64::try_from(self.unsigned()?).ok();
        }
        self.pos += 1;
        if !self.text.as_bytes().get(self.pos)?.is_ascii_digit() {
            return None;
        }
        // `-0` is no integer here.
        let magnitude = self.unsigned().filter(|&magnitude| magnitude > 0)?;
        0i64.checked_sub_unsigned(magnitude)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes come before the first quote, backslash or control character.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut len = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The high bit of every byte that is special is set; of those above the lowest such one, some others' too.
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let special = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let special = special & HIGHS;
        if special != 0 {
            return len + (special.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').unwrap_or(rest.len())
}

/// The length of the escape at the start of `bytes`, if it is one; a surrogate pair is one escape.
#[inline]
fn escape_len(bytes: &[u8]) -> Option<usize> {
    if *bytes.get(1)? != b'u' {
        return matches!(bytes.get(1)?, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't').then_some(2);
    }
    let unit = code_unit(bytes.get(2..6)?)?;
    match unit {
        0xd800..=0xdbff => {
            let low = bytes.get(6..12)?.strip_prefix(br"\u")?;
            (0xdc00..=0xdfff).contains(&code_unit(low)?).then_some(12)
        }
        0xdc00..=0xdfff => None,
        _ => Some(6),
    }
}

#[inline]
fn code_unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use core::fmt::Debug;
    use std::vec::Vec;

    use super::*;
    use crate::{
        json::{cursor::Cursor, schema::Value},
        lingyang::{BatchPush, ClientPush, DeviceMessage, ProxyMessage, Reply},
        tencent::{AllMemberPush, OfflinePush},
        uplink::{self, Message, Report},
    };

    /// Reads `object` by the table alone, and by looking at it as a whole first: one must be the other.
    fn both<'a, T: Value<'a> + PartialEq + Debug>(object: &'a [u8]) {
        let read = |mut cursor: Cursor<'a>| {
            cursor.most_elements = 2;
            T::read(&mut cursor).map(|object| (object, cursor.offset()))
        };
        let (by_table, fast) = (read(Cursor::new(object)), read(Cursor::over_document(object)));
        assert_eq!(fast, by_table, "{}", std::string::String::from_utf8_lossy(object));
    }

    type Both = fn(&[u8]);

    /// Each object as its page prints it, and whether the fast reader takes it.
    const OBJECTS: [(Both, &str); 10] = [
        (
            |o| both::<OfflinePush<'_>>(o),
            r#"{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"From_Account":"user1",
                "To_Account":"user2","PushPlatform":1,"PushStage":1,"MsgKey":"48374_1","GroupID":null,"MsgSeq":48374,
                "MsgRandom":2837546,"MsgTime":1557481126,"PushID":"67120c46","ErrCode":-1,"ErrInfo":"\ud83d\ude00"}"#,
        ),
        (
            |o| both::<AllMemberPush<'_>>(o),
            r#"{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","DataId":"d","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":0,"DeviceType":{"a":[1]},"PushStage":3,"ErrCode":0,"ErrInfo":""}"#,
        ),
        (|o| both::<Message<'_>>(o), r#"{"Phone":"185****9057","ReplyContent":"好的\n","ReplyTime":1563867000}"#),
        (
            |o| both::<Report<'_>>(o),
            r#"{"SessionNo":"s","Phone":"1","CostCount":-2,"ReceiptTime":0,"ReceiptResult":"Unknow","ReceiptCode":"","ReceiptDesc":"x","UserId":"u"}"#,
        ),
        (|o| both::<uplink::Reply<'_>>(o), r#"{"code": 0, "message": "ok"}"#),
        (|o| both::<ClientPush<'_>>(o), r#"{"msg":"aGVsbG8=","flag":2,"callback":1,"access_tokens":["a", "b\/"]}"#),
        (|o| both::<BatchPush<'_>>(o), r#"{"msg":"","flag":3,"clients":[5003062 , 1003775]}"#),
        (|o| both::<ProxyMessage<'_>>(o), r#"{"from":1003200,"to":5003062,"msg":"AAAA"}"#),
        (|o| both::<DeviceMessage<'_>>(o), r#"{"msg":"aGk=","from":1,"to":[],"created":1452666295}"#),
        (|o| both::<Reply<'_>>(o), r#"{"request_id":"r","error":{"code":400,"field":"f","message":"m"}}"#),
    ];

    #[test]
    fn both_readers_see_the_same_in_every_object_cut_and_changed_at_every_byte() {
        // Miri is a thousand times slower: it looks at fewer places.
        let step = if cfg!(miri) { 211 } else { 1 };
        for (both, object) in OBJECTS {
            let object = object.as_bytes();
            both(object);
            for at in (0..object.len()).step_by(step) {
                both(&object[..at]);
                let mut changed = Vec::from(object);
                for byte in *b"\" \\,:0{[}]-.enu5\x00\x80\xe5" {
                    changed[at] = byte;
                    both(&changed);
                    changed.insert(at, byte);
                    both(&changed);
                    changed.remove(at);
                }
                changed.remove(at);
                both(&changed);
            }
        }
    }

    #[test]
    fn an_object_in_documented_order_takes_the_fast_way() {
        for (at, (_, object)) in OBJECTS.iter().enumerate() {
            let mut slice = Slice::new(object, 0, 2);
            let fast = match at {
                0 => OfflinePush::read_plain(&mut slice).is_some(),
                2 => Message::read_plain(&mut slice).is_some(),
                3 => Report::read_plain(&mut slice).is_some(),
                5 => ClientPush::read_plain(&mut slice).is_some(),
                6 => BatchPush::read_plain(&mut slice).is_some(),
                7 => ProxyMessage::read_plain(&mut slice).is_some(),
                8 => DeviceMessage::read_plain(&mut slice).is_some(),
                _ => continue,
            };
            assert!(fast, "{object}");
            assert_eq!(slice.offset(), object.len());
        }
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        for special in [0, 0x1f, b'\n', b'"', b'\\'] {
            for before in 0..20 {
                let mut bytes = [b'a'; 40];
                for (place, byte) in bytes.iter_mut().enumerate() {
                    // Neighbours that differ from a special byte in one bit only, and bytes of longer characters.
                    *byte = [b'#', b'!', b'[', b']', 0x20, 0x7f, 0x80, 0xff][place % 8];
                }
                bytes[before] = special;
                assert_eq!(plain_len(&bytes), before, "{special} after {before}");
                bytes[before + 1] = b'"';
                assert_eq!(plain_len(&bytes), before);
            }
        }
        assert_eq!(plain_len(&[b'a'; 19]), 19);
    }

    #[test]
    fn what_is_not_plainly_an_integer_is_left_to_the_other_reader() {
        let unsigned = |text| Slice::new(text, 0, 0).unsigned();
        let signed = |text| Slice::new(text, 0, 0).signed();
        assert_eq!(unsigned("0,"), Some(0));
        assert_eq!(unsigned(" 9999999999999999999}"), Some(9_999_999_999_999_999_999));
        for text in ["", "-1", "01", "00", "1.0", "1e3", "18446744073709551615", "18446744073709551616", "x", "\"1\""] {
            assert_eq!(unsigned(text), None, "{text}");
        }
        assert_eq!(signed("-7]"), Some(-7));
        for text in ["-0", "- 1", "-", "--1", "-x", "9223372036854775808", "-1.5"] {
            assert_eq!(signed(text), None, "{text}");
        }
    }
}
