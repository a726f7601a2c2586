//! The engine promises: whatever a destination does, its deliveries keep to their schedule, and those of another one
//! do not notice.

use std::time::Duration;

use pushgate_tests::{
    Fault, Faulty, Receiver, Request, Rig, side_by_side, tencent_batch, texts, until, until_bound, uplink_batch,
};
use serde_json::{Value, json};

const RETRIES: u64 = 2;
const RETRY_EVERY: u64 = 150;
const TIMEOUT: u64 = 3_000;

/// How late a send may be on a machine that stands still now and then, in milliseconds: half of what waiting for a
/// destination that hangs would cost.
const STALL: u64 = TIMEOUT / 2;

/// Each fault, and the word that its attempts carry. Those that take their time are tried beside each other.
const FAULTS: [(Fault, &str); 14] = [
    (Fault::Hangs, "timeout"),
    (Fault::Drips, "timeout"),
    (Fault::Down, "refused"),
    (Fault::HangsUp, "closed"),
    (Fault::Resets, "closed"),
    (Fault::AnnouncesHuge, "oversized"),
    (Fault::AnswersWithoutEnd, "oversized"),
    (Fault::HeadersWithoutEnd, "oversized"),
    (Fault::Html, "body"),
    (Fault::Empty, "body"),
    (Fault::NotHttp, "protocol"),
    (Fault::Breaks, "status"),
    (Fault::Redirects, "status"),
    (Fault::Refuses, "code"),
];

/// How long the schedules of deliveries to a destination that hangs may take together.
const UNTIL_DEAD: Duration = Duration::from_secs(60);

/// A gateway between a destination that is faulty and one that is not.
struct Pair {
    rig: Rig,
    kind: Kind,
    faulty: Faulty,
    healthy: Receiver,
}

/// The protocol a destination speaks.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Uplink,
    Tencent,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Tencent => "tencent",
        }
    }

    fn body(self, text: &str) -> String {
        match self {
            Self::Uplink => uplink_batch(&[text]),
            Self::Tencent => tencent_batch(&[text]),
        }
    }
}

impl Pair {
    async fn start(kind: Kind, fault: Fault) -> Self {
        let (faulty, healthy) = (Faulty::start(fault).await, Receiver::start(|_, _| (200, OK.to_owned())).await);
        let destination = |name: &str, url: &str| {
            let app = match kind {
                Kind::Uplink => "",
                Kind::Tencent => "sdk_app_id = '1'\n",
            };
            format!(
                "[[{}.destinations]]\nname = '{name}'\nurl = '{url}'\n{app}\
                 retries = {RETRIES}\nretry_every_ms = {RETRY_EVERY}\ntimeout_ms = {TIMEOUT}\n",
                kind.name()
            )
        };
        let rig =
            Rig::start(&(destination("faulty", &faulty.url()) + &destination("healthy", &healthy.url("/")))).await;
        Self { rig, kind, faulty, healthy }
    }

    async fn submit(&self, destination: &str, text: &str) -> String {
        let path = format!("/api/{}/{destination}", self.kind.name());
        let answer = self.rig.admin(Request::post(&path, self.kind.body(text))).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["ids"][0].as_str().expect("an id").to_owned()
    }

    async fn delivery(&self, id: &str) -> Value {
        self.rig.admin_json(&format!("/api/deliveries/{id}")).await
    }

    /// Submits to the healthy one, and sees it delivered as if there were no other.
    async fn deliver_beside(&self, what: &str, text: &str) {
        let id = self.submit("healthy", text).await;
        let delivery = self.rig.until_state(&id, "delivered").await;
        assert_eq!(classes(&delivery), ["delivered"], "{what}: beside it");
        let attempt = &attempts(&delivery)[0];
        let took = attempt["finished"].as_u64().expect("a time") - delivery["created_at"].as_u64().expect("a time");
        assert!(took < STALL, "{what}: {took} ms to the neighbour, which answers at once");
    }

    async fn replay(&self, id: &str) {
        let answer = self.rig.admin(Request::post(&format!("/api/deliveries/{id}/replay"), "")).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

const OK: &str = r#"{"code":0,"message":"ok","ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

fn classes(delivery: &Value) -> Vec<&str> {
    attempts(delivery).iter().map(|attempt| attempt["class"].as_str().expect("a word")).collect()
}

fn attempts(delivery: &Value) -> &[Value] {
    delivery["attempts"].as_array().expect("a list")
}

/// Asserts that each attempt was planned the wait after the failure of the one before: when it was known, but not
/// later than when its answer was due.
fn assert_schedule(what: &str, attempts: &[Value]) {
    for (attempt, number) in attempts.iter().zip(1_u64..) {
        assert_eq!(attempt["number"], number, "{what}: {attempts:?}");
    }
    let time = |attempt: &Value, moment: &str| attempt[moment].as_u64().expect("a time");
    for pair in attempts.windows(2) {
        let failed = time(&pair[0], "finished").min(time(&pair[0], "started") + TIMEOUT);
        let planned = time(&pair[1], "planned");
        assert_eq!(planned, failed + RETRY_EVERY, "{what}: {pair:?}");
        let late = time(&pair[1], "started").checked_sub(planned).expect("never early");
        assert!(late < STALL, "{what}: {late} ms late: {pair:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_destination_runs_its_schedule_and_its_neighbour_does_not_notice() {
    let kinds = [Kind::Uplink, Kind::Tencent];
    let mut failed = 0;
    // A few at a time: it is not the machine that is to be slow.
    for faults in FAULTS.chunks(2) {
        let cases = faults.iter().flat_map(|&(fault, class)| kinds.map(|kind| one_fault(kind, fault, class)));
        failed += side_by_side(cases.collect::<Vec<_>>()).await;
    }
    assert_eq!(failed, 0, "cases that failed");
}

async fn one_fault(kind: Kind, fault: Fault, class: &'static str) {
    const DELIVERIES: usize = 5;
    let what = &format!("{kind:?} {fault:?}");
    let mut pair = Pair::start(kind, fault).await;
    let mut failing = Vec::new();
    for n in 0..DELIVERIES {
        failing.push(pair.submit("faulty", &format!("faulty {n}")).await);
    }
    // As long as the faulty one is tried, and a little longer.
    let mut healthy = 0;
    until_bound(UNTIL_DEAD, &format!("{what}: all are dead"), async || {
        pair.deliver_beside(what, &format!("healthy {healthy}")).await;
        healthy += 1;
        let dead = pair.rig.admin_json("/api/deliveries?state=dead").await;
        (dead["deliveries"].as_array()?.len() == DELIVERIES).then_some(())
    })
    .await;
    let got = pair.healthy.received().iter().map(|received| texts(&received.body).len()).sum::<usize>();
    assert_eq!(got, healthy, "{what}: each once");

    for (id, n) in failing.iter().zip(0..) {
        let dead = pair.delivery(id).await;
        assert_eq!(classes(&dead), vec![class; 1 + usize::try_from(RETRIES).expect("few")], "{what}: {dead}");
        assert_schedule(what, attempts(&dead));
        let error = dead["last_error"].as_str().expect("an error");
        assert!(error.starts_with(&format!("{class}: ")) && error.len() > class.len() + 2, "{what}: {error}");
        let sent = pair.faulty.bodies().iter().filter(|body| texts(body).contains(&format!("faulty {n}"))).count();
        assert_eq!(sent, if fault == Fault::Down { 0 } else { attempts(&dead).len() }, "{what}: nothing more is sent");
    }

    pair.faulty.set(Fault::Healthy).await;
    for id in &failing {
        pair.replay(id).await;
    }
    for id in &failing {
        let delivered = pair.rig.until_state(id, "delivered").await;
        assert_eq!(classes(&delivered).last(), Some(&"delivered"), "{what}");
        assert_eq!(delivered["last_error"], Value::Null, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_comes_and_goes_gets_everything_in_the_end() {
    let mut pair = Pair::start(Kind::Uplink, Fault::Down).await;
    let early = pair.submit("faulty", "while down").await;
    until("it is tried", async || (!attempts(&pair.delivery(&early).await).is_empty()).then_some(())).await;
    pair.faulty.set(Fault::Healthy).await;
    let delivered = pair.rig.until_state(&early, "delivered").await;
    assert_eq!(classes(&delivered).first(), Some(&"refused"));
    assert_schedule("down, then up", attempts(&delivered));
    let up = pair.submit("faulty", "while up").await;
    assert_eq!(classes(&pair.rig.until_state(&up, "delivered").await), ["delivered"]);

    pair.faulty.set(Fault::Down).await;
    let again = pair.submit("faulty", "while down again").await;
    let dead = pair.rig.until_state(&again, "dead").await;
    // The first may still have had a connection from before, the others find none.
    assert!(matches!(classes(&dead)[..], ["refused" | "closed", "refused", "refused"]), "{:?}", classes(&dead));
    assert_schedule("up, then down", attempts(&dead));

    pair.faulty.set(Fault::Healthy).await;
    pair.replay(&again).await;
    pair.rig.until_state(&again, "delivered").await;
    let mut got: Vec<_> = pair.faulty.bodies().iter().flat_map(|body| texts(body)).collect();
    got.sort();
    assert_eq!(got, ["while down", "while down again", "while up"], "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_hangs_holds_no_more_than_its_own_sends() {
    /// More than are sent at once.
    const DELIVERIES: usize = 10;
    let pair = Pair::start(Kind::Uplink, Fault::Hangs).await;
    for n in 0..DELIVERIES {
        pair.submit("faulty", &format!("faulty {n}")).await;
    }
    // All of its places are taken now; the neighbour's are its own.
    for n in 0..DELIVERIES {
        pair.deliver_beside("hangs", &format!("healthy {n}")).await;
    }
    // What hangs is not lost either: it waits its turn, and each runs its schedule to the end.
    until_bound(UNTIL_DEAD, "all are dead", async || {
        let deliveries = &pair.rig.admin_json("/api/status").await["deliveries"];
        (deliveries["dead"] == json!(DELIVERIES)).then_some(())
    })
    .await;
    for dead in pair.rig.deliveries("uplink:faulty").await {
        assert_eq!(dead["attempts"], 1 + RETRIES);
    }
}
