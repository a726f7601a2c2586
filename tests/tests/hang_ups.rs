//! The engine promises: what is stored is under way, also when whoever brought it did not wait for the answer.
//!
//! A connection that breaks ends its request wherever that is; what has been committed by then must not wait for the
//! next start to be sent.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use pushgate_tests::{BOUND, Fault, Faulty, Random, Receiver, Request, Rig, texts, until, uplink_batch, within};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

const CLIENTS: u64 = 200;

/// Clients at a time.
const AT_ONCE: usize = 8;

/// How much later than its request a client hangs up, at the most: as long as a request takes.
const LONGEST_MICROS: u64 = 8000;

/// Sends a request and is gone.
async fn hang_up(address: SocketAddr, request: Request, after: Duration) {
    let mut stream = within(TcpStream::connect(address)).await.expect("the gateway listens");
    stream.write_all(&request.to_bytes()).await.expect("the gateway reads");
    // No wait for anything: this client's patience is what the test is about.
    tokio::time::sleep(after).await;
    stream.set_zero_linger().expect("a socket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_sent_though_its_client_hung_up() {
    let (receiver, forward) = (Receiver::uplink(0).await, Receiver::uplink(0).await);
    let rig = Rig::start(&format!(
        "[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n[[uplink.receivers]]\nname = 'in'\nforward = '{}'\n",
        receiver.url("/"),
        forward.url("/")
    ))
    .await;
    let acme = |n: u64| {
        let request = Request::post("/api/uplink/acme", uplink_batch(&[format!("sent {n}")]));
        request.header("Idempotency-Key", &n.to_string())
    };
    let received = |n: u64| Request::post("/receive/uplink/in", uplink_batch(&[format!("received {n}")]));
    let mut random = Random::new(7);
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        for (address, request) in [(rig.gateway.admin, acme(n)), (rig.gateway.public, received(n))] {
            clients.spawn(hang_up(address, request, Duration::from_micros(random.below(LONGEST_MICROS))));
        }
        while clients.len() >= AT_ONCE {
            clients.join_next().await.expect("there are some").expect("it hangs up");
        }
    }
    clients.join_all().await;

    // Each comes again and is answered now: the vendor repeats its batch, the customer's program its key.
    for n in 0..CLIENTS {
        for (address, request, status) in [(rig.gateway.admin, acme(n), 202), (rig.gateway.public, received(n), 200)] {
            assert_eq!(request.send(address).await.status, status);
        }
    }
    let missing = |receiver: &Receiver, name: &str| {
        let got: BTreeSet<_> = receiver.received().iter().flat_map(|one| texts(&one.body)).collect();
        (0..CLIENTS).filter(|n| !got.contains(&format!("{name} {n}"))).count()
    };
    let begun = Instant::now();
    loop {
        let (unsent, unpassed) = (missing(&receiver, "sent"), missing(&forward, "received"));
        let counts = rig.admin_json("/api/status").await["deliveries"].clone();
        if (unsent, unpassed, &counts["pending"]) == (0, 0, &json!(0)) {
            break;
        }
        let lost = format!("{unsent} answered with 202 and {unpassed} with code 0, stored and not sent: {counts}");
        assert!(begun.elapsed() < BOUND, "{lost}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (receiver, name) in [(&receiver, "sent"), (&forward, "received")] {
        let sent = receiver.received().iter().map(|one| texts(&one.body).len() as u64).sum::<u64>();
        assert_eq!(sent, CLIENTS, "{name}: each once, though it came twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replayed_is_sent_though_its_operator_hung_up() {
    const DELIVERIES: usize = 100;
    let mut destination = Faulty::start(Fault::Refuses).await;
    let to = format!(
        "[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\nretries = 0\ncircuit_after = 0\n",
        destination.url()
    );
    let rig = Rig::start(&to).await;
    for n in 0..DELIVERIES {
        let request = Request::post("/api/uplink/acme", uplink_batch(&[format!("sent {n}")]));
        assert_eq!(rig.admin(request).await.status, 202);
    }
    let status = async || rig.admin_json("/api/status").await["deliveries"].clone();
    until("all are dead", async || (status().await["dead"] == DELIVERIES).then_some(())).await;
    destination.set(Fault::Healthy).await;

    let mut random = Random::new(7);
    let replays: Vec<_> = rig.deliveries("uplink:acme").await.iter().map(replay).collect();
    for request in &replays {
        hang_up(rig.gateway.admin, request.clone(), Duration::from_micros(random.below(LONGEST_MICROS))).await;
    }
    for request in &replays {
        // Those that were heard are on their way, or have arrived; the others are replayed now.
        let answer = rig.admin(request.clone()).await;
        assert!(matches!(answer.status, 202 | 409), "{}", answer.body);
    }
    until("each replayed one is delivered", async || (status().await["delivered"] == DELIVERIES).then_some(())).await;
}

fn replay(delivery: &Value) -> Request {
    Request::post(&format!("/api/deliveries/{}/replay", delivery["id"].as_str().expect("an id")), "")
}
