//! `pushgate device`: be a device.

use super::{Failure, Outcome, output::Output};
use crate::config::Secret;
use http::Uri;
use std::str::FromStr;

/// Be a device: connect, print and acknowledge messages
///
/// Connects to a gateway's device link, over TCP or a WebSocket, prints each message once, whatever number of copies
/// comes, and acknowledges every copy. Reconnects when the connection is lost; ends on Ctrl-C, or with exit 1 when the
/// gateway refuses the token.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\"
  PUSHGATE_TOKEN=… pushgate device --link wss://gateway.example.com
  pushgate device --link 127.0.0.1:8082 --token \"$TOKEN\" --json | jq -r .msg")]
pub(crate) struct Args {
    /// HOST:PORT of the gateway's device link (TCP), or a ws or wss URL of its public listener
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
#[allow(dead_code, reason = "not built yet: connecting")]
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
pub(crate) async fn run(args: Args, _out: Output) -> Outcome {
    let Args { link: _, token: _ } = args;
    Err(Failure::Operation("`device` is not built yet".to_owned()))
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
