//! The promise for a full disk: what comes is refused and told to come again, what was accepted stays, nothing breaks;
//! and when there is room again the same process goes on by itself.
//!
//! The disk is a small one of memory, which only root may mount. Where that is not allowed the test says so and is left
//! out; in CI (`CI=true`) it fails, so that nobody takes it for done.

#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use pushgate_tests::{
    BOUND, Fault, Faulty, Place, Process, Receiver, Request, admin_json, all_deliveries, texts, until, until_bound,
    uplink_batch, whole_inbox,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What fits: the store with its log, and some of what is submitted.
const SIZE: &str = "24m";

/// What takes up most of it until it is deleted.
const FILLER: usize = 16 << 20;

/// Bytes of a submitted text: some hundred fill what is left.
const TEXT: usize = 32 << 10;

/// A disk of its own, unmounted when dropped, also by a test that fails.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Mounts it; `None`, and a line that says why, where that is not allowed.
    fn mount() -> Option<Self> {
        match Self::try_mount() {
            Ok(disk) => return Some(disk),
            Err(why) if env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("this test has to mount a tmpfs, as root: {why}")
            }
            Err(why) => eprintln!("left out: this test has to mount a tmpfs, as root: {why}"),
        }
        None
    }

    fn try_mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"])
            .arg(folder.path())
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if mounted.status.success() {
            return Ok(Self { folder });
        }
        Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills a part of it.
    fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        fs::write(&filler, vec![1; FILLER]).expect("there is room for it");
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process of the test may still be ending. There is nobody left to tell if it fails.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// The text of a submission: its name, and enough beside it.
fn text(n: usize) -> String {
    format!("{n}:{}", "x".repeat(TEXT))
}

fn number(text: &str) -> usize {
    text.split(':').next().and_then(|number| number.parse().ok()).expect("a text of this test")
}

fn bodies(receiver: &Receiver) -> Vec<String> {
    receiver.received().into_iter().map(|received| received.body).collect()
}

fn numbers(bodies: &[String]) -> BTreeSet<usize> {
    bodies.iter().flat_map(|body| texts(body)).map(|text| number(&text)).collect()
}

/// Submits until there is no room, and returns what was accepted and the refusal.
async fn submit_until_refused(gateway: &Process, next: &mut usize) -> (BTreeSet<usize>, Value) {
    let mut accepted = BTreeSet::new();
    loop {
        let answer = gateway.submit("acme", &uplink_batch(&[text(*next)])).await.expect("an answer");
        if answer.status != 202 {
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            return (accepted, answer.json());
        }
        accepted.insert(*next);
        *next += 1;
        assert!(*next < 10_000, "the disk has a size");
    }
}

async fn readiness(gateway: &Process) -> u16 {
    Request::get("/readyz").send(gateway.admin).await.status
}

/// Pauses or resumes the lane, and returns the status.
async fn steer(gateway: &Process, what: &str) -> u16 {
    Request::post(&format!("/api/lanes/uplink:acme/{what}"), "").send(gateway.admin).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_keeps_and_recovers_by_itself() {
    let Some(disk) = Disk::mount() else { return };
    // It takes nothing until it is told to, so that what was accepted is still to be sent when the disk is full.
    let (mut destination, forward) = (Faulty::start(Fault::Down).await, Receiver::uplink(0).await);
    let rest = format!(
        "forward = '{}'\n[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\nretries = 60\n",
        forward.url("/"),
        destination.url()
    );
    let place = Place::with_store(env!("CARGO_BIN_EXE_pushgate"), &disk.path().join("pushgate.db"), &rest);
    let mut gateway = place.start().await;
    assert_eq!(readiness(&gateway).await, 200);
    let filler = disk.fill();

    let mut next = 0;
    let (accepted, refusal) = submit_until_refused(&gateway, &mut next).await;
    assert!(accepted.len() > 10, "{accepted:?}");
    let said = refusal["error"]["message"].as_str().expect("a message").to_owned();
    assert!(said.contains("no room left"), "{said}");
    let refused = next;

    // Nothing that has to be written is taken, and everything says so in its own words.
    until("it is not ready", async || (readiness(&gateway).await == 503).then_some(())).await;
    assert_eq!(Request::get("/livez").send(gateway.admin).await.status, 200);
    let received = Request::post("/receive/uplink/ucloud", uplink_batch(&["9999:received"])).send(gateway.public).await;
    if received.status != 200 {
        assert_eq!(received.status, 503, "{}", received.body);
        assert_ne!(received.json()["code"], 0, "{}", received.body);
        assert!(received.header("retry-after").is_some(), "{received:?}");
    }
    // A request so large that it does not fit into what a commit leaves over is refused for certain.
    let batch: Vec<_> = (0..20).map(|n| text(20_000 + n)).collect();
    let large = Request::post("/receive/uplink/ucloud", uplink_batch(&batch)).send(gateway.public).await;
    assert_eq!(large.status, 503, "{}", large.body);
    assert_ne!(large.json()["code"], 0, "{}", large.body);

    // What was accepted is there, whole.
    let waiting = all_deliveries(gateway.admin, "lane=uplink:acme").await;
    assert_eq!(waiting.len(), accepted.len());
    for delivery in &waiting {
        let id = delivery["id"].as_str().expect("an id");
        let detail = admin_json(gateway.admin, &format!("/api/deliveries/{id}")).await;
        assert_eq!(detail["state"], "pending");
        let texts = texts(detail["body"].as_str().expect("a text"));
        assert_eq!(texts, [text(number(&texts[0]))]);
        assert!(accepted.contains(&number(&texts[0])), "{id}");
    }
    // It is sent although nothing can be recorded: a full disk is no reason to be late.
    destination.set(Fault::Healthy).await;
    let got = || numbers(&destination.bodies());
    until("what was accepted is sent", async || got().is_superset(&accepted).then_some(())).await;

    // Room again: the same process goes on, without being told.
    fs::remove_file(&filler).expect("it is there");
    until("it is ready", async || (readiness(&gateway).await == 200).then_some(())).await;
    let after: BTreeSet<usize> = (refused..refused + 20).collect();
    for n in &after {
        let answer = gateway.submit("acme", &uplink_batch(&[text(*n)])).await.expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    let large = Request::post("/receive/uplink/ucloud", uplink_batch(&batch)).send(gateway.public).await;
    assert_eq!((large.status, &large.json()["code"]), (200, &json!(0)), "{}", large.body);
    until_bound(BOUND * 2, "everything is delivered", async || {
        let counts = gateway.counts().await;
        (counts["pending"] == 0 && counts["dead"] == 0).then_some(())
    })
    .await;
    let everything: BTreeSet<usize> = accepted.union(&after).copied().collect();
    assert_eq!(got(), everything, "what was accepted, and nothing else");
    let expected = 20 + usize::from(received.status == 200);
    assert_eq!(whole_inbox(gateway.admin).await.len(), expected);
    assert_eq!(numbers(&bodies(&forward)).len(), expected);

    gateway.signal("TERM");
    assert!(gateway.exited().await.success(), "{}", gateway.said());
    let store = rusqlite::Connection::open(place.store()).expect("the store's file");
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_on_a_full_disk_loses_nothing_either() {
    let Some(disk) = Disk::mount() else { return };
    let receiver = Receiver::uplink(0).await;
    let rest = format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n", receiver.url("/"));
    let place = Place::with_store(env!("CARGO_BIN_EXE_pushgate"), &disk.path().join("pushgate.db"), &rest);
    let mut gateway = place.start().await;
    let filler = disk.fill();
    assert_eq!(steer(&gateway, "pause").await, 204);
    let (accepted, _) = submit_until_refused(&gateway, &mut 0).await;
    gateway.kill();

    fs::remove_file(&filler).expect("it is there");
    let gateway = place.start().await;
    // Whether a pause outlives its process is not what is tested.
    steer(&gateway, "resume").await;
    until_bound(BOUND * 2, "everything is delivered", async || {
        (gateway.counts().await["delivered"] == accepted.len()).then_some(())
    })
    .await;
    assert_eq!(numbers(&bodies(&receiver)), accepted);
}
