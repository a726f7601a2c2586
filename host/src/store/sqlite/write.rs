//! What the writer's thread does for each caller, inside of that caller's savepoint.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, named_params, params};

use super::query::{from_millis, state_of, stored, to_millis};
use crate::store::{
    Accept, Accepted, Attempt, Counts, DeliveriesWhen, DeliveryId, Idempotency, MAX_CLASS, MAX_DETAIL, MAX_PAGE,
    Millis, NewItem, Paused, Pending, Progress, Pruned, Recorded, Removed, Replayed, Retention, State,
};

/// Counts deliveries by state, and the inbox, so that nobody has to walk them: what a commit changes so far, to be added
/// to the stored counts at its end, or those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally([i64; 5]);

const INBOX: usize = 4;

impl Tally {
    /// Reads the stored counts.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT what, n FROM tally")?;
        let mut rows = statement.query([])?;
        let mut tally = Self::default();
        while let Some(row) = rows.next()? {
            if let Some(n) = tally.0.get_mut(usize::from(row.get::<_, u8>(0)?)) {
                *n = row.get(1)?;
            }
        }
        Ok(tally)
    }

    /// Returns what is counted once this change is stored.
    fn on_top_of(self, stored: Self) -> Counts {
        let mut sum = stored;
        for (sum, change) in sum.0.iter_mut().zip(self.0) {
            *sum += change;
        }
        sum.into()
    }

    /// Adds a change to the stored counts.
    pub(super) fn store(self, connection: &Connection) -> rusqlite::Result<()> {
        for (what, change) in (0_u8..).zip(self.0).filter(|(_, change)| *change != 0) {
            run(connection, "UPDATE tally SET n = n + ?2 WHERE what = ?1", params![what, change])?;
        }
        Ok(())
    }

    fn add(&mut self, state: State) {
        self.0[state as usize] += 1;
    }

    fn remove(&mut self, state: State) {
        self.0[state as usize] -= 1;
    }
}

impl From<Tally> for Counts {
    fn from(Tally(n): Tally) -> Self {
        let [pending, delivered, dead, dropped, inbox] = n.map(|n| u64::try_from(n).unwrap_or(0));
        Self { pending, delivered, dead, dropped, inbox }
    }
}

/// Does [`Store::accept`](crate::store::Store::accept).
pub(super) fn accept(connection: &Connection, accept: &Accept, tally: &mut Tally) -> rusqlite::Result<Accepted> {
    if let Some(idempotency) = &accept.idempotency
        && let Some(earlier) = recall(connection, idempotency)?
    {
        return Ok(earlier);
    }
    let new_items = add_items(connection, accept)?;
    tally.0[INBOX] += stored(new_items.len());
    let forward = match accept.deliveries_when {
        DeliveriesWhen::Always => true,
        DeliveriesWhen::UnlessAllDuplicate => accept.items.is_empty() || !new_items.is_empty(),
    };
    let ids = if forward { add_deliveries(connection, accept, tally)? } else { Vec::new() };
    if let Some(idempotency) = &accept.idempotency {
        remember(connection, idempotency, &ids)?;
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

fn remember(connection: &Connection, idempotency: &Idempotency, ids: &[DeliveryId]) -> rusqlite::Result<()> {
    let Idempotency { scope, key, fingerprint, now, keep_ms } = idempotency;
    forget(connection, "idempotency", *now, 2)?;
    let ids: Vec<u8> = ids.iter().flat_map(DeliveryId::as_bytes).copied().collect();
    run(
        connection,
        "INSERT OR REPLACE INTO idempotency (key, scope, fingerprint, until, ids) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![key, scope, fingerprint, from_millis(now.saturating_add(*keep_ms)), ids],
    )?;
    Ok(())
}

/// Sweeps a table's oldest entries: a few with every new one, so that it stays as large as what it must remember.
fn forget(connection: &Connection, table: &str, now: Millis, limit: usize) -> rusqlite::Result<()> {
    let oldest =
        format!("DELETE FROM {table} WHERE until <= ?1 AND seq IN (SELECT seq FROM {table} ORDER BY seq LIMIT ?2)");
    run(connection, &oldest, params![from_millis(now), stored(limit)])?;
    Ok(())
}

/// Returns the indexes of the items that are not duplicates, after storing those.
fn add_items(connection: &Connection, accept: &Accept) -> rusqlite::Result<Vec<usize>> {
    let Some(newest) = accept.items.iter().map(|item| item.received_at).max() else { return Ok(Vec::new()) };
    forget(connection, "seen", newest, 2 * accept.items.len())?;
    let mut new = Vec::with_capacity(accept.items.len());
    for (index, item) in accept.items.iter().enumerate() {
        if accept.dedup_window_ms > 0 && !first_seen(connection, item, accept.dedup_window_ms)? {
            continue;
        }
        run(
            connection,
            "INSERT INTO inbox (receiver, kind, received_at, item) VALUES (?1, ?2, ?3, ?4)",
            params![item.receiver, item.kind, from_millis(item.received_at), item.item],
        )?;
        new.push(index);
    }
    Ok(new)
}

fn first_seen(connection: &Connection, item: &NewItem, window_ms: u64) -> rusqlite::Result<bool> {
    let changed = run(
        connection,
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

fn add_deliveries(connection: &Connection, accept: &Accept, tally: &mut Tally) -> rusqlite::Result<Vec<DeliveryId>> {
    let bodies = add_bodies(connection, accept)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO delivery (id, lane, state, body, created_at, attempts, phase, planned, due, meta)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?6, ?7)",
    )?;
    for delivery in &accept.deliveries {
        insert.execute(params![
            delivery.id.as_bytes(),
            delivery.lane,
            State::Pending as u8,
            bodies.get(delivery.body).copied().flatten(),
            from_millis(delivery.created_at),
            delivery.created_at.cast_signed(),
            delivery.meta,
        ])?;
        tally.add(State::Pending);
    }
    Ok(accept.deliveries.iter().map(|delivery| delivery.id).collect())
}

/// Stores the bodies that deliveries refer to, and returns their rows.
fn add_bodies(connection: &Connection, accept: &Accept) -> rusqlite::Result<Vec<Option<i64>>> {
    let mut used = vec![0_usize; accept.bodies.len()];
    for delivery in &accept.deliveries {
        if let Some(count) = used.get_mut(delivery.body) {
            *count += 1;
        }
    }
    let mut insert = connection.prepare_cached("INSERT INTO body (deliveries, bytes) VALUES (?1, ?2)")?;
    accept
        .bodies
        .iter()
        .zip(used)
        .map(
            |(body, used)| if used == 0 { Ok(None) } else { insert.insert(params![stored(used), &body[..]]).map(Some) },
        )
        .collect()
}

/// Does [`Store::record`](crate::store::Store::record).
#[expect(clippy::ptr_arg, reason = "the shape of every task")]
pub(super) fn record(
    connection: &Connection,
    progress: &Vec<Progress>,
    tally: &mut Tally,
) -> rusqlite::Result<Vec<Recorded>> {
    progress.iter().map(|progress| record_one(connection, progress, tally)).collect()
}

fn record_one(connection: &Connection, progress: &Progress, tally: &mut Tally) -> rusqlite::Result<Recorded> {
    let Some((seq, before)) = find(connection, progress.id)? else { return Ok(Recorded::NotFound) };
    // Naming `state` would rewrite two indexes, though a retry leaves it as it is.
    let sql = if before == progress.state {
        "UPDATE delivery SET attempts = :attempts, phase = :phase, planned = :planned, due = :due,
         finished_at = :finished_at WHERE seq = :seq AND state = :state"
    } else {
        "UPDATE delivery SET attempts = :attempts, phase = :phase, planned = :planned, due = :due,
         finished_at = :finished_at, state = :state WHERE seq = :seq"
    };
    run(
        connection,
        sql,
        named_params! {
            ":seq": seq,
            ":state": progress.state as u8,
            ":attempts": progress.attempts,
            ":phase": progress.phase,
            // A deadline may be "never": every bit is kept, not only those of a sensible time.
            ":planned": progress.planned.cast_signed(),
            ":due": progress.due.cast_signed(),
            ":finished_at": progress.finished_at.map(from_millis),
        },
    )?;
    if let Some(attempt) = &progress.attempt {
        add_attempt(connection, seq, attempt)?;
    }
    tally.remove(before);
    tally.add(progress.state);
    Ok(Recorded::Done)
}

fn find(connection: &Connection, id: DeliveryId) -> rusqlite::Result<Option<(i64, State)>> {
    let mut statement = connection.prepare_cached("SELECT seq, state FROM delivery WHERE id = ?1")?;
    statement.query_row([id.as_bytes()], |row| Ok((row.get(0)?, state_of(row, 1)?))).optional()
}

fn add_attempt(connection: &Connection, delivery: i64, attempt: &Attempt) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO attempt (delivery, nth, number, planned, started, finished, status, class, detail)
         VALUES (?1, (SELECT coalesce(max(nth), 0) + 1 FROM attempt WHERE delivery = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            delivery,
            attempt.number,
            attempt.planned.cast_signed(),
            from_millis(attempt.started),
            from_millis(attempt.finished),
            attempt.status,
            cut(&attempt.class, MAX_CLASS),
            cut(&attempt.detail, MAX_DETAIL),
        ],
    )?;
    Ok(())
}

/// Returns the most of `text` that fits into `limit` bytes, in whole characters.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    (0..=limit).rev().find_map(|end| text.get(..end)).unwrap_or(text)
}

/// Does [`Store::replay`](crate::store::Store::replay).
pub(super) fn replay(
    connection: &Connection,
    &(id, now): &(DeliveryId, Millis),
    tally: &mut Tally,
) -> rusqlite::Result<Replayed> {
    let Some((seq, state)) = find(connection, id)? else { return Ok(Replayed::NotFound) };
    if !matches!(state, State::Dead | State::Dropped) {
        return Ok(Replayed::Refused(state));
    }
    let mut statement = connection.prepare_cached(
        "UPDATE delivery SET state = ?2, attempts = 0, phase = 0, planned = ?3, due = ?3, finished_at = NULL
         WHERE seq = ?1 RETURNING lane, meta, created_at",
    )?;
    let pending = statement.query_row(params![seq, State::Pending as u8, now.cast_signed()], |row| {
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
    tally.remove(state);
    tally.add(State::Pending);
    Ok(Replayed::Pending(pending))
}

/// Does [`Store::remove`](crate::store::Store::remove).
pub(super) fn remove(connection: &Connection, id: &DeliveryId, tally: &mut Tally) -> rusqlite::Result<Removed> {
    let Some((seq, state)) = find(connection, *id)? else { return Ok(Removed::NotFound) };
    let lane = delete(connection, seq)?;
    tally.remove(state);
    Ok(Removed::Done { lane, state })
}

/// Deletes a delivery with all that is its own, and returns its lane.
fn delete(connection: &Connection, seq: i64) -> rusqlite::Result<String> {
    let (lane, body): (String, i64) = connection
        .prepare_cached("DELETE FROM delivery WHERE seq = ?1 RETURNING lane, body")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    run(connection, "DELETE FROM attempt WHERE delivery = ?1", [seq])?;
    if run(connection, "DELETE FROM body WHERE seq = ?1 AND deliveries = 1", [body])? == 0 {
        run(connection, "UPDATE body SET deliveries = deliveries - 1 WHERE seq = ?1", [body])?;
    }
    Ok(lane)
}

/// Does [`Store::set_paused`](crate::store::Store::set_paused).
pub(super) fn set_paused(
    connection: &Connection,
    (lane, paused): &(String, Paused),
    _: &mut Tally,
) -> rusqlite::Result<()> {
    let sql = match paused {
        Paused::Yes => "INSERT OR IGNORE INTO paused (lane) VALUES (?1)",
        Paused::No => "DELETE FROM paused WHERE lane = ?1",
    };
    run(connection, sql, [lane])?;
    Ok(())
}

/// Does [`Store::prune`](crate::store::Store::prune).
pub(super) fn prune(connection: &Connection, retention: &Retention, tally: &mut Tally) -> rusqlite::Result<Pruned> {
    let counts = tally.on_top_of(Tally::load(connection)?);
    let limit = retention.limit.min(MAX_PAGE);
    let mut pruned = Pruned::default();

    let excess = (counts.delivered + counts.dead + counts.dropped).saturating_sub(retention.keep_deliveries);
    let floor = DeliveryId::floor(retention.accepted_before);
    for (place, (id, seq, state)) in (0..).zip(oldest_finished(connection, limit)?) {
        if place >= excess && id >= floor {
            break;
        }
        delete(connection, seq)?;
        tally.remove(state);
        pruned.deliveries += 1;
    }

    let excess = counts.inbox.saturating_sub(retention.keep_items);
    for (place, (cursor, received_at)) in (0..).zip(oldest_items(connection, limit)?) {
        if place >= excess && received_at >= retention.received_before {
            break;
        }
        run(connection, "DELETE FROM inbox WHERE cursor = ?1", [cursor])?;
        tally.0[INBOX] -= 1;
        pruned.items += 1;
    }
    Ok(pruned)
}

/// Lists the oldest finished deliveries of all states: a walk of the index for each, merged.
fn oldest_finished(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<(DeliveryId, i64, State)>> {
    let mut oldest = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT id, seq FROM delivery WHERE state = ?1 ORDER BY id LIMIT ?2")?;
    for state in [State::Delivered, State::Dead, State::Dropped] {
        let rows = statement.query_map(params![state as u8, stored(limit)], |row| {
            Ok((DeliveryId::from_bytes(row.get(0)?), row.get(1)?, state))
        })?;
        for row in rows {
            oldest.push(row?);
        }
    }
    oldest.sort_unstable_by_key(|(id, ..)| *id);
    oldest.truncate(limit);
    Ok(oldest)
}

fn oldest_items(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<(i64, Millis)>> {
    let mut statement = connection.prepare_cached("SELECT cursor, received_at FROM inbox ORDER BY cursor LIMIT ?1")?;
    statement.query_map([stored(limit)], |row| Ok((row.get(0)?, to_millis(row, 1)?)))?.collect()
}

/// Does [`Store::ready`](crate::store::Store::ready).
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape of every task")]
pub(super) fn probe(connection: &Connection, (): &(), _: &mut Tally) -> rusqlite::Result<()> {
    run(connection, "UPDATE probe SET n = n + 1", [])?;
    Ok(())
}

fn run(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    let mut statement: CachedStatement<'_> = connection.prepare_cached(sql)?;
    statement.execute(params)
}
