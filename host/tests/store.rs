//! What the store promises: what it accepted is there after any end, once, and until it is told otherwise.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use pushgate::store::{
    Accept, Accepted, Attempt, Counts, DeliveriesWhen, DeliveryFilter, DeliveryId, ErrorKind, Idempotency, InboxEnd,
    InboxFilter, Keep, MAX_DETAIL, NewDelivery, NewItem, Progress, Pruned, Recorded, Removed, Replayed, Retention,
    State, Store, StoreError, open,
};

/// A store in a directory that goes away with it.
struct Fixture {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&url(directory.path())).await.unwrap();
        Self { directory, store }
    }

    async fn reopen(mut self) -> Self {
        self.store.close().await.unwrap();
        self.store = open(&url(self.directory.path())).await.unwrap();
        self
    }

    /// How many rows a table has, asked behind the store's back.
    fn rows(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.directory.path().join("x.db")).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn url(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("x.db").display())
}

fn delivery(lane: &str) -> NewDelivery {
    NewDelivery { id: DeliveryId::new(), lane: lane.into(), meta: r#"{"n":1}"#.into(), body: 0, created_at: 1_000 }
}

fn deliveries(deliveries: Vec<NewDelivery>) -> Accept {
    Accept { bodies: vec![Bytes::from_static(b"hello")], deliveries, ..Accept::default() }
}

async fn add(store: &dyn Store, lane: &str) -> DeliveryId {
    let delivery = delivery(lane);
    let id = delivery.id;
    store.accept(deliveries(vec![delivery])).await.unwrap();
    id
}

fn item(identity: u8, received_at: u64) -> NewItem {
    NewItem {
        receiver: "ucloud".into(),
        kind: "message".into(),
        identity: [identity; 16],
        received_at,
        item: format!(r#"{{"n":{identity}}}"#),
    }
}

fn items(items: Vec<NewItem>) -> Accept {
    Accept { items, dedup_window_ms: 100, ..Accept::default() }
}

fn attempt(number: u8, class: &str, detail: &str) -> Attempt {
    Attempt {
        answer: None,
        number,
        planned: 1_000,
        started: 1_001,
        finished: 1_050,
        status: Some(500),
        class: class.into(),
        detail: detail.into(),
    }
}

fn progress(id: DeliveryId, state: State) -> Progress {
    let finished_at = (state != State::Pending).then_some(2_000);
    Progress { id, state, attempts: 1, phase: 2, planned: 3, due: 4, attempt: None, finished_at }
}

async fn finish(store: &dyn Store, id: DeliveryId, state: State) {
    record(store, progress(id, state)).await;
}

async fn record(store: &dyn Store, progress: Progress) {
    assert_eq!(store.record(vec![progress]).await, Ok(vec![Recorded::Done]));
}

async fn body(store: &dyn Store, id: DeliveryId) -> Option<Bytes> {
    let mut contents = store.contents(vec![id]).await.unwrap();
    assert_eq!(contents.len(), 1);
    contents.remove(0).map(|content| content.body)
}

fn stored(accepted: Result<Accepted, StoreError>) -> (usize, Vec<usize>, usize) {
    match accepted {
        Ok(Accepted::Stored { ids, new_items, duplicate_items }) => (ids.len(), new_items, duplicate_items),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let (waiting, done) = (add(store, "uplink:acme").await, add(store, "device:5003062").await);
    // The delivery machine's saved state comes back exactly, "never" too.
    let moved = Progress {
        attempts: 255,
        phase: 7,
        planned: u64::MAX - 1,
        due: u64::MAX,
        attempt: Some(attempt(1, "status", "500 Internal Server Error")),
        ..progress(waiting, State::Pending)
    };
    record(store, moved).await;
    finish(store, done, State::Delivered).await;
    store.accept(items(vec![item(1, 5)])).await.unwrap();

    let fixture = fixture.reopen().await;
    let store = &*fixture.store;
    let pending = store.pending(None, 10).await.unwrap();
    assert_eq!(pending.len(), 1);
    let pending = &pending[0];
    assert_eq!((pending.id, &*pending.lane, pending.meta.as_str()), (waiting, "uplink:acme", r#"{"n":1}"#));
    assert_eq!((pending.attempts, pending.phase, pending.planned, pending.due), (255, 7, u64::MAX - 1, u64::MAX));
    assert_eq!(pending.created_at, 1_000);
    assert_eq!(body(store, waiting).await, Some(Bytes::from_static(b"hello")));

    let detail = store.delivery(waiting).await.unwrap().unwrap();
    assert_eq!(detail.attempts, [attempt(1, "status", "500 Internal Server Error")]);
    assert_eq!(detail.summary.last_error.as_deref(), Some("status: 500 Internal Server Error"));
    assert_eq!(detail.summary.next_at, Some(u64::MAX));
    assert_eq!((detail.body, detail.finished_at), (Bytes::from_static(b"hello"), None));
    let detail = store.delivery(done).await.unwrap().unwrap();
    assert_eq!((detail.summary.state, detail.summary.next_at), (State::Delivered, None));
    assert_eq!(detail.finished_at, Some(2_000));

    let inbox = store.inbox(InboxFilter { limit: 10, ..InboxFilter::default() }).await.unwrap();
    assert_eq!(inbox.items[0].item, r#"{"n":1}"#);
    let counts = Counts { pending: 1, delivered: 1, dead: 0, dropped: 0, inbox: 1 };
    assert_eq!(store.counts().await.unwrap(), counts);
}

/// The other half of the test below: accepts without end, and says so each time.
#[tokio::test]
#[ignore = "runs for ever; the test that kills it starts it"]
async fn accepting_without_end() {
    let Ok(url) = std::env::var("STORE_URL") else { return };
    let store = open(&url).await.unwrap();
    let mut callers = Vec::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        callers.push(tokio::spawn(async move {
            for _ in 0..u32::MAX {
                println!("accepted {}", add(&*store, "lane").await);
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_accepted_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "accepting_without_end", "--ignored", "--nocapture"])
        .env("STORE_URL", url(directory.path()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut accepted = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some((_, id)) = line.unwrap().split_once("accepted ") {
            accepted.extend(id.parse::<DeliveryId>()); // the last line may be cut short
        }
        if accepted.len() == 200 {
            child.kill().unwrap(); // what it said before still arrives
        }
    }
    child.wait().unwrap();
    assert!(accepted.len() >= 200, "{} accepted", accepted.len());

    let store = open(&url(directory.path())).await.expect("nobody holds the store any more");
    for id in accepted {
        assert_eq!(body(&*store, id).await, Some(Bytes::from_static(b"hello")), "{id} was accepted");
    }
}

#[tokio::test]
async fn an_accept_is_all_or_nothing() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let twice = delivery("lane");
    let accept = Accept {
        items: vec![item(1, 5)],
        dedup_window_ms: 100,
        ..deliveries(vec![delivery("lane"), twice.clone(), twice])
    };
    assert_eq!(store.accept(accept).await.unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    for table in ["delivery", "body", "inbox", "seen"] {
        assert_eq!(fixture.rows(table), 0, "{table}");
    }
    assert_eq!(stored(store.accept(items(vec![item(1, 5)])).await), (0, vec![0], 0), "it was not seen yet");
}

#[tokio::test]
async fn the_same_key_gives_the_first_answer_again() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let keyed = |scope: &str, fingerprint: u8, now| Accept {
        idempotency: Some(Idempotency {
            scope: scope.into(),
            key: "k".into(),
            fingerprint: [fingerprint; 32],
            now,
            keep_ms: 100,
        }),
        ..deliveries(vec![delivery("lane"), delivery("lane")])
    };
    let Ok(Accepted::Stored { ids, .. }) = store.accept(keyed("a", 1, 1_000)).await else { panic!("not stored") };
    assert_eq!(store.accept(keyed("a", 1, 1_099)).await, Ok(Accepted::Repeated { ids: ids.clone() }));
    assert_eq!(store.accept(keyed("a", 2, 1_099)).await, Ok(Accepted::KeyReused));
    assert_eq!(store.counts().await.unwrap().pending, 2, "neither stored anything");
    assert_eq!(stored(store.accept(keyed("b", 2, 1_099)).await).0, 2, "another scope's key is another key");
    assert_eq!(stored(store.accept(keyed("a", 2, 1_100)).await).0, 2, "the key is forgotten after keep_ms");
    assert_eq!(store.accept(keyed("a", 1, 1_150)).await, Ok(Accepted::KeyReused), "and then belongs to the new one");
}

#[tokio::test]
async fn an_item_seen_within_the_window_is_a_duplicate() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let other = |received_at| NewItem { receiver: "other".into(), ..item(1, received_at) };
    for (what, batch, expected) in [
        ("first", vec![item(1, 1_000), item(2, 1_000)], (0, vec![0, 1], 0)),
        ("one again, one new", vec![item(1, 1_050), item(3, 1_050)], (0, vec![1], 1)),
        ("another receiver", vec![other(1_060)], (0, vec![0], 0)),
        ("the window's last moment, counted from the stored one", vec![item(1, 1_099)], (0, vec![], 1)),
        ("twice in one batch, after the window", vec![item(1, 1_100), item(1, 1_100)], (0, vec![0], 1)),
        ("within the new window", vec![item(1, 1_199)], (0, vec![], 1)),
    ] {
        assert_eq!(stored(store.accept(items(batch)).await), expected, "{what}");
    }
    let without_window = Accept { dedup_window_ms: 0, ..items(vec![item(1, 1_199), item(1, 1_199)]) };
    assert_eq!(stored(store.accept(without_window).await), (0, vec![0, 1], 0));
    assert_eq!(store.counts().await.unwrap().inbox, 7);
}

#[tokio::test]
async fn a_repeated_batch_is_not_forwarded_again() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let forwarding = |items| Accept {
        deliveries_when: DeliveriesWhen::UnlessAllDuplicate,
        items,
        dedup_window_ms: 100,
        ..deliveries(vec![delivery("forward")])
    };
    for (what, batch, expected) in [
        ("new", vec![item(1, 1_000), item(2, 1_000)], (1, vec![0, 1], 0)),
        ("repeated", vec![item(1, 1_010), item(2, 1_010)], (0, vec![], 2)),
        ("partly repeated", vec![item(2, 1_020), item(3, 1_020)], (1, vec![1], 1)),
        ("nothing to be a duplicate", vec![], (1, vec![], 0)),
    ] {
        assert_eq!(stored(store.accept(forwarding(batch)).await), expected, "{what}");
    }
    assert_eq!(store.counts().await.unwrap().pending, 3);
    assert_eq!(fixture.rows("body"), 3, "no body without its delivery");
}

#[tokio::test]
async fn what_is_remembered_of_the_past_does_not_grow() {
    let fixture = Fixture::new().await;
    for round in 0..100_u64 {
        let now = 1_000 * round;
        let batch =
            (0..10_u128).map(|n| NewItem { identity: ((u128::from(round) << 8) | n).to_be_bytes(), ..item(0, now) });
        let idempotency =
            Idempotency { scope: String::new(), key: round.to_string(), fingerprint: [0; 32], now, keep_ms: 100 };
        let accept = Accept { idempotency: Some(idempotency), ..items(batch.collect()) };
        fixture.store.accept(accept).await.unwrap();
    }
    assert_eq!(fixture.rows("seen"), 10);
    assert_eq!(fixture.rows("idempotency"), 1);
}

#[tokio::test]
async fn a_shared_body_goes_with_its_last_delivery() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let all: Vec<_> = (0..3).map(|_| delivery("lane")).collect();
    let ids: Vec<_> = all.iter().map(|delivery| delivery.id).collect();
    let mut accept = deliveries(all);
    accept.bodies.push(Bytes::from_static(b"nobody sends this"));
    store.accept(accept).await.unwrap();
    for (id, left) in ids.iter().zip([1, 1, 0]) {
        assert_eq!(body(store, *id).await, Some(Bytes::from_static(b"hello")));
        let removed = store.remove(*id).await;
        assert_eq!(removed, Ok(Removed::Done { lane: "lane".into(), state: State::Pending }));
        assert_eq!(body(store, *id).await, None);
        assert_eq!(fixture.rows("body"), left);
    }
    assert_eq!(store.remove(ids[0]).await, Ok(Removed::NotFound));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let mut all = Vec::new();
    for n in 0..21 {
        let id = add(store, ["a", "b", "c"][n % 3]).await;
        let state = State::ALL[n % 4];
        finish(store, id, state).await;
        all.push((id, ["a", "b", "c"][n % 3], state));
    }
    for lane in [None, Some("a"), Some("b"), Some("none")] {
        for state in [None, Some(State::Pending), Some(State::Dead)] {
            for limit in [1, 2, 3, 7, 50] {
                let mut filter =
                    DeliveryFilter { state, lane: lane.map(Into::into), limit, ..DeliveryFilter::default() };
                let mut seen = Vec::new();
                loop {
                    let page = store.deliveries(filter.clone()).await.unwrap();
                    assert!(page.deliveries.len() <= limit);
                    seen.extend(page.deliveries.into_iter().map(|delivery| delivery.id));
                    filter.cursor = page.next;
                    if page.next.is_none() {
                        break;
                    }
                }
                let expected: Vec<_> = all
                    .iter()
                    .rev()
                    .filter(|(_, l, s)| lane.is_none_or(|lane| lane == *l) && state.is_none_or(|state| state == *s))
                    .map(|(id, ..)| *id)
                    .collect();
                assert_eq!(seen, expected, "{lane:?} {state:?} by {limit}");
            }
        }
    }
    // The start-up scan goes the other way.
    let mut scanned = Vec::new();
    loop {
        let page = store.pending(scanned.last().copied(), 4).await.unwrap();
        let end = page.len() < 4;
        scanned.extend(page.into_iter().map(|pending| pending.id));
        if end {
            break;
        }
    }
    let pending: Vec<_> = all.iter().filter(|(.., state)| *state == State::Pending).map(|(id, ..)| *id).collect();
    assert_eq!(scanned, pending);
}

#[tokio::test]
async fn the_inbox_is_read_by_cursor() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let mut batch: Vec<_> = (0..6).map(|n| item(n, 1_000)).collect();
    batch[1].kind = "report".into();
    batch[4].kind = "report".into();
    batch[4].receiver = "other".into();
    store.accept(items(batch)).await.unwrap();

    let read = async |after, limit, kind: Option<&str>, receiver: Option<&str>| {
        let filter = InboxFilter {
            after,
            limit,
            kind: kind.map(Into::into),
            receiver: receiver.map(Into::into),
            ..InboxFilter::default()
        };
        let page = store.inbox(filter).await.unwrap();
        (page.items.into_iter().map(|item| item.item).collect::<String>(), page.next)
    };
    assert_eq!(read(0, 2, None, None).await, (r#"{"n":0}{"n":1}"#.into(), 2));
    assert_eq!(read(2, 9, None, None).await, (r#"{"n":2}{"n":3}{"n":4}{"n":5}"#.into(), 6));
    assert_eq!(read(6, 9, None, None).await, (String::new(), 6), "the end waits for more");
    assert_eq!(read(0, 9, Some("report"), None).await, (r#"{"n":1}{"n":4}"#.into(), 5));
    assert_eq!(read(0, 9, None, Some("other")).await, (r#"{"n":4}"#.into(), 5));
    assert_eq!(read(0, 9, Some("report"), Some("ucloud")).await, (r#"{"n":1}"#.into(), 2));

    let newest = async |after, limit, kind: Option<&str>, receiver: Option<&str>| {
        let filter = InboxFilter {
            after,
            limit,
            kind: kind.map(Into::into),
            receiver: receiver.map(Into::into),
            end: InboxEnd::Newest,
            ..InboxFilter::default()
        };
        let page = store.inbox(filter).await.unwrap();
        (page.items.into_iter().map(|item| item.item).collect::<String>(), page.next)
    };
    assert_eq!(newest(0, 2, None, None).await, (r#"{"n":4}{"n":5}"#.into(), 6), "in the order of arrival");
    assert_eq!(newest(5, 2, None, None).await, (r#"{"n":5}"#.into(), 6), "nothing that the cursor has seen");
    assert_eq!(newest(0, 1, Some("report"), None).await, (r#"{"n":4}"#.into(), 5));
    assert_eq!(newest(0, 9, None, Some("other")).await, (r#"{"n":4}"#.into(), 5));
    assert_eq!(newest(0, 9, Some("message"), Some("other")).await, (String::new(), 0));

    // Backwards from an end: what is in front of a cursor, page by page.
    for (before, kind, expected, next) in [
        (Some(7), None, r#"{"n":4}{"n":5}"#, 6),
        (Some(5), None, r#"{"n":2}{"n":3}"#, 4),
        (Some(2), None, r#"{"n":0}"#, 1),
        (Some(1), None, "", 0),
        (Some(5), Some("report"), r#"{"n":1}"#, 2),
        (Some(u64::MAX), None, r#"{"n":4}{"n":5}"#, 6),
    ] {
        let kind = kind.map(str::to_owned);
        let filter = InboxFilter { before, limit: 2, kind, end: InboxEnd::Newest, ..InboxFilter::default() };
        let page = store.inbox(filter).await.unwrap();
        let read = page.items.into_iter().map(|item| item.item).collect::<String>();
        assert_eq!((read.as_str(), page.next), (expected, next), "{before:?}");
    }

    // A cursor is never used again, so that a reader misses nothing after everything was pruned.
    let nothing = Keep { for_ms: 0, at_most: 0 };
    let everything = Retention { now: 9_000, deliveries: nothing, dead: nothing, inbox: nothing, limit: 100 };
    assert_eq!(store.prune(everything).await, Ok(Pruned { items: 6, ..Pruned::default() }));
    let fixture = fixture.reopen().await;
    fixture.store.accept(items(vec![item(9, 1_001)])).await.unwrap();
    let page = fixture.store.inbox(InboxFilter { after: 6, limit: 9, ..InboxFilter::default() }).await.unwrap();
    assert_eq!(page.items[0].cursor, 7);
}

#[tokio::test]
async fn a_replay_starts_over_and_keeps_the_past() {
    let fixture = Fixture::new().await;
    let store = &*fixture.store;
    let id = add(store, "lane").await;
    assert_eq!(store.replay(id, 9).await, Ok(Replayed::Refused(State::Pending)));
    let long = "é".repeat(MAX_DETAIL);
    let dead = Progress { attempt: Some(attempt(1, "status", &long)), ..progress(id, State::Dead) };
    record(store, dead).await;
    assert_eq!(store.pending(None, 9).await.unwrap(), []);

    let Ok(Replayed::Pending(replayed)) = store.replay(id, 5_000).await else { panic!("not replayed") };
    assert_eq!((replayed.attempts, replayed.phase, replayed.planned, replayed.due), (0, 0, 5_000, 5_000));
    assert_eq!(store.pending(None, 9).await.unwrap(), [replayed]);

    let done = Progress { attempt: Some(attempt(1, Attempt::DELIVERED, "")), ..progress(id, State::Delivered) };
    record(store, done).await;
    let detail = store.delivery(id).await.unwrap().unwrap();
    let tried: Vec<_> = detail.attempts.iter().map(|a| (a.number, a.class.as_str(), a.detail.len())).collect();
    assert_eq!(tried, [(1, "status", MAX_DETAIL), (1, "delivered", 0)]);
    assert_eq!(detail.summary.last_error, None, "the last attempt succeeded");
    assert_eq!(store.replay(id, 9).await, Ok(Replayed::Refused(State::Delivered)));

    let dropped = add(store, "lane").await;
    finish(store, dropped, State::Dropped).await;
    assert!(matches!(store.replay(dropped, 9).await, Ok(Replayed::Pending(_))));
    assert_eq!(store.replay(DeliveryId::new(), 9).await, Ok(Replayed::NotFound));
    // One batch answers for each, in its order, and a later outcome of a delivery follows the earlier one.
    let (first, gone) = (add(store, "lane").await, DeliveryId::new());
    let batch = vec![progress(first, State::Pending), progress(gone, State::Dead), progress(first, State::Dead)];
    assert_eq!(store.record(batch).await, Ok(vec![Recorded::Done, Recorded::NotFound, Recorded::Done]));
    assert_eq!(store.delivery(first).await.unwrap().unwrap().summary.state, State::Dead);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let sql = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();

    fs::write(&path, "nothing SQLite would ever write; ".repeat(100)).unwrap();
    refused(&path, ErrorKind::Foreign, "is not a database").await;

    fs::remove_file(&path).unwrap();
    sql("CREATE TABLE theirs (x)");
    refused(&path, ErrorKind::Foreign, "another program's database").await;

    fs::remove_file(&path).unwrap();
    open(&url(directory.path())).await.unwrap().close().await.unwrap();
    sql("PRAGMA user_version = 1000; PRAGMA journal_mode = DELETE");
    refused(&path, ErrorKind::Newer, "has version 1000, this gateway knows up to").await;

    // The header says it is ours; what follows is not what SQLite wrote.
    sql("PRAGMA user_version = 1");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    refused(&path, ErrorKind::Corrupt, "is damaged").await;
}

async fn refused(path: &Path, kind: ErrorKind, says: &str) {
    let before = fs::read(path).unwrap();
    let Err(error) = open(&format!("sqlite:{}", path.display())).await else { panic!("opened, not {says}") };
    assert_eq!(error.kind(), kind, "{error}");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(says) && error.to_string().contains(name), "{error}");
    assert_eq!(fs::read(path).unwrap(), before, "{says}: the file was changed");
}

#[tokio::test]
async fn a_second_gateway_is_refused_until_the_first_is_gone() {
    let fixture = Fixture::new().await;
    let second = url(fixture.directory.path());
    let mut names = vec![second.clone()];
    #[cfg(unix)]
    {
        let link = fixture.directory.path().join("link.db");
        std::os::unix::fs::symlink(fixture.directory.path().join("x.db"), &link).unwrap();
        names.push(format!("sqlite:{}", link.display()));
    }
    for name in names {
        let Err(error) = open(&name).await else { panic!("opened twice, as {name}") };
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("another gateway is using it"), "{error}");
    }
    fixture.store.ready().await.unwrap();
    fixture.store.close().await.unwrap();
    open(&second).await.unwrap();
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (path, says) in [
        (directory.path().join("missing/x.db"), "create the directory, or change store.url"),
        (file.join("x.db"), "let the gateway's user write there, or change store.url"),
        (directory.path().to_owned(), "is a directory"),
    ] {
        let Err(error) = open(&format!("sqlite:{}", path.display())).await else { panic!("opened {says}") };
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_and_a_read_only_directory_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new().await;
    add(&*fixture.store, "lane").await;
    for entry in fs::read_dir(fixture.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
    }

    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(directory.path().join("probe"), "").is_ok() {
        return; // root writes everywhere
    }
    let Err(error) = open(&url(directory.path())).await else { panic!("opened") };
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("x.db.lock"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_answers_everyone_and_refuses_the_rest() {
    let fixture = Fixture::new().await;
    let callers: Vec<_> = (0..3_000)
        .map(|_| {
            let store = Arc::clone(&fixture.store);
            let delivery = delivery("lane");
            tokio::spawn(async move { (delivery.id, store.accept(deliveries(vec![delivery])).await) })
        })
        .collect();
    let (first, second) = tokio::join!(fixture.store.close(), fixture.store.close());
    assert_eq!((first, second), (Ok(()), Ok(())));

    let mut accepted = Vec::new();
    for caller in callers {
        match caller.await.unwrap() {
            (id, Ok(_)) => accepted.push(id),
            (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::Closed),
        }
    }
    let store = &*fixture.store;
    assert_eq!(store.ready().await, Err(StoreError::closed()));
    assert_eq!(store.contents(vec![DeliveryId::new()]).await, Err(StoreError::closed()));
    assert_eq!(store.counts().await, Err(StoreError::closed()));
    assert_eq!(store.close().await, Ok(()), "closing again is fine");
    assert!(!fixture.directory.path().join("x.db-wal").exists(), "all of it is in one file");

    let fixture = fixture.reopen().await;
    assert_eq!(fixture.store.counts().await.unwrap().pending, accepted.len() as u64);
    for id in accepted {
        assert!(body(&*fixture.store, id).await.is_some(), "{id} was accepted");
    }
}

#[tokio::test]
async fn readiness_is_a_write() {
    let fixture = Fixture::new().await;
    let other = rusqlite::Connection::open(fixture.directory.path().join("x.db")).unwrap();
    let probe = || other.query_row("SELECT n FROM probe", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = probe();
    fixture.store.ready().await.unwrap();
    assert_eq!(probe(), before + 1);
}

#[tokio::test]
async fn reads_do_not_wait_for_a_writer() {
    let fixture = Fixture::new().await;
    let id = add(&*fixture.store, "lane").await;
    let other = rusqlite::Connection::open(fixture.directory.path().join("x.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn(fixture.store.ready());
    assert!(body(&*fixture.store, id).await.is_some());
    assert!(!waiting.is_finished());
    other.execute_batch("ROLLBACK").unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_in_memory_works_like_any_other() {
    let store = open("sqlite::memory:").await.unwrap();
    let other = open("sqlite::memory:").await.unwrap();
    let id = add(&*store, "lane").await;
    assert!(body(&*store, id).await.is_some());
    assert_eq!(other.counts().await.unwrap(), Counts::default(), "each has its own");
    store.close().await.unwrap();
    other.close().await.unwrap();
}
