//! A lane: what is sent to one destination, one device, one webhook, in its own queue with its own limits.
//!
//! First sends wait apart from retries and go before them, so that a destination which is behind with its retries still
//! takes what is new. A slow or dead lane holds up nobody but itself.

use std::{collections::VecDeque, sync::Arc};

use pushgate_core::Instant;

use super::{
    circuit::{Circuit, Leave},
    key::LaneKey,
    listing::LaneStatus,
    meter::Meter,
    payload::Items,
    rate::Rate,
    route::{Order, Route, Terms},
    steadiness::Steadiness,
    table::{Members, Slot, Step, Table},
};
use crate::{config::Limits, metrics::LaneCounts, store::Paused};

/// Messages handed to a device's link in one go (ours).
const LINES_AT_ONCE: usize = 64;

/// The queues and limits of one lane.
pub(super) struct Lane {
    pub(super) key: LaneKey,
    /// Where what happens here is counted.
    pub(super) counts: Arc<LaneCounts>,
    /// Everything pending here.
    pub(super) members: Members,
    first: VecDeque<Slot>,
    retries: VecDeque<Slot>,
    /// Items in `first`.
    first_items: usize,
    /// Deliveries that are due, in whichever queue.
    queued: usize,
    in_flight: usize,
    paused: bool,
    /// Whether messages for the device are on their way from the store.
    pub(super) loading: bool,
    pub(super) circuit: Circuit,
    rate: Option<Rate>,
    meter: Meter,
    /// The timer that is set for the lane.
    alarm: Option<Instant>,
    /// How its queue stands: by the last terms it had.
    order: Order,
    /// Where and how it is sent; `None` while the configuration has no such destination.
    pub(super) terms: Option<Arc<Terms>>,
    /// Bytes of payloads kept at hand.
    pub(super) kept: usize,
    /// Until when it leaves the store alone.
    rest_until: Instant,
    /// What went wrong last, since it last delivered.
    last_error: Option<Box<LastError>>,
    /// A device's: whether its connections hold.
    pub(super) steadiness: Steadiness,
    /// A device's: since when its connection has had no room for a line.
    pub(super) full_since: Option<Instant>,
    /// A device's: when a message went out whose acknowledgement is timed; one at a time.
    pub(super) timed_since: Option<Instant>,
    /// A device's: how it stood when it was last counted among all of them.
    pub(super) counted: Standing,
}

struct LastError {
    text: Box<str>,
    at: Instant,
}

/// How a lane stands, as far as it is counted together with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) pending: u32,
    pub(super) queued: u32,
    pub(super) paused: bool,
    /// Whether it holds as much as it may.
    pub(super) full: bool,
}

/// What a lane may do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send these, in one request; on a device's link, in this order.
    Send(Vec<Slot>),
    /// Nothing before this instant.
    NotBefore(Instant),
    /// Nothing until something else happens.
    Idle,
}

impl Lane {
    pub(super) fn new(key: LaneKey, terms: Option<Arc<Terms>>, counts: Arc<LaneCounts>) -> Self {
        let mut lane = Self {
            key,
            counts,
            members: Members::default(),
            first: VecDeque::new(),
            retries: VecDeque::new(),
            first_items: 0,
            queued: 0,
            in_flight: 0,
            paused: false,
            loading: false,
            circuit: Circuit::default(),
            rate: None,
            meter: Meter::default(),
            alarm: None,
            order: Order::AsItComes,
            terms: None,
            kept: 0,
            rest_until: Instant::from_millis(0),
            last_error: None,
            steadiness: Steadiness::default(),
            full_since: None,
            timed_since: None,
            counted: Standing::default(),
        };
        lane.set_terms(terms);
        lane
    }

    /// Obeys new terms from now on; the destination gets another chance.
    pub(super) fn set_terms(&mut self, terms: Option<Arc<Terms>>) {
        let per_second = terms.as_ref().and_then(|terms| terms.rate_per_second);
        // A limit that stays the same remembers what it has let through.
        let same = self.rate.take().filter(|rate| per_second.is_some_and(|per_second| rate.is_of(per_second)));
        self.rate = same.or(per_second.map(Rate::new));
        self.order = terms.as_ref().map_or(self.order, |terms| terms.order);
        self.terms = terms;
        self.circuit = Circuit::default();
    }

    /// Says whether what is queued has to be queued anew to be sent on `terms`.
    pub(super) fn queues_otherwise(&self, terms: &Terms) -> bool {
        self.order != terms.order
    }

    /// Stops sending, or goes on; who goes on gives the destination another chance.
    pub(super) fn set_paused(&mut self, paused: Paused) {
        self.paused = paused == Paused::Yes;
        self.circuit = Circuit::default();
    }

    /// Queues a delivery that is due.
    pub(super) fn queue(&mut self, slot: Slot, attempt: u8, table: &mut Table) {
        let Some(pending) = table.get_mut(slot) else { return };
        pending.step = Step::Queued;
        self.queued += 1;
        let id = pending.id;
        match self.terms.as_ref().map(|terms| terms.order) {
            // Its members are its queue: the oldest goes first, or none.
            Some(Order::Strict) => {}
            Some(Order::ByAcceptance) => {
                // Retries too stand where they were accepted: the place is nearly always the last.
                let place =
                    self.first.partition_point(|queued| table.get(*queued).is_some_and(|queued| queued.id < id));
                self.first.insert(place, slot);
            }
            _ if attempt <= 1 => {
                self.first_items += usize::from(pending.nature.items().count);
                self.first.push_back(slot);
            }
            _ => self.retries.push_back(slot),
        }
    }

    /// Sends nothing before this instant.
    pub(super) fn rest(&mut self, until: Instant) {
        self.rest_until = until;
    }

    /// Says whether it sends nothing at `now`.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rest_until > now || self.steadiness.waits_until().is_some()
    }

    /// Empties the queue: its deliveries are to be queued in another order.
    pub(super) fn clear_queue(&mut self) {
        self.first.clear();
        self.retries.clear();
        self.first_items = 0;
        self.queued = 0;
    }

    /// Takes a delivery out of the queue before its turn. What an operator deletes many of is deleted from the newest on:
    /// that is where it is looked for first.
    pub(super) fn unqueue(&mut self, slot: Slot, items: Items) {
        self.queued = self.queued.saturating_sub(1);
        if let Some(place) = self.first.iter().rposition(|queued| *queued == slot) {
            self.first.remove(place);
            self.first_items = self.first_items.saturating_sub(usize::from(items.count));
        } else if let Some(place) = self.retries.iter().rposition(|queued| *queued == slot) {
            self.retries.remove(place);
        }
    }

    /// Takes what is to be sent next, within the lane's limits.
    pub(super) fn next(&mut self, now: Instant, table: &Table) -> Next {
        let Some(terms) = self.terms.clone() else { return Next::Idle };
        if self.paused || self.loading || self.in_flight >= terms.concurrency {
            return Next::Idle;
        }
        let ready = match terms.order {
            Order::Strict => self.ready_in_order(now, &terms, table),
            Order::ByAcceptance if self.first.is_empty() => Ready::Nothing,
            Order::ByAcceptance => Ready::First(LINES_AT_ONCE),
            Order::AsItComes => self.ready_as_it_comes(now, &terms, table),
        };
        let from = match ready {
            Ready::Nothing => return Next::Idle,
            Ready::NotBefore(at) => return Next::NotBefore(at),
            Ready::First(_) | Ready::Retries | Ready::Members(_) => ready,
        };
        if let Some(until) = self.steadiness.waits_until() {
            return Next::NotBefore(until);
        }
        if self.rest_until > now {
            return Next::NotBefore(self.rest_until);
        }
        if let Some(later) = self.rate.as_mut().and_then(|rate| rate.not_before(now)) {
            return Next::NotBefore(later);
        }
        let group = match from {
            Ready::First(most) if terms.order == Order::ByAcceptance => {
                self.first.drain(..self.first.len().min(most)).collect()
            }
            Ready::First(most) => {
                let (group, items) = take(&mut self.first, most, usize::from(terms.batch_items), table);
                self.first_items = self.first_items.saturating_sub(items);
                group
            }
            Ready::Members(most) => {
                let queued = |slot: &Slot| table.get(*slot).is_some_and(|pending| pending.step == Step::Queued);
                let mut head = table.members(self.members).take_while(queued).take(most).collect();
                take(&mut head, most, usize::from(terms.batch_items), table).0
            }
            _ => take(&mut self.retries, usize::MAX, usize::from(terms.batch_items), table).0,
        };
        self.queued = self.queued.saturating_sub(group.len());
        if self.circuit.is_open()
            && let Some(probe) = group.first().and_then(|slot| table.get(*slot)).filter(|p| p.delivery.attempts() == 0)
        {
            self.circuit.probe(probe.id);
        }
        Next::Send(group)
    }

    fn ready_as_it_comes(&self, now: Instant, terms: &Terms, table: &Table) -> Ready {
        let first = match self.first.front() {
            None => Ready::Nothing,
            Some(head) => self.may_begin(*head, now, terms, self.first_items, table),
        };
        match first {
            Ready::First(_) => first,
            _ if !self.retries.is_empty() => Ready::Retries,
            _ => first,
        }
    }

    /// Says what goes out where everything keeps its order: the oldest, if it is due, with those behind it that are.
    fn ready_in_order(&self, now: Instant, terms: &Terms, table: &Table) -> Ready {
        let Some(head) = self.members.first() else { return Ready::Nothing };
        let Some(pending) = table.get(head).filter(|pending| pending.step == Step::Queued) else {
            return Ready::Nothing;
        };
        let most = usize::from(terms.batch_items);
        if pending.delivery.attempts() > 0 {
            return Ready::Members(most);
        }
        let queued = |slot: &Slot| table.get(*slot).filter(|pending| pending.step == Step::Queued);
        let items = table.members(self.members).take(most).map_while(|slot| queued(&slot));
        let items = items.map(|pending| usize::from(pending.nature.items().count)).sum();
        match self.may_begin(head, now, terms, items, table) {
            Ready::First(most) => Ready::Members(most.min(usize::from(terms.batch_items))),
            other => other,
        }
    }

    /// Says whether first sends may go out: as soon as a request is full or its first item has waited long enough, and
    /// when the circuit lets them.
    fn may_begin(&self, head: Slot, now: Instant, terms: &Terms, items: usize, table: &Table) -> Ready {
        let most = match self.circuit.leave(now) {
            Leave::All => usize::MAX,
            Leave::One => return Ready::First(1),
            Leave::NotBefore(at) => return Ready::NotBefore(at),
            Leave::None => return Ready::Nothing,
        };
        let due = table.get(head).and_then(|pending| pending.delivery.deadline()).unwrap_or(now);
        let until = due.plus(terms.linger_ms);
        if items >= usize::from(terms.batch_items) || until <= now {
            Ready::First(most)
        } else {
            Ready::NotBefore(until)
        }
    }

    /// Says whether a timer is to be set for `at`: one is enough, however many wait.
    pub(super) fn arm(&mut self, at: Instant) -> bool {
        let is_set = self.alarm.is_some_and(|alarm| alarm <= at);
        if !is_set {
            self.alarm = Some(at);
        }
        !is_set
    }

    /// Notes that a timer has run out by `now`.
    pub(super) fn disarm(&mut self, now: Instant) {
        self.alarm = self.alarm.filter(|alarm| *alarm > now);
    }

    /// Counts a request that has begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.in_flight += 1;
        self.meter.count(now);
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }

    /// Counts a line that a device's link has taken.
    pub(super) fn sent_line(&mut self, now: Instant) {
        self.meter.count(now);
    }

    /// Counts a request that has ended.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Notes what went wrong; nothing has when it has delivered.
    pub(super) fn fails(&mut self, error: Option<String>, now: Instant) {
        self.last_error = error.map(|text| Box::new(LastError { text: text.into(), at: now }));
    }

    /// Says whether the lane leads to a URL of the configuration.
    pub(super) fn is_configured_destination(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.route.is_some())
    }

    /// Says whether nothing is lost when the lane is forgotten. A rate limit would be: what it has let through counts
    /// against the next send too. So would a run of failures. Lanes of the configuration stay, to be seen.
    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty()
            && !self.is_configured_destination()
            && self.in_flight == 0
            && !self.loading
            && !self.paused
            && self.rate.is_none()
            && self.circuit == Circuit::default()
    }

    /// How it stands, as far as it is counted together with others.
    pub(super) fn standing(&self, limits: &Limits) -> Standing {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Standing {
            pending: count(self.members.len()),
            queued: count(self.queued),
            paused: self.paused,
            full: self.members.len() >= self.limit(limits),
        }
    }

    /// How it stands, for an operator.
    pub(super) fn status(&self, table: &Table, limits: &Limits, now: Instant) -> LaneStatus {
        let oldest = self.members.first().and_then(|slot| table.get(slot));
        LaneStatus {
            lane: self.key.to_string(),
            pending: self.members.len(),
            queued: self.queued,
            in_flight: self.in_flight,
            paused: self.paused,
            circuit: self.circuit.state(),
            probe_at: self.circuit.probe_at().map(Instant::as_millis),
            limit: self.limit(limits),
            rate: self.meter.per_second(now),
            rate_limit: self.terms.as_ref().and_then(|terms| terms.rate_per_second),
            oldest_at: oldest.map(|pending| pending.id.made_at()),
            configured: self.terms.is_some(),
            destination: self.terms.as_ref().and_then(|terms| terms.route.as_ref()).map(Route::destination),
            last_error: self.last_error.as_ref().map(|error| error.text.clone().into()),
            last_error_at: self.last_error.as_ref().map(|error| error.at.as_millis()),
        }
    }

    fn limit(&self, limits: &Limits) -> usize {
        if matches!(self.key, LaneKey::Device(_)) { limits.device_queue } else { limits.queue }
    }
}

/// What a lane could send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    /// First sends, so many deliveries at the most.
    First(usize),
    /// Retries.
    Retries,
    /// The oldest, so many deliveries at the most.
    Members(usize),
    NotBefore(Instant),
    Nothing,
}

/// Takes from the front what may share a request: one class, and no more items than fit. Returns it with its items.
fn take(queue: &mut VecDeque<Slot>, most: usize, room: usize, table: &Table) -> (Vec<Slot>, usize) {
    let (mut group, mut items, mut class) = (Vec::new(), 0, None);
    while let Some(slot) = queue.front() {
        let next = table.get(*slot).map_or(Items { class: 0, count: 0 }, |pending| pending.nature.items());
        let count = usize::from(next.count);
        let fits = group.len() < most && items + count <= room && next.class != 0 && class == Some(next.class);
        if !group.is_empty() && !fits {
            break;
        }
        (class, items) = (Some(next.class), items + count);
        group.extend(queue.pop_front());
    }
    (group, items)
}

#[cfg(test)]
mod tests;
