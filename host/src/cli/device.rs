//! `pushgate device`: be a device.

use super::{
    Failure, Outcome,
    output::{Output, Unwritten},
    stop::Stop,
};
use crate::{
    config::Secret,
    device::{self, Answering, Device, Event, GaveUp},
    shown::{self, Utc},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::Uri;
use serde::Serialize;
use std::str::FromStr;

/// Be a device: connect, print and acknowledge messages
///
/// Connects to a gateway's device link over TCP (this build has no WebSocket yet), prints each message once, whatever
/// number of copies comes, and acknowledges every copy. Reconnects when the connection is lost; ends on Ctrl-C, or with
/// exit 1 when the gateway refuses the token.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\"
  PUSHGATE_TOKEN=… pushgate device --link gateway.example.com:8082
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\" --json | jq -r .msg")]
pub(crate) struct Args {
    /// HOST:PORT of the gateway's device link (TCP); a ws or wss URL of its public listener is not served yet
    ///
    /// A URL without a path gets /v2/message/client/link.
    #[arg(long, value_name = "ADDR|URL")]
    link: Link,

    /// The device's token (`pushgate token issue` makes one)
    #[arg(long, env = "PUSHGATE_TOKEN", hide_env_values = true)]
    token: Secret,
}

/// Where a device connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Raw TCP, to `HOST:PORT`.
    Tcp(String),
    /// A WebSocket, with its path.
    WebSocket(Uri),
}

impl FromStr for Link {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "must be HOST:PORT, ws://HOST[:PORT][/PATH] or wss://…";
        if !text.contains("://") {
            let (host, port) = text.rsplit_once(':').ok_or(SHAPE)?;
            let host_is_right = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
            return if host_is_right && port.parse::<u16>().is_ok() {
                Ok(Self::Tcp(text.to_owned()))
            } else {
                Err(SHAPE)
            };
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "ws" | "wss")).ok_or(SHAPE)?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(SHAPE)?;
        if uri.path() != "/" {
            return Ok(Self::WebSocket(uri));
        }
        let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
        let whole = format!("{scheme}://{authority}/v2/message/client/link{query}");
        whole.parse().map(Self::WebSocket).map_err(|_| SHAPE)
    }
}

/// Connects and prints until told to stop.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let address = match args.link {
        Link::Tcp(address) => address,
        Link::WebSocket(_) => {
            let what =
                "--link: WebSockets are not available yet in this build; use HOST:PORT of the gateway's device link";
            return Err(Failure::Operation(what.to_owned()));
        }
    };
    let mut stop = Stop::listen()?;
    let device = Device { address, token: args.token, answering: Answering::Always };
    let mut unwritten = None;
    let gave_up = {
        let running = device.run(|event| {
            print(out, event).map_err(|failed| {
                unwritten = Some(failed);
                device::Stop
            })
        });
        tokio::select! {
            gave_up = running => gave_up,
            () = stop.asked() => return Ok(()),
        }
    };
    match gave_up {
        GaveUp::Stopped => unwritten.map_or(Ok(()), |unwritten| Err(unwritten.into())),
        GaveUp::Refused { code, message } => {
            let message = shown::text(&message);
            Err(Failure::Operation(format!("the gateway refuses this device: {code}: {message}")))
        }
        GaveUp::TokenTooLong => Err(Failure::Usage("--token: too long to be a token".to_owned())),
    }
}

/// A message or a receipt, with `--json`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Message { id: String, from: u32, created: u64, msg: String },
    Receipt { receipt: Receipt },
}

/// What became of a message that this device sent.
#[derive(Debug, Serialize)]
struct Receipt {
    id: String,
    to: u32,
    state: String,
}

fn print(out: Output, event: Event) -> Result<(), Unwritten> {
    match event {
        Event::Welcome { cid, heartbeat, .. } => {
            out.note(format_args!("connected as cid {cid}; heartbeat every {heartbeat:?}"));
        }
        Event::Lost { reason, again_in } => {
            let reason = shown::text(&reason);
            out.note(format_args!("{reason}; connecting again in {again_in:?}"));
        }
        Event::Message { id, from, created, msg, copy: 1 } => {
            let sender = if from == 0 { "the application server".to_owned() } else { from.to_string() };
            let text = format!("{} from {sender}: {} (id {})", Utc(created), shown::message(&msg), shown::text(&id));
            let msg = BASE64_STANDARD.encode(&msg);
            out.result(&Line::Message { id, from, created, msg }, |_| text)?;
        }
        Event::Message { .. } => {}
        Event::Receipt { id, to, state } => {
            let text = format!("receipt: {} to {to} (id {})", shown::text(&state), shown::text(&id));
            out.result(&Line::Receipt { receipt: Receipt { id, to, state } }, |_| text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_an_address_or_a_websocket() {
        for address in ["127.0.0.1:8082", "gateway.example.com:8082", "[::1]:8082"] {
            assert_eq!(address.parse(), Ok(Link::Tcp(address.to_owned())));
        }
        for (text, url) in [
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v2/message/client/link"),
            ("wss://g.example/", "wss://g.example/v2/message/client/link"),
            ("wss://g.example/?a=b", "wss://g.example/v2/message/client/link?a=b"),
            ("wss://g.example/own/path", "wss://g.example/own/path"),
        ] {
            assert_eq!(text.parse(), Ok(Link::WebSocket(url.parse().unwrap())), "{text}");
        }
        for text in ["", "127.0.0.1", ":8082", "::1:8082", "host:99999", "http://g.example", "ws://", "ws:///x"] {
            assert!(text.parse::<Link>().is_err(), "{text}");
        }
    }
}
