//! Compares what was said to the traffic with what came of it.

use std::{collections::BTreeSet, fmt};

use pushgate_tests::{Process, admin_json, all_deliveries, texts, whole_inbox};
use serde_json::Value;

use super::{Asked, Book, Lane, Ledger, SENDS, Told};

/// What there was, in numbers.
pub(crate) struct Summary {
    accepted: usize,
    refused: usize,
    unanswered: usize,
    items: usize,
    arrivals: usize,
    deliveries: usize,
    dead: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, unanswered, items, arrivals, deliveries, dead } = self;
        write!(
            f,
            "{accepted} requests accepted, {refused} refused, {unanswered} cut off; {items} items of them came \
             {arrivals} times; {deliveries} deliveries, {dead} dead or dropped"
        )
    }
}

/// Asserts that every promise was kept, on a gateway that has nothing left to do. `lost` says of how many sends of one
/// delivery each life of the gateway may have lost the record.
pub(crate) async fn check(book: &Book, gateway: &Process, lost: &[u64]) -> Summary {
    let deliveries = &all_deliveries(gateway.admin, "").await;
    let ids: BTreeSet<_> = deliveries.iter().filter_map(|delivery| delivery["id"].as_str()).collect();
    let given_up = given_up(gateway, deliveries).await;
    let inbox = inbox(gateway).await;
    let ledger = book.open();
    let (mut accepted, mut refused, mut unanswered) = (0, 0, 0);
    let mut may_arrive = BTreeSet::new();
    for Asked { lane, items, life, told } in &ledger.asked {
        let key = |item: &String| (*lane, item.clone());
        let arrived = |item: &&String| ledger.arrived.contains_key(&key(item));
        let is_known = |item: &&String| arrived(item) || given_up.contains(&key(item));
        let known = items.iter().filter(is_known).count();
        match told {
            Told::Accepted(accepted_ids) => {
                let lost: Vec<_> = items.iter().filter(|item| !is_known(item)).collect();
                assert!(lost.is_empty(), "{lane:?}, accepted in life {life}, neither delivered nor dead: {lost:?}");
                assert!(accepted_ids.iter().all(|id| ids.contains(id.as_str())), "accepted and not to be seen");
                accepted += 1;
            }
            Told::Refused => {
                assert_eq!(known, 0, "{lane:?}, refused in life {life} and yet there: {items:?}");
                refused += 1;
            }
            // Its request may have been stored, the whole of it, or nothing.
            Told::Nothing => {
                assert!(known == 0 || known == items.len(), "{lane:?}, cut off in life {life}: {known} of {items:?}");
                unanswered += 1;
            }
        }
        if *lane == Lane::Forward {
            let kept = items.iter().filter(|item| inbox.contains(*item)).count();
            let right = match told {
                Told::Accepted(_) => kept == items.len(),
                Told::Refused => kept == 0,
                Told::Nothing => kept == known,
            };
            assert!(right, "in life {life}, {kept} in the inbox and {known} passed on of {items:?}");
        }
        if !matches!(told, Told::Refused) {
            may_arrive.extend(items.iter().map(key));
        }
    }
    let invented: Vec<_> = ledger.arrived.keys().filter(|item| !may_arrive.contains(item)).collect();
    assert!(invented.is_empty(), "sent and never submitted: {invented:?}");
    assert!(accepted > lost.len() / 2 && refused > lost.len() / 8, "the load was one: {accepted}, {refused}");
    sent_no_more_often_than_is_explained(&ledger, lost);
    Summary {
        accepted,
        refused,
        unanswered,
        items: ledger.arrived.len(),
        arrivals: ledger.arrived.values().map(Vec::len).sum(),
        deliveries: deliveries.len(),
        dead: deliveries.iter().filter(|delivery| delivery["state"] != "delivered").count(),
    }
}

/// The items of every delivery that has ended without being delivered; and checks, as it passes, that none was tried
/// more often than its schedule has sends, whatever was lost in kills: a send that was not recorded is made again
/// under its old number.
async fn given_up(gateway: &Process, deliveries: &[Value]) -> BTreeSet<(Lane, String)> {
    /// Looked at in full, beside all that were given up: asking takes time.
    const SAMPLE: usize = 300;
    let (mut given_up, mut looked_at) = (BTreeSet::new(), 0);
    for delivery in deliveries {
        let lanes = [Lane::Uplink, Lane::Tencent, Lane::Forward, Lane::Device];
        let lane = lanes.into_iter().find(|lane| delivery["lane"] == lane.name()).expect("a lane of this test");
        let attempts = usize::try_from(delivery["attempts"].as_u64().expect("a number")).expect("few");
        assert!((1..=lane.sends()).contains(&attempts), "{delivery}");
        let ended_well = delivery["state"] == "delivered";
        if ended_well && (attempts == 1 || looked_at >= SAMPLE) {
            continue;
        }
        looked_at += 1;
        let detail = admin_json(gateway.admin, &format!("/api/deliveries/{}", delivery["id"].as_str().unwrap())).await;
        let numbers: Vec<_> = detail["attempts"].as_array().unwrap().iter().map(|one| one["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=attempts as u64).map(Some).collect::<Vec<_>>(), "each send once: {detail}");
        if !ended_well {
            assert_eq!(attempts, lane.sends(), "given up before its last send: {detail}");
            let body = detail["body"].as_str().expect("a text");
            let items = if lane == Lane::Device { vec![body.to_owned()] } else { texts(body) };
            given_up.extend(items.into_iter().map(|item| (lane, item)));
        }
    }
    given_up
}

/// The texts in the inbox, each once.
async fn inbox(gateway: &Process) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for item in whole_inbox(gateway.admin).await {
        let text = item["item"]["ReplyContent"].as_str().expect("a text").to_owned();
        assert!(kept.insert(text), "in the inbox twice: {item}");
    }
    kept
}

/// A delivery is sent as often as its schedule says, and once more for each send whose record was lost.
fn sent_no_more_often_than_is_explained(ledger: &Ledger, lost: &[u64]) {
    for ((lane, item), arrivals) in ledger.arrived.iter().filter(|((lane, _), _)| *lane != Lane::Device) {
        let (first, last) = (arrivals[0], arrivals[arrivals.len() - 1]);
        let again: u64 = lost.iter().take(last).skip(first).sum();
        let (times, bound) = (arrivals.len() as u64, SENDS as u64 + again);
        assert!(times <= bound, "{lane:?} {item}: {times} times, at most {bound}, in the lives {arrivals:?}");
    }
}
