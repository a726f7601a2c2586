//! The command line: one file per command, the same flags, streams and exit codes for all.
//!
//! Results go to stdout and everything else to stderr; exit 0 = done, 1 = the operation failed, 2 = wrong usage.

mod admin;
mod bench;
mod check;
mod config;
mod configured;
mod deliveries;
mod demo;
mod device;
mod devices;
mod generate;
mod inbox;
mod input;
mod lanes;
mod moment;
mod output;
mod own_token;
pub(crate) mod progress;
mod push;
mod receive;
mod serve;
mod status;
mod stop;
mod store;
mod table;
mod token;

use crate::telemetry::{self, LogFormat};
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use output::{ColorChoice, Format, Output, Unwritten};
use std::process::ExitCode;

/// How a command ended.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The operation failed; the words say what and what to do. Exit 1.
    Operation(String),
    /// The operation failed and the command has said so on stderr. Exit 1.
    Reported,
    /// What was asked makes no sense, in a way that the flags alone cannot tell. Exit 2.
    Usage(String),
    /// The reader of stdout left: it has seen what it wanted. Exit 0, quietly.
    ReaderLeft,
}

impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::ReaderLeft => Self::ReaderLeft,
            Unwritten::Failed(error) => Self::Operation(format!("stdout: {error}; some results are lost")),
        }
    }
}

/// A push gateway for UCloud SMS uplink, Lingyang cloud messages and Tencent IM push callbacks
///
/// Accepts pushes for three vendors' protocols, stores what it accepts, delivers it on each vendor's terms, and holds
/// the connections of devices. The other commands play every other side: a device, an application server, a vendor,
/// a receiver.
///
/// Results go to stdout, everything else to stderr. Exit status: 0 = done, 1 = the operation failed, 2 = wrong usage.
#[derive(Debug, Parser)]
#[command(
    name = "pushgate",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  pushgate demo                                      all three protocols on this machine
  pushgate serve                                     a gateway on loopback, stored in pushgate.db
  pushgate config example > pushgate.toml            every setting, explained
  pushgate receive uplink --listen 127.0.0.1:9000    be a customer's URL
  pushgate push uplink --url http://127.0.0.1:9000/ batch.json"
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
struct Globals {
    /// Write results as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,

    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    color: ColorChoice,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as pushgate=debug,hyper=info
    ///
    /// info,pushgate::delivery=debug follows each delivery from the request that brought it to its last send. Without
    /// this flag RUST_LOG decides, and without that `serve` logs info, every other command warn.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = telemetry::filter_text)]
    log: Option<String>,

    /// How log lines are written
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        env = "PUSHGATE_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Push(push::Args),
    Device(device::Args),
    Receive(receive::Args),
    Check(check::Args),
    Token(token::Args),
    Deliveries(deliveries::Args),
    Inbox(inbox::Args),
    Devices(devices::Args),
    Lanes(lanes::Args),
    Status(status::Args),
    Store(store::Args),
    Config(config::Args),
    Bench(bench::Args),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

impl Cli {
    /// Reads the command line of this process.
    ///
    /// # Errors
    ///
    /// Fails with the exit code when there is nothing left to do: help or the version was asked for and shown (0), or
    /// the usage is wrong and was explained (2).
    pub fn from_command_line() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| explain(&error))
    }

    /// Starts the log on stderr.
    pub fn start_log(&self) {
        let style = match self.command {
            Command::Serve(_) => telemetry::Style::Server,
            _ => telemetry::Style::Command,
        };
        let output = self.output();
        let (filter, format) = (self.globals.log.as_deref(), self.globals.log_format);
        if let Err(problem) = telemetry::start(filter, style, format, output.stderr_paint().is_on()) {
            match format {
                LogFormat::Text => output.note(format_args!("warning: {problem}")),
                LogFormat::Json => tracing::warn!("{problem}"),
            }
        }
    }

    /// Says that the runtime could not be built, and with which exit code to end.
    pub fn cannot_start(&self, error: &std::io::Error) -> ExitCode {
        self.output().error(format_args!("cannot start the worker threads: {error}"));
        ExitCode::FAILURE
    }

    /// Does what was asked, and says how it ended.
    pub async fn run(self) -> ExitCode {
        let out = self.output();
        let log_format = self.globals.log_format;
        let outcome = match self.command {
            Command::Demo(args) => demo::run(args, out).await,
            Command::Serve(args) => serve::run(args, out, log_format).await,
            Command::Push(args) => push::run(args, out).await,
            Command::Device(args) => device::run(args, out).await,
            Command::Receive(args) => receive::run(args, out).await,
            Command::Check(args) => check::run(args, out).await,
            Command::Token(args) => token::run(args, out).await,
            Command::Deliveries(args) => deliveries::run(args, out).await,
            Command::Inbox(args) => inbox::run(args, out).await,
            Command::Devices(args) => devices::run(args, out).await,
            Command::Lanes(args) => lanes::run(args, out).await,
            Command::Status(args) => status::run(args, out).await,
            Command::Store(args) => store::run(args, out).await,
            Command::Config(args) => config::run(args, out).await,
            Command::Bench(args) => bench::run(args, out).await,
            Command::Completions(args) => generate::completions(&args, Self::command(), out),
            Command::Man(args) => generate::man(&args, Self::command(), out),
        };
        match outcome {
            Ok(()) | Err(Failure::ReaderLeft) => ExitCode::SUCCESS,
            Err(Failure::Reported) => ExitCode::FAILURE,
            Err(Failure::Operation(what)) => {
                // Whoever reads stderr as JSON reads the end of it too.
                if log_format == LogFormat::Json && tracing::enabled!(tracing::Level::ERROR) {
                    tracing::error!("{what}");
                } else {
                    out.error(what);
                }
                ExitCode::FAILURE
            }
            Err(Failure::Usage(what)) => explain(&Self::command().error(ErrorKind::ValueValidation, what)),
        }
    }

    fn output(&self) -> Output {
        let format = if self.globals.json { Format::Json } else { Format::Text };
        Output::new(format, self.globals.color)
    }
}

/// Shows what clap has to say, where it belongs.
fn explain(error: &clap::Error) -> ExitCode {
    // The reader may have left, which is no reason for another error.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests;
