//! The engine in virtual time, with devices as its receivers and a store in memory.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use pushgate_core::link::Frame;
use tokio::time;

use super::*;
use crate::{
    courier::Settings,
    link::Connection,
    store::{
        Accept, Accepted, Answer, Counts, DeliveryDetail, DeliveryFilter, DeliveryPage, InboxFilter, InboxPage, Millis,
        Progress, Pruned, Recorded, Removed, Replayed, Retention,
    },
};

/// A store that keeps what the engine asks of one: what is pending, and what has been recorded, in order.
#[derive(Default)]
struct Memory {
    pending: Vec<Pending>,
    bodies: HashMap<DeliveryId, Bytes>,
    records: Mutex<Vec<Progress>>,
}

impl Memory {
    fn records(&self) -> MutexGuard<'_, Vec<Progress>> {
        self.records.lock().unwrap()
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

    fn body(&self, id: DeliveryId) -> Answer<Option<Bytes>> {
        ready(self.bodies.get(&id).cloned())
    }

    fn record(&self, progress: Progress) -> Answer<Recorded> {
        self.records().push(progress);
        ready(Recorded::Done)
    }

    fn accept(&self, _: Accept) -> Answer<Accepted> {
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
        not_asked()
    }

    fn close(&self) -> Answer<()> {
        not_asked()
    }
}

const DEVICE: u32 = 5_003_062;
const SENDER: u32 = 5_003_001;

struct Rig {
    clock: Clock,
    start: Instant,
    registry: Registry,
    store: Arc<Memory>,
    engine: Engine,
}

impl Rig {
    async fn new(store: Memory) -> Self {
        let (clock, registry, store) = (Clock::start(), Registry::default(), Arc::new(store));
        let parts = Parts {
            clock,
            store: Arc::<Memory>::clone(&store),
            courier: HttpCourier::new(Settings::default()),
            registry: registry.clone(),
            config: Arc::new(Config::default()),
        };
        let engine = Engine::start(parts).await.unwrap();
        Self { clock, start: clock.now(), registry, store, engine }
    }

    fn message(&self, flag: Flag) -> Entry {
        let meta = MessageMeta { from: SENDER, created: 1, flag: flag.code(), push: "push".to_owned(), receipt: true };
        let message = Arc::new(DeviceMessage { meta, msg: Bytes::from_static(b"hello") });
        Entry::new(DeliveryId::new(), LaneKey::Device(DEVICE), self.clock.now(), Some(message))
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

/// The ids of the messages that a connection has been given.
fn messages(connection: &mut Connection) -> Vec<String> {
    let mut ids = Vec::new();
    while let Ok(line) = connection.lines.try_recv() {
        if let Ok(Frame::Message(message)) = Frame::read(&line) {
            ids.push(message.id.to_string());
        }
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_is_sent_flag_2_five_times_and_then_it_is_dropped() {
    let rig = Rig::new(Memory::default()).await;
    let (mut device, mut sender) = (rig.connect(DEVICE), rig.connect(SENDER));
    rig.engine.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(15_999).await;
    assert_eq!(rig.story(), ["1 at 0 sent", "2 at 1000 sent", "3 at 3000 sent", "4 at 6000 sent", "5 at 11000 sent"]);
    assert_eq!(messages(&mut device).len(), 5);
    assert!(sender.lines.try_recv().is_err(), "no receipt before the end");
    rig.at(16_001).await;
    assert_eq!(rig.story()[5..], ["dropped"]);
    let receipt = sender.lines.try_recv().unwrap();
    assert_eq!(receipt, r#"{"receipt":{"id":"push","to":5003062,"state":"dropped"}}"#.to_owned() + "\n");
}

#[tokio::test(start_paused = true)]
async fn flag_3_is_sent_once_whether_or_not_it_arrives() {
    let rig = Rig::new(Memory::default()).await;
    rig.engine.add(vec![rig.message(Flag::Once)]);
    rig.at(10).await;
    let mut device = rig.connect(DEVICE);
    rig.at(60_000).await;
    assert_eq!(rig.story(), ["1 at 0 offline", "dropped"]);
    assert!(messages(&mut device).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_connects_gets_the_message_at_once_and_the_rest_of_the_schedule_holds() {
    let rig = Rig::new(Memory::default()).await;
    rig.engine.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(500).await;
    let device = rig.connect(DEVICE);
    rig.at(20_000).await;
    assert_eq!(
        rig.story(),
        ["1 at 0 offline", "2 at 500 sent", "3 at 3000 sent", "4 at 6000 sent", "5 at 11000 sent", "dropped"]
    );
    drop(device);
}

#[tokio::test(start_paused = true)]
async fn messages_reach_a_device_in_the_order_they_were_accepted() {
    let rig = Rig::new(Memory::default()).await;
    let entries: Vec<_> = (0..50).map(|_| rig.message(Flag::UntilAnswered)).collect();
    let accepted: Vec<_> = entries.iter().map(|entry| entry.id().to_string()).collect();
    for entry in entries {
        rig.engine.add(vec![entry]);
    }
    rig.at(200).await;
    let mut device = rig.connect(DEVICE);
    rig.at(201).await;
    assert_eq!(messages(&mut device), accepted);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_ends_the_schedule_and_only_the_devices_own() {
    let rig = Rig::new(Memory::default()).await;
    let (mut device, mut sender) = (rig.connect(DEVICE), rig.connect(SENDER));
    let entry = rig.message(Flag::UntilAnswered);
    let id = entry.id();
    rig.engine.add(vec![entry]);
    rig.at(10).await;
    rig.engine.acknowledge(SENDER, id);
    rig.at(1001).await;
    assert_eq!(messages(&mut device).len(), 2, "a stranger's acknowledgement counts for nothing");
    rig.engine.acknowledge(DEVICE, id);
    rig.engine.acknowledge(DEVICE, id);
    rig.at(60_000).await;
    assert_eq!(rig.story(), ["1 at 0 sent", "2 at 1000 sent", "delivered"]);
    assert!(sender.lines.try_recv().unwrap().ends_with(b"\"state\":\"delivered\"}}\n"));
    assert!(rig.engine.lanes().await.is_empty(), "a lane without work is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_schedule_stood() {
    let clock = Clock::start();
    let meta = MessageMeta { from: 0, created: 1, flag: 2, push: "push".to_owned(), receipt: false };
    let pending = |attempts, phase: u8, due: u64| Pending {
        id: DeliveryId::new(),
        lane: LaneKey::Device(DEVICE).to_string(),
        meta: serde_json::to_string(&meta).unwrap(),
        created_at: 0,
        attempts,
        phase,
        planned: due,
        due,
    };
    // Three sends are made, the fourth is due in 2 s; and one was accepted without anything recorded yet.
    let under_way = pending(3, Phase::Due.code(), clock.millis() + 2000);
    let untouched = pending(0, 0, clock.millis());
    let mut store = Memory::default();
    for pending in [under_way, untouched] {
        store.bodies.insert(pending.id, Bytes::from_static(b"hello"));
        store.pending.push(pending);
    }
    let rig = Rig::new(store).await;
    rig.at(1500).await;
    assert_eq!(rig.story(), ["1 at 0 offline", "2 at 1000 offline"], "the untouched one begins");
    rig.at(2500).await;
    assert_eq!(rig.story()[2..], ["4 at 2000 offline"], "the other makes its fourth send, not its first");
    rig.at(60_000).await;
    let story = rig.story();
    assert_eq!(story.iter().filter(|line| *line == "dropped").count(), 2);
    assert_eq!(story.len(), 5 + 2 + 2, "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_lane_sends_nothing_until_it_goes_on() {
    let rig = Rig::new(Memory::default()).await;
    let mut device = rig.connect(DEVICE);
    rig.engine.set_paused(LaneKey::Device(DEVICE), Paused::Yes);
    rig.engine.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(5000).await;
    assert!(messages(&mut device).is_empty());
    rig.engine.set_paused(LaneKey::Device(DEVICE), Paused::No);
    rig.at(5001).await;
    assert_eq!(messages(&mut device).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_destination_that_is_gone_is_kept() {
    let rig = Rig::new(Memory::default()).await;
    let entry = Entry::new(DeliveryId::new(), LaneKey::Uplink("gone".to_owned()), rig.clock.now(), None);
    rig.engine.add(vec![entry]);
    rig.at(60_000).await;
    assert!(rig.story().is_empty());
    let lanes = rig.engine.lanes().await;
    assert_eq!((lanes.len(), lanes[0].pending, lanes[0].configured), (1, 1, false));
    let drained = time::timeout(std::time::Duration::from_secs(1), rig.engine.drain()).await;
    assert!(drained.is_ok(), "and holds up no end");
}
