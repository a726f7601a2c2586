//! What the store lets go, and what it never does.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pushgate::store::{
    Accept, Attempt, Counts, DeliveryId, Keep, MAX_ATTEMPTS, NewDelivery, NewItem, Progress, Pruned, Replayed,
    Retention, State, Store, open,
};

struct Fixture {
    directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&format!("sqlite:{}", file(directory.path()).display())).await.unwrap();
        Self { directory, store }
    }

    /// Accepts a delivery at a time, and ends it at another.
    async fn ended(&self, accepted: u64, state: State, at: u64) -> DeliveryId {
        let id = DeliveryId::new();
        let delivery = NewDelivery { id, lane: "lane".into(), meta: String::new(), body: 0, created_at: accepted };
        let bodies = vec![Bytes::from_static(b"hello")];
        self.store.accept(Accept { bodies, deliveries: vec![delivery], ..Accept::default() }).await.unwrap();
        self.store.record(vec![tried(id, 1, at), progress(id, state, at)]).await.unwrap();
        id
    }

    fn rows(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(file(self.directory.path())).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    async fn left(&self, ids: &[DeliveryId]) -> Vec<usize> {
        let contents = self.store.contents(ids.to_vec()).await.unwrap();
        contents.iter().enumerate().filter(|(_, content)| content.is_some()).map(|(place, _)| place).collect()
    }
}

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("x.db")
}

fn progress(id: DeliveryId, state: State, at: u64) -> Progress {
    let finished_at = (state != State::Pending).then_some(at);
    let attempt = Attempt {
        answer: None,
        number: 2,
        planned: at,
        started: at,
        finished: at,
        status: Some(500),
        class: "status".into(),
        detail: String::new(),
    };
    Progress { id, state, attempts: 2, phase: 0, planned: at, due: at, attempt: Some(attempt), finished_at }
}

fn tried(id: DeliveryId, number: u8, at: u64) -> Progress {
    let again = progress(id, State::Pending, at);
    Progress { attempt: again.attempt.map(|attempt| Attempt { number, ..attempt }), ..again }
}

const KEEP: Keep = Keep { for_ms: 1_000_000, at_most: 100 };
const KEEP_ALL: Retention = Retention { now: 10_000, deliveries: KEEP, dead: KEEP, inbox: KEEP, limit: 100 };

#[tokio::test]
async fn each_kind_has_bounds_of_its_own_and_pending_ones_have_none() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    // Accepted and ended at 1000, 2000, …: pending, delivered, dead, dropped in turn.
    for n in 0..12_u64 {
        ids.push(fixture.ended(1_000 * (n + 1), State::ALL[(n % 4) as usize], 1_000 * (n + 1)).await);
    }
    let younger = |for_ms| Keep { for_ms, ..KEEP };
    let fewer = |at_most| Keep { at_most, ..KEEP };
    for (what, retention, deliveries, dead, left) in [
        ("nothing", KEEP_ALL, 0, 0, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        // 2000 was delivered, 4000 dropped.
        (
            "delivered and dropped ones by age",
            Retention { deliveries: younger(6_000), ..KEEP_ALL },
            1,
            0,
            vec![0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        ),
        (
            "to the millisecond",
            Retention { deliveries: younger(5_999), ..KEEP_ALL },
            1,
            0,
            vec![0, 2, 4, 5, 6, 7, 8, 9, 10, 11],
        ),
        (
            "by count, across both states",
            Retention { deliveries: fewer(3), ..KEEP_ALL },
            1,
            0,
            vec![0, 2, 4, 6, 7, 8, 9, 10, 11],
        ),
        ("dead ones by count", Retention { dead: fewer(2), ..KEEP_ALL }, 0, 1, vec![0, 4, 6, 7, 8, 9, 10, 11]),
        (
            "dead ones by age",
            Retention { now: 13_000, dead: younger(2_500), ..KEEP_ALL },
            0,
            1,
            vec![0, 4, 7, 8, 9, 10, 11],
        ),
        (
            "everything but what is pending",
            Retention { now: 99_000, deliveries: fewer(0), dead: fewer(0), ..KEEP_ALL },
            3,
            1,
            vec![0, 4, 8],
        ),
    ] {
        let pruned = Pruned { deliveries, dead, ..Pruned::default() };
        assert_eq!(fixture.store.prune(retention).await, Ok(pruned), "{what}");
        assert_eq!(fixture.left(&ids).await, left, "{what}");
        for table in ["delivery", "attempt", "body"] {
            assert_eq!(fixture.rows(table).cast_unsigned(), left.len() as u64, "{what}: {table}");
        }
    }
    assert_eq!(fixture.store.counts().await.unwrap(), Counts { pending: 3, ..Counts::default() });
}

#[tokio::test]
async fn deleting_goes_in_steps_and_says_when_there_is_more() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        fixture.ended(1, State::Delivered, 1).await;
    }
    let none = Retention { deliveries: Keep { for_ms: 0, at_most: 0 }, limit: 2, ..KEEP_ALL };
    for (deliveries, more) in [(2, true), (2, true), (1, false), (0, false)] {
        assert_eq!(fixture.store.prune(none).await, Ok(Pruned { deliveries, more, ..Pruned::default() }));
    }
}

#[tokio::test]
async fn age_counts_from_the_end_whatever_was_accepted_before() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    // Schedules of weeks end among deliveries that took a moment.
    for n in 0..9 {
        ids.push(fixture.ended(1_000, State::Dead, if n < 6 { 9_000 } else { 1_000 }).await);
    }
    let step = Retention { dead: Keep { for_ms: 5_000, ..KEEP }, limit: 2, ..KEEP_ALL };
    let mut gone = 0;
    for _ in 0..6 {
        gone += fixture.store.prune(step).await.unwrap().dead;
    }
    assert_eq!(gone, 3, "what ended long ago goes, though it lies behind what has not");
    assert_eq!(fixture.left(&ids).await, [0, 1, 2, 3, 4, 5]);
    let later = Retention { now: 20_000, limit: 100, ..step };
    let mut gone = 0;
    for _ in 0..2 {
        gone += fixture.store.prune(later).await.unwrap().dead;
    }
    assert_eq!(gone, 6);
}

#[tokio::test]
async fn items_go_by_age_and_by_count() {
    let fixture = Fixture::new().await;
    let items = (0..6)
        .map(|n| NewItem {
            receiver: "ucloud".into(),
            kind: "message".into(),
            identity: [n; 16],
            received_at: 1_000 + u64::from(n),
            item: "{}".into(),
        })
        .collect();
    fixture.store.accept(Accept { items, dedup_window_ms: 500, ..Accept::default() }).await.unwrap();
    assert_eq!(fixture.rows("seen"), 6);
    let at = |now| Retention { now, ..KEEP_ALL };
    for (what, retention, items, more) in [
        ("by age", Retention { inbox: Keep { for_ms: 8_998, ..KEEP }, ..KEEP_ALL }, 2, false),
        ("by count", Retention { inbox: Keep { at_most: 1, ..KEEP }, limit: 2, ..KEEP_ALL }, 2, true),
        ("by count, the rest", Retention { inbox: Keep { at_most: 1, ..KEEP }, limit: 2, ..KEEP_ALL }, 1, false),
        ("nothing", at(10_000), 0, false),
    ] {
        assert_eq!(fixture.store.prune(retention).await, Ok(Pruned { items, more, ..Pruned::default() }), "{what}");
    }
    assert_eq!(fixture.store.counts().await.unwrap().inbox, 1);
    assert_eq!(fixture.rows("inbox"), 1);
    assert_eq!(fixture.rows("seen"), 0, "their windows are over");
}

#[tokio::test]
async fn replays_without_end_leave_a_bounded_trace() {
    let fixture = Fixture::new().await;
    let id = fixture.ended(1_000, State::Dead, 1_000).await;
    let rounds = 200_u64;
    for round in 1..=rounds {
        assert!(matches!(fixture.store.replay(id, 2_000).await, Ok(Replayed::Pending(_))));
        let again = vec![tried(id, 1, 2_000 + round), progress(id, State::Dead, 2_000 + round)];
        fixture.store.record(again).await.unwrap();
    }
    let attempts = fixture.store.delivery(id).await.unwrap().unwrap().attempts;
    assert_eq!(attempts.len(), usize::from(MAX_ATTEMPTS));
    let kept_rounds = u64::from(MAX_ATTEMPTS) / 2;
    assert_eq!(attempts[0].planned, 2_000 + rounds - kept_rounds + 1, "the oldest went");
    assert_eq!(attempts.last().unwrap().planned, 2_000 + rounds);
    assert_eq!(fixture.rows("attempt"), i64::from(MAX_ATTEMPTS) - 1);

    assert_eq!(
        fixture.store.prune(Retention { dead: Keep { for_ms: 0, at_most: 0 }, ..KEEP_ALL }).await.unwrap().dead,
        1
    );
    assert_eq!(fixture.rows("attempt"), 0);
}

#[tokio::test]
async fn a_step_with_nothing_to_do_writes_nothing() {
    let fixture = Fixture::new().await;
    fixture.ended(1_000, State::Delivered, 1_000).await;
    let log = || std::fs::metadata(fixture.directory.path().join("x.db-wal")).unwrap();
    let before = (log().len(), log().modified().unwrap());
    for _ in 0..10 {
        assert_eq!(fixture.store.prune(KEEP_ALL).await, Ok(Pruned::default()));
    }
    assert_eq!((log().len(), log().modified().unwrap()), before);
}
