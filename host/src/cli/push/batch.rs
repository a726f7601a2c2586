//! `pushgate push uplink` and `pushgate push events`: a batch, on its schedule.

use super::{EventsArgs, UplinkArgs, courier};
use crate::{
    batches::{tencent_batch, uplink_batches},
    cli::{
        Failure, Outcome,
        input::{Fault, Input},
        output::{Output, Paint, Unwritten},
    },
    clock::Clock,
    courier::{Attempt, Route, drive},
    shown,
};
use bytes::Bytes;
use pushgate_core::{
    Error, ErrorKind, Field, Instant, Schedule, Verdict, delivery,
    tencent::{self, OfflinePushCommand, query},
    uplink,
};
use serde::Serialize;
use std::{path::Path, time::Duration};

pub(super) async fn push_uplink(args: UplinkArgs, out: Output) -> Outcome {
    let body = read(&args.file, |body| uplink::read(body, |_| {}).map(drop), one_uplink_batch, out)?;
    push(&Route::uplink(args.url, None), body, &Schedule::UPLINK, out).await
}

pub(super) async fn push_events(args: EventsArgs, out: Output) -> Outcome {
    let EventsArgs { url, sdk_app_id, token, file } = args;
    check_url(&url.uri().to_string(), sdk_app_id.as_str())?;
    let body = read(
        &file,
        |body| tencent::read(body, |_| {}).map(drop),
        |body| tencent_batch(body).map(|batch| batch.body),
        out,
    )?;
    push(&Route::events(url, sdk_app_id, token, None), body, &Schedule::TENCENT, out).await
}

/// Refuses a URL that no callback can be sent to, which no retry would mend.
fn check_url(url: &str, sdk_app_id: &str) -> Result<(), Failure> {
    let command = OfflinePushCommand::TEXT;
    let mut buf = vec![0; query::max_url_len(url.len(), sdk_app_id.len(), command.len())];
    match query::write_url(&mut buf, url, sdk_app_id, command, None) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Usage(format!("--{error}"))),
    }
}

/// The one request that a body makes, which may hold no more than is sent in one.
fn one_uplink_batch(body: &[u8]) -> Result<Bytes, Error> {
    let too_many = ErrorKind::TooMany { limit: uplink::MAX_BATCH_ITEMS };
    let mut batches = uplink_batches(body)?;
    match (batches.pop(), batches.is_empty()) {
        (Some(batch), true) => Ok(batch.body),
        _ => Err(Error::new(too_many, Field::top("Data"), 0)),
    }
}

/// Reads the body in `file` and writes it anew as it is sent, or says what is wrong with it.
fn read(
    file: &Path,
    check: fn(&[u8]) -> Result<(), Error>,
    write: fn(&[u8]) -> Result<Bytes, Error>,
    out: Output,
) -> Result<Bytes, Failure> {
    let body = || -> Result<Bytes, Fault> {
        let input = Input::read(file)?;
        check(input.bytes()).map_err(|error| input.fault(&error))?;
        // What may be read and not sent is known by its member: its place in the input is not.
        write(input.bytes()).map_err(|error| input.fault_of_all(error.to_string()))
    };
    body().map_err(|fault| {
        out.note(fault);
        Failure::Reported
    })
}

/// Sends `body` on `schedule`, printing each attempt.
async fn push(route: &Route, body: Bytes, schedule: &Schedule<'_>, out: Output) -> Outcome {
    let (clock, courier) = (Clock::start(), courier());
    let timeout = Duration::from_millis(u64::from(schedule.answer_within()));
    let mut start = None;
    let mut last = String::new();
    let mut written: Result<(), Unwritten> = Ok(());
    let send = |_| route.send(&courier, body.clone(), clock.unix_secs(), timeout);
    let outcome = drive(schedule, clock, send, |attempt| {
        let line = Line::of(attempt, *start.get_or_insert(attempt.planned));
        // The push goes on when nobody reads.
        let told = out.tell(&line, |paint| line.text(paint));
        if written.is_ok() {
            written = told;
        }
        last = format!("attempt {}: {}", attempt.number, line.detail);
    })
    .await;
    written?;
    match outcome {
        delivery::Outcome::Delivered => Ok(()),
        delivery::Outcome::Exhausted => {
            Err(Failure::Operation(format!("not delivered to {}: no attempt is left; {last}", route.destination())))
        }
        delivery::Outcome::GivenUp => {
            Err(Failure::Operation(format!("not delivered to {}: given up; {last}", route.destination())))
        }
    }
}

/// An attempt, with `--json`. Times are milliseconds since the first attempt was due.
#[derive(Debug, Serialize)]
struct Line {
    attempt: u8,
    planned_ms: u64,
    started_ms: u64,
    finished_ms: u64,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_ms: Option<u64>,
    #[serde(skip)]
    delivered: bool,
}

impl Line {
    fn of(attempt: &Attempt, start: Instant) -> Self {
        Self {
            attempt: attempt.number,
            planned_ms: attempt.planned.since(start),
            started_ms: attempt.started.since(start),
            finished_ms: attempt.finished.since(start),
            result: attempt.report.class,
            status: attempt.report.status,
            detail: shown::text(&attempt.report.detail).into_owned(),
            next_ms: attempt.next.map(|next| next.since(start)),
            delivered: attempt.report.verdict == Verdict::Delivered,
        }
    }

    /// `attempt 2, due at 1.003 s, sent at 1.004 s: code 1: busy; next at 2.010 s`.
    fn text(&self, paint: Paint) -> String {
        let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
        let detail = if self.delivered { paint.good(&self.detail) } else { paint.bad(&self.detail) };
        let next = match self.next_ms {
            Some(next) => format!("; next at {}", seconds(next)),
            None if self.delivered => String::new(),
            None => "; no further attempt".to_owned(),
        };
        let (due, sent) = (seconds(self.planned_ms), seconds(self.started_ms));
        format!("attempt {}, due at {due}, sent at {sent}: {detail}{next}", self.attempt)
    }
}
