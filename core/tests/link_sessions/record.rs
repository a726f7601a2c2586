//! What has been said and seen, and what must be true of it at any moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
};

use pushgate_core::{
    delivery::Outcome,
    link::{Frame, Outgoing},
};

/// The window of the simulated device: small, so that it also overflows.
pub(crate) const RECENT: usize = 8;

/// Lines other than messages and their acknowledgements that both ends may write within one second.
///
/// A try takes at least 250 ms and a hello, a welcome and perhaps a refusal; each end may ping once a heartbeat, of which
/// the shortest is a second, and each ping is answered once.
const MOST_LINES: u32 = 24;

#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Messages that the application was shown, in the order of their first time.
    pub(crate) shown: Vec<String>,
    /// Since the device started: when the application acknowledged each message, counted in messages.
    acknowledged: BTreeMap<String, usize>,
    count: usize,
    /// All that the application ever acknowledged.
    taken: BTreeSet<String>,
    /// What may be acknowledged on the stream that is open.
    answerable: BTreeSet<String>,
    /// Lines by second that are neither a message nor its acknowledgement.
    lines: BTreeMap<u64, u32>,
    pub(crate) tally: Tally,
}

/// How often what is looked for has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u32,
    pub(crate) dropped: u32,
    /// Copies that the application was not shown.
    pub(crate) copies: u32,
    /// Messages shown again once the window had forgotten them.
    pub(crate) shown_again: u32,
    /// Sends that a connection brought forward.
    pub(crate) brought_forward: u32,
    /// Times that the device was let in.
    pub(crate) welcomes: u32,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.copies += other.copies;
        self.shown_again += other.shown_again;
        self.brought_forward += other.brought_forward;
        self.welcomes += other.welcomes;
    }
}

impl Record {
    pub(crate) fn opened(&mut self) {
        self.answerable.clear();
    }

    pub(crate) fn crashed(&mut self) {
        self.acknowledged.clear();
        self.answerable.clear();
        self.count = 0;
    }

    pub(crate) fn welcomed(&mut self) {
        self.tally.welcomes += 1;
    }

    /// The application is shown a message.
    pub(crate) fn presented(&mut self, id: &str) {
        if let Some(&place) = self.acknowledged.get(id) {
            // "Every copy is acknowledged, the application sees one" (the device link), within its window.
            assert!(!self.is_held(id), "{id} is shown again, {} messages later", self.count - place - 1);
            self.acknowledged.remove(id);
            self.tally.shown_again += 1;
        }
        if !self.shown.iter().any(|other| other == id) {
            self.shown.push(id.to_owned());
        }
    }

    pub(crate) fn acknowledged(&mut self, id: &str) {
        self.taken.insert(id.to_owned());
        self.answerable.insert(id.to_owned());
        if !self.is_held(id) {
            self.acknowledged.insert(id.to_owned(), self.count);
            self.count += 1;
        }
    }

    /// Whether the device must remember this message.
    fn is_held(&self, id: &str) -> bool {
        self.acknowledged.get(id).is_some_and(|place| self.count - place <= RECENT)
    }

    /// A copy came that the application is not shown.
    pub(crate) fn copied(&mut self, id: &str) {
        assert!(self.acknowledged.contains_key(id), "{id} is withheld from the application");
        self.answerable.insert(id.to_owned());
        self.tally.copies += 1;
    }

    /// Nothing is left to be written: "every copy is acknowledged" (the device link).
    pub(crate) fn all_said(&self) {
        // A copy of a message that the window forgets at the same time is left to the next copy.
        let unsaid: Vec<_> = self.answerable.iter().filter(|id| self.is_held(id)).collect();
        assert!(unsaid.is_empty(), "copies that were not acknowledged: {unsaid:?}");
    }

    /// A delivery has ended.
    pub(crate) fn ended(&mut self, id: &str, outcome: Outcome) {
        assert!(outcome != Outcome::Delivered || self.taken.contains(id), "{id} counts as delivered, and is not");
        match outcome {
            Outcome::Delivered => self.tally.delivered += 1,
            _ => self.tally.dropped += 1,
        }
    }

    pub(crate) fn device_says<'b>(&mut self, frame: Outgoing<'_>, buf: &'b mut [u8], now: u64) -> &'b [u8] {
        match frame {
            Outgoing::Ack(id) => {
                let id = id.to_cow();
                assert!(self.answerable.remove(&*id), "{id} was acknowledged once more than it came");
            }
            Outgoing::Hello(_) | Outgoing::Ping(_) | Outgoing::Pong(_) => self.line(now),
        }
        read_again(frame.write(buf).unwrap(), frame.into())
    }

    pub(crate) fn host_says<'b>(&mut self, frame: &Frame<'_>, buf: &'b mut [u8], now: u64) -> &'b [u8] {
        match frame {
            Frame::Message(_) => {}
            Frame::Welcome(_) | Frame::Ping(_) | Frame::Pong(_) => self.line(now),
            other => panic!("no host says {other:?}"),
        }
        read_again(frame.write(buf).unwrap(), *frame)
    }

    pub(crate) fn host_refuses(&mut self, now: u64) {
        self.line(now);
    }

    fn line(&mut self, now: u64) {
        let lines = self.lines.entry(now / 1000).or_default();
        *lines += 1;
        assert!(*lines <= MOST_LINES, "a storm in second {}", now / 1000);
    }

    /// Lines since `since` that are neither a message nor its acknowledgement.
    pub(crate) fn lines_since(&self, since: u64) -> u32 {
        self.lines.range(since / 1000..).map(|(_, lines)| lines).sum()
    }
}

fn read_again<'b>(line: &'b [u8], frame: Frame<'_>) -> &'b [u8] {
    assert_eq!(Frame::read(line), Ok(frame));
    line
}
