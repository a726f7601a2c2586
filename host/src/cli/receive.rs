//! `pushgate receive …`: be a receiver.

use super::{Failure, Outcome, output::Output};
use crate::config::{SdkAppId, Secret};
use clap::Subcommand;
use std::{net::SocketAddr, path::PathBuf};

/// Be a receiver: print every item that is pushed here
///
/// Listens for HTTP, answers as the protocol asks for, and prints each item; ends on Ctrl-C. With --fail it refuses the
/// first requests, which shows how a sender retries.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Uplink(UplinkArgs),
    Events(EventsArgs),
    Webhook(WebhookArgs),
}

/// Flags that every receiver has.
#[derive(Debug, clap::Args)]
#[allow(dead_code, reason = "not built yet: listening")]
struct Listener {
    /// IP:PORT to listen on, at any path; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,

    /// Refuse the first N requests
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail: u32,
}

/// Be a customer's URL for UCloud batches: print SMS replies and status reports
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate receive uplink --listen 127.0.0.1:9000
  pushgate receive uplink --listen 127.0.0.1:9000 --fail 3 --json")]
struct UplinkArgs {
    #[command(flatten)]
    listener: Listener,
}

/// Be a callback URL for Tencent IM: print push events
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate receive events --listen 127.0.0.1:9000
  pushgate receive events --listen 127.0.0.1:9000 --sdk-app-id 1400000000 --token xxxxyyyy")]
struct EventsArgs {
    #[command(flatten)]
    listener: Listener,

    /// The app whose callbacks are taken, 1 to 20 digits; without it every app's are
    #[arg(long, value_name = "ID")]
    sdk_app_id: Option<SdkAppId>,

    /// The token that callbacks must be signed with; without it signatures are ignored
    #[arg(long, env = "PUSHGATE_CALLBACK_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
}

/// Be an application server for Lingyang: print device messages
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate receive webhook --listen 127.0.0.1:9000
  pushgate receive webhook --listen 127.0.0.1:9000 --app-id Test --app-key-file key")]
struct WebhookArgs {
    #[command(flatten)]
    listener: Listener,

    /// The app's id; with its key, messages without a right X-Event-Sign are refused
    #[arg(long, value_name = "ID", requires = "app_key_file")]
    app_id: Option<String>,

    /// A file that holds the app's key, on one line
    #[arg(long, value_name = "FILE", requires = "app_id")]
    app_key_file: Option<PathBuf>,
}

/// Listens and prints until told to stop.
pub(crate) async fn run(args: Args, _out: Output) -> Outcome {
    match args.kind {
        Kind::Uplink(UplinkArgs { listener: _ })
        | Kind::Events(EventsArgs { listener: _, sdk_app_id: _, token: _ })
        | Kind::Webhook(WebhookArgs { listener: _, app_id: _, app_key_file: _ }) => {}
    }
    Err(Failure::Operation("`receive` is not built yet".to_owned()))
}
