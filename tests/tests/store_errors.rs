//! The engine promises: a store that fails for a moment, at any of its writes, costs nobody anything but a 503 at that
//! moment. What was answered with success is kept to the letter; the gateway goes on by itself.
//!
//! One scenario, in which everything happens once, is run again and again: with the first write failing, then the
//! second, and so on until there is none left to fail.

use std::{collections::BTreeSet, sync::Arc};

use pushgate::store::{self, ErrorKind};
use pushgate_tests::{
    Answer, Device, FailingStore, Failure, Fault, Faulty, Receiver, Request, Rig, When, side_by_side, texts, until,
    uplink_batch, whole_inbox,
};
use serde_json::{Value, json};

const CID: u32 = 5_003_062;

/// Runs that go on at the same time: most of a run is waiting.
const AT_ONCE: usize = 8;

/// Why no scenario writes more often than this: it does a dozen things.
const MOST_WRITES: u64 = 200;

/// A gateway on a store that fails once, and everything around it.
struct Scenario {
    failure: Failure,
    store: Arc<FailingStore>,
    rig: Rig,
    /// Takes everything.
    good: Receiver,
    /// Refuses its first request.
    flaky: Receiver,
    /// Refuses everything until it is repaired.
    broken: Faulty,
    /// Is passed on what is received.
    forward: Receiver,
    refused: BTreeSet<String>,
}

impl Scenario {
    async fn start(failure: Failure) -> Self {
        let (good, flaky, forward) = (Receiver::uplink(0).await, Receiver::uplink(1).await, Receiver::uplink(0).await);
        let broken = Faulty::start(Fault::Refuses).await;
        let destination = |name: &str, url: &str| {
            format!("[[uplink.destinations]]\nname = '{name}'\nurl = '{url}'\nretries = 2\nretry_every_ms = 30\n")
        };
        let rest = destination("good", &good.url("/"))
            + &destination("flaky", &flaky.url("/"))
            + &destination("broken", &broken.url())
            + &format!("[[uplink.receivers]]\nname = 'in'\nforward = '{}'\n", forward.url("/"));
        let store = FailingStore::new(store::open("sqlite::memory:").await.expect("a store"), failure);
        let rig = Rig::start_on(store.clone(), &rest).await;
        Self { failure, store, rig, good, flaky, broken, forward, refused: BTreeSet::new() }
    }

    /// Asks as a client would that is told to come again: until it is not 503 any more. `request` is given a text that
    /// no other try has.
    async fn ask(&mut self, name: &str, request: impl Fn(&str) -> (std::net::SocketAddr, Request)) -> (String, Answer) {
        for n in 0..20 {
            let text = format!("{name} {n}");
            let (address, request) = request(&text);
            let answer = request.send(address).await;
            if answer.status != 503 {
                return (text, answer);
            }
            if address == self.rig.gateway.admin || name == "received" {
                assert!(answer.header("retry-after").is_some(), "{}: {answer:?}", self.failure);
            }
            self.refused.insert(text);
        }
        panic!("{}: {name} is refused for ever", self.failure);
    }

    /// Submits `keyed` with a key, the same one at every try, and returns the delivery's id.
    async fn submit_with_key(&mut self) -> String {
        let admin = self.rig.gateway.admin;
        let request = Request::post("/api/uplink/good", uplink_batch(&["keyed"])).header("Idempotency-Key", "k");
        let (_, answer) = self.ask("with a key", |_| (admin, request.clone())).await;
        assert_eq!(answer.status, 202, "{}: {}", self.failure, answer.body);
        answer.json()["ids"][0].as_str().expect("an id").to_owned()
    }

    async fn submit(&mut self, destination: &str, name: &str) -> (String, String) {
        let (admin, path) = (self.rig.gateway.admin, format!("/api/uplink/{destination}"));
        let (text, answer) = self.ask(name, |text| (admin, Request::post(&path, uplink_batch(&[text])))).await;
        assert_eq!(answer.status, 202, "{}: {}", self.failure, answer.body);
        (answer.json()["ids"][0].as_str().expect("an id").to_owned(), text)
    }

    /// Waits until a delivery has ended as `state`, each of its sends recorded with its class.
    async fn ended(&self, id: &str, state: &str, classes: &[&str]) {
        let delivery = until(&format!("{}: delivery {id} is {state}", self.failure), async || {
            let delivery = self.rig.admin_json(&format!("/api/deliveries/{id}")).await;
            (delivery["state"] == state).then_some(delivery)
        })
        .await;
        let attempts = delivery["attempts"].as_array().expect("a list");
        let mut got: Vec<_> = attempts.iter().map(|attempt| attempt["class"].as_str().expect("a word")).collect();
        if self.failure.when == When::After {
            // A record whose news was lost is made again; that the same attempt then stands there twice is no lie.
            let mut seen = BTreeSet::new();
            let mut fresh = attempts.iter().map(|attempt| seen.insert(attempt["started"].as_u64()));
            got.retain(|_| fresh.next() == Some(true));
        }
        assert_eq!(got, classes, "{}: {delivery}", self.failure);
    }

    fn got(receiver: &Receiver) -> Vec<String> {
        receiver.received().iter().flat_map(|received| texts(&received.body)).collect()
    }
}

/// Runs the scenario, and returns how often it wrote.
async fn run(failure: Failure) -> u64 {
    let mut scenario = Scenario::start(failure).await;
    let mut device = Device::hello(scenario.rig.gateway.link, &pushgate_tests::token(CID)).await;
    let (admin, public) = (scenario.rig.gateway.admin, scenario.rig.gateway.public);

    let (good, good_text) = scenario.submit("good", "good").await;
    let keyed = scenario.submit_with_key().await;
    let (flaky, flaky_text) = scenario.submit("flaky", "flaky").await;
    let (broken, broken_text) = scenario.submit("broken", "broken").await;
    let (doomed, _) = scenario.submit("broken", "doomed").await;
    let (message, answer) = scenario
        .ask("message", |text| {
            let body = json!({ "proxy": 0, "payload": { "msg": base64(text), "flag": 2, "clients": [CID] } });
            let request = Request::post("/v2/message/server/push", body.to_string());
            (public, request.header("X-APP-ID", pushgate_tests::APP_ID).header("X-APP-Key", pushgate_tests::KEY))
        })
        .await;
    assert_eq!(answer.status, 200, "{failure}: {}", answer.body);
    let (received, answer) =
        scenario.ask("received", |text| (public, Request::post("/receive/uplink/in", uplink_batch(&[text])))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (200, &json!(0)), "{failure}");
    loop {
        // One whose push was refused may come too, if it was stored all the same.
        if device.take_message().await["msg"] == base64(&message) {
            break;
        }
    }

    scenario.ended(&good, "delivered", &["delivered"]).await;
    scenario.ended(&keyed, "delivered", &["delivered"]).await;
    scenario.ended(&flaky, "delivered", &["code", "delivered"]).await;
    scenario.ended(&broken, "dead", &["code"; 3]).await;
    scenario.ended(&doomed, "dead", &["code"; 3]).await;
    scenario.broken.set(Fault::Healthy).await;
    let replay = format!("/api/deliveries/{broken}/replay");
    let (_, answer) = scenario.ask("replay", |_| (admin, Request::post(&replay, ""))).await;
    // The one before may have been refused and yet have been heard; then it is on its way, or has arrived.
    let heard = answer.status == 202 || (failure.when == When::After && answer.status == 409);
    assert!(heard, "{failure}: {} {}", answer.status, answer.body);
    scenario.ended(&broken, "delivered", &["code", "code", "code", "delivered"]).await;
    let delete = format!("/api/deliveries/{doomed}");
    let (_, answer) = scenario.ask("delete", |_| (admin, Request::new("DELETE", &delete))).await;
    let gone = answer.status == 204 || (failure.when == When::After && answer.status == 404);
    assert!(gone, "{failure}: {} {}", answer.status, answer.body);
    assert_eq!(Request::get(&delete).send(admin).await.status, 404, "{failure}");
    until(&format!("{failure}: what was received is passed on"), async || {
        Scenario::got(&scenario.forward).contains(&received).then_some(())
    })
    .await;

    // Everything that was taken has ended, by itself. What was refused and stored all the same is there to be seen.
    let pending = |lane: &str| {
        let lane = lane.to_owned();
        let rig = &scenario.rig;
        async move { rig.deliveries(&lane).await.into_iter().filter(|one| one["state"] == "pending").count() }
    };
    let stored_unheard = if failure.when == When::After { scenario.refused.len() } else { 0 };
    until(&format!("{failure}: all has ended"), async || {
        let mut left = 0;
        for lane in ["uplink:good", "uplink:flaky", "uplink:broken", "forward:in", &format!("device:{CID}")] {
            left += pending(lane).await;
        }
        (left <= stored_unheard).then_some(())
    })
    .await;
    check(&scenario, [&good_text, &"keyed".to_owned(), &flaky_text, &broken_text, &received]).await;

    let writes = scenario.store.writes();
    let rig = scenario.rig;
    pushgate_tests::within_bound(pushgate_tests::BOUND * 2, rig.gateway.stop()).await;
    writes
}

/// Everything went where it should, as often as it should, and nothing else did.
async fn check(scenario: &Scenario, [good, keyed, flaky, broken, received]: [&String; 5]) {
    let Scenario { failure, refused, .. } = scenario;
    let count = |got: &[String], text: &String| got.iter().filter(|got| *got == text).count();
    let at_broken: Vec<_> = scenario.broken.bodies().iter().flat_map(|body| texts(body)).collect();
    let forwarded = Scenario::got(&scenario.forward);
    let (at_good, at_flaky) = (Scenario::got(&scenario.good), Scenario::got(&scenario.flaky));
    for (got, text, times) in [
        (&at_good, good, 1),
        (&at_good, keyed, 1),
        (&at_flaky, flaky, 2),
        (&at_broken, broken, 4),
        (&forwarded, received, 1),
    ] {
        assert_eq!(count(got, text), times, "{failure}: {text} in {got:?}");
    }
    let inbox: Vec<_> = whole_inbox(scenario.rig.gateway.admin).await;
    let inbox: Vec<_> =
        inbox.iter().map(|item| item["item"]["ReplyContent"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(count(&inbox, received), 1, "{failure}: {inbox:?}");
    if failure.when == When::Before {
        let everything = [at_good, at_flaky, at_broken, forwarded, inbox].concat();
        let sent: Vec<_> = everything.iter().filter(|text| refused.contains(*text)).collect();
        assert!(sent.is_empty(), "{failure}: refused and yet there: {sent:?}");
        let devices = scenario.rig.deliveries(&format!("device:{CID}")).await;
        assert_eq!(devices.len(), 1, "{failure}: a push that was refused left nothing");
    }
}

/// Standard base64 of an ASCII text, whose length is brought to a multiple of three.
fn base64(text: &str) -> Value {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded = format!("{text:<width$}", width = text.len().next_multiple_of(3));
    let groups =
        padded.as_bytes().chunks(3).map(|group| group.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
    let digits = groups.flat_map(|sum| [18, 12, 6, 0].map(|shift| char::from(ALPHABET[sum >> shift & 63])));
    digits.collect::<String>().into()
}

/// Runs the scenario with every single write failing in this way.
async fn at_every_write(when: When, count: u64) {
    const KINDS: [ErrorKind; 3] = [ErrorKind::Full, ErrorKind::Busy, ErrorKind::Other];
    let (mut nth, mut failed) = (1, 0);
    loop {
        let written = std::rc::Rc::new(std::cell::Cell::new(u64::MAX));
        let batch = (nth..).zip(KINDS.into_iter().cycle()).take(AT_ONCE).map(|(nth, kind)| {
            let written = written.clone();
            async move { written.set(run(Failure { nth, count, when, kind }).await.min(written.get())) }
        });
        failed += side_by_side(batch).await;
        nth += AT_ONCE as u64;
        // Every run has been through when even the one that wrote least had no write left to fail.
        if written.get() < nth {
            break;
        }
        assert!(nth < MOST_WRITES, "{} writes and no end", written.get());
    }
    assert_eq!(failed, 0, "of {} runs; each says above what went wrong", nth - 1);
    println!("{} runs, each with another write failing ({when:?} storing, {count} in a row)", nth - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_write_that_fails_costs_a_503_and_nothing_else() {
    at_every_write(When::Before, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_fail_for_a_while_cost_no_more() {
    at_every_write(When::Before, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_news_is_lost_is_kept_or_made_again() {
    at_every_write(When::After, 1).await;
}
