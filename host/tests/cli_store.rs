//! `pushgate store`: backups of a gateway that runs, and what can be said of a store's file.

mod binary;

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use binary::{Finished, run};
use pushgate_tests::{BOUND, Place, Receiver, all_deliveries, texts, until, until_bound, uplink_batch, within};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_pushgate");

/// Runs it where waiting for it holds up nobody else's task.
async fn pushgate(args: Vec<String>) -> Finished {
    tokio::task::spawn_blocking(move || run(&args)).await.expect("it runs")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn destination(receiver: &Receiver) -> String {
    format!("[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n", receiver.url("/"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_all_that_was_answered_and_delivers_it() {
    const CALLERS: usize = 4;
    const BEFORE: usize = 50;
    let receiver = Receiver::uplink(0).await;
    let place = Place::new(BINARY, &destination(&receiver));
    let gateway = Arc::new(place.start().await);
    let pause = pushgate_tests::Request::post("/api/lanes/uplink:acme/pause", "").send(gateway.admin).await;
    assert_eq!(pause.status, 204, "{}", pause.body);

    let (accepted, over) = (Arc::new(std::sync::Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (gateway, accepted, over) = (Arc::clone(&gateway), Arc::clone(&accepted), Arc::clone(&over));
            tokio::spawn(async move {
                for n in 0.. {
                    if over.load(SeqCst) {
                        return;
                    }
                    let text = format!("{caller}-{n}");
                    let answer = gateway.submit("acme", &uplink_batch(&[&text])).await.expect("an answer");
                    assert_eq!(answer.status, 202, "{}", answer.body);
                    accepted.lock().expect("nobody panics").insert(text);
                }
            })
        })
        .collect();
    let count = || accepted.lock().expect("nobody panics").len();
    until_bound(BOUND * 3, "there is something to keep", async || (count() > BEFORE).then_some(())).await;

    let before = accepted.lock().expect("nobody panics").clone();
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy.db");
    let (config, file) = (place.config().display().to_string(), copy.display().to_string());
    let made = pushgate(words(&["--json", "store", "backup", "--config", &config, &file])).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let told: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(
        (told["file"].as_str(), told["bytes"].as_u64()),
        (Some(&*file), Some(fs::metadata(&copy).unwrap().len()))
    );
    assert_eq!(fs::read_dir(copies.path()).unwrap().count(), 1, "the copy and nothing beside it");
    let accepted_while_it_ran = count() - before.len();
    until("the gateway goes on", async || (count() > before.len() + accepted_while_it_ran).then_some(())).await;
    over.store(true, SeqCst);
    for caller in callers {
        within(caller).await.expect("it ends");
    }

    // What is there already is not touched.
    let bytes = fs::read(&copy).unwrap();
    let again = pushgate(words(&["store", "backup", "--config", &config, &file])).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""), "{again:?}");
    assert!(again.stderr.contains("is there already") && fs::read(&copy).unwrap() == bytes, "{again:?}");

    let store = format!("sqlite:{file}");
    let checked = pushgate(words(&["store", "check", "--store", &store])).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("sound"), "{checked:?}");
    let info = pushgate(words(&["--json", "store", "info", "--store", &store])).await;
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    let pending = info["deliveries"]["pending"].as_u64().unwrap();
    assert!(pending >= before.len() as u64, "{info}");
    assert_eq!(info["format"], info["writes_format"], "{info}");
    let (oldest, newest) = (info["oldest_delivery_at"].as_u64().unwrap(), info["newest_delivery_at"].as_u64().unwrap());
    assert!(0 < oldest && oldest <= newest && info["oldest_item_at"].is_null(), "{info}");

    // The first gateway has sent nothing, so what comes now comes from the copy.
    drop(gateway);
    assert!(receiver.received().is_empty());
    let second = Place::with_store(BINARY, &copy, &destination(&receiver));
    let gateway = second.start().await;
    // The copy has the pause, too.
    assert_eq!(all_deliveries(gateway.admin, "state=pending").await.len() as u64, pending);
    pushgate_tests::Request::post("/api/lanes/uplink:acme/resume", "").send(gateway.admin).await;
    until_bound(BOUND * 3, "all of it is delivered", async || {
        (gateway.counts().await["delivered"].as_u64() == Some(pending)).then_some(())
    })
    .await;
    let got: BTreeSet<_> = receiver.received().iter().flat_map(|received| texts(&received.body)).collect();
    let lost: Vec<_> = before.difference(&got).collect();
    assert!(lost.is_empty(), "answered before the backup began, and not in it: {lost:?}");
}

#[test]
fn a_damaged_copy_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let url = format!("sqlite:{}", path.display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = pushgate::store::open(&url).await.unwrap();
        store.close().await.unwrap();
    });
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[4096 * 2..length - 4096].fill(0xee);
    fs::write(&path, bytes).unwrap();

    let checked = run(&["store", "check", "--store", &url]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("damaged") && checked.stderr.contains("put back a backup"), "{checked:?}");
    let other = folder.path().join("other.db").display().to_string();
    let copied = run(&["store", "backup", "--store", &url, &other]);
    assert_eq!(copied.code, Some(1), "{copied:?}");
    assert!(copied.stderr.contains("is damaged") && copied.stderr.contains("put back a backup"), "{copied:?}");
    assert!(!fs::exists(&other).unwrap() && !fs::exists(format!("{other}.partial")).unwrap());
    let served =
        run(&["serve", "--store", &url, "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--link", "127.0.0.1:0"]);
    assert_eq!(served.code, Some(1), "{served:?}");
    assert!(served.stderr.contains("is damaged") && served.stderr.contains("put back a backup"), "{served:?}");
}

#[test]
fn a_store_that_is_not_there_is_told_with_what_to_name() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("none.db").display());
    let copy = folder.path().join("copy.db").display().to_string();
    for args in [vec!["store", "info"], vec!["store", "check"], vec!["store", "backup", &copy]] {
        let ended = run(&[&args[..], &["--store", &url]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains("none.db") && ended.stderr.contains("--config"), "{args:?}: {ended:?}");
    }
    let ended = run(&["store", "info", "--store", "redis://:s3cret@db:6379"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("use sqlite:PATH") && !ended.stderr.contains("s3cret"), "{ended:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    assert_eq!(run(&["store", "backup"]).code, Some(2));
}
