//! `pushgate demo`: all three protocols end to end on loopback.

use super::{
    Failure, Outcome,
    output::{Format, Output, Paint},
};
use crate::demo::{self, Line, Summary, Tone};

/// Show all three protocols end to end on this machine
///
/// Starts a gateway, receivers that fail on purpose and devices that answer or do not, all in this process and on loopback addresses, and
/// shows every send against the schedule that the protocol's page asks for. Needs no network and leaves nothing
/// behind. Exits 0 only if every protocol did what its page says.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate demo
  pushgate demo --json | jq .")]
pub(crate) struct Args {}

/// Runs the demonstration.
pub(crate) async fn run(_args: Args, out: Output) -> Outcome {
    out.note("Three push protocols on this machine: watch each send keep its schedule. About 17 s.");
    out.note("");
    let mut written = Ok(());
    let summaries = demo::run(&mut |line| {
        if written.is_ok() {
            written = out.tell(line, |paint| show(line, paint));
        }
    })
    .await
    .map_err(|error| Failure::Operation(format!("the demonstration cannot be run: {error}")))?;
    written?;
    if out.format() == Format::Text {
        out.line("")?;
    }
    for summary in &summaries {
        out.tell(summary, |paint| conclude(summary, paint))?;
    }
    if summaries.iter().all(|summary| summary.met) { Ok(()) } else { Err(Failure::Reported) }
}

/// `  3.004 s  uplink to deaf     send 4 of 4: HTTP 503, code 503: not now  (due 3.003 s, 1 ms late, answered in 2 ms)`
fn show(line: &Line, paint: Paint) -> String {
    let at = paint.faint(format_args!("{} s", seconds(line.at)));
    let who = paint.strong(format_args!("{:<18}", line.who));
    let what = match line.tone {
        Tone::Plain => line.what.clone(),
        Tone::Good => paint.good(&line.what),
        Tone::Refused => paint.warning(&line.what),
        Tone::Ended => paint.bad(&line.what),
    };
    let due = line.planned.map(|planned| {
        let late = line.at.saturating_sub(planned);
        let took = line.took.map(|took| format!(", answered in {took} ms")).unwrap_or_default();
        paint.faint(format_args!("  (due {} s, {late} ms late{took})", seconds(planned).trim_start()))
    });
    format!("{at}  {who} {what}{}", due.unwrap_or_default())
}

fn seconds(millis: u64) -> String {
    format!("{:>3}.{:03}", millis / 1000, millis % 1000)
}

fn conclude(summary: &Summary, paint: Paint) -> String {
    let name = paint.strong(format_args!("{:<18}", summary.protocol.name()));
    let verdict = if summary.met { paint.good("as its page says") } else { paint.bad("NOT as its page says") };
    let mut text = format!("{name} {verdict}: {}", summary.done);
    for problem in &summary.problems {
        text += &format!("\n                     {}", paint.bad(problem));
    }
    text
}
