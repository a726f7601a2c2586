//! A signal that asks the gateway to stop, or to read its configuration again, loses nothing either; and a stop has a
//! bound.

mod traffic;

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use pushgate_tests::{
    BOUND, Device, Place, Process, Random, Receiver, Request, all_deliveries, texts, token, until, until_bound,
    uplink_batch, within,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use traffic::{World, check};

const BINARY: &str = env!("CARGO_BIN_EXE_pushgate");
const CID: u32 = 5_003_062;

fn destination(name: &str, receiver: &Receiver) -> String {
    format!("[[uplink.destinations]]\nname = '{name}'\nurl = '{}'\nretry_every_ms = 200\n", receiver.url("/"))
}

async fn submit(gateway: &Process, destination: &str, text: &str) -> u16 {
    gateway.submit(destination, &uplink_batch(&[text])).await.expect("an answer").status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_under_way_and_exits_well() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = format!("[[uplink.destinations]]\nname = 'slow'\nurl = 'http://{}/'\n", slow.local_addr().unwrap());
    let place = Place::new(BINARY, &rest);
    let mut gateway = place.start().await;
    let mut device = Device::hello(gateway.link, &token(CID)).await;
    assert_eq!(submit(&gateway, "slow", "x").await, 202);
    let mut send = within(accept_request(&slow)).await;

    let begun = Instant::now();
    gateway.signal("TERM");
    assert_eq!(device.refused().await.0, 503);
    // Nothing new is accepted, while the send under way still waits for its answer; who watches is told so.
    until("the gateway accepts nothing more", async || TcpStream::connect(gateway.public).await.err()).await;
    let readiness = Request::get("/readyz").send(gateway.admin).await;
    assert_eq!((readiness.status, &readiness.json()["ready"]), (503, &json!(false)), "{}", readiness.body);
    assert_eq!(readiness.json()["gateway"], "stopping: it accepts nothing more");
    let refused = gateway.submit("slow", &uplink_batch(&["y"])).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some() && refused.body.contains("stopping"), "{}", refused.body);
    assert_eq!(gateway.counts().await["pending"], 1, "what asks is answered");
    assert_eq!(Request::get("/livez").send(gateway.admin).await.status, 200);
    assert!(!gateway.has_exited(), "it waits for the answer");
    let answer = r#"{"code":0,"message":"ok"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    send.write_all(answer.as_bytes()).await.unwrap();
    let status = gateway.exited().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let gateway = place.start().await;
    assert_eq!(gateway.counts().await, json!({ "pending": 0, "delivered": 1, "dead": 0, "dropped": 0 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_never_answers_delays_a_stop_by_no_more_than_its_bound() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("url = 'http://{}/'\ntimeout_ms = 600000", mute.local_addr().unwrap());
    let place = Place::new(BINARY, &format!("[[uplink.destinations]]\nname = 'mute'\n{url}\n"));
    let mut gateway = place.start().await;
    assert_eq!(submit(&gateway, "mute", "x").await, 202);
    let _send = within(accept_request(&mute)).await;
    // A client that stops in the middle of its request is no reason to wait longer either.
    let mut stopped = TcpStream::connect(gateway.public).await.unwrap();
    let head = b"POST /receive/uplink/ucloud HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
    stopped.write_all(head).await.unwrap();

    let begun = Instant::now();
    gateway.signal("TERM");
    let status = gateway.exited().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    let gateway = place.start().await;
    assert_eq!(gateway.counts().await["pending"], 1, "what was not finished is still to be sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_changes_what_the_file_changes_and_drops_nothing() {
    let (first, second) = (Receiver::uplink(0).await, Receiver::uplink(0).await);
    let place = Place::new(BINARY, &destination("first", &first));
    let gateway = place.start().await;
    let mut device = Device::hello(gateway.link, &token(CID)).await;
    assert_eq!(submit(&gateway, "second", "early").await, 404);

    let both = destination("first", &first) + &destination("second", &second);
    place.configure(&both);
    gateway.signal("HUP");
    let mut submitted = 0;
    until("the second destination is there", async || {
        assert_eq!(submit(&gateway, "first", &submitted.to_string()).await, 202, "the first one never goes away");
        submitted += 1;
        (submit(&gateway, "second", "x").await == 202).then_some(())
    })
    .await;
    assert_eq!(second.wait_for(1).await.len(), 1);
    assert_eq!(first.wait_for(submitted).await.len(), submitted);
    device.settle().await;

    // A file that is wrong changes nothing, and the log says what is wrong with it.
    fs::write(place.config(), both.replace("retry_every_ms = 200", "retry_every_ms = 'soon'")).unwrap();
    gateway.signal("HUP");
    let line = gateway.until_says("not reloaded").await;
    assert!(line.contains("retry_every_ms"), "{line}");
    assert_eq!(submit(&gateway, "second", "y").await, 202);
    second.wait_for(2).await;
    device.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_says_what_changes_and_when_that_counts() {
    let receiver = Receiver::uplink(0).await;
    let im = |token: &str| format!("[[tencent.receivers]]\nname = 'im'\nsdk_app_id = '1'\ntoken = '{token}'\n");
    let place = Place::new(BINARY, &(destination("acme", &receiver) + &destination("old", &receiver) + &im("hunter2")));
    let gateway = place.start().await;
    let limits = "[limits]\nbody_bytes = 2048\nqueue = 7\n";
    let acme = destination("acme", &receiver) + "timeout_ms = 2000\n";
    place.configure(&(acme + &destination("new", &receiver) + &im("hunter3") + limits));
    gateway.signal("HUP");
    for line in [
        "- uplink.destinations[old] (now)",
        "+ uplink.destinations[new] (now)",
        "uplink.destinations[acme].timeout_ms: 5000 → 2000 (now)",
        "tencent.receivers[im].token: changed (now)",
        "limits.queue: 100000 → 7 (now)",
        "limits.body_bytes: 1048576 → 2048 (at the next start)",
    ] {
        gateway.until_says(line).await;
    }
    gateway.signal("HUP");
    gateway.until_says("nothing in it has changed").await;
    assert!(!gateway.said().contains("hunter"), "{}", gateway.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nothing_and_has_a_bound() {
    const STOPS: usize = 8;
    const LONGEST_LIFE_MS: u64 = 400;
    /// The longest that requests and sends under way are waited for, and a little for the process itself.
    const STOPPED_WITHIN: Duration = Duration::from_secs(12);
    let (mut random, world) = (Random::new(11), World::new(11).await);
    let mut longest = Duration::ZERO;
    for _ in 0..STOPS {
        let mut gateway = world.place.start().await;
        let load = world.load(&gateway, &mut random);
        // Not a wait for anything: the moment of the signal is what varies.
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        let asked = Instant::now();
        gateway.signal("TERM");
        let status = gateway.exited().await;
        assert!(status.success(), "{status}: {}", gateway.said());
        longest = longest.max(asked.elapsed());
        assert!(longest < STOPPED_WITHIN, "{longest:?}");
        for task in load {
            within(task).await.expect("it ends when the gateway is gone");
        }
        world.book.open().life += 1;
    }
    let gateway = world.place.start().await;
    let _device = world.device(&gateway, Random::new(12));
    until_bound(BOUND * 4, "nothing is pending", async || (gateway.counts().await["pending"] == 0).then_some(())).await;
    // Nothing was cut off, so no record was lost, and nothing is sent once more than its schedule says.
    let summary = check(&world.book, &gateway, &[0; STOPS]).await;
    println!("{STOPS} stops, the longest took {longest:?}: {summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_changed_removed_and_added_back_under_load_loses_nothing() {
    const RELOADS: usize = 12;
    const CALLERS: usize = 6;
    let refusing = |seed| {
        let random = Mutex::new(Random::new(seed));
        let code = move || u8::from(random.lock().expect("nobody panics").below(4) == 0);
        Receiver::start(move |_, _| (200, format!(r#"{{"code":{},"message":""}}"#, code())))
    };
    let (first, second) = (refusing(1).await, refusing(2).await);
    // A destination that is in no other configuration tells that this one is in force.
    let configuration = |n: usize| {
        let acme = [Some(&first), None, Some(&second)][n % 3];
        let acme = acme.map(|to| destination("acme", to).replace("200", "50") + "retries = 50\n");
        acme.unwrap_or_default() + &destination(&format!("mark-{n}"), &first)
    };
    let place = Place::new(BINARY, &configuration(0));
    let gateway = place.start().await;
    let mut device = Device::hello(gateway.link, &token(CID)).await;

    let told = Arc::new(Mutex::new((BTreeSet::new(), BTreeSet::new())));
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (told, over, admin) = (Arc::clone(&told), Arc::clone(&over), gateway.admin);
            tokio::spawn(async move {
                for n in 0.. {
                    if over.load(SeqCst) {
                        return;
                    }
                    let text = format!("{caller}-{n}");
                    let answer = Request::post("/api/uplink/acme", uplink_batch(&[&text])).send(admin).await;
                    let mut told = told.lock().expect("nobody panics");
                    match answer.status {
                        202 => told.0.insert(text),
                        404 => told.1.insert(text),
                        status => panic!("{status}: {}", answer.body),
                    };
                }
            })
        })
        .collect();
    let asked = || {
        let told = told.lock().expect("nobody panics");
        told.0.len() + told.1.len()
    };
    for n in 1..=RELOADS {
        place.configure(&configuration(n));
        gateway.signal("HUP");
        let mark = format!("mark-{n}");
        until("the configuration is obeyed", async || (submit(&gateway, &mark, &mark).await == 202).then_some(()))
            .await;
        // So that each configuration has its share of the load.
        let before = asked();
        until("the load goes on", async || (asked() > before + 2 * CALLERS).then_some(())).await;
        device.settle().await;
    }
    over.store(true, SeqCst);
    for caller in callers {
        within(caller).await.expect("it ends");
    }
    assert_eq!(RELOADS % 3, 0, "the last configuration has the destination");

    until_bound(BOUND * 2, "nothing is pending", async || {
        all_deliveries(gateway.admin, "lane=uplink:acme&state=pending").await.is_empty().then_some(())
    })
    .await;
    assert!(all_deliveries(gateway.admin, "lane=uplink:acme&state=dead").await.is_empty());
    let (accepted, refused) = &*told.lock().expect("nobody panics");
    let received = [first.received(), second.received()].concat();
    let got: BTreeSet<_> = received.iter().flat_map(|received| texts(&received.body)).collect();
    assert!(!second.received().is_empty() && !refused.is_empty(), "every configuration was in force");
    let lost: Vec<_> = accepted.difference(&got).collect();
    assert!(lost.is_empty(), "accepted and not delivered: {lost:?}");
    let invented: Vec<_> = refused.intersection(&got).collect();
    assert!(invented.is_empty(), "refused and delivered: {invented:?}");
}

/// Takes a connection and reads the head of its request.
async fn accept_request(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"]}") {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "a whole request");
    }
    stream
}
