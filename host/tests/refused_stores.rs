//! The promise for a store that cannot be used: `serve` does not start, says which file it is, what is wrong with it and
//! what to do, and leaves it as it was. What cannot be read is never taken for empty.

use std::{fs, path::Path};

use pushgate_tests::{Place, Receiver, admin_json, uplink_batch};
use rusqlite::Connection;

/// What may be wrong with the file, and how each is told.
const CASES: [(&str, Spoil, &[&str]); 9] = [
    ("bytes in its middle are others", overwrite_middle, &["damaged", "put back a backup"]),
    ("its first page is others'", overwrite_first_page, &["damaged", "put back a backup"]),
    ("its header is gone", overwrite_header, &["is not a database", "move this one away"]),
    ("its second half is missing", truncate_half, &["damaged", "put back a backup"]),
    ("all but its first page is missing", truncate_to_a_page, &["damaged", "put back a backup"]),
    ("it ends within a page", truncate_within_a_page, &["damaged", "put back a backup"]),
    ("it is another program's database", make_foreign, &["another program's database", "store.url"]),
    ("it is no database", make_text, &["is not a database", "store.url"]),
    ("it is from the future", make_newer, &["version", "newer", "backup"]),
];

type Spoil = fn(&Path);

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a store");
    change(&mut bytes);
    fs::write(path, bytes).expect("it can be written");
}

fn overwrite_middle(path: &Path) {
    change(path, |bytes| {
        let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
        bytes[from..to].fill(0xA5);
    });
}

fn overwrite_first_page(path: &Path) {
    change(path, |bytes| bytes[100..4096].fill(0xff));
}

fn overwrite_header(path: &Path) {
    change(path, |bytes| bytes[..16].fill(b'?'));
}

fn truncate_half(path: &Path) {
    change(path, |bytes| bytes.truncate(bytes.len() / 2 / 4096 * 4096));
}

fn truncate_to_a_page(path: &Path) {
    change(path, |bytes| bytes.truncate(4096));
}

fn truncate_within_a_page(path: &Path) {
    change(path, |bytes| bytes.truncate(bytes.len() - 1000));
}

fn make_foreign(path: &Path) {
    fs::remove_file(path).expect("a store");
    let theirs = Connection::open(path).expect("a database");
    theirs.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").expect("a table");
}

fn make_text(path: &Path) {
    fs::write(path, "Dear diary, this is no database. ".repeat(1000)).expect("it can be written");
}

fn make_newer(path: &Path) {
    let store = Connection::open(path).expect("a database");
    store.execute_batch("PRAGMA user_version = 1000000; PRAGMA journal_mode = DELETE").expect("a version");
}

/// Makes the store what it was, without the log of one that should not have been opened.
fn put_back(path: &Path, sound: &[u8]) {
    for log in ["db-wal", "db-shm"] {
        // There is none when all is well.
        let _ = fs::remove_file(path.with_extension(log));
    }
    fs::write(path, sound).expect("it can be written");
}

/// A store that holds some megabytes, closed well, and how many deliveries they are.
async fn filled() -> (Place, usize) {
    let receiver = Receiver::uplink(0).await;
    let rest = format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n", receiver.url("/"));
    let place = Place::new(env!("CARGO_BIN_EXE_pushgate"), &rest);
    let mut gateway = place.start().await;
    let texts: Vec<_> = (0..20_000).map(|n| format!("text {n}")).collect();
    let mut deliveries = 0;
    for submission in texts.chunks(5000) {
        let answer = gateway.submit("acme", &uplink_batch(submission)).await.expect("an answer");
        assert_eq!(answer.status, 202);
        deliveries += answer.json()["ids"].as_array().expect("ids").len();
    }
    gateway.signal("TERM");
    assert!(gateway.exited().await.success());
    (place, deliveries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_used_is_refused_named_and_left_alone() {
    let (place, accepted) = filled().await;
    let sound = fs::read(place.store()).expect("a store");
    assert!(sound.len() > 64 * 4096, "there is something to damage: {} bytes", sound.len());
    let mut wrong = Vec::new();
    for (what, spoil, says) in CASES {
        put_back(place.store(), &sound);
        spoil(place.store());
        let before = fs::read(place.store()).expect("a store");
        let Some((status, said)) = place.spawn().refused().await else {
            wrong.push(format!("{what}: it started"));
            continue;
        };
        if status.code() != Some(1) {
            wrong.push(format!("{what}: {status}: {said}"));
        }
        let name = place.store().display().to_string();
        for word in says.iter().copied().chain([name.as_str()]) {
            if !said.contains(word) {
                wrong.push(format!("{what}: does not say `{word}`: {said}"));
            }
        }
        if fs::read(place.store()).expect("a store") != before {
            wrong.push(format!("{what}: the file was changed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // None of it has touched what is beside the file either: put back, it is used as if nothing had been.
    put_back(place.store(), &sound);
    let gateway = place.start().await;
    let status = admin_json(gateway.admin, "/api/status").await;
    let all = ["pending", "delivered", "dead"].map(|state| status["deliveries"][state].as_u64().expect("a number"));
    assert_eq!(all.iter().sum::<u64>(), accepted as u64, "{status}");
}
