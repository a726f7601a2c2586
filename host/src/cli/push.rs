//! `pushgate push …`: send once, as a vendor, a device or an application server would.

mod batch;
mod message;

use super::{Failure, Outcome, output::Output, own_token::OwnToken};
use crate::{
    config::{SdkAppId, Secret, Target},
    courier::{HttpCourier, Settings},
};
use clap::{ArgGroup, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Send one push, on its protocol's schedule
///
/// Plays the side that sends: a vendor that pushes to a customer (`uplink`, `events`), a device (`client`) or an
/// application server (`server`). Prints each attempt with its time and answer; exits 0 when the receiver took it, 1
/// when the schedule is exhausted or the receiver refused. Sends where it is told, private addresses too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Uplink(UplinkArgs),
    Events(EventsArgs),
    Client(ClientArgs),
    Server(ServerArgs),
}

/// Send a UCloud batch, as the vendor does
///
/// The body is checked and sent normalised, a bare array of replies as the object around it. Success is HTTP 2xx with `code` 0 in the body; anything else is followed by a retry
/// every second, 3 retries at most, with 5 s to answer each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate push uplink --url http://127.0.0.1:9000/sms batch.json
  pushgate check uplink draft.json | pushgate push uplink --url http://127.0.0.1:9000/sms")]
struct UplinkArgs {
    /// The customer's http or https URL
    #[arg(long)]
    url: Target,

    /// The request body, at most 100 items; - is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// Send Tencent IM push events, as the vendor does
///
/// The body is checked and sent normalised; SdkAppid, CallbackCommand and contenttype are added to the URL's query, and with a token
/// RequestTime and Sign too. Success is HTTP 200 with `ErrorCode` 0 in the body; anything else is followed by a retry
/// every second, 3 retries at most, with 2 s to answer each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate push events --url http://127.0.0.1:9000/im --sdk-app-id 1400000000 events.json
  pushgate push events --url http://127.0.0.1:9000/im --sdk-app-id 1400000000 --token xxxxyyyy \\
    < events.json")]
struct EventsArgs {
    /// The callback's http or https URL
    #[arg(long)]
    url: Target,

    /// The id of the app that the events are of, 1 to 20 digits
    #[arg(long, value_name = "ID")]
    sdk_app_id: SdkAppId,

    /// The token to sign with; without it the callback is unsigned
    #[arg(long, env = "PUSHGATE_CALLBACK_TOKEN", hide_env_values = true)]
    token: Option<Secret>,

    /// The request body, 1 to 100 events; - is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// Send a Lingyang message, as a device does
///
/// Posts to BASE/v2/message/client/push and prints the answer: the status, the request's id, and what is wrong with which
/// member when it is refused. Exit 0 = accepted and stored by the gateway, which does not yet mean delivered. Sent once:
/// the page has no retries for devices.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate push client --url http://127.0.0.1:8080 --token \"$MINE\" --to \"$OTHER\" --msg hello
  PUSHGATE_TOKEN=\"$MINE\" pushgate push client --url http://127.0.0.1:8080 \\
    --to \"$A\" \"$B\" --msg-file settings.bin --flag 3
  date | pushgate push client --url http://127.0.0.1:8080 --token-file mine --to \"$A\" --msg-file -
  pushgate device --link 127.0.0.1:8082 --token \"$MINE\" &   # prints the receipts of the next one
  pushgate push client --url http://127.0.0.1:8080 --token \"$MINE\" \\
    --to \"$OTHER\" --msg hello --callback")]
struct ClientArgs {
    /// The gateway's base URL, http or https; /v2/message/client/push is added
    #[arg(long, value_name = "BASE")]
    url: Target,

    #[command(flatten)]
    token: OwnToken,

    /// A receiver's token; repeat it, or give several, for several receivers
    ///
    /// May be left out with --callback: the message then goes to the application server alone.
    #[arg(long, value_name = "TOKEN", num_args = 1.., required_unless_present = "callback")]
    to: Vec<Secret>,

    #[command(flatten)]
    message: Message,

    /// Call back: the message goes to the app's webhook too, and a receipt of each receiver's outcome to this device
    ///
    /// The receipts come over this device's own link, while it is connected: `pushgate device` with the same token prints
    /// them.
    #[arg(long)]
    callback: bool,
}

/// Send a Lingyang message, as the application server does
///
/// Posts to BASE/v2/message/server/push: to devices by cid, or with --from on behalf of one device to another (proxy).
/// Prints the answer: the status, the request's id, and what is wrong with which member when it is refused. Exit 0 =
/// accepted and stored by the gateway, which does not yet mean delivered. Sent once: the page has no retries for
/// application servers.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate push server --url http://127.0.0.1:8080 --app-id Test --app-key-file key \\
    --to 1003200 1003201 --msg hello
  pushgate push server --url http://127.0.0.1:8080 --app-id Test --app-key-file key \\
    --from 1003200 --to 5003062 --msg hello --flag 3")]
struct ServerArgs {
    /// The gateway's base URL, http or https; /v2/message/server/push is added
    #[arg(long, value_name = "BASE")]
    url: Target,

    /// The app's id
    #[arg(long, value_name = "ID")]
    app_id: String,

    /// A file that holds one of the app's keys, on one line
    #[arg(long, value_name = "FILE")]
    app_key_file: PathBuf,

    /// The cid of the device to send as (proxy); takes exactly one --to
    #[arg(long, value_name = "CID", value_parser = clap::value_parser!(u32).range(1..))]
    from: Option<u32>,

    /// A receiver's cid, 1 to 4294967295; repeat it, or give several, for several receivers
    #[arg(long, value_name = "CID", num_args = 1.., required = true, value_parser = clap::value_parser!(u32).range(1..))]
    to: Vec<u32>,

    #[command(flatten)]
    message: Message,
}

/// Who a server push is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recipients<'a> {
    /// `proxy` 0: each of these devices, from the application server.
    Clients(&'a [u32]),
    /// `proxy` 1: one device, on behalf of another.
    Proxy {
        /// The cid it is sent as.
        from: u32,
        /// The cid it is sent to.
        to: u32,
    },
}

impl ServerArgs {
    fn recipients(&self) -> Result<Recipients<'_>, Failure> {
        match (self.from, self.to.as_slice()) {
            (None, clients) => Ok(Recipients::Clients(clients)),
            (Some(from), &[to]) => Ok(Recipients::Proxy { from, to }),
            (Some(_), _) => Err(Failure::Usage("--from sends to one device: give exactly one --to".to_owned())),
        }
    }
}

/// What to say, and how hard to try.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("content").required(true).args(["msg", "msg_file"]))]
struct Message {
    /// The message as text, at most 256 bytes of UTF-8 (sent as base64)
    #[arg(long, value_name = "TEXT")]
    msg: Option<String>,

    /// A file with the message, at most 256 bytes of anything (sent as base64); - is stdin
    #[arg(long, value_name = "FILE")]
    msg_file: Option<PathBuf>,

    /// The delivery mark; left out, the gateway takes 2
    #[arg(long, value_enum)]
    flag: Option<Flag>,
}

/// The delivery mark of a Lingyang message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flag {
    /// Until the receiver answers: sent up to 5 times, 1, 2, 3 and 5 s apart
    #[value(name = "2")]
    UntilAnswered,
    /// Once, whether or not it arrives
    #[value(name = "3")]
    Once,
}

/// Sends what was asked for.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.kind {
        Kind::Uplink(args) => batch::push_uplink(args, out).await,
        Kind::Events(args) => batch::push_events(args, out).await,
        Kind::Client(args) => message::push_client(&args, out).await,
        Kind::Server(args) => message::push_server(&args, out).await,
    }
}

/// A courier that sends where it is told.
fn courier() -> HttpCourier {
    HttpCourier::new(Settings { allow_private: true, ..Settings::default() })
}
