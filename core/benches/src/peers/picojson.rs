//! picojson: a pull parser for devices, which gives tokens and leaves types to its user.
//!
//! It lends a string only until the next token, so each goes into an [`Arena`]; nothing is allocated.

use heapless::Vec;
use picojson::{DefaultConfig, Event as Token, PullParser, SliceParser};

use super::{Operation, REFUSED, ROOM};
use crate::{
    model::{Batch, ClientPush, Event, List, MAX_ELEMENTS, Message, Parsed, Proxied, ServerPush, Uplinks},
    results::Results,
    rows::Input,
};

const EVENT: [&str; 15] = [
    "CallbackCommand",
    "EventType",
    "EventTime",
    "From_Account",
    "To_Account",
    "PushPlatform",
    "PushStage",
    "MsgKey",
    "GroupID",
    "MsgSeq",
    "MsgRandom",
    "MsgTime",
    "PushID",
    "ErrCode",
    "ErrInfo",
];

pub(super) fn operation(input: &Input) -> Result<Operation<'_>, &'static str> {
    let mut room = Room { escapes: vec![0; ROOM], texts: vec![0; 4096] };
    Ok(match input {
        Input::Events(body) => Box::new(move |results| read_events(body, &mut room, results)),
        Input::Uplinks(body) | Input::EscapedUplinks(body) => {
            Box::new(move |results| read_uplinks(body, &mut room, results))
        }
        Input::ClientPush(body) => Box::new(move |results| read_client_push(body, &mut room, results)),
        Input::ServerPush(body) => Box::new(move |results| read_server_push(body, &mut room, results)),
        Input::ProxiedPush(body) => Box::new(move |results| read_proxied_push(body, &mut room, results)),
        Input::WriteEvents(_) | Input::WriteUplinks(_) => return Err("reads only"),
    })
}

/// The memory a reader is lent.
struct Room {
    /// For all unescaped strings of a body, since the parser takes new room for each.
    escapes: std::vec::Vec<u8>,
    /// For the texts of one item.
    texts: std::vec::Vec<u8>,
}

fn read_events(body: &[u8], room: &mut Room, results: &mut Results) {
    let mut reader = Reader::new(body, &mut room.escapes);
    reader.open_object();
    assert_eq!(reader.key(&["Events"]), Some(0));
    reader.open_array();
    let mut count = 0;
    while reader.another_object() {
        let object = reader.members(EVENT, &mut Arena(&mut room.texts));
        let event = Event {
            callback_command: object.text(0),
            event_type: object.integer(1),
            event_time: object.integer(2),
            from_account: object.texts[3],
            to_account: object.text(4),
            push_platform: object.optional(5),
            push_stage: object.integer(6),
            msg_key: object.texts[7],
            group_id: object.texts[8],
            msg_seq: object.optional(9),
            msg_random: object.optional(10),
            msg_time: object.optional(11),
            push_id: object.texts[12],
            err_code: object.integer(13),
            err_info: object.texts[14],
        };
        event.take(results);
        count += 1;
    }
    assert!((1..=MAX_ELEMENTS).contains(&count));
    assert_eq!(reader.key(&[]), None);
    reader.end();
}

fn read_uplinks(body: &[u8], room: &mut Room, results: &mut Results) {
    let mut reader = Reader::new(body, &mut room.escapes);
    reader.open_object();
    assert_eq!(reader.key(&["MsgType"]), Some(0));
    assert_eq!(reader.integer(), 0);
    assert_eq!(reader.key(&["Data"]), Some(0));
    reader.open_array();
    while reader.another_object() {
        let members = ["ExtendCode", "UserId", "Phone", "ReplyContent", "ReplyTime"];
        let object = reader.members(members, &mut Arena(&mut room.texts));
        let message = Message {
            extend_code: object.texts[0],
            user_id: object.texts[1],
            phone: object.text(2),
            reply_content: object.text(3),
            reply_time: object.integer(4),
        };
        Uplinks { msg_type: 0, data: One([message]) }.take(results);
    }
    assert_eq!(reader.key(&[]), None);
    reader.end();
}

fn read_client_push(body: &[u8], room: &mut Room, results: &mut Results) {
    let mut reader = Reader::new(body, &mut room.escapes);
    let mut arena = Arena(&mut room.texts);
    let (mut msg, mut flag, mut callback) = (None, None, None);
    let mut access_tokens = Vec::<&str, MAX_ELEMENTS>::new();
    reader.open_object();
    while let Some(member) = reader.key(&["msg", "flag", "callback", "access_tokens"]) {
        match member {
            0 => msg = Some(reader.text(&mut arena)),
            1 => flag = Some(narrow(reader.integer())),
            2 => callback = Some(narrow(reader.integer())),
            _ => {
                reader.open_array();
                while let Some(token) = reader.another_text(&mut arena) {
                    access_tokens.push(token).expect(REFUSED);
                }
            }
        }
    }
    reader.end();
    ClientPush { msg: msg.expect(REFUSED), flag, callback: callback.expect(REFUSED), access_tokens }.take(results);
}

fn read_server_push(body: &[u8], room: &mut Room, results: &mut Results) {
    let mut reader = Reader::new(body, &mut room.escapes);
    let mut arena = Arena(&mut room.texts);
    let (mut msg, mut flag) = (None, None);
    let mut clients = Vec::<u32, MAX_ELEMENTS>::new();
    let proxy = reader.open_server_push();
    reader.open_object();
    while let Some(member) = reader.key(&["msg", "flag", "clients"]) {
        match member {
            0 => msg = Some(reader.text(&mut arena)),
            1 => flag = Some(narrow(reader.integer())),
            _ => {
                reader.open_array();
                while let Some(cid) = reader.another_integer() {
                    clients.push(narrow(cid)).expect(REFUSED);
                }
            }
        }
    }
    assert_eq!(reader.key(&[]), None);
    reader.end();
    ServerPush { proxy, payload: Batch { msg: msg.expect(REFUSED), flag, clients } }.take(results);
}

fn read_proxied_push(body: &[u8], room: &mut Room, results: &mut Results) {
    let mut reader = Reader::new(body, &mut room.escapes);
    let mut arena = Arena(&mut room.texts);
    let mut payload = Vec::<Proxied<'_>, MAX_ELEMENTS>::new();
    let proxy = reader.open_server_push();
    reader.open_array();
    while reader.another_object() {
        let object = reader.members(["from", "to", "flag", "msg"], &mut arena);
        let message =
            Proxied { from: object.integer(0), to: object.integer(1), flag: object.optional(2), msg: object.text(3) };
        assert!(payload.push(message).is_ok(), "{REFUSED}");
    }
    assert_eq!(reader.key(&[]), None);
    reader.end();
    ServerPush { proxy, payload }.take(results);
}

/// A list for what is handed over one by one.
struct One<T>([T; 1]);

impl<T> List for One<T> {
    type Element = T;

    fn elements(&self) -> &[T] {
        &self.0
    }
}

/// Texts that outlive their token.
struct Arena<'t>(&'t mut [u8]);

impl<'t> Arena<'t> {
    fn keep(&mut self, text: &str) -> &'t str {
        let (kept, free) = std::mem::take(&mut self.0).split_at_mut(text.len());
        self.0 = free;
        kept.copy_from_slice(text.as_bytes());
        std::str::from_utf8(kept).expect("it was a str")
    }
}

/// The members of an object, by their place in the list of names.
struct Members<'t, const N: usize> {
    texts: [Option<&'t str>; N],
    integers: [Option<i64>; N],
}

impl<'t, const N: usize> Members<'t, N> {
    fn text(&self, place: usize) -> &'t str {
        self.texts[place].expect(REFUSED)
    }

    fn integer<T: TryFrom<i64>>(&self, place: usize) -> T {
        self.optional(place).expect(REFUSED)
    }

    fn optional<T: TryFrom<i64>>(&self, place: usize) -> Option<T> {
        self.integers[place].map(narrow)
    }
}

fn narrow<T: TryFrom<i64>>(integer: i64) -> T {
    T::try_from(integer).ok().expect(REFUSED)
}

/// The tokens, one after the other, each what it must be.
struct Reader<'i, 'e> {
    tokens: SliceParser<'i, 'e, DefaultConfig>,
}

impl<'i, 'e> Reader<'i, 'e> {
    fn new(body: &'i [u8], escapes: &'e mut [u8]) -> Self {
        Self { tokens: SliceParser::with_buffer_from_slice(body, escapes) }
    }

    fn next(&mut self) -> Token<'_, '_> {
        self.tokens.next_event().expect(REFUSED)
    }

    fn open_object(&mut self) {
        assert_eq!(self.next(), Token::StartObject);
    }

    fn open_array(&mut self) {
        assert_eq!(self.next(), Token::StartArray);
    }

    fn end(&mut self) {
        assert_eq!(self.next(), Token::EndDocument);
    }

    /// The next key's place among `names`; none at the end of the object.
    fn key(&mut self, names: &[&str]) -> Option<usize> {
        match self.next() {
            Token::Key(key) => Some(names.iter().position(|name| *name == key.as_str()).expect(REFUSED)),
            Token::EndObject => None,
            other => panic!("{REFUSED}: {other:?}"),
        }
    }

    /// Up to the payload of a server's push, whose `proxy` it returns.
    fn open_server_push(&mut self) -> u32 {
        self.open_object();
        assert_eq!(self.key(&["proxy"]), Some(0));
        let proxy = narrow(self.integer());
        assert_eq!(self.key(&["payload"]), Some(0));
        proxy
    }

    /// Whether an object begins, or the array ends.
    fn another_object(&mut self) -> bool {
        match self.next() {
            Token::StartObject => true,
            Token::EndArray => false,
            other => panic!("{REFUSED}: {other:?}"),
        }
    }

    fn another_text<'t>(&mut self, arena: &mut Arena<'t>) -> Option<&'t str> {
        match self.next() {
            Token::String(text) => Some(arena.keep(&text)),
            Token::EndArray => None,
            other => panic!("{REFUSED}: {other:?}"),
        }
    }

    fn another_integer(&mut self) -> Option<i64> {
        match self.next() {
            Token::Number(number) => Some(number.as_int().expect(REFUSED)),
            Token::EndArray => None,
            other => panic!("{REFUSED}: {other:?}"),
        }
    }

    fn text<'t>(&mut self, arena: &mut Arena<'t>) -> &'t str {
        self.another_text(arena).expect(REFUSED)
    }

    fn integer(&mut self) -> i64 {
        self.another_integer().expect(REFUSED)
    }

    /// The rest of an object whose members are texts and integers.
    fn members<'t, const N: usize>(&mut self, names: [&str; N], arena: &mut Arena<'t>) -> Members<'t, N> {
        let mut members = Members { texts: [None; N], integers: [None; N] };
        while let Some(place) = self.key(&names) {
            match self.next() {
                Token::String(text) => members.texts[place] = Some(arena.keep(&text)),
                Token::Number(number) => members.integers[place] = Some(number.as_int().expect(REFUSED)),
                other => panic!("{REFUSED}: {other:?}"),
            }
        }
        members
    }
}
