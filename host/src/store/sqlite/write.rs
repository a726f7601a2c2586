//! What the writer's thread does for each caller, inside of the transaction it shares with others.

use rusqlite::{Connection, OptionalExtension, params};

use super::packed;
use super::query::{self, from_millis, stored, to_millis};
use super::session::{Care, Session};
use crate::store::{
    Accept, Accepted, DeliveriesWhen, DeliveryId, Done, Idempotency, MAX_ATTEMPTS, MAX_PAUSED, MAX_SELECTED, Millis,
    NewItem, NotDone, Paused, Pending, Progress, Recorded, Removed, Replayed, Selection, State,
};

/// Does [`Store::accept_all`](crate::store::Store::accept_all).
pub(super) fn accept_all(
    session: &mut Session<'_>,
    accepts: &Vec<Accept>,
) -> rusqlite::Result<Vec<rusqlite::Result<Accepted>>> {
    let mut outcomes = Vec::with_capacity(accepts.len());
    for one in accepts {
        outcomes.push(match session.care {
            Care::Together => Ok(accept(session, one)?),
            Care::Apart => session.apart(|session| accept(session, one))?,
        });
    }
    Ok(outcomes)
}

pub(super) fn accept(session: &mut Session<'_>, accept: &Accept) -> rusqlite::Result<Accepted> {
    if let Some(idempotency) = &accept.idempotency
        && let Some(earlier) = recall(session.connection, idempotency)?
    {
        return Ok(earlier);
    }
    let new_items = add_items(session, accept)?;
    let forward = match accept.deliveries_when {
        DeliveriesWhen::Always => true,
        DeliveriesWhen::UnlessAllDuplicate => accept.items.is_empty() || !new_items.is_empty(),
    };
    let ids = if forward { add_deliveries(session, accept)? } else { Vec::new() };
    if let Some(idempotency) = &accept.idempotency {
        remember(session, idempotency, &ids)?;
    }
    let duplicate_items = accept.items.len() - new_items.len();
    Ok(Accepted::Stored { ids, new_items, duplicate_items })
}

fn recall(connection: &Connection, idempotency: &Idempotency) -> rusqlite::Result<Option<Accepted>> {
    let Idempotency { scope, key, fingerprint, now, .. } = idempotency;
    let mut statement = connection
        .prepare_cached("SELECT fingerprint, ids FROM idempotency WHERE key = ?1 AND scope = ?2 AND until > ?3")?;
    let found = statement
        .query_row(params![key, scope, from_millis(*now)], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    Ok(found.map(|(earlier, ids)| {
        if earlier != *fingerprint {
            return Accepted::KeyReused;
        }
        let (ids, _) = ids.as_chunks();
        Accepted::Repeated { ids: ids.iter().copied().map(DeliveryId::from_bytes).collect() }
    }))
}

fn remember(session: &Session<'_>, idempotency: &Idempotency, ids: &[DeliveryId]) -> rusqlite::Result<()> {
    let Idempotency { scope, key, fingerprint, now, keep_ms } = idempotency;
    forget_keys(session, *now, 2)?;
    let ids: Vec<u8> = ids.iter().flat_map(DeliveryId::as_bytes).copied().collect();
    session.run(
        "INSERT OR REPLACE INTO idempotency (key, scope, until, fingerprint, ids) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![key, scope, from_millis(now.saturating_add(*keep_ms)), fingerprint, ids],
    )?;
    Ok(())
}

/// Sweeps keys that have run out: two with every new one, so that there are never many more than must be remembered.
pub(super) fn forget_keys(session: &Session<'_>, now: Millis, limit: usize) -> rusqlite::Result<usize> {
    session.run(
        "DELETE FROM idempotency WHERE (key, scope) IN
         (SELECT key, scope FROM idempotency WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        params![from_millis(now), stored(limit)],
    )
}

/// Sweeps identities whose window is over: two with every item.
pub(super) fn forget_seen(session: &Session<'_>, now: Millis, limit: usize) -> rusqlite::Result<usize> {
    session.run(
        "DELETE FROM seen WHERE (identity, receiver) IN
         (SELECT identity, receiver FROM seen WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        params![from_millis(now), stored(limit)],
    )
}

/// Returns the indexes of the items that are not duplicates, after storing those.
fn add_items(session: &mut Session<'_>, accept: &Accept) -> rusqlite::Result<Vec<usize>> {
    let Some(newest) = accept.items.iter().map(|item| item.received_at).max() else { return Ok(Vec::new()) };
    forget_seen(session, newest, 2 * accept.items.len())?;
    let mut new = Vec::with_capacity(accept.items.len());
    for (index, item) in accept.items.iter().enumerate() {
        if accept.dedup_window_ms > 0 && !first_seen(session, item, accept.dedup_window_ms)? {
            continue;
        }
        session.run(
            "INSERT INTO inbox (receiver, kind, received_at, item) VALUES (?1, ?2, ?3, ?4)",
            params![item.receiver, item.kind, from_millis(item.received_at), item.item],
        )?;
        session.tally.add_items(1);
        new.push(index);
    }
    Ok(new)
}

fn first_seen(session: &Session<'_>, item: &NewItem, window_ms: u64) -> rusqlite::Result<bool> {
    let changed = session.run(
        "INSERT INTO seen (identity, receiver, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (identity, receiver) DO UPDATE SET until = excluded.until WHERE until <= ?4",
        params![
            item.identity,
            item.receiver,
            from_millis(item.received_at.saturating_add(window_ms)),
            from_millis(item.received_at)
        ],
    )?;
    Ok(changed == 1)
}

fn add_deliveries(session: &mut Session<'_>, accept: &Accept) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut used = vec![0_usize; accept.bodies.len()];
    for delivery in &accept.deliveries {
        if let Some(count) = used.get_mut(delivery.body) {
            *count += 1;
        }
    }
    let mut bodies = Vec::with_capacity(used.len());
    for (body, used) in accept.bodies.iter().zip(used) {
        let added = if used == 0 { None } else { Some(session.add_body.insert(params![stored(used), &body[..]])?) };
        bodies.push(added);
    }
    let mut ids = Vec::with_capacity(accept.deliveries.len());
    for delivery in &accept.deliveries {
        session.add_delivery.execute(params![
            delivery.id.as_bytes(),
            delivery.lane,
            bodies.get(delivery.body).copied().flatten(),
            from_millis(delivery.created_at),
            delivery.created_at.cast_signed(),
            delivery.meta,
        ])?;
        session.tally.add(State::Pending, 1);
        ids.push(delivery.id);
    }
    Ok(ids)
}

/// Does [`Store::record`](crate::store::Store::record).
#[expect(clippy::ptr_arg, reason = "the shape of every task")]
pub(super) fn record(session: &mut Session<'_>, progress: &Vec<Progress>) -> rusqlite::Result<Vec<Recorded>> {
    progress.iter().map(|progress| record_one(session, progress)).collect()
}

fn record_one(session: &mut Session<'_>, progress: &Progress) -> rusqlite::Result<Recorded> {
    // Nearly always it is the first attempt of a delivery that waits for it: that need not be looked up.
    let untried = Found { state: State::Pending, tried: 0 };
    let first = progress.attempt.as_ref().is_some_and(|attempt| attempt.number <= 1);
    if first && advance(session, untried, progress)? {
        keep_answer(session, untried, progress)?;
        return Ok(Recorded::Done);
    }
    let Some(found) = find(session.connection, progress.id)? else { return Ok(Recorded::NotFound) };
    if progress.attempt.is_some() && found.tried > 0 {
        shelve_last(session, progress.id, found)?;
    }
    advance(session, found, progress)?;
    keep_answer(session, found, progress)?;
    Ok(Recorded::Done)
}

/// Keeps what was answered to an attempt that has just been recorded.
fn keep_answer(session: &Session<'_>, before: Found, progress: &Progress) -> rusqlite::Result<()> {
    let Some(answer) = progress.attempt.as_ref().and_then(|attempt| attempt.answer.as_ref()) else { return Ok(()) };
    session.run(
        "INSERT OR REPLACE INTO answer (delivery, nth, bytes, head) VALUES (?1, ?2, ?3, ?4)",
        params![progress.id.as_bytes(), before.tried + 1, answer.bytes(), answer.head()],
    )?;
    Ok(())
}

/// Moves a delivery on, if it is where it was found.
fn advance(session: &mut Session<'_>, from: Found, progress: &Progress) -> rusqlite::Result<bool> {
    let attempt = progress.attempt.as_ref().map(packed::pack);
    // A deadline may be "never": every bit is kept, not only those of a sensible time.
    let (planned, due) = (progress.planned.cast_signed(), progress.due.cast_signed());
    let finished_at = progress.finished_at.map(from_millis);
    let (before, after) = (from.state as u8, progress.state as u8);
    let Progress { id, attempts, phase, .. } = progress;
    let changed = if before == after {
        session.stay.execute(params![
            before,
            id.as_bytes(),
            from.tried,
            attempts,
            phase,
            planned,
            due,
            finished_at,
            attempt
        ])?
    } else {
        session.moving.execute(params![
            before,
            id.as_bytes(),
            from.tried,
            attempts,
            phase,
            planned,
            due,
            finished_at,
            attempt,
            after
        ])?
    };
    if changed == 1 {
        session.tally.add(from.state, -1);
        session.tally.add(progress.state, 1);
    }
    Ok(changed == 1)
}

/// Puts the newest attempt with the older ones, to make place for another.
fn shelve_last(session: &Session<'_>, id: DeliveryId, found: Found) -> rusqlite::Result<()> {
    session.run(
        "INSERT INTO attempt (delivery, nth, packed)
         SELECT id, tried, last FROM delivery WHERE state = ?1 AND id = ?2 AND last IS NOT NULL",
        params![found.state as u8, id.as_bytes()],
    )?;
    let gone = found.tried + 1 - i64::from(MAX_ATTEMPTS);
    if gone > 0 {
        session.run("DELETE FROM attempt WHERE delivery = ?1 AND nth <= ?2", params![id.as_bytes(), gone])?;
        session.run("DELETE FROM answer WHERE delivery = ?1 AND nth <= ?2", params![id.as_bytes(), gone])?;
    }
    Ok(())
}

/// Says where a delivery stands, and how often it was tried in all.
#[derive(Clone, Copy)]
struct Found {
    state: State,
    tried: i64,
}

fn find(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Found>> {
    let mut statement = connection.prepare_cached("SELECT tried FROM delivery WHERE state = ?1 AND id = ?2")?;
    for state in State::ALL {
        let tried = statement.query_row(params![state as u8, id.as_bytes()], |row| row.get(0)).optional()?;
        if let Some(tried) = tried {
            return Ok(Some(Found { state, tried }));
        }
    }
    Ok(None)
}

/// Does [`Store::replay`](crate::store::Store::replay).
pub(super) fn replay(session: &mut Session<'_>, &(id, now): &(DeliveryId, Millis)) -> rusqlite::Result<Replayed> {
    let Some(Found { state, .. }) = find(session.connection, id)? else { return Ok(Replayed::NotFound) };
    if !matches!(state, State::Dead | State::Dropped) {
        return Ok(Replayed::Refused(state));
    }
    let mut statement = session.connection.prepare_cached(
        "UPDATE delivery SET state = 0, attempts = 0, phase = 0, planned = ?3, due = ?3, finished_at = NULL
         WHERE state = ?1 AND id = ?2 RETURNING lane, meta, created_at",
    )?;
    let pending = statement.query_row(params![state as u8, id.as_bytes(), now.cast_signed()], |row| {
        Ok(Pending {
            id,
            lane: row.get::<_, String>(0)?.into(),
            meta: row.get(1)?,
            created_at: to_millis(row, 2)?,
            attempts: 0,
            phase: 0,
            planned: now,
            due: now,
        })
    })?;
    session.tally.add(state, -1);
    session.tally.add(State::Pending, 1);
    Ok(Replayed::Pending(pending))
}

/// Does [`Store::replay_some`](crate::store::Store::replay_some).
pub(super) fn replay_some(
    session: &mut Session<'_>,
    (which, now): &(Selection, Millis),
) -> rusqlite::Result<Done<Pending>> {
    some(session, which, &[State::Dead, State::Dropped], |session, id| {
        Ok(match replay(session, &(id, *now))? {
            Replayed::Pending(pending) => Ok(pending),
            Replayed::NotFound => Err(NotDone::NotFound),
            Replayed::Refused(state) => Err(NotDone::Stands(state)),
        })
    })
}

/// Does [`Store::remove_some`](crate::store::Store::remove_some).
pub(super) fn remove_some(session: &mut Session<'_>, which: &Selection) -> rusqlite::Result<Done<DeliveryId>> {
    some(session, which, &State::ALL, |session, id| {
        Ok(match remove(session, &id)? {
            Removed::Done { .. } => Ok(id),
            Removed::NotFound => Err(NotDone::NotFound),
        })
    })
}

/// Does `one` to each delivery of a selection; of a filter's, to those that stand in one of `states`.
fn some<T>(
    session: &mut Session<'_>,
    which: &Selection,
    states: &[State],
    mut one: impl FnMut(&mut Session<'_>, DeliveryId) -> rusqlite::Result<Result<T, NotDone>>,
) -> rusqlite::Result<Done<T>> {
    let (ids, next) = match which {
        Selection::Ids(ids) => (ids.iter().copied().take(MAX_SELECTED).collect(), None),
        Selection::Page(filter) => query::ids(session.connection, filter, states)?,
    };
    let (mut done, mut refused) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match one(session, id)? {
            Ok(acted) => done.push(acted),
            Err(why) => refused.push((id, why)),
        }
    }
    Ok(Done { done, refused, next })
}

/// Does [`Store::remove`](crate::store::Store::remove).
pub(super) fn remove(session: &mut Session<'_>, id: &DeliveryId) -> rusqlite::Result<Removed> {
    let Some(Found { state, .. }) = find(session.connection, *id)? else { return Ok(Removed::NotFound) };
    let mut statement =
        session.connection.prepare_cached("SELECT lane, body, tried FROM delivery WHERE state = ?1 AND id = ?2")?;
    let (lane, body, tried) =
        statement.query_row(params![state as u8, id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    delete(session, &Row { state, id: *id, body, tried })?;
    Ok(Removed::Done { lane, state })
}

/// Is what must be known of a delivery to delete it.
pub(super) struct Row {
    pub(super) state: State,
    pub(super) id: DeliveryId,
    pub(super) body: i64,
    pub(super) tried: i64,
}

/// Deletes a delivery with all that is its own.
pub(super) fn delete(session: &mut Session<'_>, row: &Row) -> rusqlite::Result<()> {
    session.run("DELETE FROM delivery WHERE state = ?1 AND id = ?2", params![row.state as u8, row.id.as_bytes()])?;
    if row.tried > 1 {
        session.run("DELETE FROM attempt WHERE delivery = ?1", [row.id.as_bytes()])?;
    }
    // Most are delivered at once, and have none.
    if row.tried > i64::from(row.state == State::Delivered) {
        session.run("DELETE FROM answer WHERE delivery = ?1", [row.id.as_bytes()])?;
    }
    if session.run("DELETE FROM body WHERE seq = ?1 AND deliveries = 1", [row.body])? == 0 {
        session.run("UPDATE body SET deliveries = deliveries - 1 WHERE seq = ?1", [row.body])?;
    }
    session.tally.add(row.state, -1);
    Ok(())
}

/// Does [`Store::set_paused`](crate::store::Store::set_paused), and says whether it could: there may be too many.
pub(super) fn set_paused(session: &mut Session<'_>, (lane, paused): &(String, Paused)) -> rusqlite::Result<bool> {
    if *paused == Paused::No {
        session.run("DELETE FROM paused WHERE lane = ?1", [lane])?;
        return Ok(true);
    }
    session.run(
        "INSERT OR IGNORE INTO paused (lane) SELECT ?1 WHERE (SELECT count(*) FROM paused) < ?2",
        params![lane, stored(MAX_PAUSED)],
    )?;
    session.connection.query_row("SELECT EXISTS (SELECT 1 FROM paused WHERE lane = ?1)", [lane], |row| row.get(0))
}

/// Does [`Store::ready`](crate::store::Store::ready).
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape of every task")]
pub(super) fn probe(session: &mut Session<'_>, (): &()) -> rusqlite::Result<()> {
    session.run("UPDATE probe SET n = n + 1", [])?;
    Ok(())
}
