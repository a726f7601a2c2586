//! One line of the device link.

use crate::{
    Error, Text,
    json::{
        Payload, Whole,
        flat::read_document,
        object::object,
        open_enum::open_words,
        schema::{Kind, Member, Schema},
        value::{Object, Value},
        values::Values,
        write::Writer,
    },
    lingyang::{Cid, Msg},
};

object! {
    /// The first line of a device on a raw stream.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Hello<'a> {
        /// The device's own token.
        "token" token: Text<'a>,
    }
}

object! {
    /// The host's answer to a good token.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Welcome {
        /// Who the host takes the device for.
        "cid" cid: Cid,
        /// The host's clock, in unix seconds.
        "time" time: u64,
        /// Seconds between two signs of life.
        "heartbeat" heartbeat: u32,
    }
}

object! {
    /// A message to the device. Every copy is acknowledged.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Message<'a> {
        /// What identifies it: a second copy has the same.
        "id" id: Text<'a>,
        /// Who sent it; 0 = the application server.
        "from" from: u32,
        /// When it was accepted, in unix seconds.
        "created" created: u64,
        /// The message itself.
        "msg" msg: Msg<'a>,
    }
}

object! {
    /// What became of a message that this device sent with callback 1, for one receiver.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Receipt<'a> {
        /// The id that its push was answered with.
        "id" id: Text<'a>,
        /// The receiver.
        "to" to: Cid,
        /// What became of it.
        "state" state: ReceiptState<'a>,
    }
}

object! {
    /// Why the host closes.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Problem<'a> {
        /// A code in the manner of an HTTP status.
        "code" code: u32,
        /// What the device has to mend.
        "message" message: Text<'a>,
    }
}

open_words! {
    /// What became of a message.
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub enum ReceiptState {
        /// The receiver acknowledged it.
        Delivered = "delivered",
        /// Its schedule ended without an acknowledgement.
        Dropped = "dropped",
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Frame<'a> {
    /// Device to host, first on a raw stream.
    Hello(Hello<'a>),
    /// Host to device, the answer.
    Welcome(Welcome),
    /// Host to device.
    Message(Message<'a>),
    /// Device to host: the id of a message that has come.
    Ack(Text<'a>),
    /// Host to device.
    Receipt(Receipt<'a>),
    /// Either way: are you there?
    Ping(u64),
    /// The answer to a ping, with its number.
    Pong(u64),
    /// Host to device, before it closes.
    Error(Problem<'a>),
    /// An object that is none of these: to be ignored.
    Unknown,
}

/// Why a line holds no more.
pub(super) const ONE_FRAME: &str = "must be the only frame of its line";

const MEMBERS: usize = 8;
const LINE: &Schema = &Schema {
    members: &[
        Member::new("hello", Hello::KIND),
        Member::new("welcome", Welcome::KIND),
        Member::new("message", Message::KIND),
        Member::new("ack", Text::KIND),
        Member::new("receipt", Receipt::KIND),
        Member::new("ping", u64::KIND),
        Member::new("pong", u64::KIND),
        Member::new("error", Problem::KIND),
    ],
    required: 0,
    whole: false,
    id: 0,
    alone: Some(ONE_FRAME),
};
const _: () = assert!(LINE.members.len() == MEMBERS, "a frame's own members come after these");

impl<'a> Whole<'a> for Frame<'a> {
    const KIND: Kind = Kind::Object(LINE);

    fn whole(_: &'static Schema, values: &Values<'_, 'a>) -> Self {
        let first = values.first();
        let inner = values.object(first as usize, MEMBERS);
        match first {
            0 => Self::Hello(Object::taken(&inner)),
            1 => Self::Welcome(Object::taken(&inner)),
            2 => Self::Message(Object::taken(&inner)),
            3 => Self::Ack(Value::of(values, 3, MEMBERS)),
            4 => Self::Receipt(Object::taken(&inner)),
            5 => Self::Ping(Value::of(values, 5, MEMBERS)),
            6 => Self::Pong(Value::of(values, 6, MEMBERS)),
            7 => Self::Error(Object::taken(&inner)),
            _ => Self::Unknown,
        }
    }
}

impl<'a> Payload<'a> for Frame<'a> {}

impl<'a> Frame<'a> {
    /// Reads a line, with its line feed or without.
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule; two frames in one line.
    pub fn read(line: &'a [u8]) -> Result<Self, Error> {
        read_document(line)
    }

    /// Writes the line with its line feed; [`MAX_LINE_LEN`](super::MAX_LINE_LEN) bytes hold every frame whose texts
    /// are of ordinary length.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    #[inline(never)]
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(buf);
        writer.open(b'{');
        match self {
            Self::Hello(hello) => writer.member("hello", hello),
            Self::Welcome(welcome) => writer.member("welcome", welcome),
            Self::Message(message) => writer.member("message", message),
            Self::Ack(id) => writer.member("ack", id),
            Self::Receipt(receipt) => writer.member("receipt", receipt),
            Self::Ping(number) => writer.member("ping", number),
            Self::Pong(number) => writer.member("pong", number),
            Self::Error(problem) => writer.member("error", problem),
            Self::Unknown => {}
        }
        writer.close(b'}');
        writer.raw(b"\n");
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line of the design, its bytes and its meaning.
    fn lines() -> [(&'static str, Frame<'static>); 8] {
        let cid = Cid::new(5_003_062).unwrap();
        [
            (r#"{"hello":{"token":"t"}}"#, Frame::Hello(Hello { token: "t".into() })),
            (
                r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#,
                Frame::Welcome(Welcome { cid, time: 1_452_666_295, heartbeat: 30 }),
            ),
            (
                r#"{"message":{"id":"m","from":1003200,"created":1452666295,"msg":"aGVsbG8="}}"#,
                Frame::Message(Message {
                    id: "m".into(),
                    from: 1_003_200,
                    created: 1_452_666_295,
                    msg: Msg::from_bytes(b"hello").unwrap(),
                }),
            ),
            (r#"{"ack":"m"}"#, Frame::Ack("m".into())),
            (
                r#"{"receipt":{"id":"m","to":5003062,"state":"delivered"}}"#,
                Frame::Receipt(Receipt { id: "m".into(), to: cid, state: ReceiptState::Delivered }),
            ),
            (r#"{"ping":7}"#, Frame::Ping(7)),
            (r#"{"pong":7}"#, Frame::Pong(7)),
            (r#"{"error":{"code":401,"message":"no"}}"#, Frame::Error(Problem { code: 401, message: "no".into() })),
        ]
    }

    #[test]
    fn every_frame_goes_both_ways() {
        for (line, frame) in lines() {
            assert_eq!(Frame::read(line.as_bytes()), Ok(frame), "{line}");
            let mut buf = [0; super::super::MAX_LINE_LEN];
            let written = frame.write(&mut buf).unwrap();
            assert_eq!(written.strip_suffix(b"\n").unwrap(), line.as_bytes());
            assert_eq!(Frame::read(written), Ok(frame), "{line} with its line feed");
        }
    }

    #[test]
    fn the_longest_message_fits_a_line() {
        let msg = [0xff; crate::lingyang::MAX_MSG_BYTES];
        let frame = Frame::Message(Message {
            id: "0123456789abcdef0123456789abcdef".into(),
            from: u32::MAX,
            created: u64::MAX,
            msg: Msg::from_bytes(&msg).unwrap(),
        });
        assert!(frame.write(&mut [0; super::super::MAX_LINE_LEN]).is_ok());
    }

    #[test]
    fn what_is_unknown_is_ignored_and_what_is_wrong_is_not() {
        for line in [r#"{"noise":[{"ack":"m"}]}"#, "{}", r#"{"ack":null}"#] {
            assert_eq!(Frame::read(line.as_bytes()), Ok(Frame::Unknown), "{line}");
        }
        assert_eq!(Frame::read(br#"{"x":1,"ping":2}"#), Ok(Frame::Ping(2)));
        for (line, message) in [
            (r#"{"ack":7}"#, "ack: must be a string"),
            (r#"{"hello":{}}"#, "hello.token: required, but missing"),
            (r#"{"ping":1,"pong":1}"#, "pong: must be the only frame of its line"),
            (r#"{"ping":-1}"#, "ping: must be from 0 to 18446744073709551615"),
            ("[]", "body: must be an object"),
            ("", "body: the input ends too early"),
        ] {
            assert_eq!(std::format!("{}", Frame::read(line.as_bytes()).unwrap_err()), message, "{line}");
        }
    }
}
