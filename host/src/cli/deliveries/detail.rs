//! One delivery in full, as people read it.

use super::painted;
use crate::{
    cli::{output::Paint, table::Table},
    shown::{self, Utc},
    store::Attempt as Stored,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What the admin API tells of one delivery.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    id: String,
    lane: String,
    state: String,
    created_at: u64,
    next_at: Option<u64>,
    finished_at: Option<u64>,
    replayed_at: Option<u64>,
    attempts: Vec<Attempt>,
    body: Option<String>,
    body_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    /// Counts from 1, anew after a replay.
    number: u64,
    planned: u64,
    started: u64,
    finished: u64,
    status: Option<u16>,
    class: String,
    detail: String,
    answer: Option<Answer>,
}

/// What the destination answered, or its beginning.
#[derive(Debug, Deserialize)]
struct Answer {
    text: Option<String>,
    base64: Option<String>,
    bytes: u64,
    cut: bool,
}

impl Detail {
    /// Everything, on as many lines as it takes.
    pub(super) fn text(&self, paint: Paint) -> String {
        let state = painted(&self.state, shown::text(&self.state).into_owned(), paint);
        let mut lines = vec![
            line("id", &shown::text(&self.id)),
            line("lane", &shown::text(&self.lane)),
            line("state", &state),
            line("created", &moment(self.created_at)),
        ];
        lines.extend(self.next_at.map(|at| line("next", &moment(at))));
        lines.extend(self.finished_at.map(|at| line("finished", &moment(at))));
        // A run that has an attempt says itself when it began.
        let waits =
            self.state == "pending" && self.attempts.last().is_none_or(|last| Some(last.planned) < self.replayed_at);
        lines.extend(self.replayed_at.filter(|_| waits).map(|at| line("replayed", &moment(at))));
        if self.attempts.is_empty() {
            lines.push(line("attempts", "none yet"));
        }
        // A replay begins a schedule of its own.
        for (run, attempts) in self.attempts.chunk_by(|_, next| next.number > 1).enumerate() {
            let Some(first) = attempts.first() else { continue };
            let name = if run == 0 { "attempts" } else { "replayed" };
            lines.push(line(name, &format!("from {}, the first planned time", moment(first.planned))));
            lines.extend(table(attempts, first.planned, paint));
        }
        let last = self.attempts.last().and_then(|attempt| attempt.answer.as_ref());
        lines.extend(last.map(|answer| line("answer", &answer.text())));
        lines.push(line("body", &self.body()));
        lines.join("\n")
    }

    fn body(&self) -> String {
        match (&self.body, &self.body_base64) {
            (Some(body), _) if serde_json::from_str::<&RawValue>(body).is_ok() => shown::text(body).into_owned(),
            (Some(body), _) => shown::message(body.as_bytes()),
            (None, Some(base64)) => format!("base64:{}", shown::text(base64)),
            (None, None) => String::new(),
        }
    }
}

impl Answer {
    fn text(&self) -> String {
        let shown = match (&self.text, &self.base64) {
            (Some(text), _) => shown::text(text).into_owned(),
            (None, Some(base64)) => format!("base64:{}", shown::text(base64)),
            (None, None) => String::new(),
        };
        if self.cut { format!("{shown}… ({} bytes in all)", self.bytes) } else { shown }
    }
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<8}  {value}")
}

fn table(attempts: &[Attempt], zero: u64, paint: Paint) -> Vec<String> {
    let mut table = Table::new(["", "#", "PLANNED", "SENT", "TOOK", "HTTP", "CLASS", "DETAIL"]);
    let rows: Vec<_> = attempts.iter().map(|attempt| attempt.row(zero)).collect();
    rows.iter().for_each(|row| table.fit(row));
    let mut lines = vec![paint.faint(table.heading())];
    for row in &rows {
        lines.push(table.row(row, |column, cell| match column {
            6 if cell.trim_end() == Stored::DELIVERED => paint.good(cell),
            6 => paint.warning(cell),
            _ => cell,
        }));
    }
    lines
}

impl Attempt {
    fn row(&self, zero: u64) -> [String; 8] {
        [
            String::new(),
            self.number.to_string(),
            offset(self.planned, zero),
            offset(self.started, zero),
            format!("{} ms", self.finished.saturating_sub(self.started)),
            self.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            shown::text(&self.class).into_owned(),
            shown::text(&self.detail).into_owned(),
        ]
    }
}

/// Unix milliseconds, with those milliseconds.
fn moment(millis: u64) -> String {
    let seconds = Utc(millis / 1000).to_string();
    match seconds.strip_suffix('Z') {
        Some(seconds) => format!("{seconds}.{:03}Z", millis % 1000),
        None => format!("{seconds}.{:03}", millis % 1000),
    }
}

/// `+1.003 s`: how long after `zero` a time is.
fn offset(millis: u64, zero: u64) -> String {
    let (sign, apart) = if millis < zero { ('-', zero - millis) } else { ('+', millis - zero) };
    format!("{sign}{}.{:03} s", apart / 1000, apart % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{ColorChoice, Format, Output};

    #[test]
    fn a_delivery_is_shown_whole_and_harmless() {
        let json = r#"{"id":"018f","lane":"uplink:acme","state":"dead","created_at":1475031947000,"next_at":null,
            "finished_at":1475031950123,"last_error":"x","attempts":[
            {"number":1,"planned":1475031947005,"started":1475031947006,"finished":1475031947010,"status":503,
             "class":"status","detail":"HTTP 503"},
            {"number":2,"planned":1475031948010,"started":1475031948010,"finished":1475031953010,"status":null,
             "class":"timeout","detail":"no\nanswer\u001b[2J"},
            {"number":1,"planned":1475031960000,"started":1475031959999,"finished":1475031960000,"status":200,
             "class":"delivered","detail":""}],
            "body":"{\"a\":\"\u202e\"}","body_base64":null}"#;
        let detail: Detail = serde_json::from_str(json).unwrap();
        let plain = Output::new(Format::Text, ColorChoice::Never).stderr_paint();
        assert_eq!(
            detail.text(plain).lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "id        018f",
                "lane      uplink:acme",
                "state     dead",
                "created   2016-09-28T03:05:47.000Z",
                "finished  2016-09-28T03:05:50.123Z",
                "attempts  from 2016-09-28T03:05:47.005Z, the first planned time",
                "  #  PLANNED   SENT      TOOK     HTTP  CLASS    DETAIL",
                "  1  +0.000 s  +0.001 s  4 ms     503   status   HTTP 503",
                "  2  +1.005 s  +1.005 s  5000 ms  -     timeout  no\\nanswer\\u{1b}[2J",
                "replayed  from 2016-09-28T03:06:00.000Z, the first planned time",
                "  #  PLANNED   SENT      TOOK  HTTP  CLASS      DETAIL",
                "  1  +0.000 s  -0.001 s  1 ms  200   delivered",
                "body      {\"a\":\"\\u{202e}\"}",
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_json_is_text_or_base64() {
        for (body, base64, shown) in [
            (Some("hello"), None, "hello"),
            (Some("a\nb"), None, "base64:YQpi"),
            (None, Some("/wA="), "base64:/wA="),
            (Some("{\"a\":1}"), None, "{\"a\":1}"),
        ] {
            let detail = Detail {
                id: String::new(),
                lane: String::new(),
                state: String::new(),
                created_at: 0,
                next_at: None,
                finished_at: None,
                replayed_at: None,
                attempts: Vec::new(),
                body: body.map(str::to_owned),
                body_base64: base64.map(str::to_owned),
            };
            assert_eq!(detail.body(), shown);
        }
    }
}
