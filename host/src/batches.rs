//! The requests that a submitted body makes: what may be read but not sent is refused here, with its member.

use pushgate_core::{
    Error, Field,
    json::{Raw, to_vec},
    tencent::{self, MAX_EVENTS},
    uplink::{self, Item, MAX_BATCH_ITEMS, Message, MsgType, Report, Summary},
};

/// The requests that an uplink body makes: one for each 100 items, as they are sent.
///
/// # Errors
///
/// What may not be sent, with its member.
pub fn uplink_batches(body: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    // Read twice, since `MsgType` may stand after the items; what is held at a time is one request's items.
    let Summary { msg_type, items } = uplink::read(body, |_| {})?;
    if items == 0 {
        return Ok(vec![uplink_batch(msg_type, 0, &[])?]);
    }
    let (mut batches, mut failed) = (Vec::new(), None);
    let (mut batch, mut index) = (Vec::new(), 0);
    uplink::read(body, |item| {
        batch.push(Sendable::from(item));
        index += 1;
        if failed.is_none() && (index % MAX_BATCH_ITEMS == 0 || index == items) {
            match uplink_batch(msg_type, index - u32::try_from(batch.len()).unwrap_or(index), &batch) {
                Ok(written) => batches.push(written),
                Err(error) => failed = Some(error),
            }
            batch.clear();
        }
    })?;
    failed.map_or(Ok(batches), Err)
}

/// Writes one request; `first` is the place of its first item in the submission, which errors name.
fn uplink_batch(msg_type: MsgType, first: u32, items: &[Sendable<'_>]) -> Result<Vec<u8>, Error> {
    to_vec(|buf| {
        let mut writer = uplink::BatchWriter::new(buf, msg_type);
        for (index, item) in (first..).zip(items) {
            writer.push(item.as_item()).map_err(|error| {
                let (item, name) = (Field::top("Data").element(index), error.field().name());
                let field = if name == "Data" { item } else { item.member(name) };
                Error::new(error.kind(), field, error.offset())
            })?;
        }
        writer.finish()
    })
}

/// An item on its way from the submission into a request.
enum Sendable<'a> {
    Message(Message<'a>),
    Report(Report<'a>),
    Unsupported(Raw<'a>),
}

impl<'a> From<Item<'_, 'a>> for Sendable<'a> {
    fn from(item: Item<'_, 'a>) -> Self {
        match item {
            Item::Message(message) => Self::Message(*message),
            Item::Report(report) => Self::Report(*report),
            Item::Unsupported(raw) => Self::Unsupported(raw),
        }
    }
}

impl<'a> Sendable<'a> {
    fn as_item(&self) -> Item<'_, 'a> {
        match self {
            Self::Message(message) => Item::Message(message),
            Self::Report(report) => Item::Report(report),
            Self::Unsupported(raw) => Item::Unsupported(*raw),
        }
    }
}

/// The request that a Tencent body makes, as it is sent.
///
/// # Errors
///
/// What may not be sent, with its member.
pub fn tencent_batch(body: &[u8]) -> Result<Vec<u8>, Error> {
    to_vec(|buf| {
        let mut writer = tencent::BatchWriter::new(buf);
        let mut written = Ok(());
        tencent::read(body, |event| {
            if written.is_ok() {
                written = writer.push(event);
            }
        })?;
        written?;
        writer.finish()
    })
}

const _: () = assert!(MAX_EVENTS == 100, "a submission is one request: reading and sending have one limit");
