//! Devices that come and go: "a device that connects while sends remain gets the message at once, and the remaining
//! schedule still holds" (the Lingyang page), and how that is kept from using up the sends of a device whose link
//! flaps: see [`steadiness`](super::super::steadiness).

use super::{devices::messages, *};

/// Connects again every 100 ms until `end`, on connections that lose what they are given: each is gone after `up`
/// milliseconds. The last one stays.
async fn flap(rig: &Rig, from: u32, end: u32, up: u32) -> Connection {
    let mut at = from;
    while at < end {
        let connection = rig.connect(DEVICE);
        rig.at(at + up).await;
        drop(connection);
        at += 100;
        rig.at(at).await;
    }
    rig.connect(DEVICE)
}

fn sends(rig: &Rig) -> usize {
    rig.store.records().iter().filter(|record| record.attempt.is_some()).count()
}

/// Ten connections a second for twelve seconds use up no message: it arrives on the one that stays, and was sent no
/// more often than the page says.
#[tokio::test(start_paused = true)]
async fn a_message_outlives_a_link_that_flaps_through_its_whole_schedule() {
    for up in [0, 1, 50, 99, 100] {
        for phase in [0, 30, 950, 1000, 3001, 5999] {
            let rig = Rig::new(Memory::default()).await;
            let before = if phase % 2 == 0 { Some(rig.connect(DEVICE)) } else { None };
            let entry = rig.message(Flag::UntilAnswered);
            let id = entry.id();
            rig.add(vec![entry]);
            rig.at(phase).await;
            drop(before);
            let mut device = flap(&rig, phase, phase + 12_000, up).await;
            rig.at(phase + 16_500).await;
            let given = messages(&mut device);
            assert!(given.contains(&id.to_string()), "up {up} ms, from {phase} ms: {:?}", rig.story());
            rig.engine.acknowledge(DEVICE, id);
            rig.at(phase + 40_000).await;
            assert_eq!(rig.story().last().map(String::as_str), Some("delivered"), "up {up} ms, from {phase} ms");
            assert!(sends(&rig) <= 5, "\"sent up to 5 times\": {:?}", rig.story());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_flaps_for_ever_is_sent_a_message_five_times_and_then_it_is_dropped() {
    let rig = Rig::new(Memory::default()).await;
    rig.add(vec![rig.message(Flag::UntilAnswered)]);
    rig.at(50).await;
    drop(flap(&rig, 50, 60_000, 50).await);
    let story = rig.story();
    assert_eq!((story.len(), story.last().map(String::as_str)), (6, Some("dropped")), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_served_at_once_and_who_flaps_a_second_after_it_holds() {
    let rig = Rig::new(Memory::default()).await;
    let entry = rig.message(Flag::UntilAnswered);
    let id = entry.id().to_string();
    rig.add(vec![entry]);
    let given_at = async |connect: u32, given: u32| {
        rig.at(connect).await;
        let mut device = rig.connect(DEVICE);
        if given > connect {
            rig.at(given - 1).await;
            assert_eq!(messages(&mut device), [""; 0], "connected at {connect}: nothing before {given}");
        }
        rig.at(given).await;
        assert_eq!(messages(&mut device), [&*id], "connected at {connect}: given at {given}");
    };
    given_at(100, 100).await;
    given_at(200, 200).await;
    given_at(300, 1300).await;
    assert_eq!(rig.story(), ["1 at 0 offline", "2 at 100 sent", "3 at 200 sent", "4 at 1300 sent"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_send_is_not_risked_on_a_link_that_has_just_broken() {
    let rig = Rig::new(Memory::default()).await;
    let entry = rig.message(Flag::UntilAnswered);
    let id = entry.id().to_string();
    rig.add(vec![entry]);
    rig.at(4000).await;
    let mut device = rig.connect(DEVICE);
    rig.at(4100).await;
    assert_eq!(messages(&mut device), [&*id], "the fourth send, at once");
    drop(device);
    drop(rig.connect(DEVICE));
    rig.at(4200).await;
    let mut device = rig.connect(DEVICE);
    rig.at(5199).await;
    assert_eq!(sends(&rig), 4);
    rig.at(5200).await;
    assert_eq!(messages(&mut device), [&*id], "on a connection that holds");
    // Where it is not the last send, who comes back is served at once.
    let story = rig.story();
    assert_eq!(story[3..], ["4 at 4000 sent", "5 at 5200 sent"], "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_neither_loses_nor_reorders() {
    const MESSAGES: usize = 12;
    let rig = Rig::new(Memory::default()).await;
    let mut device = rig.connect(DEVICE);
    let mut accepted = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    let mut at = 0;
    for n in 0..MESSAGES {
        let entry = rig.message(Flag::UntilAnswered);
        accepted.push(entry.id().to_string());
        rig.add(vec![entry]);
        at += 50;
        rig.at(at).await;
        if n % 3 == 2 {
            // The link breaks with some of it read, the first of that acknowledged, and comes back.
            let given = messages(&mut device);
            assert_eq!(given[..], accepted[taken.len()..], "connection {n}: all that waits, in its order");
            let id = &given[0];
            rig.engine.acknowledge(DEVICE, id.parse().unwrap());
            taken.push(id.clone());
            drop(device);
            at += 1000;
            rig.at(at).await;
            device = rig.connect(DEVICE);
        }
    }
    rig.at(at + 1).await;
    let given = messages(&mut device);
    assert_eq!(given[..], accepted[taken.len()..]);
    for id in given {
        rig.engine.acknowledge(DEVICE, id.parse().unwrap());
    }
    rig.at(at + 60_000).await;
    let delivered = rig.store.records().iter().filter(|record| record.state == State::Delivered).count();
    assert_eq!(delivered, MESSAGES);
}

/// What a flapping device is not sent yet holds back what came after it: nothing is overtaken.
#[tokio::test(start_paused = true)]
async fn while_a_link_flaps_nothing_overtakes() {
    let rig = Rig::new(Memory::default()).await;
    let old = rig.message(Flag::UntilAnswered);
    let mut accepted = vec![old.id().to_string()];
    rig.add(vec![old]);
    for at in [100, 200, 300] {
        rig.at(at).await;
        drop(rig.connect(DEVICE));
    }
    rig.at(400).await;
    let mut device = rig.connect(DEVICE);
    for flag in [Flag::UntilAnswered, Flag::Once] {
        let entry = rig.message(flag);
        accepted.push(entry.id().to_string());
        rig.add(vec![entry]);
    }
    rig.at(1399).await;
    assert_eq!(messages(&mut device), [""; 0]);
    rig.at(1400).await;
    assert_eq!(messages(&mut device), accepted);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_connections_costs_no_more_than_a_few() {
    const WAITING: usize = 1000;
    let rig = Rig::new(Memory::default()).await;
    let entries: Vec<_> = (0..WAITING).map(|_| rig.message(Flag::UntilAnswered)).collect();
    let accepted: Vec<_> = entries.iter().map(|entry| entry.id().to_string()).collect();
    rig.add(entries);
    rig.at(10).await;
    assert_eq!(sends(&rig), WAITING);
    for n in 0..20_000_u32 {
        let connection = rig.connect(DEVICE);
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
        drop(connection);
    }
    // News of connections that are gone already, or that nobody has made.
    for n in 0..1_000_000_u32 {
        rig.engine.connected(DEVICE + n % 2);
        if n % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    rig.at(11).await;
    assert!(sends(&rig) <= 3 * WAITING, "{} sends of {WAITING} messages", sends(&rig));
    let mut device = rig.connect(DEVICE);
    let mut given = Vec::new();
    for at in 11..1200 {
        rig.at(at).await;
        given.append(&mut messages(&mut device));
    }
    assert!(given == accepted, "all of them, in their order: {} of {WAITING}", given.len());
}
