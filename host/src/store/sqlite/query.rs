//! What is read, each a walk along an index: the time a page takes does not depend on how much is stored.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};

use super::packed;
use crate::store::{
    Answered, Attempt, Content, DeliveryDetail, DeliveryFilter, DeliveryId, DeliveryPage, DeliverySummary, InboxEnd,
    InboxFilter, InboxItem, InboxPage, MAX_PAGE, MAX_SCAN, MAX_SELECTED, Millis, Pending, State,
};

const PENDING: &str = "
    SELECT id, lane, meta, created_at, attempts, phase, planned, due
    FROM delivery WHERE state = 0 AND id > ?1 ORDER BY id LIMIT ?2";

const CONTENT: &str = "
    SELECT meta, bytes FROM delivery JOIN body ON body.seq = delivery.body WHERE state = ?1 AND id = ?2";

const OLDER_ATTEMPTS: &str = "SELECT packed, nth FROM attempt WHERE delivery = ?1 ORDER BY nth";

const ANSWERS: &str = "SELECT nth, bytes, head FROM answer WHERE delivery = ?1 ORDER BY nth";

/// Selects summaries; what follows says which.
macro_rules! summaries {
    ($which:literal) => {
        concat!(
            "SELECT id, lane, state, attempts, created_at, due, last, finished_at, planned, tried FROM delivery ",
            $which
        )
    };
}

const ONE: &str = summaries!("WHERE state = :state AND id = :id");
const BY_STATE: &str =
    summaries!("WHERE state = :state AND id >= :from AND id < :before ORDER BY id DESC LIMIT :limit");
const BY_LANE: &str = summaries!(
    "INDEXED BY delivery_lane WHERE state = :state AND lane = :lane AND id >= :from AND id < :before
     ORDER BY id DESC LIMIT :limit"
);

const IDS_BY_STATE: &str =
    "SELECT id FROM delivery WHERE state = :state AND id >= :from AND id < :before ORDER BY id DESC LIMIT :limit";
const IDS_BY_LANE: &str = "SELECT id FROM delivery INDEXED BY delivery_lane
    WHERE state = :state AND lane = :lane AND id >= :from AND id < :before ORDER BY id DESC LIMIT :limit";

macro_rules! items {
    ($which:literal) => {
        [items!($which, "ASC"), items!($which, "DESC")]
    };
    ($which:literal, $order:literal) => {
        concat!(
            "SELECT cursor, receiver, kind, received_at, item FROM inbox WHERE cursor > :after AND cursor < :before ",
            $which,
            " ORDER BY cursor ",
            $order,
            " LIMIT :limit"
        )
    };
}

/// Each from either end: [`InboxEnd::Oldest`], [`InboxEnd::Newest`].
type FromEither = [&'static str; 2];

const INBOX: FromEither = items!("");
const INBOX_OF_KIND: FromEither = items!("AND kind = :kind");
const INBOX_OF_RECEIVER: FromEither = items!("AND receiver = :receiver");
const INBOX_OF_BOTH: FromEither = items!("AND kind = :kind AND receiver = :receiver");

/// Does [`Store::pending`](crate::store::Store::pending).
pub(super) fn pending(
    connection: &Connection,
    after: Option<DeliveryId>,
    limit: usize,
) -> rusqlite::Result<Vec<Pending>> {
    let after = after.map_or([0; 16], |id| *id.as_bytes());
    let mut lanes: HashSet<Arc<str>> = HashSet::new();
    rows(connection, PENDING, params![after, stored(limit.clamp(1, MAX_SCAN))], |row| {
        let name = row.get_ref(1)?.as_str()?;
        let lane = match lanes.get(name) {
            Some(lane) => Arc::clone(lane),
            None => {
                let lane: Arc<str> = name.into();
                lanes.insert(Arc::clone(&lane));
                lane
            }
        };
        Ok(Pending {
            id: DeliveryId::from_bytes(row.get(0)?),
            lane,
            meta: row.get(2)?,
            created_at: to_millis(row, 3)?,
            attempts: row.get(4)?,
            phase: row.get(5)?,
            planned: millis_of(row, 6)?,
            due: millis_of(row, 7)?,
        })
    })
}

/// Does [`Store::contents`](crate::store::Store::contents).
pub(super) fn contents(connection: &Connection, ids: &[DeliveryId]) -> rusqlite::Result<Vec<Option<Content>>> {
    let snapshot = connection.unchecked_transaction()?; // one for all, and no delivery moves between two states unseen
    ids.iter().map(|id| content(&snapshot, *id)).collect()
}

fn content(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Content>> {
    in_some_state(|state| {
        let mut statement = connection.prepare_cached(CONTENT)?;
        let read = |row: &Row<'_>| Ok(Content { meta: row.get(0)?, body: row.get::<_, Vec<u8>>(1)?.into() });
        statement.query_row(params![state as u8, id.as_bytes()], read).optional()
    })
}

/// Returns what `look` finds in one of the states. What is asked for is most often pending, which is looked at first.
fn in_some_state<T>(mut look: impl FnMut(State) -> rusqlite::Result<Option<T>>) -> rusqlite::Result<Option<T>> {
    for state in State::ALL {
        if let Some(found) = look(state)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Does [`Store::paused_lanes`](crate::store::Store::paused_lanes).
pub(super) fn paused_lanes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    rows(connection, "SELECT lane FROM paused ORDER BY lane", [], |row| row.get(0))
}

/// Does [`Store::delivery`](crate::store::Store::delivery).
pub(super) fn delivery(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<DeliveryDetail>> {
    let snapshot = connection.unchecked_transaction()?; // or the body may be gone before it is read
    let found = in_some_state(|state| {
        let mut statement = snapshot.prepare_cached(ONE)?;
        statement
            .query_row(named_params! { ":state": state as u8, ":id": id.as_bytes() }, |row| {
                let finished_at = row.get::<_, Option<i64>>("finished_at")?.and_then(|at| u64::try_from(at).ok());
                let (planned, tried): (_, i64) = (millis_of(row, 8)?, row.get("tried")?);
                Ok((summary(row)?, last_attempt(row)?, finished_at, planned, tried))
            })
            .optional()
    })?;
    let Some((summary, last, finished_at, planned, tried)) = found else { return Ok(None) };
    let older = |row: &Row<'_>| Ok((row.get::<_, i64>(1)?, unpacked(row, 0)?));
    let mut tries = rows(&snapshot, OLDER_ATTEMPTS, [id.as_bytes()], older)?;
    tries.extend(last.map(|last| (tried, last)));
    let kept = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, Answered::kept(row.get(2)?, row.get(1)?)));
    let mut answers = rows(&snapshot, ANSWERS, [id.as_bytes()], kept)?.into_iter().peekable();
    let attempts: Vec<_> = tries
        .into_iter()
        .map(|(nth, attempt)| {
            while answers.next_if(|(of, _)| *of < nth).is_some() {}
            Attempt { answer: answers.next_if(|(of, _)| *of == nth).map(|(_, answer)| answer), ..attempt }
        })
        .collect();
    let untried = summary.state == State::Pending && summary.attempts == 0;
    let replayed_at = if untried { (tried > 0).then_some(planned) } else { last_run(&attempts) };
    let Content { meta, body } = content(&snapshot, id)?.unwrap_or_default();
    Ok(Some(DeliveryDetail { summary, meta, body, finished_at, replayed_at, attempts }))
}

/// When the newest schedule began, if it is not the first: its first attempt was planned for the moment of the replay.
fn last_run(attempts: &[Attempt]) -> Option<Millis> {
    let mut pairs = attempts.windows(2).rev();
    pairs.find_map(|pair| match pair {
        [before, first] if first.number <= before.number => Some(first.planned),
        _ => None,
    })
}

/// Does [`Store::deliveries`](crate::store::Store::deliveries).
pub(super) fn deliveries(connection: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<DeliveryPage> {
    let limit = page(filter.limit);
    let more = stored(limit + 1); // one that is not shown tells that there is a next page
    let [from, before] = filter.span().bounds();
    let snapshot = connection.unchecked_transaction()?; // or a delivery that moves between two walks is missing
    let mut deliveries = Vec::new();
    for state in State::ALL.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
        let state = state as u8;
        deliveries.extend(match &filter.lane {
            None => {
                let params = named_params! { ":state": state, ":from": from, ":before": before, ":limit": more };
                rows(&snapshot, BY_STATE, params, summary)?
            }
            Some(lane) => {
                let params =
                    named_params! { ":state": state, ":lane": lane, ":from": from, ":before": before, ":limit": more };
                rows(&snapshot, BY_LANE, params, summary)?
            }
        });
    }
    deliveries.sort_unstable_by_key(|delivery| Reverse(delivery.id));
    let next = if deliveries.len() > limit { deliveries.get(limit - 1).map(|last| last.id) } else { None };
    deliveries.truncate(limit);
    Ok(DeliveryPage { deliveries, next })
}

/// Lists the ids of a page, newest first, and the cursor of the next one: of those deliveries that `filter` chooses and
/// that stand in one of `states`.
pub(super) fn ids(
    connection: &Connection,
    filter: &DeliveryFilter,
    states: &[State],
) -> rusqlite::Result<(Vec<DeliveryId>, Option<DeliveryId>)> {
    let limit = filter.limit.clamp(1, MAX_SELECTED);
    let (more, [from, before]) = (stored(limit + 1), filter.span().bounds());
    let mut ids = Vec::new();
    for state in states.iter().filter(|state| filter.state.is_none_or(|wanted| wanted == **state)) {
        let state = *state as u8;
        let id = |row: &Row<'_>| row.get(0).map(DeliveryId::from_bytes);
        ids.extend(match &filter.lane {
            None => {
                let params = named_params! { ":state": state, ":from": from, ":before": before, ":limit": more };
                rows(connection, IDS_BY_STATE, params, id)?
            }
            Some(lane) => {
                let params =
                    named_params! { ":state": state, ":lane": lane, ":from": from, ":before": before, ":limit": more };
                rows(connection, IDS_BY_LANE, params, id)?
            }
        });
    }
    ids.sort_unstable_by_key(|id| Reverse(*id));
    let next = if ids.len() > limit { ids.get(limit - 1).copied() } else { None };
    ids.truncate(limit);
    Ok((ids, next))
}

fn summary(row: &Row<'_>) -> rusqlite::Result<DeliverySummary> {
    let state = state_of(row, 2)?;
    let due = millis_of(row, 5)?;
    let last = if state == State::Delivered { None } else { last_attempt(row)? };
    Ok(DeliverySummary {
        id: DeliveryId::from_bytes(row.get(0)?),
        lane: row.get(1)?,
        state,
        attempts: row.get(3)?,
        created_at: to_millis(row, 4)?,
        next_at: (state == State::Pending).then_some(due),
        last_error: last.and_then(|attempt| attempt.error(state)),
    })
}

/// Reads the newest attempt of a summary's row.
fn last_attempt(row: &Row<'_>) -> rusqlite::Result<Option<Attempt>> {
    if row.get_ref(6)? == ValueRef::Null { Ok(None) } else { unpacked(row, 6).map(Some) }
}

fn unpacked(row: &Row<'_>, column: usize) -> rusqlite::Result<Attempt> {
    packed::unpack(row.get_ref(column)?.as_blob()?).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, "bytes that are no attempt".into())
    })
}

/// Does [`Store::inbox`](crate::store::Store::inbox).
pub(super) fn inbox(connection: &Connection, filter: &InboxFilter) -> rusqlite::Result<InboxPage> {
    let InboxFilter { after, before, limit, kind, receiver, end } = filter;
    let from_end = |[oldest, newest]: FromEither| match end {
        InboxEnd::Oldest => oldest,
        InboxEnd::Newest => newest,
    };
    let (from, to) = (from_millis(*after), before.map_or(i64::MAX, from_millis));
    let limit = stored(page(*limit));
    let mut items = match (kind, receiver) {
        (None, None) => {
            let params = named_params! { ":after": from, ":before": to, ":limit": limit };
            rows(connection, from_end(INBOX), params, item)?
        }
        (Some(kind), None) => {
            let params = named_params! { ":after": from, ":before": to, ":limit": limit, ":kind": kind };
            rows(connection, from_end(INBOX_OF_KIND), params, item)?
        }
        (None, Some(receiver)) => {
            let params = named_params! { ":after": from, ":before": to, ":limit": limit, ":receiver": receiver };
            rows(connection, from_end(INBOX_OF_RECEIVER), params, item)?
        }
        (Some(kind), Some(receiver)) => {
            let params = named_params! {
                ":after": from, ":before": to, ":limit": limit, ":kind": kind, ":receiver": receiver,
            };
            rows(connection, from_end(INBOX_OF_BOTH), params, item)?
        }
    };
    if *end == InboxEnd::Newest {
        items.reverse();
    }
    // Behind an empty page is what it was to end in front of.
    let seen = before.map_or(*after, |before| before.saturating_sub(1).max(*after));
    let next = items.last().map_or(seen, |item| item.cursor);
    Ok(InboxPage { items, next })
}

fn item(row: &Row<'_>) -> rusqlite::Result<InboxItem> {
    Ok(InboxItem {
        cursor: to_millis(row, 0)?,
        receiver: row.get(1)?,
        kind: row.get(2)?,
        received_at: to_millis(row, 3)?,
        item: row.get(4)?,
    })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn page(limit: usize) -> usize {
    limit.clamp(1, MAX_PAGE)
}

/// Reads a state, which is stored as its place in [`State::ALL`].
pub(super) fn state_of(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::ALL.get(usize::from(code)).copied().ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            Type::Integer,
            Box::new(FromSqlError::OutOfRange(code.into())),
        )
    })
}

/// Reads a number of which every bit was kept: a deadline that may be "never".
pub(super) fn millis_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Millis> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Brings a length into SQLite's range.
pub(super) fn stored(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Brings a number into SQLite's range, where it still sorts: the end of time is the same to both.
pub(super) fn from_millis(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a number that [`from_millis`] brought into range.
pub(super) fn to_millis(row: &Row<'_>, column: usize) -> rusqlite::Result<Millis> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::prune;
    use crate::store::sqlite::schema::{self, Flush};

    #[test]
    fn every_page_is_a_walk_along_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let connection = schema::open(&directory.path().join("x.db"), Flush::Never).unwrap();
        for (sql, walk) in [
            (PENDING, "SEARCH delivery USING PRIMARY KEY (state=? AND id>?)"),
            (BY_STATE, "SEARCH delivery USING PRIMARY KEY (state=? AND id>? AND id<?)"),
            (BY_LANE, "SEARCH delivery USING INDEX delivery_lane (state=? AND lane=? AND id>? AND id<?)"),
            (IDS_BY_STATE, "SEARCH delivery USING PRIMARY KEY (state=? AND id>? AND id<?)"),
            (IDS_BY_LANE, "SEARCH delivery USING COVERING INDEX delivery_lane (state=? AND lane=? AND id>? AND id<?)"),
            (ANSWERS, "SEARCH answer USING PRIMARY KEY (delivery=?)"),
            (ONE, "SEARCH delivery USING PRIMARY KEY (state=? AND id=?)"),
            (CONTENT, "SEARCH delivery USING PRIMARY KEY (state=? AND id=?)"),
            (OLDER_ATTEMPTS, "SEARCH attempt USING PRIMARY KEY (delivery=?)"),
            (prune::OLDEST, "SEARCH delivery USING PRIMARY KEY (state=? AND id>?)"),
            (INBOX[0], "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (INBOX[1], "SEARCH inbox USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (INBOX_OF_KIND[0], "SEARCH inbox USING INDEX inbox_kind (kind=? AND rowid>? AND rowid<?)"),
            (INBOX_OF_KIND[1], "SEARCH inbox USING INDEX inbox_kind (kind=? AND rowid>? AND rowid<?)"),
            (INBOX_OF_RECEIVER[0], "SEARCH inbox USING INDEX inbox_receiver (receiver=? AND rowid>? AND rowid<?)"),
            (INBOX_OF_RECEIVER[1], "SEARCH inbox USING INDEX inbox_receiver (receiver=? AND rowid>? AND rowid<?)"),
        ] {
            let plan = plan(&connection, sql);
            assert_eq!(plan.first().map(String::as_str), Some(walk), "{sql}");
            for step in plan {
                assert!(!step.contains("TEMP B-TREE") && !step.contains("SCAN"), "{step} in {sql}");
            }
        }
        for step in INBOX_OF_BOTH.into_iter().flat_map(|sql| plan(&connection, sql)) {
            assert!(step.contains("rowid>?"), "{step}");
        }
    }

    #[test]
    fn a_state_is_stored_as_the_number_released_files_have() {
        let stored = [(State::Pending, 0), (State::Delivered, 1), (State::Dead, 2), (State::Dropped, 3)];
        assert_eq!(State::ALL.map(|state| (state, state as u8)), stored);
    }

    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap()
    }
}
