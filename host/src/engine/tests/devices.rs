//! Messages for devices: their flags' schedules, acknowledgements, order, and why one is dropped.

use pushgate_core::link::Frame;

use super::*;
use crate::{link::Link, metrics::Levels};

/// The ids of the messages that a connection has been given.
pub(super) fn messages(connection: &mut Connection) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(line) = connection.next_line() {
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
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(15_999).await;
    assert_eq!(rig.story(), ["1 at 0 sent", "2 at 1000 sent", "3 at 3000 sent", "4 at 6000 sent", "5 at 11000 sent"]);
    assert_eq!(messages(&mut device).len(), 5);
    assert!(sender.next_line().is_none(), "no receipt before the end");
    rig.at(16_001).await;
    assert_eq!(rig.story()[5..], ["dropped"]);
    let receipt = sender.next_line().unwrap();
    assert_eq!(receipt, r#"{"receipt":{"id":"push","to":5003062,"state":"dropped"}}"#.to_owned() + "\n");
}

#[tokio::test(start_paused = true)]
async fn flag_3_is_sent_once_whether_or_not_it_arrives() {
    let rig = Rig::new(Memory::default()).await;
    rig.add(vec![rig.message(Flag::Once)]);
    rig.at(10).await;
    let mut device = rig.connect(DEVICE);
    rig.at(60_000).await;
    assert_eq!(rig.story(), ["1 at 0 offline", "dropped"]);
    assert!(messages(&mut device).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_connects_gets_the_message_at_once_and_the_rest_of_the_schedule_holds() {
    let rig = Rig::new(Memory::default()).await;
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
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
        rig.add(vec![entry]);
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
    rig.add(vec![entry]);
    rig.at(10).await;
    rig.engine.acknowledge(SENDER, id);
    rig.at(1001).await;
    assert_eq!(messages(&mut device).len(), 2, "a stranger's acknowledgement counts for nothing");
    rig.engine.acknowledge(DEVICE, id);
    rig.engine.acknowledge(DEVICE, id);
    rig.at(60_000).await;
    assert_eq!(rig.story(), ["1 at 0 sent", "2 at 1000 sent", "delivered"]);
    assert!(sender.next_line().unwrap().ends_with(b"\"state\":\"delivered\"}}\n"));
    assert!(rig.lane(&format!("device:{DEVICE}")).await.is_none(), "a lane without work is forgotten");
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_not_at_hand_keep_their_order() {
    let rig = Rig::new(Memory::default()).await;
    let first: Vec<_> = (0..5).map(|_| rig.message(Flag::UntilAnswered)).collect();
    let pending = first.iter().map(|entry| {
        let row = entry.to_row(0, rig.clock.now());
        let content = Content { meta: row.meta.clone(), body: Bytes::from_static(b"hello") };
        rig.store.contents.lock().unwrap().insert(row.id, content);
        Pending {
            id: row.id,
            lane: row.lane.into(),
            meta: row.meta,
            created_at: row.created_at,
            attempts: 0,
            phase: 0,
            planned: row.created_at,
            due: row.created_at,
        }
    });
    let mut device = rig.connect(DEVICE);
    drop(rig.engine.add_pending(&pending.collect::<Vec<_>>()));
    let last = rig.message(Flag::UntilAnswered);
    let accepted: Vec<_> = first.iter().chain([&last]).map(|entry| entry.id().to_string()).collect();
    rig.add(vec![last]);
    rig.at(10).await;
    assert_eq!(messages(&mut device), accepted);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_schedule_stood() {
    let clock = Clock::start();
    let meta = MessageMeta { from: 0, created: 1, flag: 2, push: "push".to_owned(), receipt: false };
    let pending = |attempts, phase: u8, due: u64| Pending {
        id: DeliveryId::new(),
        lane: LaneKey::Device(DEVICE).to_string().into(),
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
        let content = Content { meta: pending.meta.clone(), body: Bytes::from_static(b"hello") };
        store.contents.get_mut().unwrap().insert(pending.id, content);
        store.pending.push(pending);
    }
    let rig = Rig::at_time(clock, store, Config::default()).await;
    rig.at(1500).await;
    assert_eq!(rig.story(), ["1 at 0 offline", "2 at 1000 offline"], "the untouched one begins");
    rig.at(2500).await;
    assert_eq!(rig.story()[2..], ["4 at 2000 offline"], "the other makes its fourth send, not its first");
    rig.at(60_000).await;
    let story = rig.story();
    assert_eq!(story.iter().filter(|line| *line == "dropped").count(), 2);
    assert_eq!(story.len(), 5 + 2 + 2, "{story:?}");
}

/// "What is dropped is recorded": in the store as the last attempt, and counted by why.
#[tokio::test(start_paused = true)]
async fn every_drop_is_counted_by_its_reason() {
    let mut store = Memory::default();
    let clock = Clock::start();
    let meta = MessageMeta { from: 0, created: 1, flag: 2, push: "push".to_owned(), receipt: false };
    let pending = |attempts, phase: Phase, due: u64| Pending {
        id: DeliveryId::new(),
        lane: LaneKey::Device(DEVICE).to_string().into(),
        meta: serde_json::to_string(&meta).unwrap(),
        created_at: 0,
        attempts,
        phase: phase.code(),
        planned: due,
        due,
    };
    // One whose last send was made before the start, and one whose body nobody has.
    store.pending = vec![pending(5, Phase::Closing, clock.millis() + 1000), pending(1, Phase::Due, clock.millis())];
    let rig = Rig::at_time(clock, store, Config::default()).await;
    rig.at(2000).await;
    // Nobody is there.
    rig.add(vec![rig.message(Flag::UntilAnswered), rig.message(Flag::Once)]);
    rig.at(30_000).await;
    // Somebody is, and says nothing.
    let device = rig.connect(DEVICE);
    rig.add(vec![rig.message(Flag::UntilAnswered), rig.message(Flag::Once)]);
    rig.at(60_000).await;
    // Somebody is, and reads nothing.
    while rig.registry.send(DEVICE, Bytes::new()) != Link::Busy {}
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(90_000).await;
    // What no line can carry is no message.
    let meta = Meta::Message(MessageMeta { flag: 3, ..meta });
    let payload = Arc::new(Payload { meta, body: Bytes::from(vec![0; 257]) });
    rig.add(vec![Entry::new(DeliveryId::new(), LaneKey::Device(DEVICE), rig.clock.now(), payload)]);
    rig.at(120_000).await;
    drop(device);
    let text = rig.metrics.text(Levels::default());
    for (reason, count) in
        [("offline", 2), ("busy", 1), ("unanswered", 1), ("once", 1), ("gone", 1), ("internal", 1), ("restart", 1)]
    {
        let line = format!("pushgate_dropped_total{{reason=\"{reason}\"}} {count}\n");
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains("pushgate_finished_total{lane=\"device\",state=\"dropped\"} 8\n"), "{text}");
    let dropped = rig.story().iter().filter(|line| *line == "dropped").count();
    assert_eq!(dropped, 8, "each is recorded");
}

/// "A message for 100 devices is 100 independent deliveries sharing one stored body."
#[tokio::test(start_paused = true)]
async fn the_deliveries_of_one_message_know_nothing_of_each_other() {
    let rig = Rig::new(Memory::default()).await;
    let meta = MessageMeta { from: 0, created: 1, flag: 2, push: "push".to_owned(), receipt: false };
    let message = Arc::new(Payload { meta: Meta::Message(meta), body: Bytes::from_static(b"hello") });
    let entry = |cid| Entry::new(DeliveryId::new(), LaneKey::Device(cid), rig.clock.now(), Arc::clone(&message));
    let entries: Vec<_> = (1..=100).map(entry).collect();
    let ids: Vec<_> = entries.iter().map(Entry::id).collect();
    rig.add(entries);
    rig.at(10).await;
    // A quarter each: acknowledged at once, at the third send, never; and never there.
    let mut devices: Vec<_> = (1..=75).map(|cid| rig.connect(cid)).collect();
    let acknowledge = |from: u32, to: u32| {
        for (cid, id) in (1..).zip(&ids).filter(|(cid, _)| (from..=to).contains(cid)) {
            rig.engine.acknowledge(cid, *id);
        }
    };
    rig.at(20).await;
    acknowledge(1, 25);
    rig.at(3500).await;
    acknowledge(26, 50);
    rig.at(60_000).await;
    for (place, (id, device)) in ids.iter().zip(devices.iter_mut().map(messages).chain(vec![vec![]; 25])).enumerate() {
        let (sent, state) = match place / 25 {
            0 => (1, State::Delivered),
            1 => (2, State::Delivered),
            2 => (4, State::Dropped),
            _ => (0, State::Dropped),
        };
        assert_eq!(device, vec![id.to_string(); sent], "device {}", place + 1);
        let records = rig.store.records();
        let last = records.iter().rfind(|record| record.id == *id).map(|record| record.state);
        assert_eq!(last, Some(state), "device {}", place + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_its_own_device_and_no_other() {
    const DEVICES: u32 = 20;
    let rig = Rig::new(Memory::default()).await;
    let mut devices: Vec<_> = (1..=DEVICES).map(|cid| (cid, rig.connect(cid))).collect();
    let mut expected = vec![Vec::new(); DEVICES as usize];
    for n in 0..200 {
        let to = n * 7 % DEVICES;
        let entry = rig.message_to(to + 1, if n % 3 == 0 { Flag::Once } else { Flag::UntilAnswered });
        expected[to as usize].push(entry.id().to_string());
        rig.add(vec![entry]);
        if n % 10 == 0 {
            // Another connection of another device in the middle.
            let cid = n % DEVICES + 1;
            let place = &mut devices[(cid - 1) as usize];
            let given = messages(&mut place.1);
            assert!(given.iter().all(|id| expected[(cid - 1) as usize].contains(id)), "{cid}");
            *place = (cid, rig.connect(cid));
        }
        rig.at(n * 100).await;
    }
    for (cid, mut device) in devices {
        let given = messages(&mut device);
        assert!(!given.is_empty());
        assert!(given.iter().all(|id| expected[(cid - 1) as usize].contains(id)), "{cid}: a stranger's");
    }
}

/// A device is given what waits as fast as it reads: what its connection has no room for yet waits in its turn, at the
/// price of no send.
#[tokio::test(start_paused = true)]
async fn a_thousand_messages_reach_a_device_that_reads_slowly_in_their_order_and_once() {
    let rig = Rig::new(Memory::default()).await;
    let mut device = rig.connect(DEVICE);
    let entries: Vec<_> = (0..1000).map(|_| rig.message(Flag::Once)).collect();
    let accepted: Vec<_> = entries.iter().map(|entry| entry.id().to_string()).collect();
    rig.add(entries);
    let mut given = Vec::new();
    for at in 1..=50 {
        // One that comes while others wait for room does not overtake them.
        rig.at(at * 100).await;
        let room = messages(&mut device);
        assert!(room.len() <= 500, "{}", room.len());
        given.extend(room);
    }
    assert!(given == accepted, "{} of 1000", given.len());
    assert!(rig.story().iter().all(|line| line == "dropped" || line.ends_with(" sent")), "{:?}", rig.story());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_reads_nothing_is_no_answer_after_two_seconds() {
    let rig = Rig::new(Memory::default()).await;
    let device = rig.connect(DEVICE);
    while rig.registry.send(DEVICE, Bytes::new()) != Link::Busy {}
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(1999).await;
    assert_eq!(rig.story(), [""; 0]);
    rig.at(60_000).await;
    let story = rig.story();
    assert_eq!(story.len(), 6, "{story:?}");
    assert!(story[..5].iter().all(|line| line.ends_with(" busy")) && story[5] == "dropped", "{story:?}");
    drop(device);
}
