//! The promise that makes it a gateway: what was answered with 200 or 202 is delivered or visible afterwards, also when
//! the process is killed at the worst moment; and a signal that asks it to stop or to read its configuration again
//! loses nothing.
//!
//! It runs the built binary, because a promise about `kill -9` is one about a process.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use pushgate_tests::{APP_ID, BOUND, Device, KEY, Receiver, Request, admin_json, token, until, until_bound, within};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CID: u32 = 5_003_062;

/// A configuration file and a store, and the gateways that run on them one after the other.
struct Place {
    folder: TempDir,
}

/// The gateway as a process.
struct Gateway {
    process: Child,
    public: SocketAddr,
    admin: SocketAddr,
    link: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Place {
    fn new(rest: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.configure(rest);
        place
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("pushgate.toml")
    }

    fn configure(&self, rest: &str) {
        let store = self.folder.path().join("pushgate.db");
        let text = format!(
            "[listen]\npublic = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n\
             [store]\nurl = 'sqlite:{}'\n[network]\nallow_private = true\n\
             [[lingyang.apps]]\nid = '{APP_ID}'\nkeys = ['{KEY}']\ncids = [[1003200, 1003299], [5003000, 5003999]]\n\
             [[uplink.receivers]]\nname = 'ucloud'\n{rest}",
            store.display()
        );
        fs::write(self.config(), text).unwrap();
    }

    async fn start(&self) -> Gateway {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pushgate"))
            .args(["serve", "--config"])
            .arg(self.config())
            .env_remove("RUST_LOG")
            .env_remove("PUSHGATE_STORE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line)));
        let address = async |name: &str| {
            until(&format!("the gateway says its {name} address"), async || {
                let said = said.lock().unwrap();
                let words = said.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
                words
                    .into_iter()
                    .find(|words| words.first() == Some(&name))?
                    .get(1)?
                    .trim_start_matches("http://")
                    .parse()
                    .ok()
            })
            .await
        };
        let (public, admin, link) = (address("public").await, address("admin").await, address("link").await);
        Gateway { process, public, admin, link, said }
    }
}

impl Gateway {
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn until_says(&self, words: &str) -> String {
        until(&format!("the gateway says: {words}"), async || {
            self.said.lock().unwrap().iter().find(|line| line.contains(words)).cloned()
        })
        .await
    }

    async fn exited(&mut self) -> ExitStatus {
        let process = &mut self.process;
        until_bound(Duration::from_secs(15), "the gateway exits", async || process.try_wait().unwrap()).await
    }

    async fn submit(&self, destination: &str, content: &str) -> Option<u16> {
        let path = format!("/api/uplink/{destination}");
        Some(Request::post(&path, batch(content)).try_send(self.admin).await?.status)
    }

    async fn counts(&self) -> Value {
        admin_json(self.admin, "/api/status").await["deliveries"].clone()
    }
}

/// A test that fails leaves no gateway behind.
impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn batch(content: &str) -> String {
    format!(r#"{{"MsgType":0,"Data":[{{"Phone":"18512345678","ReplyContent":"{content}","ReplyTime":1563867000}}]}}"#)
}

fn destination(name: &str, receiver: &Receiver) -> String {
    format!("[[uplink.destinations]]\nname = '{name}'\nurl = '{}'\nretry_every_ms = 200\n", receiver.url("/"))
}

/// The content of every reply that a receiver was sent.
fn contents(receiver: &Receiver) -> BTreeSet<String> {
    let content = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["Data"][0]["ReplyContent"].as_str().unwrap().to_owned()
    };
    receiver.received().iter().map(|received| content(&received.body)).collect()
}

/// What callers were told, and what they were not.
#[derive(Default)]
struct Told {
    submitted: BTreeSet<String>,
    received: BTreeSet<String>,
    pushed: usize,
    unanswered: BTreeSet<String>,
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_any_kill() {
    const KILLS: u64 = 10;
    // Every third batch is refused at its first send, so that retries are pending at every kill.
    let seen = Mutex::new(BTreeSet::new());
    let receiver = Receiver::start(move |_, received| {
        let mut seen = seen.lock().unwrap();
        let code = u8::from(seen.insert(received.body.clone()) && seen.len() % 3 == 0);
        (200, format!(r#"{{"code":{code},"message":""}}"#))
    })
    .await;
    let place = Place::new(&destination("acme", &receiver));
    let told = Arc::new(Mutex::new(Told::default()));
    let mut random = Random(42);
    for round in 0..KILLS {
        let gateway = place.start().await;
        let after = usize::try_from(10 + random.below(150)).unwrap();
        let (public, admin) = (gateway.public, gateway.admin);
        let answered = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                tokio::spawn(call(format!("{round}-{caller}"), public, admin, told.clone(), answered.clone()))
            })
            .collect();
        // In the middle of the load, at no moment in particular.
        until_bound(BOUND * 2, "the callers are served", async || (answered.load(SeqCst) >= after).then_some(())).await;
        gateway.kill();
        for caller in callers {
            within(caller).await.unwrap();
        }
    }

    let gateway = place.start().await;
    until_bound(BOUND * 3, "nothing is pending", async || (gateway.counts().await["pending"] == 0).then_some(())).await;
    let told = Arc::into_inner(told).expect("every caller has ended").into_inner().unwrap();
    assert!(told.submitted.len() > 100 && told.received.len() > 100 && told.pushed > 50, "the load was one");
    let delivered = contents(&receiver);
    let lost: Vec<_> = told.submitted.difference(&delivered).collect();
    assert!(lost.is_empty(), "answered with 202 and never delivered: {lost:?}");
    // One whose answer was cut off may have been accepted; nothing else may be sent.
    let asked: BTreeSet<_> = told.submitted.union(&told.unanswered).cloned().collect();
    let invented: Vec<_> = delivered.difference(&asked).collect();
    assert!(invented.is_empty(), "sent and never accepted: {invented:?}");
    let counts = gateway.counts().await;
    assert_eq!(counts["delivered"], delivered.len(), "what was sent is in the store: {counts}");
    assert_eq!(counts["dead"], 0);
    // A device that is away does not take its messages: they are dropped, and that is visible.
    let dropped = usize::try_from(counts["dropped"].as_u64().unwrap()).unwrap();
    assert!(dropped >= told.pushed, "{dropped} of {} pushes answered with 200", told.pushed);

    let (mut kept, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = admin_json(gateway.admin, &format!("/api/inbox?limit=1000&after={after}")).await;
        after = page["next"].as_u64().unwrap();
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        for item in items {
            let content = item["item"]["ReplyContent"].as_str().unwrap().to_owned();
            assert!(kept.insert(content), "an item is in the inbox once");
        }
    }
    let lost: Vec<_> = told.received.difference(&kept).collect();
    assert!(lost.is_empty(), "answered with 200 and not in the inbox: {lost:?}");
    assert!(kept.is_subset(&told.received.union(&told.unanswered).cloned().collect()));
}

/// Calls one endpoint after the other until the gateway is gone.
async fn call(name: String, public: SocketAddr, admin: SocketAddr, told: Arc<Mutex<Told>>, answered: Arc<AtomicUsize>) {
    // Flag 3 is dropped 5 s after its one send: soon enough for a test to see the end of it.
    let push = json!({ "proxy": 0, "payload": { "msg": "aGVsbG8=", "flag": 3, "clients": [CID] } }).to_string();
    let push = Request::post("/v2/message/server/push", push).header("X-APP-ID", APP_ID).header("X-APP-Key", KEY);
    for n in 0.. {
        let content = format!("{name}-{n}");
        let (address, request) = match n % 3 {
            0 => (admin, Request::post("/api/uplink/acme", batch(&content))),
            1 => (public, Request::post("/receive/uplink/ucloud", batch(&content))),
            _ => (public, push.clone()),
        };
        let answer = request.try_send(address).await;
        let mut told = told.lock().unwrap();
        let Some(answer) = answer else {
            told.unanswered.insert(content);
            return;
        };
        match (n % 3, answer.status) {
            (0, 202) => drop(told.submitted.insert(content)),
            (1, 200) => drop(told.received.insert(content)),
            (2, 200) => told.pushed += 1,
            (_, status) => panic!("{status}: {}", answer.body),
        }
        answered.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_goes_on_where_the_kill_found_it() {
    let receiver = Receiver::uplink(2).await;
    let place = Place::new(&destination("acme", &receiver).replace("200", "1000"));
    let gateway = place.start().await;
    assert_eq!(gateway.submit("acme", "x").await, Some(202));
    let list = admin_json(gateway.admin, "/api/deliveries").await;
    let path = format!("/api/deliveries/{}", list["deliveries"][0]["id"].as_str().unwrap());
    let recorded = until("two attempts are recorded", async || {
        let delivery = admin_json(gateway.admin, &path).await;
        (delivery["attempts"].as_array()?.len() == 2).then_some(delivery)
    })
    .await;
    gateway.kill();
    let gateway = place.start().await;
    let delivered = until("it is delivered", async || {
        let delivery = admin_json(gateway.admin, &path).await;
        (delivery["state"] == "delivered").then_some(delivery)
    })
    .await;
    let attempts = delivered["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3, "none is made again");
    assert_eq!(attempts[2]["number"], 3);
    assert_eq!(attempts[2]["planned"], recorded["next_at"], "the wait is not begun anew");
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_under_way_and_exits_well() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = format!("[[uplink.destinations]]\nname = 'slow'\nurl = 'http://{}/'\n", slow.local_addr().unwrap());
    let place = Place::new(&rest);
    let mut gateway = place.start().await;
    let mut device = Device::hello(gateway.link, &token(CID)).await;
    assert_eq!(gateway.submit("slow", "x").await, Some(202));
    let mut send = within(accept_request(&slow)).await;

    let begun = Instant::now();
    gateway.signal("TERM");
    assert_eq!(device.refused().await.0, 503);
    // Nothing new is accepted, while the send under way still waits for its answer.
    until("the gateway accepts nothing more", async || TcpStream::connect(gateway.admin).await.err()).await;
    assert!(gateway.process.try_wait().unwrap().is_none(), "it waits for the answer");
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
    let place = Place::new(&format!("[[uplink.destinations]]\nname = 'mute'\n{url}\n"));
    let mut gateway = place.start().await;
    assert_eq!(gateway.submit("mute", "x").await, Some(202));
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
    let place = Place::new(&destination("first", &first));
    let gateway = place.start().await;
    let mut device = Device::hello(gateway.link, &token(CID)).await;
    assert_eq!(gateway.submit("second", "early").await, Some(404));

    let both = destination("first", &first) + &destination("second", &second);
    place.configure(&both);
    gateway.signal("HUP");
    let mut submitted = 0;
    until("the second destination is there", async || {
        assert_eq!(gateway.submit("first", &submitted.to_string()).await, Some(202), "the first one never goes away");
        submitted += 1;
        (gateway.submit("second", "x").await == Some(202)).then_some(())
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
    assert_eq!(gateway.submit("second", "y").await, Some(202));
    second.wait_for(2).await;
    device.settle().await;
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
