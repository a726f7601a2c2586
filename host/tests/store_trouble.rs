//! What the store does when its disk fails it: says so, stores nothing of what it refused, and goes on by itself.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pushgate::store::{Accept, Counts, DeliveryId, ErrorKind, NewDelivery, Store, StoreError, open};

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

async fn add(store: &dyn Store, size: usize) -> Result<DeliveryId, StoreError> {
    let id = DeliveryId::new();
    let delivery = NewDelivery { id, lane: "lane".into(), meta: String::new(), body: 0, created_at: 1_000 };
    let bodies = vec![Bytes::from(vec![b'x'; size])];
    store.accept(Accept { bodies, deliveries: vec![delivery], ..Accept::default() }).await?;
    Ok(id)
}

async fn is_whole(store: &dyn Store, ids: &[DeliveryId]) {
    let pending = store.pending(None, 10_000).await.unwrap();
    assert_eq!(pending.iter().map(|pending| pending.id).collect::<Vec<_>>(), ids);
    let contents = store.contents(ids.to_vec()).await.unwrap();
    assert!(contents.iter().all(Option::is_some));
    let counts = store.counts().await.unwrap();
    assert_eq!(counts, Counts { pending: ids.len() as u64, ..Counts::default() });
}

/// Limits what this process may write to a file, which every write beyond then fails with, as on a disk that fails.
#[cfg(target_os = "linux")]
fn limit_files(bytes: &str) -> bool {
    let process = std::process::id().to_string();
    let limit = format!("--fsize={bytes}");
    std::process::Command::new("prlimit").args(["--pid", &process, &limit]).status().is_ok_and(|done| done.success())
}

/// The other half of the test below, in a process of its own: a limit holds for all of it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "limits the whole process; the test below starts it"]
async fn writes_fail_and_work_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let store = open(&url(&path)).await.unwrap();
    let mut ids = vec![add(&*store, 1_000).await.unwrap()];
    for round in 0..5 {
        assert!(limit_files("300000:unlimited"));
        let mut failed = 0;
        for _ in 0..500 {
            match add(&*store, 1_000).await {
                Ok(id) => ids.push(id),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Other | ErrorKind::Full), "{error}");
                    failed += 1;
                    if failed > 20 {
                        break;
                    }
                }
            }
        }
        assert!(failed > 20, "round {round}: the limit was not met");
        assert!(store.ready().await.is_err());
        is_whole(&*store, &ids).await;
        assert!(limit_files("unlimited:unlimited"));
        ids.push(add(&*store, 1_000).await.expect("it goes on by itself"));
        ids.push(add(&*store, 50_000).await.unwrap());
        is_whole(&*store, &ids).await;
        store.ready().await.unwrap();
    }
    store.close().await.unwrap();
    let store = open(&url(&path)).await.unwrap();
    is_whole(&*store, &ids).await;
    println!("whole");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_for_a_while_costs_nothing_that_was_accepted() {
    // The signal that goes with the limit ends a process that does not ignore it.
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact writes_fail_and_work_again --ignored --nocapture"])
        .arg(this)
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && says.contains("whole"), "{says}{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
async fn what_is_damaged_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let store = open(&url(&path)).await.unwrap();
    for _ in 0..200 {
        add(&*store, 100).await.unwrap();
    }
    store.close().await.unwrap();
    let sound = std::fs::read(&path).unwrap();
    // A page in the middle of the file, and one that is cut off.
    let mut spoilt = sound.clone();
    let middle = sound.len() / 2 / 4_096 * 4_096;
    spoilt[middle..middle + 4_096].fill(0x5a);
    for damaged in [spoilt, sound[..sound.len() - 4_096].to_vec()] {
        std::fs::write(&path, &damaged).unwrap();
        let Err(error) = open(&url(&path)).await else { panic!("opened") };
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("put back a backup"), "{error}");
        assert!(std::fs::read(&path).unwrap() == damaged, "the file was changed");
    }
    std::fs::write(&path, &sound).unwrap();
    open(&url(&path)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_dropped_lets_go_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let store: Arc<dyn Store> = open(&url(&path)).await.unwrap();
    add(&*store, 100).await.unwrap();
    drop(store);
    let started = std::time::Instant::now();
    loop {
        match open(&url(&path)).await {
            Ok(store) => break assert_eq!(store.counts().await.unwrap().pending, 1),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
        assert!(started.elapsed().as_secs() < 10, "still held");
        tokio::task::yield_now().await;
    }
}
