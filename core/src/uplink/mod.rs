//! UCloud USMS push: replies to SMS and status reports, pushed in batches to a customer's URL.
//!
//! [`read`] visits the items of a batch, [`BatchWriter`] writes one, [`Reply`] is the answer, [`Answer`] what a sender
//! makes of it. The schedule of the sends is [`Schedule::UPLINK`](crate::schedule::Schedule::UPLINK).
//!
//! ```
//! use pushgate_core::uplink::{self, Item};
//!
//! let body = br#"{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK","ReplyTime":1563867000}]}"#;
//! let summary = uplink::read(body, |item| match item {
//!     Item::Message(message) => assert_eq!(message.reply_content, "OK"),
//!     Item::Report(_) | Item::Unsupported(_) => unreachable!(),
//! });
//! assert_eq!(summary.unwrap().items, 1);
//! ```

mod message;
mod reply;
mod report;

pub use message::Message;
pub use reply::{Answer, Code, Reply};
pub use report::{Outcome, Report};

use core::str;

use crate::{
    Error, Identity, Text,
    identity::Identifier,
    json::{
        Chunks, Raw,
        batch::{Batch, NotSendable},
        open_enum::open_enum,
        schema::{Items, Kind, Member, Schema, Union},
        slice::Slice,
        value::{Object, Value, read_by_table, write_item},
        values::Values,
        write::Writer,
    },
};

/// Characters a `UserId` may have when it is sent: "at most 32 characters" (the uplink page, from the seed). On input
/// a longer one is accepted, since the vendor's own sample has 38.
pub const MAX_USER_ID_CHARS: usize = 32;

/// Items in one request when we send: "batch at most 100 items a request" (the uplink page; ours).
pub const MAX_BATCH_ITEMS: u32 = 100;

/// How long a batch may wait for more items before it is sent: "batch linger 50 ms" (the uplink page; ours).
pub const BATCH_LINGER_MS: u32 = 50;

open_enum! {
    /// What the items of a batch are.
    pub enum MsgType {
        /// Replies: [`Message`].
        Messages = 0,
        /// Status reports: [`Report`].
        Reports = 2,
    }
}

/// One item of a batch, as it is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'i, 'a> {
    /// A reply.
    Message(&'i Message<'a>),
    /// A status report.
    Report(&'i Report<'a>),
    /// An item of a `MsgType` that is not known here, kept as it came.
    Unsupported(Raw<'a>),
}

impl Item<'_, '_> {
    /// What makes two copies of the item the same.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match self {
            Self::Message(message) => message.identity(),
            Self::Report(report) => report.identity(),
            Self::Unsupported(raw) => Identifier::new("unsupported").bytes(raw.as_bytes()).finish(),
        }
    }

    /// Writes the item as JSON in documented member order, without what is absent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(buf);
        self.write_to(&mut writer);
        writer.finish()
    }

    fn write_to(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Message(message) => write_item(*message, writer),
            Self::Report(report) => write_item(*report, writer),
            Self::Unsupported(raw) => raw.write(writer),
        }
    }

    /// The rules that hold for what we send and not for what we read.
    fn check_sendable(&self, msg_type: MsgType) -> Result<(), NotSendable> {
        let whole = |why| Err(NotSendable { member: None, why });
        let (own, user_id) = match self {
            Self::Message(message) => (MsgType::Messages, message.user_id),
            Self::Report(report) => (MsgType::Reports, report.user_id),
            Self::Unsupported(_) => return whole("of a MsgType that is not 0 or 2"),
        };
        if own != msg_type {
            return whole(
                "of another MsgType than the batch; send messages (0) and reports (2) in batches of their own",
            );
        }
        // No text has more characters than bytes, and its bytes need no counting.
        let is_long = |text: Text<'_>| text.len() > MAX_USER_ID_CHARS && text.chars().count() > MAX_USER_ID_CHARS;
        if user_id.is_some_and(is_long) {
            let why = "longer than the 32 characters that may be sent";
            return Err(NotSendable { member: Some("UserId"), why });
        }
        Ok(())
    }
}

/// What a batch was, once all its items have been visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What its items are.
    pub msg_type: MsgType,
    /// How many there are.
    pub items: u32,
}

const fn items(kind: Kind) -> Items {
    Items { kind, least: 0, most: u32::MAX }
}

const MESSAGES: &Items = &items(Kind::Object(&Message::SCHEMA.with_id(1)));
const REPORTS: &Items = &items(Kind::Object(&Report::SCHEMA.with_id(2)));
const MSG_TYPE: Member = Member::new("MsgType", MsgType::KIND);
const PENDING: &Schema = &Schema::of(&[MSG_TYPE, Member::new("Data", Kind::Items(&items(Kind::Any)))]);
/// `Data` may come first, and only `MsgType` says what its items are.
const BODY: Kind = Kind::Body(&(
    MESSAGES,
    &Union {
        pending: PENDING,
        by: 0,
        choose: |values| {
            const OF_MESSAGES: &Schema = &Schema::of(&[MSG_TYPE, Member::new("Data", Kind::Items(MESSAGES))]);
            const OF_REPORTS: &Schema = &Schema::of(&[MSG_TYPE, Member::new("Data", Kind::Items(REPORTS))]);
            const OF_OTHERS: &Schema = &Schema::of(&[MSG_TYPE, Member::new("Data", Kind::Items(&items(Kind::Raw)))]);
            match MsgType::of(values, 0, 2) {
                MsgType::Messages => OF_MESSAGES,
                MsgType::Reports => OF_REPORTS,
                MsgType::Unknown(_) => OF_OTHERS,
            }
        },
    },
));

/// Reads a batch, visiting its items in order.
///
/// An object with `MsgType` and `Data` in either order, or a bare array of items, which counts as `MsgType` 0 (ours).
/// Items are visited as they are read: when the result is an error, those visited before it must be forgotten.
///
/// # Errors
///
/// The first byte, member or item that breaks a rule. A batch with an unknown `MsgType` is none: its items are
/// visited as [`Item::Unsupported`].
pub fn read<'a>(body: &'a [u8], mut visit: impl FnMut(Item<'_, 'a>)) -> Result<Summary, Error> {
    read_batch(body, &mut visit)
}

fn read_batch<'a>(body: &'a [u8], visit: &mut dyn FnMut(Item<'_, 'a>)) -> Result<Summary, Error> {
    let mut visited = 0;
    let fast = str::from_utf8(body).ok().and_then(|text| read_fast(text, &mut visited, visit));
    if let Some(summary) = fast {
        return Ok(summary);
    }
    let mut again = 0;
    read_table(body, &mut |item| {
        again += 1;
        if again > visited {
            visit(item);
        }
    })
}

/// Reads a batch that keeps every rule, and counts the items `visited` of one that does not.
pub(crate) fn read_fast<'a>(text: &'a str, visited: &mut u32, visit: &mut dyn FnMut(Item<'_, 'a>)) -> Option<Summary> {
    let mut slice = Slice::new(text);
    let mut msg_type = None;
    if slice.peek()? == b'[' {
        msg_type = Some(MsgType::Messages);
        read_items_fast(&mut slice, MsgType::Messages, visited, visit)?;
    } else {
        slice.members(PENDING, &mut |index, slice| {
            if index == 0 {
                msg_type = Some(MsgType::read_plain(slice)?);
                return Some(());
            }
            // `Data` may come first, and only `MsgType` says what its items are.
            let msg_type = match msg_type {
                Some(msg_type) => msg_type,
                None => slice.read_later("MsgType")?,
            };
            read_items_fast(slice, msg_type, visited, visit)
        })?;
    }
    slice.end()?;
    Some(Summary { msg_type: msg_type?, items: *visited })
}

fn read_items_fast<'a>(
    slice: &mut Slice<'a>,
    msg_type: MsgType,
    visited: &mut u32,
    visit: &mut dyn FnMut(Item<'_, 'a>),
) -> Option<()> {
    slice.elements(|slice| {
        match msg_type {
            MsgType::Messages => {
                let mut message = Message::default();
                message.read_plain_into(slice)?;
                visit(Item::Message(&message));
            }
            MsgType::Reports => {
                let mut report = Report::default();
                report.read_plain_into(slice)?;
                visit(Item::Report(&report));
            }
            MsgType::Unknown(_) => visit(Item::Unsupported(Raw::read_plain(slice)?)),
        }
        *visited += 1;
        Some(())
    })?;
    Some(())
}

pub(crate) fn read_table<'a>(body: &'a [u8], visit: &mut dyn FnMut(Item<'_, 'a>)) -> Result<Summary, Error> {
    let visit = &mut |schema: &'static Schema, values: &Values<'_, '_>| visit_item(schema, &values.over(body), visit);
    read_by_table(body, BODY, u32::MAX, visit, |_, values| summary(values))
}

fn visit_item<'a>(schema: &Schema, values: &Values<'_, 'a>, visit: &mut dyn FnMut(Item<'_, 'a>)) {
    match schema.id {
        1 => visit_message(values, visit),
        2 => visit_report(values, visit),
        _ => visit(Item::Unsupported(Raw::checked(values.raw(0)))),
    }
}

// Each in a function of its own, so that the stack has room for one of them and not for both.

#[inline(never)]
fn visit_message<'a>(values: &Values<'_, 'a>, visit: &mut dyn FnMut(Item<'_, 'a>)) {
    visit(Item::Message(&Message::taken(values)));
}

#[inline(never)]
fn visit_report<'a>(values: &Values<'_, 'a>, visit: &mut dyn FnMut(Item<'_, 'a>)) {
    visit(Item::Report(&Report::taken(values)));
}

fn summary(values: &Values<'_, '_>) -> Summary {
    // A bare array has no members.
    let msg_type = if values.given(0) { MsgType::of(values, 0, 2) } else { MsgType::Messages };
    Summary { msg_type, items: values.elements() }
}

/// Reads a batch that comes in chunks of any size, visiting its items in order.
///
/// The buffer holds the texts of one item at a time: 1 KiB is plenty for a reply to an SMS. What stands before the
/// `MsgType` is held as a whole, which is all of `Data` when that comes first; so is an item of a `MsgType` that is not
/// known.
///
/// ```
/// use pushgate_core::uplink::{BatchReader, Item};
///
/// let body = br#"{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK","ReplyTime":1563867000}]}"#;
/// let mut buf = [0; 256];
/// let mut reader = BatchReader::new(&mut buf);
/// for chunk in body.chunks(7) {
///     reader.feed(chunk, |item| assert!(matches!(item, Item::Message(_))))?;
/// }
/// assert_eq!(reader.finish()?.items, 1);
/// # Ok::<(), pushgate_core::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchReader<'b>(Chunks<'b>);

impl<'b> BatchReader<'b> {
    /// Begins a batch whose items `buf` will hold, one at a time.
    #[must_use]
    pub const fn new(buf: &'b mut [u8]) -> Self {
        Self(Chunks::new(buf, BODY, u32::MAX))
    }

    /// Reads the next bytes of the batch. After an error every further call fails with the same, until
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// Those of [`read`], the same however the batch is cut; [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) for an item that the buffer is
    /// too small for.
    pub fn feed(&mut self, chunk: &[u8], mut visit: impl FnMut(Item<'_, '_>)) -> Result<(), Error> {
        self.0.feed(chunk, &mut |schema, values| visit_item(schema, values, &mut visit))
    }

    /// Ends the batch and says what it was. The reader is then ready for another one.
    ///
    /// # Errors
    ///
    /// That of the last [`feed`](Self::feed), or that the batch is not complete.
    pub fn finish(&mut self) -> Result<Summary, Error> {
        self.0.finish(BODY, summary)
    }
}

/// Writes `body` as compact JSON with the documented member order, without what is absent, texts unescaped.
///
/// # Errors
///
/// Those of [`read`], and [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
pub fn compact<'b>(body: &[u8], buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let summary = read(body, |_| {})?;
    let mut batch = open_batch(buf, summary.msg_type, u32::MAX);
    read(body, |item| batch.append(|writer| item.write_to(writer)))?;
    batch.finish(0)
}

/// Writes a batch for sending, item by item, into a buffer of the caller's.
///
/// ```
/// use pushgate_core::uplink::{BatchWriter, Item, Message, MsgType};
///
/// let mut buf = [0; 256];
/// let mut batch = BatchWriter::new(&mut buf, MsgType::Messages);
/// let reply = Message { phone: "18512345678".into(), reply_content: "OK".into(), reply_time: 1563867000, ..Message::default() };
/// batch.push(Item::Message(&reply)).unwrap();
/// assert_eq!(
///     batch.finish().unwrap(),
///     br#"{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK","ReplyTime":1563867000}]}"#
/// );
/// ```
#[derive(Debug)]
pub struct BatchWriter<'b> {
    batch: Batch<'b>,
    msg_type: MsgType,
}

impl<'b> BatchWriter<'b> {
    /// Starts a batch of `msg_type`.
    #[must_use]
    pub fn new(buf: &'b mut [u8], msg_type: MsgType) -> Self {
        Self { batch: open_batch(buf, msg_type, MAX_BATCH_ITEMS), msg_type }
    }

    /// How many items it holds.
    #[must_use]
    pub const fn items(&self) -> u32 {
        self.batch.items()
    }

    /// Adds an item. When it fails the batch is as it was before, and can be finished and sent.
    ///
    /// # Errors
    ///
    /// [`NotSendable`](crate::ErrorKind::NotSendable) for an item of another `MsgType` than the batch's and for a
    /// `UserId` over [`MAX_USER_ID_CHARS`]; [`TooMany`](crate::ErrorKind::TooMany) past [`MAX_BATCH_ITEMS`];
    /// [`BufferFull`](crate::ErrorKind::BufferFull) when the rest of the buffer is too small for it.
    pub fn push(&mut self, item: Item<'_, '_>) -> Result<(), Error> {
        self.batch.push(item.check_sendable(self.msg_type), |writer| item.write_to(writer))
    }

    /// Ends the batch and returns the body.
    ///
    /// # Errors
    ///
    /// [`TooFew`](crate::ErrorKind::TooFew) for a batch without items ("empty is accepted on input, never sent": the
    /// uplink page; ours); [`BufferFull`](crate::ErrorKind::BufferFull) when not even the empty batch fits.
    pub fn finish(self) -> Result<&'b [u8], Error> {
        self.batch.finish(1)
    }
}

fn open_batch(buf: &mut [u8], msg_type: MsgType, limit: u32) -> Batch<'_> {
    Batch::new(buf, "Data", limit, |writer| {
        writer.key("MsgType");
        msg_type.write(writer);
    })
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;

    use super::*;

    #[test]
    fn a_batch_holds_items_of_its_own_msg_type_only() {
        let (message, report) = (Message::default(), Report::default());
        let (message, report) = (Item::Message(&message), Item::Report(&report));
        for (msg_type, item, sendable) in [
            (MsgType::Messages, message, true),
            (MsgType::Messages, report, false),
            (MsgType::Reports, message, false),
            (MsgType::Reports, report, true),
            (MsgType::Unknown(7), message, false),
        ] {
            let mut buf = [0; 256];
            let mut batch = BatchWriter::new(&mut buf, msg_type);
            match batch.push(item) {
                Ok(()) => assert!(sendable, "{msg_type:?} {item:?}"),
                Err(error) => {
                    assert!(!sendable, "{msg_type:?} {item:?}");
                    assert!(matches!(error.kind(), ErrorKind::NotSendable(_)), "{error}");
                }
            }
            assert_eq!(batch.items(), u32::from(sendable));
        }
    }

    #[test]
    fn compact_asks_once_for_the_whole_length() {
        let item = r#"{"Phone":"1","ReplyContent":"OK","ReplyTime":1}"#;
        let body = std::format!(r#"{{"MsgType":0,"Data":[{item},{item},{item}]}}"#);
        let needed = body.len();
        let mut buf = [0; 256];
        for capacity in 0..needed {
            let error = compact(body.as_bytes(), &mut buf[..capacity]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BufferFull { needed, capacity });
        }
        assert_eq!(compact(body.as_bytes(), &mut buf[..needed]), Ok(body.as_bytes()));
    }
}
