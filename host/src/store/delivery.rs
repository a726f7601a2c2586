//! A delivery after it was accepted: where it stands, what was tried, what an operator may ask and do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answered::AnsweredShown;
use super::{Answered, DeliveryId, IdRange, Millis};

/// Caps [`Attempt::detail`] in bytes (ours); what is longer is cut.
pub const MAX_DETAIL: usize = 1024;

/// Caps [`Attempt::class`] in bytes (ours); what is longer is cut.
pub const MAX_CLASS: usize = 32;

/// Caps the attempts kept of one delivery (ours); the oldest go. Only replays make so many.
pub const MAX_ATTEMPTS: u16 = 256;

/// Says where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DeliveryState)]
pub enum State {
    /// Waits for its next attempt.
    Pending,
    /// Arrived.
    Delivered,
    /// Its schedule is exhausted; it can be replayed.
    Dead,
    /// Was given up on purpose: a device message whose flag says drop.
    Dropped,
}

impl State {
    /// Lists every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Dropped];

    /// Returns the word for the state, as the API and the console spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// Reports a text that names no [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownState;

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a state is one of pending, delivered, dead, dropped")
    }
}

impl std::error::Error for UnknownState {}

/// Moves a delivery on.
///
/// `attempts`, `phase`, `planned` and `due` are the delivery machine's own saved state: the store gives them back in
/// [`Pending`] exactly as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which delivery.
    pub id: DeliveryId,
    /// Where it stands now.
    pub state: State,
    /// How often it was tried on its present schedule.
    pub attempts: u8,
    /// The machine's phase.
    pub phase: u8,
    /// When the machine's present step was planned.
    pub planned: Millis,
    /// When the machine's next step is due.
    pub due: Millis,
    /// What was tried to get here, if anything was.
    pub attempt: Option<Attempt>,
    /// When the delivery ended, if it did.
    pub finished_at: Option<Millis>,
}

/// Tells of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attempt {
    /// Counts from 1, anew after a replay.
    #[schema(minimum = 1, maximum = 255, example = 1)]
    pub number: u8,
    /// When the schedule wanted it, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    pub planned: Millis,
    /// When it began, in unix milliseconds.
    #[schema(example = 1_700_000_000_001_u64)]
    pub started: Millis,
    /// When its outcome was known, in unix milliseconds.
    #[schema(example = 1_700_000_000_025_u64)]
    pub finished: Millis,
    /// The HTTP status of the answer, if there was one.
    #[schema(required, minimum = 0, maximum = 65_535, example = 503)]
    pub status: Option<u16>,
    /// The outcome in one word: `delivered`, `sent`, `refused`, `status`, `timeout`, `dns`, … At most 32 bytes.
    #[schema(example = "status")]
    pub class: String,
    /// The outcome for people, or an empty text. At most 1024 bytes.
    #[schema(example = "the destination answered 503")]
    pub detail: String,
    /// The answer, if one came. It is not kept of an attempt that succeeded.
    #[schema(required, value_type = Option<AnsweredShown<'static>>)]
    pub answer: Option<Answered>,
}

impl Attempt {
    /// Is the [`class`](Self::class) of an attempt that succeeded; every other word but [`SENT`](Self::SENT) is an
    /// error.
    pub const DELIVERED: &str = "delivered";

    /// Is the class of an attempt that went out over a link, whose answer, if one comes, comes by itself.
    pub const SENT: &str = "sent";

    /// Says in [`DeliverySummary::last_error`] that a message was dropped after its last send went out.
    pub const UNANSWERED: &str = "unanswered";

    /// The same, of a message that is sent once.
    pub const ONCE: &str = "once";

    /// Words what went wrong, as `class: detail`, for a delivery that stands at `state` after this attempt.
    #[must_use]
    pub fn error(&self, state: State) -> Option<String> {
        // What several sends make is dropped after the last of them: a first send that was the last is flag 3's.
        let (class, detail) = match (&*self.class, state, self.number) {
            // An acknowledgement may come after an attempt that failed.
            (_, State::Delivered, _) | (Self::DELIVERED, ..) => return None,
            (Self::SENT, State::Dropped, 1) => (Self::ONCE, "sent once, and not acknowledged within 5 s"),
            (Self::SENT, State::Dropped, _) => (Self::UNANSWERED, "not acknowledged within 5 s of the last send"),
            (Self::SENT, ..) => return None,
            (class, ..) => (class, &*self.detail),
        };
        Some(if detail.is_empty() { class.to_owned() } else { format!("{class}: {detail}") })
    }
}

/// Answers [`Store::record`](super::Store::record).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Stored.
    Done,
    /// The delivery is gone: it was removed while it was being tried. Nothing was stored.
    NotFound,
}

/// Is a delivery still to be sent, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Names it.
    pub id: DeliveryId,
    /// The destination or device it goes to.
    pub lane: Arc<str>, // shared by the entries of a page: a million of them have few lanes
    /// What the engine wanted to remember.
    pub meta: String,
    /// When it was accepted.
    pub created_at: Millis,
    /// As last recorded.
    pub attempts: u8,
    /// As last recorded.
    pub phase: u8,
    /// As last recorded.
    pub planned: Millis,
    /// As last recorded.
    pub due: Millis,
}

/// Is what a delivery sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// What the engine wanted to remember.
    pub meta: String,
    /// The body.
    pub body: Bytes,
}

/// Says whether a lane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It sends nothing; its schedules go on waiting.
    Yes,
    /// It sends.
    No,
}

/// Is a delivery as a list shows it; serialises to the admin API's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliverySummary {
    /// Names it.
    pub id: DeliveryId,
    /// The destination or device it goes to.
    #[schema(example = "uplink:acme")]
    pub lane: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried on its present schedule.
    #[schema(minimum = 0, maximum = 255, example = 2)]
    pub attempts: u8,
    /// When it was accepted, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    pub created_at: Millis,
    /// When it is tried next, in unix milliseconds; only while pending.
    #[schema(required, example = 1_700_000_002_000_u64)]
    pub next_at: Option<Millis>,
    /// What went wrong at the last attempt, as `class: detail`; nothing after one that succeeded or is on its way. What
    /// was dropped has it always: the reason.
    #[schema(required, example = "status: the destination answered 503")]
    pub last_error: Option<String>,
}

/// Is everything known of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryDetail {
    /// What a list shows of it.
    pub summary: DeliverySummary,
    /// What the engine wanted to remember.
    pub meta: String,
    /// What it sends.
    pub body: Bytes,
    /// When it ended, if it did.
    pub finished_at: Option<Millis>,
    /// When it was last replayed, if it was.
    pub replayed_at: Option<Millis>,
    /// The attempts, oldest first, those before a replay too; the newest [`MAX_ATTEMPTS`] of them.
    pub attempts: Vec<Attempt>,
}

/// Chooses deliveries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those that stand here.
    pub state: Option<State>,
    /// Only those of this lane.
    pub lane: Option<String>,
    /// Only those whose id is in this span.
    pub ids: IdRange,
    /// How many to list, between 1 and [`MAX_PAGE`](super::MAX_PAGE); others are brought into that range.
    pub limit: usize,
    /// Only those accepted before this one: [`DeliveryPage::next`] of the page before.
    pub cursor: Option<DeliveryId>,
}

impl DeliveryFilter {
    /// The span of identifiers that the cursor leaves.
    pub(super) fn span(&self) -> IdRange {
        self.cursor.map_or(self.ids, |cursor| self.ids.below(cursor))
    }
}

/// Is a page of deliveries, newest first; serialises to the admin API's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// The page.
    pub deliveries: Vec<DeliverySummary>,
    /// The cursor of the next page, if there is one.
    #[schema(required)]
    pub next: Option<DeliveryId>,
}

/// Answers [`Store::replay`](super::Store::replay).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is pending again, due now.
    Pending(Pending),
    /// There is no such delivery.
    NotFound,
    /// It stands where a replay makes no sense: still pending, or delivered.
    Refused(State),
}

/// Answers [`Store::remove`](super::Store::remove).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Done {
        /// The lane it was on, which may still hold a timer for it.
        lane: String,
        /// Where it stood.
        state: State,
    },
    /// There is no such delivery.
    NotFound,
}

/// Counts what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Deliveries in [`State::Pending`].
    pub pending: u64,
    /// Deliveries in [`State::Delivered`].
    pub delivered: u64,
    /// Deliveries in [`State::Dead`].
    pub dead: u64,
    /// Deliveries in [`State::Dropped`].
    pub dropped: u64,
    /// Items in the inbox.
    pub inbox: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_spelled_the_same_everywhere() {
        for (state, text) in [
            (State::Pending, "pending"),
            (State::Delivered, "delivered"),
            (State::Dead, "dead"),
            (State::Dropped, "dropped"),
        ] {
            assert_eq!(state.to_string(), text);
            assert_eq!(text.parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), text);
            assert_eq!(serde_json::from_value::<State>(text.into()).unwrap(), state);
        }
        assert_eq!("Dead".parse::<State>(), Err(UnknownState));
    }

    /// "What is dropped is recorded with its reason": after its last send went out too.
    #[test]
    fn what_went_wrong_is_told_and_a_drop_always_has_its_reason() {
        let attempt = |number, class: &str, detail: &str| Attempt {
            number,
            planned: 0,
            started: 0,
            finished: 0,
            status: None,
            class: class.to_owned(),
            detail: detail.to_owned(),
            answer: None,
        };
        for (state, attempt, told) in [
            (State::Pending, attempt(1, "sent", "on its way"), None),
            (State::Pending, attempt(1, "offline", "not connected"), Some("offline: not connected")),
            (State::Pending, attempt(2, "timeout", ""), Some("timeout")),
            (State::Delivered, attempt(2, "offline", "not connected"), None),
            (State::Dropped, attempt(5, "offline", "not connected"), Some("offline: not connected")),
            (State::Dropped, attempt(5, "busy", "does not read"), Some("busy: does not read")),
            (
                State::Dropped,
                attempt(5, "sent", "on its way"),
                Some("unanswered: not acknowledged within 5 s of the last send"),
            ),
            (
                State::Dropped,
                attempt(1, "sent", "on its way"),
                Some("once: sent once, and not acknowledged within 5 s"),
            ),
        ] {
            assert_eq!(attempt.error(state).as_deref(), told, "{state}: {attempt:?}");
        }
    }

    #[test]
    fn a_summary_serialises_to_the_admin_api_entry() {
        let summary = DeliverySummary {
            id: DeliveryId::from_bytes([1; 16]),
            lane: "uplink:acme".into(),
            state: State::Pending,
            attempts: 2,
            created_at: 7,
            next_at: Some(9),
            last_error: None,
        };
        assert_eq!(
            serde_json::to_string(&DeliveryPage { deliveries: vec![summary], next: None }).unwrap(),
            r#"{"deliveries":[{"id":"01010101010101010101010101010101","lane":"uplink:acme","state":"pending","attempts":2,"created_at":7,"next_at":9,"last_error":null}],"next":null}"#
        );
    }
}
