//! A lane: what is sent to one destination, one device, one webhook, in its own queue with its own limits.
//!
//! First sends wait apart from retries and go before them, so that a destination which is behind with its retries
//! still takes what is new. A slow or dead lane holds up nobody but itself.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    str::FromStr,
    sync::Arc,
};

use pushgate_core::Instant;

use super::{
    rate::Rate,
    route::{Route, Terms},
};
use crate::store::DeliveryId;

/// Names a lane, as the store and the admin API spell it: `uplink:acme`, `device:5003062`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKey {
    /// A batch for an uplink destination.
    Uplink(String),
    /// A batch for a Tencent destination.
    Tencent(String),
    /// A call of an app's webhook.
    Webhook(String),
    /// A batch that an uplink receiver passes on.
    Forward(String),
    /// A message for a device.
    Device(u32),
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uplink(name) => write!(f, "uplink:{name}"),
            Self::Tencent(name) => write!(f, "tencent:{name}"),
            Self::Webhook(app) => write!(f, "webhook:{app}"),
            Self::Forward(name) => write!(f, "forward:{name}"),
            Self::Device(cid) => write!(f, "device:{cid}"),
        }
    }
}

/// A text is no lane's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALane;

impl fmt::Display for NotALane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lane is uplink:NAME, tencent:NAME, webhook:APP, forward:NAME or device:CID")
    }
}

impl std::error::Error for NotALane {}

impl FromStr for LaneKey {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        let (kind, name) = text.split_once(':').ok_or(NotALane)?;
        let owned = || Some(name.to_owned()).filter(|name| !name.is_empty()).ok_or(NotALane);
        Ok(match kind {
            "uplink" => Self::Uplink(owned()?),
            "tencent" => Self::Tencent(owned()?),
            "webhook" => Self::Webhook(owned()?),
            "forward" => Self::Forward(owned()?),
            "device" => Self::Device(name.parse().map_err(|_| NotALane)?),
            _ => return Err(NotALane),
        })
    }
}

/// The queues and limits of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Everything pending here, in the order it was accepted.
    pub(super) members: BTreeSet<DeliveryId>,
    first: VecDeque<DeliveryId>,
    retries: VecDeque<DeliveryId>,
    in_flight: usize,
    paused: bool,
    rate: Option<Rate>,
    /// The timer that is set for the rate limit.
    alarm: Option<Instant>,
    /// Where and how it is sent; `None` while the configuration has no such destination.
    pub(super) terms: Option<Arc<Terms>>,
}

/// What a lane may do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this one.
    Send(DeliveryId),
    /// Nothing before this instant: the rate limit.
    NotBefore(Instant),
    /// Nothing until something else happens.
    Idle,
}

impl Lane {
    pub(super) fn new(terms: Option<Arc<Terms>>) -> Self {
        let mut lane = Self {
            members: BTreeSet::new(),
            first: VecDeque::new(),
            retries: VecDeque::new(),
            in_flight: 0,
            paused: false,
            rate: None,
            alarm: None,
            terms: None,
        };
        lane.set_terms(terms);
        lane
    }

    /// Obeys new terms from now on.
    pub(super) fn set_terms(&mut self, terms: Option<Arc<Terms>>) {
        let per_second = terms.as_ref().and_then(|terms| terms.rate_per_second);
        // A limit that stays the same remembers what it has let through.
        let same = self.rate.take().filter(|rate| per_second.is_some_and(|per_second| rate.is_of(per_second)));
        self.rate = same.or(per_second.map(Rate::new));
        self.terms = terms;
    }

    pub(super) fn set_paused(&mut self, paused: Paused) {
        self.paused = paused == Paused::Yes;
    }

    /// Queues a delivery that is due.
    pub(super) fn queue(&mut self, id: DeliveryId, attempt: u8) {
        if self.terms.as_ref().is_some_and(|terms| terms.route.is_none()) {
            // A device takes its messages in the order they were accepted, and nothing else keeps a queue from it than
            // a pause: the place is nearly always the last.
            let place = self.first.partition_point(|queued| *queued < id);
            self.first.insert(place, id);
        } else if attempt <= 1 {
            self.first.push_back(id);
        } else {
            self.retries.push_back(id);
        }
    }

    /// Takes the next delivery to send, within the lane's limits.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let Some(terms) = &self.terms else { return Next::Idle };
        if self.paused || self.in_flight >= terms.concurrency || self.queued() == 0 {
            return Next::Idle;
        }
        if let Some(later) = self.rate.as_mut().and_then(|rate| rate.not_before(now)) {
            return Next::NotBefore(later);
        }
        let Some(id) = self.first.pop_front().or_else(|| self.retries.pop_front()) else { return Next::Idle };
        Next::Send(id)
    }

    /// Says whether a timer is to be set for `at`: one is enough, however many wait.
    pub(super) fn arm(&mut self, at: Instant) -> bool {
        let is_set = self.alarm.is_some_and(|alarm| alarm <= at);
        if !is_set {
            self.alarm = Some(at);
        }
        !is_set
    }

    /// Notes that the timer set for `at` has run out.
    pub(super) fn disarm(&mut self, at: Instant) {
        self.alarm = self.alarm.filter(|alarm| *alarm != at);
    }

    /// Counts a send that has begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.in_flight += 1;
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }

    /// Counts a send that has ended.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn queued(&self) -> usize {
        self.first.len() + self.retries.len()
    }

    /// Says whether nothing is lost when the lane is forgotten. A rate limit would be: what it has let through counts
    /// against the next send too. There are only as many as the configuration has.
    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.in_flight == 0 && !self.paused && self.rate.is_none()
    }

    pub(super) fn status(&self, key: &LaneKey) -> LaneStatus {
        LaneStatus {
            lane: key.to_string(),
            pending: self.members.len(),
            queued: self.queued(),
            in_flight: self.in_flight,
            paused: self.paused,
            configured: self.terms.is_some(),
            destination: self.terms.as_ref().and_then(|terms| terms.route.as_ref()).map(Route::destination),
        }
    }
}

/// Whether a lane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It sends nothing; its schedules go on waiting.
    Yes,
    /// It sends.
    No,
}

/// A lane as an operator sees it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LaneStatus {
    /// Its name.
    pub lane: String,
    /// Deliveries not finished yet.
    pub pending: usize,
    /// Those of them that are due.
    pub queued: usize,
    /// Sends whose answer is outstanding.
    pub in_flight: usize,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Whether the configuration has its destination.
    pub configured: bool,
    /// The URL it sends to, without its query.
    pub destination: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lanes_name_goes_both_ways() {
        for name in ["uplink:acme", "tencent:a.b", "webhook:Test:1", "forward:x", "device:5003062"] {
            assert_eq!(name.parse::<LaneKey>().unwrap().to_string(), name);
        }
        for name in ["", "uplink", "uplink:", "device:x", "device:4294967296", "mail:a"] {
            assert_eq!(name.parse::<LaneKey>(), Err(NotALane), "{name}");
        }
    }

    #[test]
    fn first_sends_go_before_retries_and_never_more_than_the_concurrency() {
        let route = Route::Uplink { url: "http://acme.example/".parse().unwrap() };
        let terms = Arc::new(Terms { route: Some(route), concurrency: 2, ..Terms::device() });
        let mut lane = Lane::new(Some(terms));
        let ids: Vec<_> = (1..=3).map(|byte| DeliveryId::from_bytes([byte; 16])).collect();
        let now = Instant::from_millis(0);
        lane.queue(ids[0], 2);
        lane.queue(ids[1], 1);
        lane.queue(ids[2], 1);
        assert_eq!(lane.next(now), Next::Send(ids[1]));
        lane.begin(now);
        assert_eq!(lane.next(now), Next::Send(ids[2]));
        lane.begin(now);
        assert_eq!(lane.next(now), Next::Idle);
        lane.end();
        lane.set_paused(Paused::Yes);
        assert_eq!(lane.next(now), Next::Idle);
        lane.set_paused(Paused::No);
        assert_eq!(lane.next(now), Next::Send(ids[0]));
    }

    #[test]
    fn a_device_takes_its_messages_in_order_retries_too() {
        let mut lane = Lane::new(Some(Arc::new(Terms::device())));
        let ids: Vec<_> = (1..=3).map(|byte| DeliveryId::from_bytes([byte; 16])).collect();
        for (id, attempt) in [(ids[1], 1), (ids[0], 2), (ids[2], 1)] {
            lane.queue(id, attempt);
        }
        let now = Instant::from_millis(0);
        let order = [lane.next(now), lane.next(now), lane.next(now)];
        assert_eq!(order, [Next::Send(ids[0]), Next::Send(ids[1]), Next::Send(ids[2])]);
    }

    #[test]
    fn a_rate_limit_sets_one_timer_and_outlives_an_empty_lane_and_a_reload() {
        let limited = || Some(Arc::new(Terms { rate_per_second: Some(10), ..Terms::device() }));
        let mut lane = Lane::new(limited());
        let now = Instant::from_secs(1);
        lane.queue(DeliveryId::from_bytes([9; 16]), 1);
        while let Next::Send(id) = lane.next(now) {
            lane.begin(now);
            lane.end();
            lane.queue(id, 1);
        }
        let Next::NotBefore(later) = lane.next(now) else { panic!("the limit holds") };
        assert_eq!([lane.arm(later), lane.arm(later), lane.arm(later.plus(1))], [true, false, false]);
        lane.disarm(later);
        assert!(lane.arm(later));

        lane.set_terms(limited());
        assert_eq!(lane.next(now), Next::NotBefore(later));
        assert!(!lane.is_idle());
        lane.set_terms(None);
        assert!(lane.is_idle());
    }
}
