//! What a device hears on the link: the half of its frames that it reads.

use crate::{
    Error,
    json::{
        Whole,
        flat::read_document,
        schema::{Kind, Member, Schema},
        value::{Object, Value},
        values::Values,
    },
};

use super::{Frame, Message, Problem, Receipt, Welcome, frame::ONE_FRAME};

/// A frame that a device reads.
///
/// Each is a [`Frame`] too, and the same bytes. It is a type of its own so that a device's image holds no reader for what
/// only a device sends: to a device, that is [`Unknown`](Self::Unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Incoming<'a> {
    /// The answer to a hello.
    Welcome(Welcome),
    /// A message to this device.
    Message(Message<'a>),
    /// What became of a message that this device sent.
    Receipt(Receipt<'a>),
    /// Are you there?
    Ping(u64),
    /// The answer to a ping, with its number.
    Pong(u64),
    /// Why the host closes.
    Error(Problem<'a>),
    /// An object that is none of these: to be ignored.
    Unknown,
}

const MEMBERS: usize = 6;
const LINE: &Schema = &Schema {
    members: &[
        Member::new("welcome", Welcome::KIND),
        Member::new("message", Message::KIND),
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

impl<'a> Whole<'a> for Incoming<'a> {
    const KIND: Kind = Kind::Object(LINE);

    fn whole(_: &'static Schema, values: &Values<'_, 'a>) -> Self {
        let first = values.first();
        let inner = values.object(first as usize, MEMBERS);
        match first {
            0 => Self::Welcome(Object::taken(&inner)),
            1 => Self::Message(Object::taken(&inner)),
            2 => Self::Receipt(Object::taken(&inner)),
            3 => Self::Ping(Value::of(values, 3, MEMBERS)),
            4 => Self::Pong(Value::of(values, 4, MEMBERS)),
            5 => Self::Error(Object::taken(&inner)),
            _ => Self::Unknown,
        }
    }
}

impl<'a> Incoming<'a> {
    /// Reads a line, with its line feed or without.
    ///
    /// # Errors
    ///
    /// Those of [`Frame::read`], but for members that only a device sends: they are unknown here, and not looked into.
    ///
    /// ```
    /// use pushgate_core::link::Incoming;
    ///
    /// assert_eq!(Incoming::read(b"{\"ping\":7}\n"), Ok(Incoming::Ping(7)));
    /// assert_eq!(Incoming::read(b"{\"ack\":\"m1\"}"), Ok(Incoming::Unknown));
    /// assert!(Incoming::read(b"{\"ping\":7").is_err());
    /// ```
    pub fn read(line: &'a [u8]) -> Result<Self, Error> {
        read_document(line)
    }
}

impl<'a> From<Frame<'a>> for Incoming<'a> {
    fn from(frame: Frame<'a>) -> Self {
        match frame {
            Frame::Welcome(welcome) => Self::Welcome(welcome),
            Frame::Message(message) => Self::Message(message),
            Frame::Receipt(receipt) => Self::Receipt(receipt),
            Frame::Ping(number) => Self::Ping(number),
            Frame::Pong(number) => Self::Pong(number),
            Frame::Error(problem) => Self::Error(problem),
            Frame::Hello(_) | Frame::Ack(_) | Frame::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// What both sides read in the same way, right or wrong, and what only a host reads.
    #[test]
    fn it_is_what_the_frame_is_but_for_what_a_device_sends() {
        for line in [
            r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#,
            r#"{"message":{"id":"m","from":1003200,"created":1452666295,"msg":"aGVsbG8="}}"#,
            r#"{"receipt":{"id":"m","to":5003062,"state":"delivered"}}"#,
            r#"{"ping":7}"#,
            r#"{"pong":7}"#,
            r#"{"error":{"code":401,"message":"no"}}"#,
            r#"{"noise":[{"ack":"m"}]}"#,
            r#"{"ping":null}"#,
            r#"{"ping":1,"pong":1}"#,
            r#"{"message":{"id":"m","from":-1}}"#,
            r#"{"welcome":{}}"#,
            r#"{"ping":7"#,
            "[]",
        ] {
            assert_eq!(Incoming::read(line.as_bytes()), Frame::read(line.as_bytes()).map(Incoming::from), "{line}");
        }
        for line in [r#"{"hello":{"token":"t"}}"#, r#"{"ack":"m"}"#, r#"{"ack":7}"#] {
            assert_eq!(Incoming::read(line.as_bytes()), Ok(Incoming::Unknown), "{line}");
            assert!(!matches!(Frame::read(line.as_bytes()), Ok(Frame::Unknown)), "{line}");
        }
        let error = Incoming::read(br#"{"hello":{"token":"t"},"ping":1.5}"#).unwrap_err();
        assert_eq!(format!("{error:?}"), "ping: must be an integer (byte 30)");
    }
}
