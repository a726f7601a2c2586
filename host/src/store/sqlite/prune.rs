//! Deleting what is too old or too much, a step at a time.
//!
//! Deliveries are walked in the order they were accepted, but their age counts from their end: one whose schedule took
//! weeks lies among much older ones. Such a one is passed over, and the next step walks on behind it, until the walk
//! comes to what was accepted too recently to be old, and begins anew.

use rusqlite::{CachedStatement, params};

use super::query::{stored, to_millis};
use super::session::Session;
use super::write::{self, Row};
use crate::store::{DeliveryId, Keep, MAX_PAGE, Millis, Pruned, Retention, State};

/// Bounds the free pages that stay for what comes next, as a share of the file (ours): one in this many. More are given
/// back to the disk.
const FREE_SHARE: i64 = 4;

/// Bounds the free pages that stay in a small file (ours).
const FREE_PAGES: i64 = 2_048;

/// Bounds the pages given back in one step (ours): each may have to be copied first.
const GIVE_BACK: i64 = 256;

/// Does [`Store::prune`](crate::store::Store::prune).
pub(super) fn prune(session: &mut Session<'_>, retention: &Retention) -> rusqlite::Result<Pruned> {
    let limit = retention.limit.clamp(1, MAX_PAGE);
    let now = retention.now;
    let counts = session.counts()?;

    let kept = counts.delivered + counts.dropped;
    let deliveries = Walk { states: &[State::Delivered, State::Dropped], place: 0, now, limit };
    let deliveries = deliveries.take(session, retention.deliveries, kept)?;
    let dead = Walk { states: &[State::Dead], place: 1, now, limit };
    let dead = dead.take(session, retention.dead, counts.dead)?;
    let items = take_items(session, retention, counts.inbox, limit)?;
    let forgotten = write::forget_keys(session, now, limit)? + write::forget_seen(session, now, limit)?;

    let mut more = [deliveries, dead, items].contains(&limit) || forgotten >= limit;
    if !more {
        more = give_back(session)?;
    }
    Ok(Pruned { deliveries, dead, items, more })
}

/// Is a walk along finished deliveries of some states.
struct Walk {
    states: &'static [State],
    /// Which of [`Session::walks`] says where it goes on.
    place: usize,
    now: Millis,
    limit: usize,
}

struct Finished {
    row: Row,
    created_at: Millis,
    finished_at: Millis,
}

impl Walk {
    fn take(&self, session: &mut Session<'_>, keep: Keep, kept: u64) -> rusqlite::Result<usize> {
        let excess = kept.saturating_sub(keep.at_most);
        let until = self.now.saturating_sub(keep.for_ms);
        // What is too much goes from the very beginning, however old.
        let from = if excess > 0 { None } else { session.walks[self.place] };
        if excess == 0 && self.rows(session, from, 1)?.iter().all(|oldest| oldest.created_at >= until) {
            session.walks[self.place] = None;
            return Ok(0);
        }
        let rows = self.rows(session, from, self.limit)?;
        let mut next = if rows.len() == self.limit { rows.last().map(|last| last.row.id) } else { None };
        let mut gone = 0;
        for (place, Finished { row, created_at, finished_at }) in (0..).zip(rows) {
            if place >= excess {
                if created_at >= until {
                    next = None;
                    break;
                }
                if finished_at >= until {
                    continue;
                }
            }
            write::delete(session, &row)?;
            gone += 1;
        }
        session.walks[self.place] = next;
        Ok(gone)
    }

    /// Lists the oldest of all states behind `after`: a walk for each, merged.
    fn rows(&self, session: &Session<'_>, after: Option<DeliveryId>, limit: usize) -> rusqlite::Result<Vec<Finished>> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let mut statement: CachedStatement<'_> = session.connection.prepare_cached(OLDEST)?;
        let mut oldest = Vec::new();
        for state in self.states {
            let rows = statement.query_map(params![*state as u8, after, stored(limit)], |row| {
                let created_at = to_millis(row, 1)?;
                let finished_at: Option<i64> = row.get(2)?;
                Ok(Finished {
                    row: Row {
                        state: *state,
                        id: DeliveryId::from_bytes(row.get(0)?),
                        body: row.get(3)?,
                        tried: row.get(4)?,
                    },
                    created_at,
                    finished_at: finished_at.and_then(|at| u64::try_from(at).ok()).unwrap_or(created_at),
                })
            })?;
            for row in rows {
                oldest.push(row?);
            }
        }
        if self.states.len() > 1 {
            oldest.sort_unstable_by_key(|finished| finished.row.id);
            oldest.truncate(limit);
        }
        Ok(oldest)
    }
}

pub(super) const OLDEST: &str = "
    SELECT id, created_at, finished_at, body, tried FROM delivery WHERE state = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// Items come in the order of their arrival: one statement finds where they are young enough, and deletes up to there.
fn take_items(session: &mut Session<'_>, retention: &Retention, kept: u64, limit: usize) -> rusqlite::Result<usize> {
    let excess = kept.saturating_sub(retention.inbox.at_most);
    let until = retention.now.saturating_sub(retention.inbox.for_ms);
    let mut statement =
        session.connection.prepare_cached("SELECT cursor, received_at FROM inbox ORDER BY cursor LIMIT ?1")?;
    let mut last: Option<i64> = None;
    let mut gone = 0;
    let mut rows = statement.query([stored(limit)])?;
    while let Some(row) = rows.next()? {
        if gone >= excess && to_millis(row, 1)? >= until {
            break;
        }
        last = Some(row.get(0)?);
        gone += 1;
    }
    drop(rows);
    if let Some(last) = last {
        let gone = session.run("DELETE FROM inbox WHERE cursor <= ?1", [last])?;
        session.tally.add_items(-stored(gone));
        return Ok(gone);
    }
    Ok(0)
}

/// Returns some free pages to the disk when there are many, and says whether there still are.
fn give_back(session: &Session<'_>) -> rusqlite::Result<bool> {
    let number = |pragma| session.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (free, pages) = (number("freelist_count")?, number("page_count")?);
    let excess = free - FREE_PAGES.max(pages / FREE_SHARE);
    if excess <= 0 {
        return Ok(false);
    }
    session.connection.execute_batch(&format!("PRAGMA incremental_vacuum({})", excess.min(GIVE_BACK)))?;
    Ok(excess > GIVE_BACK && number("freelist_count")? < free)
}
