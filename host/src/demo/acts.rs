//! What should happen, by the pages, and whether it did.

use std::collections::HashMap;

use pushgate_core::{Schedule, schedule::Anchor};
use serde::Serialize;

use super::timeline::{Line, Moment};
use crate::{
    engine::{Event, EventKind},
    store::{DeliveryId, State},
};

/// How late a send may begin and still count as on time. The gateway's own lateness is a millisecond or two; the rest
/// is for a machine that is busy with something else.
const LATEST_MS: u64 = 500;

/// A protocol of the demonstration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// UCloud SMS uplink.
    Uplink,
    /// Lingyang cloud messages.
    Lingyang,
    /// Tencent IM push callbacks.
    Tencent,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Uplink, Self::Lingyang, Self::Tencent];

    /// The protocol's name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uplink => "UCloud SMS uplink",
            Self::Lingyang => "Lingyang messages",
            Self::Tencent => "Tencent callbacks",
        }
    }
}

/// What is to be said of a protocol at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether everything met its page.
    pub met: bool,
    /// What did, in a line.
    pub done: String,
    /// What did not.
    pub problems: Vec<String>,
}

/// One delivery and what its page says of it.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) protocol: Protocol,
    /// What it is called in the timeline.
    pub(super) name: String,
    pub(super) schedule: Schedule<'static>,
    /// How many sends it takes.
    pub(super) sends: u8,
    pub(super) ends: State,
    /// When a device connects in the middle, counted from the first send: the next send comes at once.
    pub(super) woken_after: Option<u64>,
}

/// All deliveries of the demonstration, and what is known of them.
#[derive(Default)]
pub(super) struct Acts {
    acts: HashMap<DeliveryId, (Act, Vec<Sent>, Option<State>)>,
    /// Sentences that must be heard from the other side, each with whether it was.
    awaited: Vec<(Protocol, Moment, bool)>,
    /// Deliveries whose id is learnt from their lane: a webhook's.
    by_lane: HashMap<String, Act>,
    items: Vec<(Protocol, &'static str, usize)>,
}

/// One send.
#[derive(Clone, Copy, Debug)]
struct Sent {
    planned: u64,
    started: u64,
    finished: u64,
}

impl Acts {
    /// Expects `act` of the delivery `id`.
    pub(super) fn expect(&mut self, id: DeliveryId, act: Act) {
        self.acts.insert(id, (act, Vec::new(), None));
    }

    /// Expects `act` of the next delivery on `lane`, whose id is not known yet.
    pub(super) fn expect_on(&mut self, lane: impl Into<String>, act: Act) {
        self.by_lane.insert(lane.into(), act);
    }

    /// Expects the other side to say `moment`.
    pub(super) fn await_moment(&mut self, protocol: Protocol, moment: Moment) {
        self.awaited.push((protocol, moment, false));
    }

    /// Expects `count` items of `kind` in the inbox.
    pub(super) fn expect_items(&mut self, protocol: Protocol, kind: &'static str, count: usize) {
        self.items.push((protocol, kind, count));
    }

    /// The act of a delivery, if it is one of ours.
    pub(super) fn act(&self, event: &Event) -> Option<&Act> {
        self.acts.get(&event.id).map(|(act, ..)| act).or_else(|| self.by_lane.get(&event.lane))
    }

    pub(super) fn note(&mut self, event: &Event) {
        if let Some(act) = self.by_lane.remove(&event.lane) {
            self.expect(event.id, act);
        }
        let Some((_, sends, ended)) = self.acts.get_mut(&event.id) else { return };
        match event.kind {
            EventKind::Attempt { planned, started, finished, .. } => sends.push(Sent { planned, started, finished }),
            EventKind::Finished { state, .. } => *ended = Some(state),
        }
    }

    pub(super) fn hear(&mut self, line: &Line) {
        if let Some(moment) = &line.moment
            && let Some((.., heard)) = self.awaited.iter_mut().find(|(_, awaited, heard)| awaited == moment && !heard)
        {
            *heard = true;
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.by_lane.is_empty()
            && self.acts.values().all(|(.., ended)| ended.is_some())
            && self.awaited.iter().all(|(.., heard)| *heard)
    }

    /// Holds everything against the pages. `inbox` counts the items of each kind.
    pub(super) fn summaries(&self, inbox: &HashMap<String, usize>) -> Vec<Summary> {
        Protocol::ALL.into_iter().map(|protocol| self.summary(protocol, inbox)).collect()
    }

    fn summary(&self, protocol: Protocol, inbox: &HashMap<String, usize>) -> Summary {
        let mut problems = Vec::new();
        let (mut deliveries, mut sends, mut latest) = (0, 0, 0);
        let mut ends: HashMap<State, usize> = HashMap::new();
        for (act, sent, ended) in self.acts.values().filter(|(act, ..)| act.protocol == protocol) {
            deliveries += 1;
            sends += sent.len();
            latest = sent.iter().map(Sent::lateness).max().unwrap_or(0).max(latest);
            if let Some(state) = ended {
                *ends.entry(*state).or_default() += 1;
            }
            problems.extend(act.problems(sent, *ended).into_iter().map(|problem| format!("{}: {problem}", act.name)));
        }
        for (_, act) in self.by_lane.iter().filter(|(_, act)| act.protocol == protocol) {
            problems.push(format!("{}: never sent", act.name));
        }
        for (_, moment, heard) in self.awaited.iter().filter(|(awaited, ..)| *awaited == protocol) {
            if !heard {
                problems.push(format!("never happened: {}", moment.name()));
            }
        }
        for (_, kind, count) in self.items.iter().filter(|(expected, ..)| *expected == protocol) {
            let found = inbox.get(*kind).copied().unwrap_or(0);
            if found != *count {
                problems.push(format!("{found} items of kind {kind} in the inbox, expected {count}"));
            }
        }
        problems.sort();
        let ended = State::ALL.into_iter().filter_map(|state| ends.get(&state).map(|count| format!("{count} {state}")));
        let ended = ended.collect::<Vec<_>>().join(", ");
        let items = self.items.iter().filter(|(expected, ..)| *expected == protocol);
        let received = items.map(|(_, kind, count)| format!(", {count} {kind}s in the inbox")).collect::<String>();
        let done = format!(
            "{}: {ended}{received}; {}, the latest {latest} ms late",
            counted(deliveries, "delivery", "deliveries"),
            counted(sends, "send", "sends"),
        );
        Summary { protocol, met: problems.is_empty(), done, problems }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

impl Sent {
    fn lateness(&self) -> u64 {
        self.started.saturating_sub(self.planned)
    }
}

impl Act {
    /// What of this delivery did not go by the page.
    fn problems(&self, sends: &[Sent], ended: Option<State>) -> Vec<String> {
        let mut problems = Vec::new();
        match ended {
            Some(state) if state == self.ends => {}
            Some(state) => problems.push(format!("ended {state}, expected {}", self.ends)),
            None => problems.push("did not end".to_owned()),
        }
        if sends.len() != usize::from(self.sends) {
            problems.push(format!("{} sends, expected {}", sends.len(), self.sends));
        }
        for (index, sent) in sends.iter().enumerate() {
            let number = index + 1;
            if sent.started < sent.planned {
                problems.push(format!("send {number} began {} ms early", sent.planned - sent.started));
            }
            if sent.lateness() > LATEST_MS {
                problems.push(format!("send {number} began {} ms late", sent.lateness()));
            }
            match self.planned(index, sends) {
                Some(planned) if planned != sent.planned => {
                    problems.push(format!("send {number} was planned for {}, not {planned}", sent.planned));
                }
                _ => {}
            }
        }
        problems
    }

    /// When the page has send `index` (counted from 0), given the sends before it; `None` where a device's connecting
    /// decides.
    fn planned(&self, index: usize, sends: &[Sent]) -> Option<u64> {
        let first = sends.first()?;
        if index == 0 {
            return None;
        }
        match self.schedule.anchor() {
            Anchor::Failure => {
                let wait = self.schedule.waits().get(index - 1)?;
                Some(sends.get(index - 1)?.finished + u64::from(*wait))
            }
            Anchor::Send => {
                let offset = self.schedule.planned(u8::try_from(index + 1).ok()?)?;
                let previous = self.schedule.planned(u8::try_from(index).ok()?)?;
                let woken = self.woken_after.is_some_and(|woken| previous < woken && woken < offset);
                (!woken).then_some(first.started + offset)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delivery as the page of flag 2 has it, to a device that connects 2 s after the first send or never.
    fn act(woken_after: Option<u64>, sends: u8, ends: State) -> Act {
        let (protocol, name) = (Protocol::Lingyang, "flag 2".to_owned());
        Act { protocol, name, schedule: Schedule::FLAG_2, sends, ends, woken_after }
    }

    fn play(act: Act, sends: &[(u64, u64, u64)], state: Option<State>) -> Summary {
        let mut acts = Acts::default();
        let (id, protocol) = (DeliveryId::new(), act.protocol);
        acts.expect(id, act);
        let event = |kind| Event { id, lane: "any".to_owned(), kind };
        for (number, &(planned, started, finished)) in (1..).zip(sends) {
            let (class, status, detail) = ("any", None, String::new());
            acts.note(&event(EventKind::Attempt { number, planned, started, finished, class, status, detail }));
        }
        if let Some(state) = state {
            acts.note(&event(EventKind::Finished { state, at: 0, attempts: 0 }));
        }
        assert_eq!(acts.are_over(), state.is_some());
        acts.summaries(&HashMap::new()).into_iter().find(|summary| summary.protocol == protocol).unwrap()
    }

    fn at(moments: &[u64]) -> Vec<(u64, u64, u64)> {
        moments.iter().map(|&moment| (7000 + moment, 7000 + moment, 7000 + moment)).collect()
    }

    #[test]
    fn a_schedule_kept_to_the_millisecond_meets_its_page() {
        let summary = play(act(None, 5, State::Dropped), &at(&[0, 1000, 3000, 6000, 11_000]), Some(State::Dropped));
        assert!(summary.met, "{summary:?}");
        let woken = act(Some(2000), 3, State::Delivered);
        let summary = play(woken, &at(&[0, 1000, 2004]), Some(State::Delivered));
        assert!(summary.met, "{summary:?}");
    }

    #[test]
    fn whatever_is_not_as_the_page_says_is_a_problem() {
        let kept = [0, 1000, 3000, 6000, 11_000];
        let mut late = at(&kept);
        late[2].1 += LATEST_MS + 1;
        let mut early = at(&kept);
        early[1].1 -= 1;
        for (sends, state, problem) in [
            (at(&kept), Some(State::Delivered), "flag 2: ended delivered, expected dropped"),
            (at(&kept), None, "flag 2: did not end"),
            (at(&kept[..4]), Some(State::Dropped), "flag 2: 4 sends, expected 5"),
            (
                at(&[0, 1000, 3001, 6000, 11_000]),
                Some(State::Dropped),
                "flag 2: send 3 was planned for 10001, not 10000",
            ),
            (late, Some(State::Dropped), "flag 2: send 3 began 501 ms late"),
            (early, Some(State::Dropped), "flag 2: send 2 began 1 ms early"),
        ] {
            let summary = play(act(None, 5, State::Dropped), &sends, state);
            assert_eq!((summary.met, summary.problems.as_slice()), (false, &[problem.to_owned()][..]));
        }
    }

    #[test]
    fn an_uplink_retry_counts_from_the_failure_before_it() {
        let act = |sends| Act { schedule: Schedule::UPLINK, ends: State::Dead, sends, ..act(None, sends, State::Dead) };
        let kept = [(0, 1, 5), (1005, 1005, 1010), (2010, 2012, 2020), (3020, 3020, 3021)];
        assert!(play(act(4), &kept, Some(State::Dead)).met);
        let from_the_send = [(0, 1, 5), (1001, 1001, 1010)];
        assert!(!play(act(2), &from_the_send, Some(State::Dead)).met);
    }

    #[test]
    fn what_nobody_saw_and_what_is_not_in_the_inbox_is_a_problem() {
        let mut acts = Acts::default();
        acts.await_moment(Protocol::Tencent, Moment::ForgeryRefused);
        acts.expect_items(Protocol::Tencent, "event", 3);
        assert!(!acts.are_over());
        let problems = |acts: &Acts, found| {
            let inbox = HashMap::from([("event".to_owned(), found)]);
            acts.summaries(&inbox).into_iter().flat_map(|summary| summary.problems).collect::<Vec<_>>()
        };
        assert_eq!(
            problems(&acts, 2),
            [
                "2 items of kind event in the inbox, expected 3",
                "never happened: a callback with a forged Sign is refused with 403"
            ]
        );
        acts.hear(&Line::new("forger", "", super::super::Tone::Refused).moment(Moment::ForgeryRefused));
        assert!(acts.are_over());
        assert!(problems(&acts, 3).is_empty());
    }
}
