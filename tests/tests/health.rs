//! The gateway promises: it tells the truth about itself, and does not limp.

use std::time::{Duration, Instant};

use pushgate::{
    store::{self, ErrorKind},
    workers::Worker,
};
use pushgate_tests::{
    Answer, FailingStore, Failure, Fault, Faulty, Request, Rig, When, until, uplink_batch, within, within_bound,
};
use serde_json::json;

/// What a stopping gateway may take.
const STOPPED_WITHIN: Duration = Duration::from_secs(12);

async fn memory() -> std::sync::Arc<dyn store::Store> {
    store::open("sqlite::memory:").await.expect("a store")
}

async fn readiness(rig: &Rig) -> Answer {
    rig.admin(Request::get("/readyz")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_panics_is_named_and_the_gateway_is_ready_no_more() {
    // Each is what one worker alone asks the store.
    for (method, worker) in [
        ("accept_all", Worker::Acceptor),
        ("record", Worker::Recorder),
        ("contents", Worker::Loader),
        ("prune", Worker::Retention),
    ] {
        let refusing = Faulty::start(Fault::Refuses).await;
        let rest = format!(
            "[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\nretries = 1\nretry_every_ms = 20\n",
            refusing.url()
        );
        let rig = Rig::start_on(FailingStore::stumbling(memory().await, method), &rest).await;
        // Who submits may be told that it did not work.
        let _: Answer = rig.admin(Request::post("/api/uplink/acme", uplink_batch(&["x"]))).await;
        let lost = within(rig.gateway.lost()).await;
        assert_eq!(lost.worker, worker, "{lost}");
        assert!(lost.to_string().contains("it stumbles, as planned"), "{lost}");
        let answer = readiness(&rig).await;
        assert_eq!((answer.status, &answer.json()["ready"]), (503, &json!(false)), "{}", answer.body);
        let named = format!("the {} has ended; see the log", worker.as_str());
        assert_eq!(answer.json()["workers"], named, "{}", answer.body);
        assert_eq!(rig.admin(Request::get("/livez")).await.status, 200);
        within_bound(STOPPED_WITHIN, rig.gateway.stop()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_ends_by_itself_is_missed() {
    let rig = Rig::start("").await;
    within(rig.gateway.store().close()).await.expect("it closes");
    let lost = within(rig.gateway.lost()).await;
    // Whichever notices first.
    assert!(matches!(lost.worker, Worker::Store | Worker::Retention), "{lost}");
    until("it says so", async || (readiness(&rig).await.json()["store"] == "it is closed").then_some(())).await;
    within_bound(STOPPED_WITHIN, rig.gateway.stop()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_well_says_so_of_each_part() {
    let rig = Rig::start("").await;
    let answer = readiness(&rig).await;
    let well = json!({
        "ready": true, "gateway": "ok", "workers": "ok", "store": "ok", "scheduler": "ok", "recorder": "ok",
    });
    assert_eq!((answer.status, answer.json()), (200, well));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_commit_is_told_without_its_place() {
    // From some write on, those of retention among them.
    let full = Failure { nth: 1, count: u64::MAX / 2, when: When::Before, kind: ErrorKind::Full };
    let rig = Rig::start_on(FailingStore::new(memory().await, full), "").await;
    let answer = readiness(&rig).await;
    assert_eq!((answer.status, &answer.json()["ready"]), (503, &json!(false)), "{}", answer.body);
    assert_eq!(answer.json()["store"], "no room left on its disk", "{}", answer.body);
    assert_eq!(answer.json()["scheduler"], "ok", "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_in_a_loop_costs_the_store_no_more_than_who_asks_once() {
    const ASKED: u64 = 300;
    let never = Failure { nth: u64::MAX, count: 0, when: When::Before, kind: ErrorKind::Other };
    let store = FailingStore::new(memory().await, never);
    let rig = Rig::start_on(store.clone(), "").await;
    let (before, begun) = (store.writes(), Instant::now());
    for _ in 0..ASKED {
        assert_eq!(readiness(&rig).await.status, 200);
    }
    // One a second, and one a second of retention's, however long the machine takes.
    let most = 2 * (begun.elapsed().as_secs() + 2);
    assert!(most < ASKED, "the machine is too slow to tell");
    let written = store.writes() - before;
    assert!((1..=most).contains(&written), "{written} writes, {most} at the most");
}
