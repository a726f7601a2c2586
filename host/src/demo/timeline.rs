//! What a person sees: one line for everything that happens, with its moment.

use serde::Serialize;
use tokio::sync::mpsc;

use super::acts::Acts;
use crate::{
    clock::Clock,
    engine::{Event, EventKind},
    store::State,
};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// It says what is going on.
    Plain,
    /// Something has arrived.
    Good,
    /// Something was refused or nobody answered, as it is meant to be here.
    Refused,
    /// Something has ended without arriving.
    Ended,
}

/// How long a line may be on its way and still find its place: the two ends of a send tell of it from tasks of their
/// own.
const SETTLES_MS: u64 = 30;

/// One line of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When it happened: milliseconds since the beginning.
    pub at: u64,
    /// Who or what it is about.
    pub who: String,
    /// What happened.
    pub what: String,
    /// When it was due, for a send: milliseconds since the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<u64>,
    /// How long its answer took, for a send over HTTP: milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<u64>,
    /// How it is meant.
    pub tone: Tone,
    #[serde(skip)]
    pub(super) moment: Option<Moment>,
}

/// Something that the other side must see for the protocol to have been kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// An uplink receiver took a batch.
    BatchTaken,
    /// A callback with a signature that nobody with the token made was refused.
    ForgeryRefused,
    /// The webhook was called with a signature that holds.
    WebhookVerified,
    /// A device got a message that it had not had before.
    Message { cid: u32 },
    /// The sending device was told what became of its message.
    Receipt { to: u32, state: &'static str },
}

impl Moment {
    pub(super) fn name(&self) -> String {
        match self {
            Self::BatchTaken => "an uplink receiver takes the batch".to_owned(),
            Self::ForgeryRefused => "a callback with a forged Sign is refused with 403".to_owned(),
            Self::WebhookVerified => "the webhook is called with a signature that holds".to_owned(),
            Self::Message { cid } => format!("device {cid} gets its message"),
            Self::Receipt { to, state } => format!("the sender is told that {to} is {state}"),
        }
    }
}

impl Line {
    pub(super) fn new(who: impl Into<String>, what: impl Into<String>, tone: Tone) -> Self {
        Self { at: 0, who: who.into(), what: what.into(), planned: None, took: None, tone, moment: None }
    }

    pub(super) fn moment(mut self, moment: Moment) -> Self {
        self.moment = Some(moment);
        self
    }
}

/// What the other side tells its lines to: each with the moment it happened.
#[derive(Clone)]
pub(super) struct Teller {
    clock: Clock,
    lines: mpsc::UnboundedSender<Line>,
}

impl Teller {
    pub(super) fn new(clock: Clock) -> (Self, mpsc::UnboundedReceiver<Line>) {
        let (lines, told) = mpsc::unbounded_channel();
        (Self { clock, lines }, told)
    }

    /// Tells a line that happens now. Nobody listens any more only when the demonstration is over.
    pub(super) fn tell(&self, mut line: Line) {
        line.at = self.clock.millis();
        let _ = self.lines.send(line);
    }
}

/// Puts lines in the order they happened, and tells them with the time that has passed.
pub(super) struct Timeline<'t> {
    clock: Clock,
    began: u64,
    /// Lines that an earlier one may still have to go before.
    unsettled: Vec<Line>,
    tell: &'t mut dyn FnMut(&Line),
}

impl<'t> Timeline<'t> {
    pub(super) fn new(clock: Clock, tell: &'t mut dyn FnMut(&Line)) -> Self {
        Self { clock, began: clock.millis(), unsettled: Vec::new(), tell }
    }

    /// Takes a line that happens now.
    pub(super) fn now(&mut self, mut line: Line) {
        line.at = self.clock.millis();
        self.take(line);
    }

    /// Takes a line that happened at its own moment, in unix milliseconds.
    pub(super) fn take(&mut self, mut line: Line) {
        line.at = line.at.saturating_sub(self.began);
        line.planned = line.planned.map(|planned| planned.saturating_sub(self.began));
        let place = self.unsettled.partition_point(|earlier| earlier.at <= line.at);
        self.unsettled.insert(place, line);
    }

    /// Takes what happened to a delivery.
    pub(super) fn event(&mut self, event: &Event, acts: &Acts) {
        let Some(act) = acts.act(event) else { return };
        let line = match &event.kind {
            EventKind::Attempt { number, planned, started, finished, class, status, detail } => {
                let (answer, tone) = match *class {
                    "delivered" => ("accepted", Tone::Good),
                    "sent" => ("sent to the device", Tone::Plain),
                    _ => (detail.as_str(), Tone::Refused),
                };
                let mut line =
                    Line::new(&act.name, format!("send {number} of {}: {answer}", act.schedule.sends()), tone);
                line.at = *started;
                line.planned = Some(*planned);
                line.took = status.map(|_| finished.saturating_sub(*started));
                line
            }
            EventKind::Finished { state, at, attempts } => {
                let sends = if *attempts == 1 { "1 send".to_owned() } else { format!("{attempts} sends") };
                let (what, tone) = match state {
                    State::Delivered => (format!("delivered after {sends}"), Tone::Good),
                    State::Dead => (format!("dead letter after {sends}: kept, and replayable"), Tone::Ended),
                    State::Dropped => (format!("dropped after {sends}, as its flag says, and on record"), Tone::Ended),
                    State::Pending => return,
                };
                let mut line = Line::new(&act.name, what, tone);
                line.at = *at;
                line
            }
        };
        self.take(line);
    }

    /// Tells the lines that nothing can go before any more.
    pub(super) fn settle(&mut self) {
        let settled = self.clock.millis().saturating_sub(self.began + SETTLES_MS);
        let settled = self.unsettled.partition_point(|line| line.at <= settled);
        self.unsettled.drain(..settled).for_each(|line| (self.tell)(&line));
    }

    /// Tells the rest.
    pub(super) fn end(mut self) {
        self.unsettled.drain(..).for_each(|line| (self.tell)(&line));
    }
}
