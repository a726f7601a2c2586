//! The engine in virtual time, with a store in memory: destinations here, devices in [`devices`], and devices that come
//! and go in [`flapping`].

mod devices;
mod flapping;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use devices::messages;
use pushgate_core::{Verdict, lingyang::Flag};
use tokio::time;

use super::*;
use crate::{
    courier::{Report, Route},
    link::Connection,
    store::{
        Accept, Accepted, Answer, Content, Counts, DeliveryDetail, DeliveryFilter, DeliveryPage, Done, ErrorKind,
        InboxFilter, InboxPage, Millis, Progress, Pruned, Recorded, Removed, Replayed, Retention, Selection,
    },
    workers::Workers,
};

/// A store that keeps what the engine asks of one: what is pending, and what has been recorded, in order.
#[derive(Default)]
struct Memory {
    pending: Vec<Pending>,
    contents: Mutex<HashMap<DeliveryId, Content>>,
    records: Mutex<Vec<Progress>>,
    paused: Vec<String>,
    /// Lanes that are not to be paused any more.
    forgotten: Mutex<Vec<String>>,
    /// Reads and writes that are still to fail.
    failing: Mutex<u32>,
}

impl Memory {
    fn records(&self) -> MutexGuard<'_, Vec<Progress>> {
        self.records.lock().unwrap()
    }

    fn fails<T: Send + 'static>(&self) -> Option<Answer<T>> {
        let mut failing = self.failing.lock().unwrap();
        *failing = failing.checked_sub(1)?;
        Some(Box::pin(async { Err(StoreError::new(ErrorKind::Other, "a blip")) }))
    }
}

fn ready<T: Send + 'static>(value: T) -> Answer<T> {
    Box::pin(async { Ok(value) })
}

fn not_asked<T>() -> Answer<T> {
    panic!("the engine has no business with this")
}

impl Store for Memory {
    fn pending(&self, after: Option<DeliveryId>, limit: usize) -> Answer<Vec<Pending>> {
        let rest = self.pending.iter().filter(|pending| after.is_none_or(|after| pending.id > after));
        ready(rest.take(limit).cloned().collect())
    }

    fn contents(&self, ids: Vec<DeliveryId>) -> Answer<Vec<Option<Content>>> {
        let contents = self.contents.lock().unwrap();
        self.fails().unwrap_or_else(|| ready(ids.iter().map(|id| contents.get(id).cloned()).collect()))
    }

    fn record(&self, progress: Vec<Progress>) -> Answer<Vec<Recorded>> {
        self.fails().unwrap_or_else(|| {
            let done = vec![Recorded::Done; progress.len()];
            self.records().extend(progress);
            ready(done)
        })
    }

    fn paused_lanes(&self) -> Answer<Vec<String>> {
        ready(self.paused.clone())
    }

    fn set_paused(&self, lane: String, paused: Paused) -> Answer<()> {
        assert_eq!(paused, Paused::No, "who pauses is an operator");
        self.forgotten.lock().unwrap().push(lane);
        ready(())
    }

    fn accept_all(&self, _: Vec<Accept>) -> Answer<Vec<Result<Accepted, StoreError>>> {
        not_asked()
    }

    fn delivery(&self, _: DeliveryId) -> Answer<Option<DeliveryDetail>> {
        not_asked()
    }

    fn deliveries(&self, _: DeliveryFilter) -> Answer<DeliveryPage> {
        not_asked()
    }

    fn replay(&self, _: DeliveryId, _: Millis) -> Answer<Replayed> {
        not_asked()
    }

    fn remove(&self, _: DeliveryId) -> Answer<Removed> {
        not_asked()
    }

    fn replay_some(&self, _: Selection, _: Millis) -> Answer<Done<Pending>> {
        not_asked()
    }

    fn remove_some(&self, _: Selection) -> Answer<Done<DeliveryId>> {
        not_asked()
    }

    fn inbox(&self, _: InboxFilter) -> Answer<InboxPage> {
        not_asked()
    }

    fn prune(&self, _: Retention) -> Answer<Pruned> {
        not_asked()
    }

    fn counts(&self) -> Answer<Counts> {
        not_asked()
    }

    fn ready(&self) -> Answer<()> {
        self.fails().unwrap_or_else(|| ready(()))
    }

    fn close(&self) -> Answer<()> {
        not_asked()
    }

    fn ended(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

const DEVICE: u32 = 5_003_062;
const SENDER: u32 = 5_003_001;

struct Rig {
    clock: Clock,
    start: Instant,
    registry: Registry,
    store: Arc<Memory>,
    receivers: Arc<Receivers>,
    metrics: Arc<Metrics>,
    engine: Engine,
}

/// Destinations that answer at once, as they are told to by their path: `/ok`, `/refuse`, or `/flap`, which refuses
/// while `down`. `/hang` never answers.
#[derive(Default)]
struct Receivers {
    requests: Mutex<Vec<(String, String)>>,
    down: Mutex<bool>,
}

impl Receivers {
    /// The items of each request so far, by destination, without what is around them.
    fn requests(&self, path: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let own = requests.iter().filter(|(to, _)| to.ends_with(path));
        own.map(|(_, body)| body.split_once('[').unwrap().1.trim_end_matches("]}").to_owned()).collect()
    }
}

impl Courier for Receivers {
    fn send<'s>(
        &'s self,
        route: &'s Route,
        body: Bytes,
        _: u64,
        timeout: Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = Report> + Send + 's>> {
        let to = route.destination();
        self.requests.lock().unwrap().push((to.clone(), String::from_utf8(body.to_vec()).unwrap()));
        let ok = to.ends_with("/ok") || (to.ends_with("/flap") && !*self.down.lock().unwrap());
        let (verdict, class) = if ok { (Verdict::Delivered, "delivered") } else { (Verdict::TryAgain, "code") };
        let report = Report { verdict, class, status: Some(200), detail: String::new(), answer: None };
        Box::pin(async move {
            if to.ends_with("/hang") {
                time::sleep(timeout).await;
            }
            report
        })
    }
}

/// Four destinations; `more` is said of each.
fn destinations(more: &str) -> Config {
    let one = |name| format!("[[uplink.destinations]]\nname = '{name}'\nurl = 'http://x.example/{name}'\n{more}\n");
    let text: String = ["ok", "refuse", "flap", "hang"].map(one).concat();
    Config::parse(&text, "pushgate.toml").unwrap()
}

impl Rig {
    async fn new(store: Memory) -> Self {
        Self::with(store, Config::default()).await
    }

    async fn with(store: Memory, config: Config) -> Self {
        Self::at_time(Clock::start(), store, config).await
    }

    /// A rig whose time runs by `clock`, for stores that hold instants of it already.
    async fn at_time(clock: Clock, store: Memory, config: Config) -> Self {
        let (receivers, metrics) = (Arc::new(Receivers::default()), Arc::new(Metrics::default()));
        let (registry, store) = (Registry::default(), Arc::new(store));
        let parts = Parts {
            tracer: Tracer::default(),
            clock,
            store: Arc::<Memory>::clone(&store),
            courier: Arc::<Receivers>::clone(&receivers),
            registry: registry.clone(),
            metrics: Arc::clone(&metrics),
            config: Arc::new(config),
            workers: Workers::default(),
        };
        let engine = Engine::start(parts).await.unwrap();
        Self { clock, start: clock.now(), registry, store, receivers, metrics, engine }
    }

    async fn lane(&self, name: &str) -> Option<LaneStatus> {
        self.engine.lane(name.parse().unwrap()).await
    }

    fn add(&self, entries: Vec<Entry>) {
        let lanes = entries.iter().map(|entry| entry.lane().clone()).collect();
        let places = self.engine.reserve(lanes, &Limits::default()).unwrap();
        self.engine.add(entries, vec![places]);
    }

    /// Submits one item to a destination.
    fn submit(&self, to: &str, item: u32) -> DeliveryId {
        let meta = Meta::Items(Items { class: 1, count: 1 });
        let body = Bytes::from(format!(r#"{{"MsgType":0,"Data":[{item}]}}"#));
        let id = DeliveryId::new();
        self.store.contents.lock().unwrap().insert(id, Content { meta: meta.to_text(), body: body.clone() });
        let payload = Arc::new(Payload { meta, body });
        self.add(vec![Entry::new(id, LaneKey::Uplink(to.into()), self.clock.now(), payload)]);
        id
    }

    fn message(&self, flag: Flag) -> Entry {
        self.message_to(DEVICE, flag)
    }

    fn message_to(&self, cid: u32, flag: Flag) -> Entry {
        let meta = MessageMeta { from: SENDER, created: 1, flag: flag.code(), push: "push".to_owned(), receipt: true };
        let message = Payload { meta: Meta::Message(meta), body: Bytes::from_static(b"hello") };
        Entry::new(DeliveryId::new(), LaneKey::Device(cid), self.clock.now(), Arc::new(message))
    }

    fn connect(&self, cid: u32) -> Connection {
        let connection = self.registry.connect(cid, ([127, 0, 0, 1], 1).into(), self.clock.millis());
        self.engine.connected(cid);
        connection
    }

    async fn at(&self, millis: u32) {
        self.clock.sleep_until(self.start.plus(millis)).await;
        // The engine gets to see the same moment.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// Each recorded attempt: its number, when it was due, what came of it; and each outcome.
    fn story(&self) -> Vec<String> {
        let since = |millis: u64| millis.saturating_sub(self.start.as_millis());
        let line = |record: &Progress| match (&record.attempt, record.state) {
            (Some(attempt), _) => format!("{} at {} {}", attempt.number, since(attempt.planned), attempt.class),
            (None, state) => format!("{state}"),
        };
        self.store.records().iter().map(line).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_lane_sends_nothing_until_it_goes_on() {
    let rig = Rig::new(Memory::default()).await;
    let mut device = rig.connect(DEVICE);
    rig.engine.set_paused(LaneKey::Device(DEVICE), Paused::Yes);
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(5000).await;
    assert!(messages(&mut device).is_empty());
    rig.engine.set_paused(LaneKey::Device(DEVICE), Paused::No);
    rig.at(5001).await;
    assert_eq!(messages(&mut device).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_destination_that_is_gone_is_kept() {
    let rig = Rig::new(Memory::default()).await;
    rig.submit("gone", 1);
    rig.at(60_000).await;
    assert!(rig.story().is_empty());
    let gone = rig.lane("uplink:gone").await.unwrap();
    assert_eq!((gone.pending, gone.configured), (1, false));
    let drained = time::timeout(Duration::from_secs(1), rig.engine.drain()).await;
    assert!(drained.is_ok(), "and holds up no end");
}

#[tokio::test(start_paused = true)]
async fn submissions_share_requests() {
    let rig = Rig::with(Memory::default(), destinations("batch_items = 3")).await;
    for item in 1..=5 {
        rig.submit("ok", item);
    }
    rig.at(49).await;
    assert_eq!(rig.receivers.requests("/ok"), ["1,2,3"], "a full one goes at once");
    rig.at(51).await;
    assert_eq!(rig.receivers.requests("/ok")[1..], ["4,5"], "the rest after 50 ms");
    let delivered = rig.store.records().iter().filter(|record| record.state == State::Delivered).count();
    assert_eq!(delivered, 5, "each is a delivery of its own");
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_retried_as_it_was_and_its_deliveries_die_together() {
    let rig = Rig::with(Memory::default(), destinations("linger_ms = 10")).await;
    rig.submit("refuse", 1);
    rig.at(5).await;
    rig.submit("refuse", 2);
    rig.at(60_000).await;
    assert_eq!(rig.receivers.requests("/refuse"), ["1,2"; 4]);
    let story = rig.story();
    let both = |number: u8, at: u32| [format!("{number} at {at} code"), format!("{number} at {at} code")];
    assert_eq!(story[..2], ["1 at 10 code", "1 at 10 code"].map(str::to_owned), "due when the wait for others is over");
    assert_eq!(story[2..], [both(2, 1010), both(3, 2010), both(4, 3010)].concat());
    assert_eq!(rig.store.records().iter().filter(|record| record.state == State::Dead).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_destination_takes_nothing_out_of_turn() {
    let config = destinations("ordered = true\nbatch_items = 2\nlinger_ms = 0");
    let rig = Rig::with(Memory::default(), config).await;
    *rig.receivers.down.lock().unwrap() = true;
    for item in 1..=5 {
        rig.submit("flap", item);
    }
    rig.at(1500).await;
    *rig.receivers.down.lock().unwrap() = false;
    rig.at(10_000).await;
    assert_eq!(rig.receivers.requests("/flap"), ["1,2", "1,2", "1,2", "3,4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_hangs_delays_no_other() {
    let rig = Rig::with(Memory::default(), destinations("batch_items = 1\nconcurrency = 2")).await;
    for item in 0..100 {
        rig.submit("hang", item);
        rig.submit("ok", item);
    }
    rig.at(1).await;
    assert_eq!(rig.receivers.requests("/ok").len(), 100);
    assert_eq!(rig.receivers.requests("/hang").len(), 2, "no more at a time than its concurrency");
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_is_probed_and_its_backlog_waits_for_it() {
    let config = destinations("batch_items = 1\nretries = 0\ncircuit_after = 3\ncircuit_probe_ms = 1000");
    let rig = Rig::with(Memory::default(), config).await;
    *rig.receivers.down.lock().unwrap() = true;
    for item in 0..3 {
        rig.submit("flap", item);
    }
    rig.at(10).await;
    for item in 3..10 {
        rig.submit("flap", item);
    }
    rig.at(2500).await;
    assert_eq!(rig.receivers.requests("/flap"), ["0", "1", "2", "3", "4"], "two probes, a second apart");
    let flap = rig.lane("uplink:flap").await.unwrap();
    assert_eq!((flap.circuit, flap.probe_at), (CircuitState::Open, Some(flap.last_error_at.unwrap() + 1000)));
    *rig.receivers.down.lock().unwrap() = false;
    rig.at(4000).await;
    assert_eq!(rig.receivers.requests("/flap").len(), 10);
    let dead = rig.store.records().iter().filter(|record| record.state == State::Dead).count();
    assert_eq!(dead, 5, "the rest are delivered");
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_a_restart() {
    let store = Memory { paused: vec!["uplink:ok".to_owned()], ..Memory::default() };
    let rig = Rig::with(store, destinations("linger_ms = 0")).await;
    rig.submit("ok", 1);
    rig.at(5000).await;
    assert!(rig.receivers.requests("/ok").is_empty());
    rig.engine.set_paused(LaneKey::Uplink("ok".into()), Paused::No);
    rig.at(5001).await;
    assert_eq!(rig.receivers.requests("/ok"), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_blip_of_the_store_costs_no_attempt_and_wedges_nothing() {
    let rig = Rig::with(Memory::default(), destinations("linger_ms = 0")).await;
    *rig.receivers.down.lock().unwrap() = true;
    rig.submit("flap", 1);
    rig.at(500).await;
    *rig.receivers.down.lock().unwrap() = false;
    // What waits for a retry is not at hand: its body comes from the store, which fails twice.
    *rig.store.failing.lock().unwrap() = 2;
    rig.at(1390).await;
    assert_eq!(rig.receivers.requests("/flap").len(), 1);
    rig.at(1410).await;
    assert_eq!(rig.receivers.requests("/flap"), ["1", "1"]);
    // The outcome cannot be recorded either, for a while.
    let id = rig.submit("ok", 2);
    *rig.store.failing.lock().unwrap() = 5;
    rig.at(20_000).await;
    let recorded = rig.store.records().iter().any(|record| record.id == id && record.state == State::Delivered);
    assert!(recorded && rig.receivers.requests("/ok") == ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_the_store_has_no_body_for_leaves_its_place_to_the_next() {
    let config = destinations("batch_items = 1\nretries = 0\ncircuit_after = 1\ncircuit_probe_ms = 1000");
    let rig = Rig::with(Memory::default(), config).await;
    *rig.receivers.down.lock().unwrap() = true;
    rig.submit("flap", 0);
    rig.at(10).await;
    // What waits for the probe is not at hand: its body comes from the store, which fails.
    let (meta, body) = (Meta::Items(Items { class: 1, count: 1 }), Bytes::from_static(br#"{"MsgType":0,"Data":[1]}"#));
    let (id, now) = (DeliveryId::new(), rig.clock.now());
    let payload = Arc::new(Payload { meta: meta.clone(), body: body.clone() });
    let row = Entry::new(id, LaneKey::Uplink("flap".into()), now, payload).to_row(0, now);
    rig.store.contents.lock().unwrap().insert(id, Content { meta: row.meta.clone(), body });
    let pending = Pending {
        id,
        lane: row.lane.into(),
        meta: row.meta,
        created_at: row.created_at,
        attempts: 0,
        phase: 0,
        planned: row.created_at,
        due: row.created_at,
    };
    drop(rig.engine.add_pending(&[pending]));
    *rig.receivers.down.lock().unwrap() = false;
    rig.at(900).await;
    *rig.store.failing.lock().unwrap() = 2;
    rig.at(5000).await;
    assert_eq!(rig.receivers.requests("/flap"), ["0", "1"]);
    let flap = rig.lane("uplink:flap").await.unwrap();
    assert_eq!((flap.circuit, flap.pending), (CircuitState::Closed, 0), "it has got over it");
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_deliveries_along_into_new_terms() {
    let rig = Rig::with(Memory::default(), destinations("linger_ms = 0\nretry_every_ms = 60000")).await;
    *rig.receivers.down.lock().unwrap() = true;
    for item in 1..=3 {
        rig.submit("flap", item);
        rig.at(item * 10).await;
    }
    rig.engine.reload(Arc::new(Config::default()));
    rig.submit("flap", 4);
    rig.at(100_000).await;
    assert_eq!(rig.receivers.requests("/flap").len(), 3, "there is no such destination");
    *rig.receivers.down.lock().unwrap() = false;
    rig.engine.reload(Arc::new(destinations("ordered = true\nlinger_ms = 0")));
    rig.at(100_010).await;
    assert_eq!(rig.receivers.requests("/flap")[3..].join(","), "1,2,3,4");

    // What is queued in strict order, which has no queue of its own, is queued anew where there is one.
    rig.engine.set_paused(LaneKey::Uplink("flap".into()), Paused::Yes);
    rig.submit("flap", 5);
    rig.at(100_020).await;
    rig.engine.reload(Arc::new(Config::default()));
    rig.engine.reload(Arc::new(destinations("linger_ms = 0")));
    rig.engine.set_paused(LaneKey::Uplink("flap".into()), Paused::No);
    rig.at(100_030).await;
    assert_eq!(rig.receivers.requests("/flap").last().map(String::as_str), Some("5"));
}

#[tokio::test(start_paused = true)]
async fn every_destination_is_told_of_and_all_devices_as_one() {
    let paused = ["device:9", "uplink:nobody", "uplink:\0", "device:0"].map(str::to_owned);
    let rig = Rig::with(Memory { paused: paused.into(), ..Memory::default() }, destinations("retries = 1")).await;
    assert_eq!(*rig.store.forgotten.lock().unwrap(), ["uplink:\0", "device:0"], "what is no lane's name goes");
    rig.submit("refuse", 1);
    rig.add((0..3).map(|_| rig.message(Flag::UntilAnswered)).collect());
    rig.at(500).await;
    let LaneLevels { destinations, devices } = rig.engine.levels().await;
    let told: Vec<_> = destinations.iter().map(|lane| (&*lane.lane, lane.pending)).collect();
    assert_eq!(told, [("uplink:flap", 0), ("uplink:hang", 0), ("uplink:ok", 0), ("uplink:refuse", 1)]);
    let noted: Vec<_> = devices.noted.iter().map(|lane| &*lane.lane).collect();
    assert_eq!((devices.lanes, devices.pending, devices.paused, devices.full), (2, 3, 1, 0));
    assert_eq!(noted, ["device:9"]);
    let refuse = rig.lane("uplink:refuse").await.unwrap();
    assert_eq!(
        (refuse.oldest_at.is_some(), refuse.last_error_at),
        (true, Some(rig.start.as_millis() + 50)),
        "after it has lingered"
    );
    assert_eq!((refuse.limit, refuse.rate_limit), (Limits::default().queue, None));

    rig.engine.set_paused(LaneKey::Device(9), Paused::No);
    rig.at(60_000).await;
    let LaneLevels { destinations, devices } = rig.engine.levels().await;
    assert!(destinations.iter().all(|lane| lane.pending == 0 && lane.oldest_at.is_none()));
    assert_eq!((devices.lanes, devices.pending, devices.queued, devices.paused), (0, 0, 0, 0));
    let page = rig.engine.lanes(LaneFilter { limit: 3, ..LaneFilter::default() }).await;
    assert_eq!(
        (page.lanes.len(), page.next.as_deref()),
        (3, Some("uplink:nobody")),
        "paused, so that it can be resumed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_page_is_put_together_from_short_answers() {
    let rig = Rig::new(Memory::default()).await;
    for cid in 1..=250 {
        rig.engine.set_paused(LaneKey::Device(cid), Paused::Yes);
    }
    let all = rig.engine.lanes(LaneFilter { limit: 1000, ..LaneFilter::default() }).await;
    assert_eq!((all.lanes.len(), all.next), (250, None));
    let some = rig.engine.lanes(LaneFilter { limit: 249, ..LaneFilter::default() }).await;
    assert_eq!((some.lanes.len(), some.next.as_deref()), (249, Some("device:249")));
    assert_eq!(rig.engine.levels().await.devices.noted.len(), 20);
}
