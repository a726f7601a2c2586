//! Tencent Cloud IM push callbacks: batches of 1 to 100 push-result events to an app's backend.
//!
//! [`read`] visits the events of a batch, [`BatchWriter`] writes one, [`Reply`] is the answer, [`Answer`] what a sender
//! makes of it. [`query`] has the callback's query string and its signature. The schedule of the sends is
//! [`Schedule::TENCENT`](crate::schedule::Schedule::TENCENT).
//!
//! ```
//! use pushgate_core::tencent::{self, Event};
//!
//! let body = br#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,
//!     "To_Account":"user2","PushStage":1,"ErrCode":0}]}"#;
//! let events = tencent::read(body, |event| match event {
//!     Event::OfflinePush(push) => assert_eq!(push.to_account, "user2"),
//!     Event::AllMemberPush(_) | Event::Unknown { .. } => unreachable!(),
//! });
//! assert_eq!(events.unwrap(), 1);
//! ```

mod event;
pub mod query;
mod reply;

pub use event::{
    AllMemberEventType, AllMemberPush, AllMemberPushCommand, Event, EventType, OfflinePush, OfflinePushCommand,
    PushPlatform, PushStage,
};
pub use reply::{ActionStatus, Answer, Reply};

use core::str;

use crate::{
    Error, Text,
    json::{
        Chunks, Raw,
        batch::Batch,
        schema::{Items, Kind, Member, Schema, Union},
        slice::Slice,
        value::{Object, read_by_table},
        values::Values,
    },
};

/// Events in one request: "1 to 100" (the Tencent page, from the seed).
pub const MAX_EVENTS: u32 = 100;

/// Requests a second to one backend before the rest waits: "over 1000 requests/s are delayed" (the Tencent page, from
/// the vendor); the default of a setting on a host (ours).
pub const MAX_REQUESTS_PER_SECOND: u32 = 1000;

const UNKNOWN: &Schema = &Schema::of(&[Member::new("CallbackCommand", Kind::Text)]).whole();
const OFFLINE_PUSH: &Schema = &OfflinePush::SCHEMA.with_id(1);
const ALL_MEMBER_PUSH: &Schema = &AllMemberPush::SCHEMA.with_id(2);
/// The command may stand anywhere in an event, and only it says what the other members are.
const EVENT: &Union = &Union { pending: UNKNOWN, by: 0, choose: |values| schema(values.text(0)) };
const EVENTS: &Items = &Items { kind: Kind::Union(EVENT), least: 1, most: MAX_EVENTS };
const BODY: &Schema = &Schema::of(&[Member::new("Events", Kind::Items(EVENTS))]);
const BATCH: Kind = Kind::Object(BODY);

fn schema(command: Text<'_>) -> &'static Schema {
    if command.is(OfflinePushCommand::TEXT) {
        OFFLINE_PUSH
    } else if command.is(AllMemberPushCommand::TEXT) {
        ALL_MEMBER_PUSH
    } else {
        UNKNOWN
    }
}

fn visit_event<'a>(schema: &Schema, values: &Values<'_, 'a>, visit: &mut dyn FnMut(Event<'_, 'a>)) {
    match schema.id {
        1 => visit_offline_push(values, visit),
        2 => visit_all_member_push(values, visit),
        _ => visit(Event::Unknown { command: values.text(0), event: Raw::checked(values.raw(1)) }),
    }
}

/// Reads a batch, visiting its events in order, and returns how many there are.
///
/// Events are visited as they are read: when the result is an error, those visited before it must be forgotten.
///
/// # Errors
///
/// The first byte, member or event that breaks a rule; a batch of none or of more than [`MAX_EVENTS`].
pub fn read<'a>(body: &'a [u8], mut visit: impl FnMut(Event<'_, 'a>)) -> Result<u32, Error> {
    read_batch(body, &mut visit)
}

fn read_batch<'a>(body: &'a [u8], visit: &mut dyn FnMut(Event<'_, 'a>)) -> Result<u32, Error> {
    let mut visited = 0;
    let fast = str::from_utf8(body).ok().and_then(|text| read_fast(text, &mut visited, visit));
    if let Some(events) = fast {
        return Ok(events);
    }
    let mut again = 0;
    read_table(body, &mut |event| {
        again += 1;
        if again > visited {
            visit(event);
        }
    })
}

/// Reads a batch that keeps every rule, and counts the events `visited` of one that does not.
pub(crate) fn read_fast<'a>(text: &'a str, visited: &mut u32, visit: &mut dyn FnMut(Event<'_, 'a>)) -> Option<u32> {
    let mut slice = Slice::new(text);
    slice.members(BODY, &mut |_, slice| {
        slice.most_elements = MAX_EVENTS;
        let events = slice.elements(|slice| {
            read_event_fast(slice, visit)?;
            *visited += 1;
            Some(())
        })?;
        (events > 0).then_some(())
    })?;
    slice.end()?;
    Some(*visited)
}

#[inline]
fn read_event_fast<'a>(slice: &mut Slice<'a>, visit: &mut dyn FnMut(Event<'_, 'a>)) -> Option<()> {
    let start = *slice;
    let mut event = OfflinePush::default();
    if event.read_plain_into(slice).is_some() {
        visit(Event::OfflinePush(&event));
        return Some(());
    }
    *slice = start;
    read_other_event(slice, visit)
}

/// Reads an event that is no [`OfflinePush`], as is known by its command's not being one.
#[inline(never)]
fn read_other_event<'a>(slice: &mut Slice<'a>, visit: &mut dyn FnMut(Event<'_, 'a>)) -> Option<()> {
    let start = *slice;
    let mut event = AllMemberPush::default();
    if event.read_plain_into(slice).is_some() {
        visit(Event::AllMemberPush(&event));
        return Some(());
    }
    *slice = start;
    slice.peek()?;
    let start = slice.rest();
    let mut command = Text::default();
    slice.members(UNKNOWN, &mut |_, slice| {
        command = slice.string()?;
        Some(())
    })?;
    if command == OfflinePushCommand::TEXT || command == AllMemberPushCommand::TEXT {
        return None;
    }
    let event = Raw::checked(slice.since(start)?.as_bytes());
    visit(Event::Unknown { command, event });
    Some(())
}

pub(crate) fn read_table<'a>(body: &'a [u8], visit: &mut dyn FnMut(Event<'_, 'a>)) -> Result<u32, Error> {
    let visit = &mut |schema: &'static Schema, values: &Values<'_, '_>| visit_event(schema, &values.over(body), visit);
    read_by_table(body, BATCH, u32::MAX, visit, |_, values| events(values))
}

fn events(values: &Values<'_, '_>) -> u32 {
    values.elements()
}

// Each in a function of its own, so that the stack has room for one of them and not for both.

#[inline(never)]
fn visit_offline_push<'a>(values: &Values<'_, 'a>, visit: &mut dyn FnMut(Event<'_, 'a>)) {
    visit(Event::OfflinePush(&OfflinePush::taken(values)));
}

#[inline(never)]
fn visit_all_member_push<'a>(values: &Values<'_, 'a>, visit: &mut dyn FnMut(Event<'_, 'a>)) {
    visit(Event::AllMemberPush(&AllMemberPush::taken(values)));
}

/// Reads a batch that comes in chunks of any size, visiting its events in order.
///
/// The buffer holds the texts of one event at a time: 1 KiB is plenty for those of the vendor, whose events have some
/// 350 bytes. An event of another command is held as a whole, and so is what stands before the `CallbackCommand`.
///
/// ```
/// use pushgate_core::tencent::{BatchReader, Event};
///
/// let body = br#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,
///     "To_Account":"user2","PushStage":1,"ErrCode":0}]}"#;
/// let mut buf = [0; 256];
/// let mut reader = BatchReader::new(&mut buf);
/// for chunk in body.chunks(7) {
///     reader.feed(chunk, |event| assert_eq!(event.command(), "Push.OfflinePush"))?;
/// }
/// assert_eq!(reader.finish()?, 1);
/// # Ok::<(), pushgate_core::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchReader<'b>(Chunks<'b>);

impl<'b> BatchReader<'b> {
    /// Begins a batch whose events `buf` will hold, one at a time.
    #[must_use]
    pub const fn new(buf: &'b mut [u8]) -> Self {
        Self(Chunks::new(buf, BATCH, u32::MAX))
    }

    /// Reads the next bytes of the batch. After an error every further call fails with the same, until
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// Those of [`read`], the same however the batch is cut; [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) for an event that the buffer is
    /// too small for.
    pub fn feed(&mut self, chunk: &[u8], mut visit: impl FnMut(Event<'_, '_>)) -> Result<(), Error> {
        self.0.feed(chunk, &mut |schema, values| visit_event(schema, values, &mut visit))
    }

    /// Ends the batch and returns how many events it had. The reader is then ready for another one.
    ///
    /// # Errors
    ///
    /// That of the last [`feed`](Self::feed), or that the batch is not complete.
    pub fn finish(&mut self) -> Result<u32, Error> {
        self.0.finish(BATCH, events)
    }
}

/// Writes `body` as compact JSON with the documented member order, without what is absent, texts unescaped.
///
/// # Errors
///
/// Those of [`read`], and [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
pub fn compact<'b>(body: &[u8], buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let mut batch = open_batch(buf);
    read(body, |event| batch.append(|writer| event.write_to(writer)))?;
    batch.finish(1)
}

/// Writes a batch for sending, event by event, into a buffer of the caller's.
///
/// ```
/// use pushgate_core::tencent::{BatchWriter, Event, EventType, OfflinePush, PushStage};
///
/// let mut buf = [0; 256];
/// let mut batch = BatchWriter::new(&mut buf);
/// let push = OfflinePush {
///     event_type: EventType::Single,
///     event_time: 1557481127,
///     to_account: "user2".into(),
///     push_stage: PushStage::Sending,
///     ..OfflinePush::default()
/// };
/// batch.push(Event::OfflinePush(&push)).unwrap();
/// assert!(batch.finish().unwrap().starts_with(br#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"#));
/// ```
#[derive(Debug)]
pub struct BatchWriter<'b>(Batch<'b>);

impl<'b> BatchWriter<'b> {
    /// Starts a batch.
    #[must_use]
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self(open_batch(buf))
    }

    /// How many events it holds.
    #[must_use]
    pub const fn events(&self) -> u32 {
        self.0.items()
    }

    /// Adds an event. When it fails the batch is as it was before, and can be finished and sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSendable`](crate::ErrorKind::NotSendable) for a `MsgKey` in a group chat or a `GroupID` in a single one;
    /// [`ErrorKind::TooMany`](crate::ErrorKind::TooMany) past [`MAX_EVENTS`]; [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) when the rest of the buffer is too small.
    pub fn push(&mut self, event: Event<'_, '_>) -> Result<(), Error> {
        self.0.push(event.check_sendable(), |writer| event.write_to(writer))
    }

    /// Ends the batch and returns the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooFew`](crate::ErrorKind::TooFew) for a batch without events; [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) when not even the empty batch fits.
    pub fn finish(self) -> Result<&'b [u8], Error> {
        self.0.finish(1)
    }
}

fn open_batch(buf: &mut [u8]) -> Batch<'_> {
    Batch::new(buf, "Events", MAX_EVENTS, |_| {})
}

/// The command of the first event in `body`: what `CallbackCommand` of the query says when the batch is sent.
///
/// # Errors
///
/// Those of [`read`].
pub fn first_command(body: &[u8]) -> Result<Text<'_>, Error> {
    let mut first = None;
    read(body, |event| {
        first.get_or_insert(event.command());
    })?;
    Ok(first.unwrap_or_default())
}
