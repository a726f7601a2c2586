//! A document read whole and in chunks, whatever payload it is: what both make of it, to be compared.

use alloc::vec::Vec;

use crate::{
    Error, Identity,
    json::{self, ChunkReader},
    lingyang::{ClientPush, Reply as PushReply, ServerPush, Webhook},
    link::Frame,
    tencent as im, uplink as usms,
};

/// Receivers a push may have here: few, so that the limit is met often.
const MAX_RECEIVERS: u32 = 3;

/// A webhook is read with as many as its sender let in.
const ANY: u32 = u32::MAX;

/// What a document is read as.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload {
    Uplink,
    Tencent,
    ClientPush,
    ServerPush,
    Webhook,
    UplinkReply,
    TencentReply,
    PushReply,
    Frame,
}

/// What a document was read as: its items, or the one object it is, as written, and a batch's summary.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    items: Vec<Item>,
    msg_type: Option<usms::MsgType>,
    count: u32,
}

/// An item as written, and of a batch's what makes two copies the same.
type Item = (Result<Vec<u8>, Error>, Option<Identity>);

pub(super) type Outcome = Result<Seen, Error>;

impl Payload {
    /// The payload that an input's first byte stands for: in seeds a digit from 0 to 8.
    pub(super) const fn of(byte: u8) -> Self {
        match byte.wrapping_sub(b'0') % 9 {
            0 => Self::Uplink,
            1 => Self::Tencent,
            2 => Self::ClientPush,
            3 => Self::ServerPush,
            4 => Self::Webhook,
            5 => Self::UplinkReply,
            6 => Self::TencentReply,
            7 => Self::PushReply,
            _ => Self::Frame,
        }
    }

    /// Reads a document that is there as a whole.
    pub(super) fn read(self, document: &[u8]) -> Outcome {
        let mut seen = Seen::default();
        match self {
            Self::Uplink => {
                let summary = usms::read(document, |item| seen.item(item))?;
                (seen.msg_type, seen.count) = (Some(summary.msg_type), summary.items);
                Ok(seen)
            }
            Self::Tencent => {
                seen.count = im::read(document, |event| seen.event(event))?;
                Ok(seen)
            }
            Self::ClientPush => ClientPush::read(document, MAX_RECEIVERS).map(|push| one(|buf| push.write(buf))),
            Self::ServerPush => ServerPush::read(document, MAX_RECEIVERS).map(|push| one(|buf| push.write(buf))),
            Self::Webhook => Webhook::read(document).map(|webhook| one(|buf| webhook.write(buf))),
            Self::UplinkReply => usms::Reply::read(document).map(|reply| one(|buf| reply.write(buf))),
            Self::TencentReply => im::Reply::read(document).map(|reply| one(|buf| reply.write(buf))),
            Self::PushReply => PushReply::read(document).map(|reply| one(|buf| reply.write(buf))),
            Self::Frame => Frame::read(document).map(|frame| one(|buf| frame.write(buf))),
        }
    }

    /// Reads a document in `pieces`, its texts in `buf`.
    pub(super) fn read_pieces(self, pieces: &[&[u8]], buf: &mut [u8]) -> Outcome {
        match self {
            Self::Uplink => batch(&mut usms::BatchReader::new(buf), pieces),
            Self::Tencent => batch(&mut im::BatchReader::new(buf), pieces),
            Self::ClientPush => {
                object::<ClientPush<'_>>(pieces, MAX_RECEIVERS, buf).map(|push| one(|buf| push.write(buf)))
            }
            Self::ServerPush => {
                object::<ServerPush<'_>>(pieces, MAX_RECEIVERS, buf).map(|push| one(|buf| push.write(buf)))
            }
            Self::Webhook => object::<Webhook<'_>>(pieces, ANY, buf).map(|webhook| one(|buf| webhook.write(buf))),
            Self::UplinkReply => {
                object::<usms::Reply<'_>>(pieces, MAX_RECEIVERS, buf).map(|reply| one(|buf| reply.write(buf)))
            }
            Self::TencentReply => {
                object::<im::Reply<'_>>(pieces, MAX_RECEIVERS, buf).map(|reply| one(|buf| reply.write(buf)))
            }
            Self::PushReply => {
                object::<PushReply<'_>>(pieces, MAX_RECEIVERS, buf).map(|reply| one(|buf| reply.write(buf)))
            }
            Self::Frame => object::<Frame<'_>>(pieces, MAX_RECEIVERS, buf).map(|frame| one(|buf| frame.write(buf))),
        }
    }

    /// Reads several batches with one reader, each in its pieces; nothing where a reader reads one document only.
    pub(super) fn read_batches(self, batches: &[&[&[u8]]], buf: &mut [u8]) -> Vec<Outcome> {
        match self {
            Self::Uplink => {
                let mut reader = usms::BatchReader::new(buf);
                batches.iter().map(|pieces| batch(&mut reader, pieces)).collect()
            }
            Self::Tencent => {
                let mut reader = im::BatchReader::new(buf);
                batches.iter().map(|pieces| batch(&mut reader, pieces)).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Seen {
    fn item(&mut self, item: usms::Item<'_, '_>) {
        self.items.push((json::to_vec(|buf| item.write(buf)), Some(item.identity())));
    }

    fn event(&mut self, event: im::Event<'_, '_>) {
        self.items.push((json::to_vec(|buf| event.write(buf)), Some(event.identity())));
    }
}

fn one(write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error>) -> Seen {
    Seen { items: Vec::from([(json::to_vec(write), None)]), ..Seen::default() }
}

/// What the readers of batches have in common.
trait Batch {
    fn feed(&mut self, chunk: &[u8], seen: &mut Seen) -> Result<(), Error>;
    fn finish(&mut self, seen: &mut Seen) -> Result<(), Error>;
}

impl Batch for usms::BatchReader<'_> {
    fn feed(&mut self, chunk: &[u8], seen: &mut Seen) -> Result<(), Error> {
        self.feed(chunk, |item| seen.item(item))
    }

    fn finish(&mut self, seen: &mut Seen) -> Result<(), Error> {
        let summary = self.finish()?;
        (seen.msg_type, seen.count) = (Some(summary.msg_type), summary.items);
        Ok(())
    }
}

impl Batch for im::BatchReader<'_> {
    fn feed(&mut self, chunk: &[u8], seen: &mut Seen) -> Result<(), Error> {
        self.feed(chunk, |event| seen.event(event))
    }

    fn finish(&mut self, seen: &mut Seen) -> Result<(), Error> {
        seen.count = self.finish()?;
        Ok(())
    }
}

fn batch(reader: &mut dyn Batch, pieces: &[&[u8]]) -> Outcome {
    let mut seen = Seen::default();
    let failed = feed(pieces, &mut |piece| reader.feed(piece, &mut seen));
    let finished = reader.finish(&mut seen);
    if failed.is_some() {
        assert_eq!(finished.err(), failed, "a batch that failed ends with the same error");
    }
    finished.map(|()| seen)
}

fn object<'b, P: json::Payload<'b>>(pieces: &[&[u8]], most: u32, buf: &'b mut [u8]) -> Result<P, Error> {
    let mut reader = ChunkReader::<P>::with_max_receivers(buf, most);
    let failed = feed(pieces, &mut |piece| reader.feed(piece));
    let finished = reader.finish();
    if failed.is_some() {
        assert_eq!(finished.as_ref().err(), failed.as_ref(), "a document that failed ends with the same error");
    }
    finished
}

/// Feeds all pieces, those after an error too, each of which must fail with the same.
fn feed(pieces: &[&[u8]], feed: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Option<Error> {
    let mut failed = None;
    for piece in pieces {
        let error = feed(piece).err();
        if failed.is_some() {
            assert_eq!(error, failed, "what failed fails again with the same error");
        } else if error.is_some() {
            failed = error;
            assert_eq!(feed(b""), feed(b"{}"), "nothing more is read after an error");
        }
    }
    failed
}
