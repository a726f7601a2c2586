//! `pushgate store`: the file that a gateway keeps everything in, from outside.

use super::{Failure, Outcome, output::Output, stop::Stop};
use crate::{
    bench::Progress,
    config::{Config, NotAStore, Secret, StoreUrl},
    shown::Utc,
    store::sqlite::backup::{Copy, Facts, StoreFile},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{task, time};

/// How often a copy's size is looked at (ours).
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// Back up, check or describe a gateway's store
///
/// The store is the file of store.url. All of this may be done while the gateway runs, and by nobody but the user that
/// it runs as, or root.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Backup(BackupArgs),
    Check(CheckArgs),
    Info(InfoArgs),
}

/// Copy the store into a file
///
/// Everything that the gateway had answered for when this began is in the copy, and may be in it what came meanwhile.
/// The copy gets its name once it is whole, checked and on the disk: until then it is FILE.partial. A file that is there
/// is never written over.
///
/// To go back to it, stop the gateway, move the store's file and those with -wal and -shm behind its name away, put the
/// copy there with the gateway's user as its owner, and start the gateway. What the copy has as pending is sent then,
/// also what has been delivered since.
///
/// While it runs the store's log cannot be shortened: leave room for what is accepted meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate store backup --config /etc/pushgate/pushgate.toml /backup/pushgate-$(date +%F).db
  pushgate store backup --store sqlite:pushgate.db copy.db")]
struct BackupArgs {
    /// The file to make
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// Read all of the store and say whether it is sound
///
/// Takes as long as reading the file does. Exit status 1: it is not sound.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate store check --config /etc/pushgate/pushgate.toml
  pushgate store check --store sqlite:/backup/pushgate.db")]
struct CheckArgs {
    #[command(flatten)]
    which: Which,
}

/// Say what the store is: its format, size, and how much is in it since when
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate store info --config /etc/pushgate/pushgate.toml
  pushgate store info --store sqlite:/backup/pushgate.db --json")]
struct InfoArgs {
    #[command(flatten)]
    which: Which,
}

/// Which store.
#[derive(Debug, clap::Args)]
struct Which {
    /// The configuration file whose store.url says where the store is
    #[arg(long, value_name = "FILE", env = "PUSHGATE_CONFIG")]
    config: Option<PathBuf>,

    /// Where the store is: sqlite:PATH; wins over the configuration [default: sqlite:pushgate.db]
    // A URL may hold a password, and clap shows what it cannot parse.
    #[arg(long, value_name = "URL", env = "PUSHGATE_STORE", hide_env_values = true)]
    store: Option<Secret>,
}

impl Which {
    fn open(&self) -> Result<StoreFile, Failure> {
        let url = match (&self.store, &self.config) {
            (Some(url), _) => url
                .reveal()
                .parse()
                .map_err(|error: NotAStore| Failure::Usage(format!("--store (or PUSHGATE_STORE): {error}")))?,
            (None, Some(path)) => Config::load(path).map_err(|error| Failure::Operation(error.to_string()))?.store.url,
            (None, None) => StoreUrl::default(),
        };
        let StoreUrl::Sqlite(path) = url;
        StoreFile::open(&path).map_err(failed)
    }
}

/// Does what was asked with the store.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.action {
        Action::Backup(args) => back_up(args, out).await,
        Action::Check(args) => check(&args.which, out).await,
        Action::Info(args) => info(&args.which, out),
    }
}

/// A copy that is made, with `--json`.
#[derive(Debug, Serialize)]
struct BackedUp {
    file: String,
    bytes: u64,
}

async fn back_up(args: BackupArgs, out: Output) -> Outcome {
    let (file, copy) = (args.which.open()?, Copy::to(&args.file).map_err(failed)?);
    let mut stop = Stop::listen()?;
    let (interrupt, length) = (file.interrupt_handle(), file.copied_bytes().map_err(failed)?);
    let progress = Progress::on_stderr();
    progress.stage(format!("copying {}", bytes(length)), length);
    let making = copy.clone();
    let mut made = task::spawn_blocking(move || file.back_up(&making));
    let mut ticks = time::interval(LOOKED_AT_EVERY);
    let made = loop {
        tokio::select! {
            made = &mut made => break made,
            // Until it has noticed.
            () = stop.asked() => interrupt.interrupt(),
            _ = ticks.tick() => progress.reach(copy.written()),
        }
    };
    progress.clear();
    let size = match made {
        Ok(size) => size.map_err(failed)?,
        Err(error) => return Err(Failure::Operation(format!("copying failed, this is a bug, report it: {error}"))),
    };
    let done = BackedUp { file: args.file.display().to_string(), bytes: size };
    Ok(out.result(&done, |paint| format!("{}: {}, checked and on the disk", paint.strong(&done.file), bytes(size)))?)
}

/// What a check found, with `--json`.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    sound: bool,
    problems: Vec<String>,
}

async fn check(which: &Which, out: Output) -> Outcome {
    let file = which.open()?;
    let path = file.path().to_owned();
    let progress = Progress::on_stderr();
    progress.stage(format!("reading {}", bytes(file.facts().map_or(0, |facts| facts.bytes))), 0);
    let problems = task::spawn_blocking(move || file.problems()).await;
    progress.clear();
    let problems = problems
        .map_err(|error| Failure::Operation(format!("checking failed, this is a bug, report it: {error}")))?
        .map_err(failed)?;
    let checked = Checked { file: path.display().to_string(), sound: problems.is_empty(), problems };
    out.result(&checked, |paint| checked.text(paint.good("sound"), paint.bad("damaged")))?;
    if checked.sound { Ok(()) } else { Err(Failure::Operation(advice(&path))) }
}

impl Checked {
    fn text(&self, sound: String, damaged: String) -> String {
        let state = if self.sound { sound } else { damaged };
        let problems = self.problems.iter().map(|problem| format!("\n  {}", crate::shown::text(problem)));
        format!("{}: {state}{}", self.file, problems.collect::<String>())
    }
}

fn advice(path: &Path) -> String {
    format!(
        "{}: damaged; stop the gateway and put back a backup (pushgate store backup --help says how), or move it away \
         with its -wal and -shm to start empty; then look for what damaged it: the disk, or another program",
        path.display()
    )
}

/// What a store is, with `--json`.
#[derive(Debug, Serialize)]
struct Info {
    file: String,
    format: i64,
    /// The format that this program writes.
    writes_format: usize,
    bytes: u64,
    log_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Deliveries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbox: Option<u64>,
    oldest_delivery_at: Option<u64>,
    newest_delivery_at: Option<u64>,
    oldest_item_at: Option<u64>,
    newest_item_at: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Deliveries {
    pending: u64,
    delivered: u64,
    dead: u64,
    dropped: u64,
}

fn info(which: &Which, out: Output) -> Outcome {
    let file = which.open()?;
    let info = Info::new(file.path(), &file.facts().map_err(failed)?);
    Ok(out.result(&info, |_| info.text())?)
}

impl Info {
    fn new(path: &Path, facts: &Facts) -> Self {
        Self {
            file: path.display().to_string(),
            format: facts.version,
            writes_format: StoreFile::VERSION,
            bytes: facts.bytes,
            log_bytes: facts.log_bytes,
            deliveries: facts.counts.map(|counts| Deliveries {
                pending: counts.pending,
                delivered: counts.delivered,
                dead: counts.dead,
                dropped: counts.dropped,
            }),
            inbox: facts.counts.map(|counts| counts.inbox),
            oldest_delivery_at: facts.deliveries.map(|(oldest, _)| oldest),
            newest_delivery_at: facts.deliveries.map(|(_, newest)| newest),
            oldest_item_at: facts.inbox.map(|(oldest, _)| oldest),
            newest_item_at: facts.inbox.map(|(_, newest)| newest),
        }
    }

    fn text(&self) -> String {
        let present = i64::try_from(self.writes_format).unwrap_or(i64::MAX);
        let format = match self.format {
            format if format == present => format!("{format}, this program's"),
            format if format < present => format!("{format}; written anew as {present} at the next start"),
            format => format!("{format}; newer than this program's {present}: run the release that wrote it"),
        };
        let mut lines = vec![
            ("file", self.file.clone()),
            ("format", format),
            ("size", format!("{}, and {} of log", bytes(self.bytes), bytes(self.log_bytes))),
        ];
        if let Some(Deliveries { pending, delivered, dead, dropped }) = &self.deliveries {
            let counts = format!("{pending} pending, {delivered} delivered, {dead} dead, {dropped} dropped");
            lines.push(("deliveries", counts));
            lines.push(("accepted", span(self.oldest_delivery_at, self.newest_delivery_at)));
        }
        if let Some(items) = self.inbox {
            lines.push(("inbox", items.to_string()));
            lines.push(("received", span(self.oldest_item_at, self.newest_item_at)));
        }
        lines.iter().map(|(name, value)| format!("{name:<10}  {value}")).collect::<Vec<_>>().join("\n")
    }
}

fn span(oldest: Option<u64>, newest: Option<u64>) -> String {
    match (oldest, newest) {
        (Some(oldest), Some(newest)) => format!("{} to {}", Utc(oldest / 1000), Utc(newest / 1000)),
        _ => "nothing yet".to_owned(),
    }
}

/// A size as people read it.
fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Operation(error.to_string())
}
