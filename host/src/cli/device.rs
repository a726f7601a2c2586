//! `pushgate device`: be a device.

use super::{
    Failure, Outcome,
    output::{Output, Unwritten},
    own_token::OwnToken,
    stop,
};
use crate::{
    config::ClientTls,
    device::{Answering, Device, Event, GaveUp, Link, REMEMBERED_IDS, Stop},
    shown::{self, Utc},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Serialize;
use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Be a device: connect, print and acknowledge messages
///
/// Connects to a gateway's device link over TCP, TLS or a WebSocket, prints each message once, whatever number of copies
/// comes, and acknowledges every copy. Prints receipts too: what became, for each receiver, of a message that this
/// device sent with `push client --callback`. A lost connection is made again, after waits that double from half a
/// second to half a minute.
///
/// Messages and receipts go to stdout, everything else to stderr. Ends with 0 on Ctrl-C, SIGTERM, a reader that left,
/// and what --count and --for ask for; with 1 when the gateway refuses the device for good.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\"
  PUSHGATE_TOKEN=… pushgate device --link wss://gateway.example.com
  pushgate device --link tls://localhost:8082 --ca ca.pem --token-file device.token
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\" --json | jq -r .msg
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\" --count 1 --for 30s   # one message
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\" --no-ack   # see each copy of a schedule")]
pub(crate) struct Args {
    /// The gateway's device link: HOST:PORT or tcp:// (TCP), tls://HOST:PORT, ws:// or wss://HOST[:PORT][/PATH]
    ///
    /// A WebSocket goes to the gateway's public listener; without a path it gets /v2/message/client/link.
    #[arg(long, value_name = "ADDR|URL")]
    link: Link,

    #[command(flatten)]
    token: OwnToken,

    /// A PEM file with an authority to trust beside the system's (tls:// and wss://)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// End after so many messages; with --no-ack each copy counts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this time, such as 500ms, 30s, 5m or 1h; with 1 when it never connected or --count is not reached
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    within: Option<Duration>,

    /// Be deaf: acknowledge nothing, and print every copy with its time after the first
    #[arg(long)]
    no_ack: bool,
}

/// Connects and prints until told to stop.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let mut device = Device::new(args.link, args.token.read()?);
    if let Some(path) = &args.ca {
        let tls = ClientTls::with_authority(path).map_err(|what| Failure::Operation(format!("--ca: {what}")))?;
        device.tls = Some(tls);
    }
    if args.no_ack {
        device.answering = Answering::Never;
    }
    let mut asked = stop::Stop::listen()?;
    let mut printer = Printer::new(out, &device.link, args.no_ack, args.count);
    let ended = {
        let running = device.run(|event| printer.print(event));
        tokio::select! {
            gave_up = running => Some(gave_up),
            () = asked.asked() => return Ok(()),
            () = elapsed(args.within) => None,
        }
    };
    match (ended, args.within) {
        (Some(GaveUp::Stopped), _) => printer.unwritten.map_or(Ok(()), |unwritten| Err(unwritten.into())),
        (Some(GaveUp::Refused { code, message }), _) => Err(Failure::Operation(refused(code, &message))),
        (Some(GaveUp::UnsendableToken), _) => {
            let what = "the token cannot be one: it is too long to be sent, or not printable ASCII";
            Err(Failure::Operation(what.to_owned()))
        }
        (None, within) => printer.ran_out(within.unwrap_or_default()),
    }
}

/// Returns after this time, or never.
async fn elapsed(within: Option<Duration>) {
    match within {
        Some(within) => tokio::time::sleep(within).await,
        None => std::future::pending().await,
    }
}

/// What the gateway said, and what to do about it when that is not in its words.
fn refused(code: u32, message: &str) -> String {
    let advice = match code {
        401 => "; `pushgate token issue` makes a token, with a key of the app that owns the cid",
        _ => "",
    };
    format!("the gateway refuses this device: {code}: {}{advice}", shown::text(message))
}

/// What is printed of a device's life.
struct Printer {
    out: Output,
    link: String,
    /// Whether every copy is printed.
    copies: bool,
    /// How many are wanted.
    wanted: Option<u64>,
    printed: u64,
    welcomed: bool,
    /// When the first copies came, the oldest first: for the times of the further ones.
    firsts: VecDeque<(String, Instant)>,
    unwritten: Option<Unwritten>,
}

impl Printer {
    fn new(out: Output, link: &Link, copies: bool, wanted: Option<u64>) -> Self {
        let link = shown::text(&link.to_string()).into_owned();
        Self { out, link, copies, wanted, printed: 0, welcomed: false, firsts: VecDeque::new(), unwritten: None }
    }

    fn print(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Welcome { cid, heartbeat, .. } => {
                self.welcomed = true;
                self.out.note(format_args!("connected to {} as cid {cid}; heartbeat every {heartbeat:?}", self.link));
                Ok(())
            }
            Event::Lost { reason, again_in } => {
                let reason = shown::text(&reason);
                self.out.note(format_args!("{reason}; connecting again in {}", rounded(again_in)));
                Ok(())
            }
            Event::Message { copy, .. } if copy > 1 && !self.copies => Ok(()),
            Event::Message { id, from, created, msg, copy } => {
                let time = self.copies.then(|| (copy, self.after_first(&id)));
                let line = Line::message(id, from, created, &msg, time);
                let text = line.text(&msg);
                self.written(&line, text)?;
                self.printed += 1;
                if self.wanted.is_some_and(|wanted| self.printed >= wanted) { Err(Stop::Taken) } else { Ok(()) }
            }
            Event::Receipt { id, to, state } => {
                let text = format!("receipt: {} to {to} (id {})", shown::text(&state), shown::text(&id));
                self.written(&Line::Receipt { receipt: Receipt { id, to, state } }, text)
            }
        }
    }

    fn written(&mut self, line: &Line, text: String) -> Result<(), Stop> {
        self.out.result(line, |_| text).map_err(|unwritten| {
            self.unwritten = Some(unwritten);
            Stop::Untaken
        })
    }

    /// How long ago the first copy of this message came.
    fn after_first(&mut self, id: &str) -> Duration {
        if let Some((_, first)) = self.firsts.iter().find(|(known, _)| known == id) {
            return first.elapsed();
        }
        if self.firsts.len() >= REMEMBERED_IDS {
            self.firsts.pop_front();
        }
        self.firsts.push_back((id.to_owned(), Instant::now()));
        Duration::ZERO
    }

    /// The time is up.
    fn ran_out(&self, within: Duration) -> Outcome {
        match self.wanted {
            _ if !self.welcomed => Err(Failure::Operation(format!("not connected to {} within {within:?}", self.link))),
            Some(wanted) => {
                Err(Failure::Operation(format!("{} of {wanted} messages came within {within:?}", self.printed)))
            }
            None => Ok(()),
        }
    }
}

/// A message or a receipt, with `--json`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Message {
        id: String,
        from: u32,
        created: u64,
        msg: String,
        #[serde(flatten)]
        copy: Option<Copy>,
    },
    Receipt {
        receipt: Receipt,
    },
}

/// Which copy of a message it is, with `--no-ack`.
#[derive(Debug, Serialize)]
struct Copy {
    copy: u32,
    after_ms: u64,
}

/// What became of a message that this device sent.
#[derive(Debug, Serialize)]
struct Receipt {
    id: String,
    to: u32,
    state: String,
}

impl Line {
    fn message(id: String, from: u32, created: u64, msg: &[u8], time: Option<(u32, Duration)>) -> Self {
        let copy =
            time.map(|(copy, after)| Copy { copy, after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX) });
        Self::Message { id, from, created, msg: BASE64_STANDARD.encode(msg), copy }
    }

    /// `2016-01-13T06:24:55Z from 1003200: hello (id m)`.
    fn text(&self, bytes: &[u8]) -> String {
        let Self::Message { id, from, created, copy, .. } = self else { return String::new() };
        let sender = if *from == 0 { "the application server".to_owned() } else { from.to_string() };
        let copy = match copy {
            None => String::new(),
            Some(Copy { copy: 1, .. }) => ", copy 1".to_owned(),
            Some(Copy { copy, after_ms }) => {
                format!(", copy {copy}, {}.{:03} s after the first", after_ms / 1000, after_ms % 1000)
            }
        };
        format!("{} from {sender}: {} (id {}{copy})", Utc(*created), shown::message(bytes), shown::text(id))
    }
}

/// A wait as people say it: `437ms`, `1.9s`.
fn rounded(wait: Duration) -> String {
    if wait < Duration::from_secs(1) { format!("{wait:?}") } else { format!("{wait:.1?}") }
}

/// Reads `500ms`, `30s`, `5m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const SHAPE: &str = "must be a whole number with its unit, such as 500ms, 30s, 5m or 1h, and at least 1ms";
    let (number, unit) = text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()));
    let number: u32 = number.parse().map_err(|_| SHAPE)?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" | "" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(SHAPE),
    };
    if number == 0 { Err(SHAPE) } else { Ok(unit * number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "0s", "-1s", "1.5s", "1 s", "1d", "4294967296s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("4294967295h").map(|longest| longest.as_secs()), Ok(4_294_967_295 * 3600));
    }

    #[test]
    fn waits_are_short_to_read() {
        for (millis, text) in [(437, "437ms"), (999, "999ms"), (1000, "1.0s"), (12_345, "12.3s"), (30_000, "30.0s")] {
            assert_eq!(rounded(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_copy_is_a_line_with_its_time_when_asked_for() {
        let time = Some((2, Duration::from_millis(1002)));
        let line = Line::message("m".to_owned(), 0, 7, b"hello", time);
        let text = "1970-01-01T00:00:07Z from the application server: hello (id m, copy 2, 1.002 s after the first)";
        assert_eq!(line.text(b"hello"), text);
        let json = r#"{"id":"m","from":0,"created":7,"msg":"aGVsbG8=","copy":2,"after_ms":1002}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), json);
    }
}
