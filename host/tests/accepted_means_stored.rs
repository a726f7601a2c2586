//! The promise that makes it a gateway: what was answered with success is delivered or visible afterwards, also when the
//! process is killed at the worst moment, again and again; and what was refused is never sent.
//!
//! It runs the built binary, because a promise about `kill -9` is one about a process. `PUSHGATE_KILLS` says how often
//! it is killed, `PUSHGATE_SEED` at which moments.

mod traffic;

use std::{
    env,
    time::{Duration, Instant},
};

use pushgate_tests::{BOUND, Place, Random, Receiver, admin_json, until, until_bound, uplink_batch, within};

use traffic::{RETRY_EVERY, World, check};

/// How often the gateway is killed unless `PUSHGATE_KILLS` says otherwise.
const KILLS: u64 = 200;

/// How long a gateway that serves lives at the most.
const LONGEST_LIFE_MS: u64 = 150;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number, not {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_any_kill() {
    let (kills, seed) = (setting("PUSHGATE_KILLS", KILLS), setting("PUSHGATE_SEED", 42));
    println!("PUSHGATE_KILLS={kills} PUSHGATE_SEED={seed}");
    let (mut random, world) = (Random::new(seed), World::new(seed).await);
    let begun = Instant::now();
    let (mut starts, mut lost) = (Vec::new(), Vec::new());
    for cycle in 0..kills {
        let (life, born) = (Duration::from_millis(random.below(LONGEST_LIFE_MS)), Instant::now());
        let starting = world.place.spawn();
        if cycle % 8 == 7 {
            // While it reads what the one before left behind.
            tokio::time::sleep(life / 2).await;
            starting.kill();
        } else {
            let mut gateway = starting.ready().await;
            starts.push(born.elapsed());
            let load = world.load(&gateway, &mut random);
            // Not a wait for anything: the moment of the kill is what varies.
            tokio::time::sleep(life).await;
            gateway.kill();
            for task in load {
                within(task).await.expect("it ends when the gateway is gone");
            }
        }
        // A life that is cut short may lose the record of every send it made of a delivery, and no other: one when it
        // takes the delivery up, and one more for each wait that fits into its length.
        lost.push(1 + u64::try_from(born.elapsed().as_millis() / RETRY_EVERY.as_millis()).expect("a short life"));
        world.book.open().life += 1;
    }
    let killed_in = begun.elapsed();

    let mut gateway = world.place.start().await;
    let device = world.device(&gateway, Random::new(seed));
    until_bound(BOUND * 4, "nothing is pending", async || (gateway.counts().await["pending"] == 0).then_some(())).await;
    let drained_in = begun.elapsed() - killed_in;
    let summary = check(&world.book, &gateway, &lost).await;

    gateway.signal("TERM");
    assert!(gateway.exited().await.success());
    within(device).await.expect("it ends with the gateway");
    let store = rusqlite::Connection::open(world.place.store()).expect("the store's file");
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
    starts.sort();
    println!(
        "{kills} kills in {killed_in:?}, drained in {drained_in:?}, start-up {:?} (longest {:?}): {summary}",
        starts.get(starts.len() / 2).copied().unwrap_or_default(),
        starts.last().copied().unwrap_or_default(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_goes_on_where_the_kill_found_it() {
    let receiver = Receiver::uplink(2).await;
    let destination = format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n", receiver.url("/"));
    let place = Place::new(env!("CARGO_BIN_EXE_pushgate"), &destination);
    let mut gateway = place.start().await;
    let answer = gateway.submit("acme", &uplink_batch(&["x"])).await.expect("an answer");
    assert_eq!(answer.status, 202);
    let path = format!("/api/deliveries/{}", answer.json()["ids"][0].as_str().unwrap());
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
