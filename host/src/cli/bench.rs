//! `pushgate bench …`: load a gateway and report throughput and latency.

use super::{
    Failure, Outcome,
    output::{Output, Paint},
    stop::Stop,
};
use crate::{
    bench::{
        Bound, CannotRun, Progress, Row,
        accept::{self, Whose},
        deliver::{self, Scenario},
        link, views,
    },
    config::{Name, Secret, Target},
};
use clap::{Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Load a gateway and report throughput and latency
///
/// Figures come with the target they are held against, where there is one, and with what a bare loop does with the same
/// posts in the same run. Missing a target is no failure: machines differ. Exits 1 when what was counted afterwards is
/// not what it must be: a submission that was accepted and is not stored, a delivery that did not arrive.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Submissions a second that a gateway accepts durably, beside a bare axum server
    ///
    /// Single submissions of one SMS reply each over connections that stay open. Without --url the gateway is started
    /// here, with its store in a temporary file and its destination paused, so that nothing but accepting is measured.
    /// Then every accepted submission is looked for in the store.
    #[command(after_help = "\
Examples:
  pushgate bench accept
  pushgate bench accept --seconds 30 --store-dir /var/lib/pushgate --json
  pushgate bench accept --url http://127.0.0.1:8081 --destination acme")]
    Accept(AcceptArgs),

    /// Deliveries a second, lateness of retries, memory, isolation
    ///
    /// Runs every scenario, or those that --only names: throughput, batching, memory, lateness, isolation. Receivers and
    /// gateways are started here, on loopback, with stores in temporary files. The whole takes some minutes and 4 GB
    /// on the disk.
    #[command(after_help = "\
Examples:
  pushgate bench deliver
  pushgate bench deliver --only throughput,batching --json
  pushgate bench deliver --only lateness --pending 100000 --seconds 60")]
    Deliver(DeliverArgs),

    /// Memory for devices that are connected, pushes until they are acknowledged, resends, reconnects
    ///
    /// Runs every scenario, or those that --only names: memory-tcp, memory-websocket, push, fan-out, lateness,
    /// reconnects. The gateway runs in a process of its own, on loopback, with its store in a temporary file, and so do
    /// bare tokio loops that hold the same connections; the devices are here. Each process opens a file for each
    /// device.
    #[command(after_help = "\
Examples:
  pushgate bench link
  pushgate bench link --only memory-tcp,memory-websocket --devices 5000
  pushgate bench link --only push --rate 2000 --seconds 30 --store-dir /var/lib/pushgate --json")]
    Link(LinkArgs),

    /// How long each view of the console takes over a full store
    ///
    /// Fills a store in a temporary file with deliveries of every state, lanes of devices and an inbox, starts a gateway
    /// on it and makes each request of the console again and again. Exits 1 when one took 200 ms or more.
    #[command(after_help = "\
Examples:
  pushgate bench admin
  pushgate bench admin --deliveries 100000 --devices 10000 --rounds 20 --json")]
    Admin(AdminArgs),

    /// The bare loops that `link` starts to compare with
    #[command(hide = true)]
    Bare(BareArgs),
}

#[derive(Debug, clap::Args)]
struct AcceptArgs {
    /// Seconds of load on each side
    #[arg(long, value_name = "N", default_value = "10", value_parser = seconds)]
    seconds: Duration,

    /// Alternating rounds the load is cut into; their median is reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Submissions under way at a time, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<1, 1000>)]
    in_flight: usize,

    /// Bytes of a submission's body, about
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = number::<100, 1_000_000>)]
    bytes: usize,

    /// Where the store's temporary file is made [default: the system's directory for such files]
    ///
    /// On a disk: a file system in memory makes everything durable at once and nothing for long.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    store_dir: Option<PathBuf>,

    /// The admin listener of a gateway that runs, an http URL
    #[arg(long, value_name = "URL", requires = "destination")]
    url: Option<Target>,

    /// The uplink destination of that gateway that is submitted to
    ///
    /// What is accepted is also sent, unless its lane is paused.
    #[arg(long, value_name = "NAME", requires = "url")]
    destination: Option<Name>,

    /// That gateway's listen.admin_token, if it has one
    #[arg(long, value_name = "TOKEN", env = "PUSHGATE_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<Secret>,
}

#[derive(Debug, clap::Args)]
struct DeliverArgs {
    /// Run only these
    #[arg(long, value_name = "NAME,…", value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,

    /// Throughput: deliveries on each side, all rounds together
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = number::<1, 100_000_000>)]
    deliveries: usize,

    /// Throughput, memory, lateness: destinations
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<1, 10_000>)]
    lanes: usize,

    /// Bytes of a submission's body, about
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = number::<100, 1_000_000>)]
    bytes: usize,

    /// Batching: items, all together
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = number::<1, 1_000_000_000>)]
    items: usize,

    /// Batching: items of a submission
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number::<1, 100>)]
    items_per_submission: usize,

    /// Batching, lateness, isolation: submissions under way at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<1, 500>)]
    in_flight: usize,

    /// Memory, lateness: deliveries that are pending
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = number::<1, 100_000_000>)]
    pending: usize,

    /// Lateness: retries due in a second
    #[arg(long, value_name = "N", default_value_t = 2000.0, value_parser = rate)]
    retries_per_second: f64,

    /// Isolation: submissions a second to each destination
    #[arg(long, value_name = "N", default_value_t = 500.0, value_parser = rate)]
    submissions_per_second: f64,

    /// Lateness, isolation: seconds of load
    #[arg(long, value_name = "N", default_value = "20", value_parser = seconds)]
    seconds: Duration,

    /// Throughput, isolation: alternating rounds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Where the stores' temporary files are made [default: the system's directory for such files]
    ///
    /// On a disk: a file system in memory makes everything durable at once and nothing for long.
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct LinkArgs {
    /// Run only these
    #[arg(long, value_name = "NAME,…", value_enum, value_delimiter = ',')]
    only: Vec<link::Scenario>,

    /// Devices
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = number::<1, 1_000_000>)]
    devices: usize,

    /// Push, lateness: pushes a second
    #[arg(long, value_name = "N", default_value_t = 1000.0, value_parser = rate)]
    rate: f64,

    /// Push, lateness: seconds of load on each side
    #[arg(long, value_name = "N", default_value = "10", value_parser = seconds)]
    seconds: Duration,

    /// Push, lateness: pushes under way at a time, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number::<1, 500>)]
    in_flight: usize,

    /// Push, fan-out: alternating rounds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Where the stores' temporary files are made [default: the system's directory for such files]
    ///
    /// On a disk: a file system in memory makes everything durable at once and nothing for long.
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct AdminArgs {
    /// Deliveries in the store
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = number::<1, 100_000_000>)]
    deliveries: usize,

    /// Devices with a message waiting, of those deliveries
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = number::<1, 10_000_000>)]
    devices: usize,

    /// Items in the inbox
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = number::<1, 100_000_000>)]
    items: usize,

    /// How often each view is asked for
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = number::<1, 100_000>)]
    rounds: usize,

    /// Where the store's temporary file is made [default: the system's directory for such files]
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct BareArgs {
    /// IP:PORT of the lines
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    link: SocketAddr,
}

/// Measures until it is done or told to stop; either way temporary files and child processes go.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let mut stop = Stop::listen()?;
    if let Action::Bare(args) = args.action {
        return bare(&args, out, &mut stop).await;
    }
    let progress = Progress::on_stderr();
    let outcome = tokio::select! {
        outcome = measure(args, &progress, out) => outcome,
        () = stop.asked() => Err(Failure::Operation("stopped before everything was measured".to_owned())),
    };
    progress.clear();
    outcome
}

/// Serves until told to stop, or until whoever started it is gone and its standard input with it.
async fn bare(args: &BareArgs, out: Output, stop: &mut Stop) -> Outcome {
    let failed = |error: std::io::Error| Failure::Operation(format!("the bare loops: {error}"));
    let mut input = tokio::io::stdin();
    let mut nothing = tokio::io::sink();
    tokio::select! {
        served = link::serve(args.link, |line| out.note(line)) => served.map_err(failed),
        _ = tokio::io::copy(&mut input, &mut nothing) => Ok(()),
        () = stop.asked() => Ok(()),
    }
}

async fn measure(args: Args, progress: &Progress, out: Output) -> Outcome {
    let mut outcome = Ok(());
    match args.action {
        Action::Accept(args) => {
            let row = accept::run(&args.settings().await?, progress).await?;
            report(&row, progress, out, &mut outcome)?;
        }
        Action::Deliver(args) => {
            let scenarios = in_order(&args.only);
            let mut bench = deliver::Bench::new(args.settings(), progress.clone())?;
            for scenario in scenarios {
                let row = bench.measure(scenario).await?;
                report(&row, progress, out, &mut outcome)?;
            }
        }
        Action::Link(args) => {
            let scenarios = in_order(&args.only);
            let bench = link::Bench::new(args.settings(), progress.clone())?;
            for scenario in scenarios {
                let row = bench.measure(scenario).await?;
                report(&row, progress, out, &mut outcome)?;
            }
        }
        Action::Admin(AdminArgs { deliveries, devices, items, rounds, store_dir }) => {
            let settings = views::Settings { deliveries, devices, items, rounds, store_dir };
            for row in views::run(&settings, progress).await? {
                report(&row, progress, out, &mut outcome)?;
            }
        }
        // Served before.
        Action::Bare(_) => {}
    }
    outcome
}

/// Writes a row, and makes `outcome` a failure when something in it does not add up.
fn report(row: &Row, progress: &Progress, out: Output, outcome: &mut Outcome) -> Outcome {
    progress.clear();
    out.result(row, |paint| text(row, paint))?;
    for problem in &row.problems {
        out.error(format_args!("{}: {problem}", row.row));
        *outcome = Err(Failure::Reported);
    }
    Ok(())
}

impl AcceptArgs {
    async fn settings(self) -> Result<accept::Settings, Failure> {
        let whose = match (self.url, self.destination) {
            (Some(url), Some(destination)) => theirs(&url, &destination, self.admin_token).await?,
            _ => Whose::Ours { store_dir: self.store_dir },
        };
        Ok(accept::Settings {
            time: self.seconds,
            rounds: self.rounds,
            in_flight: self.in_flight,
            bytes: self.bytes,
            whose,
        })
    }
}

async fn theirs(url: &Target, destination: &Name, token: Option<Secret>) -> Result<Whose, Failure> {
    let uri = url.uri();
    if uri.scheme_str() != Some("http") || uri.path() != "/" || uri.query().is_some() {
        let shape = "must be http://HOST:PORT: the load is plain HTTP to the admin listener itself";
        return Err(Failure::Usage(format!("--url {url}: {shape}")));
    }
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let place = (uri.host().unwrap_or_default().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let unknown = |reason: String| Failure::Operation(format!("--url {url}: {reason}"));
    let mut addresses = tokio::net::lookup_host(place).await.map_err(|error| unknown(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| unknown("its host has no address".to_owned()))?;
    Ok(Whose::Theirs { address, host, token, destination: destination.to_string() })
}

/// What is to be run, in the order of the scenarios and each once; everything if `only` names nothing.
fn in_order<S: ValueEnum + PartialEq>(only: &[S]) -> Vec<S> {
    let wanted = |scenario: &&S| only.is_empty() || only.contains(scenario);
    S::value_variants().iter().filter(wanted).cloned().collect()
}

impl DeliverArgs {
    fn settings(self) -> deliver::Settings {
        deliver::Settings {
            deliveries: self.deliveries,
            lanes: self.lanes,
            bytes: self.bytes,
            items: self.items,
            items_per_submission: self.items_per_submission,
            in_flight: self.in_flight,
            pending: self.pending,
            retries_per_second: self.retries_per_second,
            submissions_per_second: self.submissions_per_second,
            time: self.seconds,
            rounds: self.rounds,
            store_dir: self.store_dir,
        }
    }
}

impl LinkArgs {
    fn settings(self) -> link::Settings {
        link::Settings {
            devices: self.devices,
            rate: self.rate,
            time: self.seconds,
            in_flight: self.in_flight,
            rounds: self.rounds,
            store_dir: self.store_dir,
        }
    }
}

impl From<CannotRun> for Failure {
    fn from(error: CannotRun) -> Self {
        Self::Operation(format!("nothing more can be measured: {error}"))
    }
}

/// A heading, a line for each figure, and what it was measured with.
fn text(row: &Row, paint: Paint) -> String {
    let name = if row.bench == row.row { row.bench.to_owned() } else { format!("{} {}", row.bench, row.row) };
    let mut text = paint.strong(name);
    let width = row.figures.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
    for figure in &row.figures {
        let target = figure.target.map_or_else(String::new, |target| {
            let bound = match target.bound {
                Bound::AtLeast => "at least",
                Bound::AtMost => "at most",
            };
            format!("target {bound} {}: {:.2} of it", short(target.target), target.of_target)
        });
        let (name, value, unit) = (figure.name.replace('_', " "), short(figure.value), figure.unit);
        let line = format!("  {name:width$}  {value:>8} {unit:<13} {target}");
        text += &format!("\n{}", line.trim_end());
    }
    let with: Vec<_> = row.with.iter().map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect();
    text + "\n  " + &paint.faint(with.join(", "))
}

/// A number with as many digits as say something.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("must be a number of seconds from 0.1 to 3600")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.1..=1_000_000.0).contains(rate));
    rate.ok_or("must be a number from 0.1 to 1000000 a second")
}

fn number<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {LEAST} to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_the_digits_that_say_something() {
        for (value, shown) in
            [(0.35, "0.35"), (12_345.6, "12346"), (99.96, "100.0"), (10.0, "10"), (1.234, "1.23"), (0.0, "0")]
        {
            assert_eq!(short(value), shown);
        }
    }

    #[test]
    fn a_row_that_does_not_add_up_fails_the_command_and_a_missed_target_does_not() {
        use crate::{
            bench::{Figure, Target},
            cli::output::{ColorChoice, Format},
        };
        let (out, progress) = (Output::new(Format::Text, ColorChoice::Never), Progress::on_stderr());
        let target = Target { target: 0.35, bound: Bound::AtLeast, of_target: 0.4 };
        let ratio = Figure { name: "ratio", value: 0.14, unit: "", target: Some(target) };
        let mut row = Row {
            bench: "deliver",
            row: "throughput",
            figures: vec![ratio],
            with: serde_json::Map::new(),
            problems: Vec::new(),
        };
        let mut outcome = Ok(());
        report(&row, &progress, out, &mut outcome).unwrap();
        assert!(outcome.is_ok());
        assert!(text(&row, out.stderr_paint()).contains("target at least 0.35: 0.40 of it"));

        row.problems.push("requests that the receiver got: counted 9, expected 10".to_owned());
        report(&row, &progress, out, &mut outcome).unwrap();
        assert!(matches!(outcome, Err(Failure::Reported)), "{outcome:?}");
    }

    #[test]
    fn scenarios_run_once_and_in_their_order() {
        let (batching, lateness) = (Scenario::Batching, Scenario::Lateness);
        assert_eq!(in_order(&[lateness, batching, lateness]), [batching, lateness]);
        assert_eq!(in_order::<Scenario>(&[]).len(), 5);
        assert_eq!(in_order::<link::Scenario>(&[]).len(), 6);
    }
}
