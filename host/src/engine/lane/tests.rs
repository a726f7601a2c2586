use pushgate_core::{Delivery, Schedule};

use super::*;
use crate::{
    engine::{
        circuit::Breaker,
        payload::{DropReason, Nature, Wish},
        table::Pending,
    },
    metrics::Metrics,
    store::DeliveryId,
};

/// A lane with the deliveries that are put on it, all accepted at second 1.
struct Rig {
    lane: Lane,
    table: Table,
}

const NOW: Instant = Instant::from_secs(1);

fn terms() -> Terms {
    let route = Route::uplink("http://acme.example/".parse().unwrap(), None);
    Terms { route: Some(route), concurrency: 2, order: Order::AsItComes, ..Terms::device() }
}

fn lane_on(terms: Terms) -> Lane {
    let key = LaneKey::Uplink("acme".into());
    let counts = Metrics::default().lane(&key);
    Lane::new(key, Some(Arc::new(terms)), counts)
}

impl Rig {
    fn new(terms: Terms) -> Self {
        Self { lane: lane_on(terms), table: Table::default() }
    }

    fn put(&mut self, nature: Nature) -> Slot {
        let pending = Pending::new(DeliveryId::new(), 0, Delivery::new(NOW), nature);
        self.table.insert(pending, &mut self.lane.members).unwrap()
    }

    fn items(&mut self, class: u8, count: u8) -> Slot {
        let slot = self.put(Nature::Items(Items { class, count }));
        self.lane.queue(slot, 1, &mut self.table);
        slot
    }

    fn one(&mut self, attempt: u8) -> Slot {
        let slot = self.put(Nature::Whole);
        if attempt > 1 {
            self.table.get_mut(slot).unwrap().delivery.failed(&Schedule::UPLINK, NOW);
        }
        self.lane.queue(slot, attempt, &mut self.table);
        slot
    }

    fn next(&mut self, after: u32) -> Next {
        let next = self.lane.next(NOW.plus(after), &self.table);
        if let Next::Send(group) = &next {
            for slot in group {
                self.table.get_mut(*slot).unwrap().step = Step::InFlight;
            }
        }
        next
    }

    fn drain(&mut self) -> Vec<Vec<Slot>> {
        let mut groups = Vec::new();
        while let Next::Send(group) = self.next(0) {
            groups.push(group);
        }
        groups
    }
}

#[test]
fn first_sends_go_before_retries_and_never_more_than_the_concurrency() {
    let mut rig = Rig::new(terms());
    let [retry, first, second] = [rig.one(2), rig.one(1), rig.one(1)];
    assert_eq!(rig.next(0), Next::Send(vec![first]));
    rig.lane.begin(NOW);
    assert_eq!(rig.next(0), Next::Send(vec![second]));
    rig.lane.begin(NOW);
    assert_eq!(rig.next(0), Next::Idle);
    rig.lane.end();
    rig.lane.set_paused(Paused::Yes);
    assert_eq!(rig.next(0), Next::Idle);
    rig.lane.set_paused(Paused::No);
    assert_eq!(rig.next(0), Next::Send(vec![retry]));
}

#[test]
fn a_request_goes_out_when_it_is_full_or_its_first_item_has_waited() {
    let mut rig = Rig::new(Terms { batch_items: 10, linger_ms: 50, ..terms() });
    let first = rig.items(1, 4);
    assert_eq!(rig.next(0), Next::NotBefore(NOW.plus(50)));
    let second = rig.items(1, 5);
    assert_eq!(rig.next(49), Next::NotBefore(NOW.plus(50)));
    assert_eq!(rig.next(50), Next::Send(vec![first, second]));
    let [first, second, third] = [rig.items(1, 4), rig.items(1, 4), rig.items(1, 4)];
    assert_eq!(rig.next(0), Next::Send(vec![first, second]), "12 items wait, 10 go in one request");
    assert_eq!(rig.next(0), Next::NotBefore(NOW.plus(50)));
    assert_eq!(rig.next(60), Next::Send(vec![third]));
}

#[test]
fn only_items_of_one_class_share_a_request() {
    let mut rig = Rig::new(Terms { batch_items: 100, linger_ms: 0, ..terms() });
    let slots =
        [(1, 1), (1, 1), (2, 1), (0, 1), (0, 1), (1, 100), (1, 1)].map(|(class, count)| rig.items(class, count));
    let [a, b, c, d, e, f, g] = slots;
    assert_eq!(rig.drain(), [vec![a, b], vec![c], vec![d], vec![e], vec![f], vec![g]]);
    let larger = rig.items(1, 101);
    assert_eq!(rig.drain(), [vec![larger]], "what fits nowhere goes by itself");
}

#[test]
fn what_was_sent_together_is_retried_together() {
    let mut rig = Rig::new(Terms { batch_items: 10, linger_ms: 50, ..terms() });
    let group: Vec<_> = (0..3).map(|_| rig.put(Nature::Items(Items { class: 1, count: 2 }))).collect();
    for slot in &group {
        rig.lane.queue(*slot, 2, &mut rig.table);
    }
    let fresh = rig.items(1, 1);
    assert_eq!(rig.next(0), Next::Send(group), "and does not linger");
    assert_eq!(rig.next(50), Next::Send(vec![fresh]));
}

#[test]
fn in_strict_order_nothing_overtakes_what_waits_for_its_retry() {
    let mut rig = Rig::new(Terms { order: Order::Strict, batch_items: 2, linger_ms: 0, concurrency: 1, ..terms() });
    let [a, b, c] = [rig.items(1, 1), rig.items(1, 1), rig.items(1, 1)];
    assert_eq!(rig.next(0), Next::Send(vec![a, b]));
    for slot in [a, b] {
        rig.table.get_mut(slot).unwrap().step = Step::Waiting;
    }
    assert_eq!(rig.next(0), Next::Idle, "c is due, but a and b are ahead of it");
    rig.lane.queue(b, 2, &mut rig.table);
    assert_eq!(rig.next(0), Next::Idle);
    rig.lane.queue(a, 2, &mut rig.table);
    assert_eq!(rig.next(0), Next::Send(vec![a, b]));
    for slot in [a, b] {
        rig.table.remove(slot, &mut rig.lane.members);
    }
    assert_eq!(rig.next(0), Next::Send(vec![c]));
}

#[test]
fn an_open_circuit_lets_retries_out_and_one_probe_at_a_time() {
    let breaker = Breaker { after: 1, probe_every: 1000 };
    let mut rig = Rig::new(Terms { batch_items: 10, breaker, ..terms() });
    let dead = DeliveryId::new();
    assert!(rig.lane.circuit.exhausted(dead, breaker, NOW));
    let [first, second] = [rig.items(1, 1), rig.items(1, 1)];
    assert_eq!(rig.next(0), Next::NotBefore(NOW.plus(1000)));
    let retry = rig.one(2);
    assert_eq!(rig.next(0), Next::Send(vec![retry]));
    assert_eq!(rig.next(1000), Next::Send(vec![first]), "alone");
    assert_eq!(rig.next(9000), Next::Idle);
    rig.lane.circuit.delivered();
    assert_eq!(rig.next(9000), Next::Send(vec![second]));
}

#[test]
fn a_device_takes_its_messages_in_order_retries_too() {
    let mut rig = Rig::new(Terms::device());
    let slots = [0; 3].map(|_| rig.put(Nature::Message { wish: Wish::UntilAnswered, why: DropReason::Restart }));
    for (slot, attempt) in [(slots[1], 1), (slots[0], 2), (slots[2], 1)] {
        rig.lane.queue(slot, attempt, &mut rig.table);
    }
    assert_eq!(rig.next(0), Next::Send(slots.to_vec()));
}

#[test]
fn what_is_taken_out_of_the_queue_is_not_sent() {
    let mut rig = Rig::new(Terms { batch_items: 3, linger_ms: 50, ..terms() });
    let [a, b, c] = [rig.items(1, 2), rig.items(1, 1), rig.items(1, 1)];
    rig.lane.unqueue(b, Items { class: 1, count: 1 });
    assert_eq!(rig.next(0), Next::Send(vec![a, c]));
    assert_eq!(rig.lane.status(&rig.table, &Limits::default(), NOW).queued, 0);
}

#[test]
fn a_rate_limit_sets_one_timer_and_outlives_an_empty_lane_and_a_reload() {
    let limited = || Terms { rate_per_second: Some(10), concurrency: usize::MAX, ..terms() };
    let mut rig = Rig::new(limited());
    let later = loop {
        rig.one(1);
        match rig.next(0) {
            Next::Send(_) => rig.lane.begin(NOW),
            Next::NotBefore(later) => break later,
            Next::Idle => panic!("there is one to send"),
        }
        rig.lane.end();
    };
    let lane = &mut rig.lane;
    assert_eq!([lane.arm(later), lane.arm(later), lane.arm(later.plus(1))], [true, false, false]);
    lane.disarm(later);
    assert!(lane.arm(later));

    lane.set_terms(Some(Arc::new(limited())));
    assert_eq!(rig.next(0), Next::NotBefore(later));

    let mut empty = lane_on(limited());
    assert!(!empty.is_idle());
    empty.set_terms(None);
    assert!(empty.is_idle());
}
