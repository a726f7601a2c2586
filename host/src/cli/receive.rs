//! `pushgate receive …`: be a receiver.

use super::{
    Failure, Outcome,
    input::read_key,
    output::{Output, Unwritten},
    stop::Stop,
};
use crate::{
    api::server::{Limits, Server},
    clock::Clock,
    config::{SdkAppId, Secret},
    receiver::{self, AppKey, NotKept, Protocol, Received, Seen, Settings},
    shown,
};
use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;
use std::{net::SocketAddr, path::PathBuf};
use tokio::sync::{mpsc, oneshot};

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
struct Listener {
    /// IP:PORT to listen on, at any path; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,

    /// Refuse the first N requests that would be taken
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
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let (listener, protocol, what) = match args.kind {
        Kind::Uplink(UplinkArgs { listener }) => (listener, Protocol::Uplink, "uplink batches"),
        Kind::Events(EventsArgs { listener, sdk_app_id, token }) => {
            (listener, Protocol::Events { sdk_app_id, token }, "callbacks")
        }
        Kind::Webhook(args) => {
            let app = args.app()?;
            (args.listener, Protocol::Webhook { app }, "webhooks")
        }
    };
    let mut stop = Stop::listen()?;
    let server = Server::bind(listener.listen, Limits::default());
    let server = server.map_err(|error| Failure::Operation(error.to_string()))?;
    out.note(format_args!("listening on http://{}/; POST {what} here", server.local_addr()));

    let (lost, mut failed) = mpsc::unbounded_channel();
    let keep = move |received| {
        print(out, &received).map_err(|unwritten| {
            // Whoever stops first is told; the rest is the same.
            let _ = lost.send(unwritten);
            NotKept
        })
    };
    let router = receiver::router(Settings { protocol, fail: listener.fail }, Clock::start(), keep);
    let (tell_failure, failure) = oneshot::channel();
    let shutdown = async {
        tokio::select! {
            () = stop.asked() => {}
            Some(unwritten) = failed.recv() => {
                let _ = tell_failure.send(unwritten);
            }
        }
    };
    server.run(router, shutdown).await;
    match failure.await {
        Ok(unwritten) => Err(unwritten.into()),
        Err(_) => Ok(()),
    }
}

impl WebhookArgs {
    fn app(&self) -> Result<Option<AppKey>, Failure> {
        let (Some(id), Some(file)) = (&self.app_id, &self.app_key_file) else { return Ok(None) };
        Ok(Some(AppKey { id: id.clone(), key: read_key(file)? }))
    }
}

/// An item, with `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// Which request it came in, counted from 1.
    request: u64,
    /// When, in unix milliseconds.
    received_at: u64,
    peer: SocketAddr,
    kind: &'a str,
    /// Whether a copy of it came before.
    duplicate: bool,
    item: Option<&'a RawValue>,
}

/// Prints a request's items on stdout, and on stderr why there are none.
fn print(out: Output, received: &Received) -> Result<(), Unwritten> {
    let Received { number, at, peer, outcome } = received;
    match outcome {
        receiver::Outcome::Taken(items) => {
            for item in items {
                let line = Line {
                    request: *number,
                    received_at: *at,
                    peer: *peer,
                    kind: &item.kind,
                    duplicate: item.seen == Seen::Again,
                    item: serde_json::from_str(&item.json).ok(),
                };
                out.result(&line, |paint| match item.seen {
                    Seen::First => item.line.clone(),
                    Seen::Again => format!("{} {}", item.line, paint.warning("again")),
                })?;
            }
            if items.is_empty() {
                out.note(format_args!("request {number} from {peer}: no items"));
            }
        }
        receiver::Outcome::RefusedOnPurpose(items) => {
            let count = items.len();
            let noun = if count == 1 { "item" } else { "items" };
            out.note(format_args!("request {number} from {peer}: refused on purpose, {count} {noun}"));
        }
        receiver::Outcome::Refused { status, reason } => {
            let reason = shown::text(reason);
            out.note(format_args!("request {number} from {peer}: refused with HTTP {status}: {reason}"));
        }
    }
    Ok(())
}
