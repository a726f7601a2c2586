//! Where a gateway's device link is, and over what.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::Uri;

/// The path of the device link on a gateway's public listener (the interfaces; ours).
pub const WEBSOCKET_PATH: &str = "/v2/message/client/link";

/// A gateway's device link: `HOST:PORT`, `tcp://HOST:PORT`, `tls://HOST:PORT`, `ws://HOST[:PORT][/PATH]` or
/// `wss://HOST[:PORT][/PATH]`.
///
/// A WebSocket without a path gets [`WEBSOCKET_PATH`]. It prints without its query, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    pub(super) over: Over,
    /// A name or an address; of version 6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// A WebSocket's path and query.
    pub(super) path: String,
}

/// What carries the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
}

impl Over {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "tcp" => Some(Self::Tcp),
            "tls" => Some(Self::Tls),
            "ws" => Some(Self::WebSocket),
            "wss" => Some(Self::SecureWebSocket),
            _ => None,
        }
    }

    const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }

    const fn usual_port(self) -> Option<u16> {
        match self {
            Self::Tcp | Self::Tls => None,
            Self::WebSocket => Some(80),
            Self::SecureWebSocket => Some(443),
        }
    }

    pub(super) const fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }

    pub(super) const fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }
}

impl Link {
    /// The host and the port as a URL has them.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        match host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{host}]:{port}"),
            Err(_) => format!("{host}:{port}"),
        }
    }
}

impl From<SocketAddr> for Link {
    fn from(address: SocketAddr) -> Self {
        Self { over: Over::Tcp, host: address.ip().to_string(), port: address.port(), path: String::new() }
    }
}

impl FromStr for Link {
    type Err = NotALink;

    fn from_str(text: &str) -> Result<Self, NotALink> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let over = match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => return Err(NotALink("a WebSocket's URL begins with ws:// or wss://")),
            scheme => Over::of(scheme).ok_or(NotALink::SHAPE)?,
        };
        if rest.contains('#') {
            return Err(NotALink("must not have a fragment (`#…`): it is never sent"));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(NotALink("must not hold a user name or password: a device says who it is with its token"));
        }
        let (host, port) = host_and_port(authority).ok_or(NotALink::SHAPE)?;
        let port = port.or(over.usual_port()).ok_or(NotALink("must name the port: HOST:PORT"))?;
        let path = match (over.is_websocket(), path.strip_prefix('/').unwrap_or(path)) {
            (false, "") => String::new(),
            (false, _) => return Err(NotALink("only a WebSocket (ws://, wss://) has a path")),
            (true, "") => WEBSOCKET_PATH.to_owned(),
            (true, query) if query.starts_with('?') => format!("{WEBSOCKET_PATH}{query}"),
            (true, path) => format!("/{path}"),
        };
        let link = Self { over, host: host.to_owned(), port, path };
        // What HTTP cannot name, such as a space in the host, is found here and not when connecting.
        link.uri().map(|_| link.clone()).ok_or(NotALink::SHAPE)
    }
}

impl Link {
    /// The URL that a WebSocket's request is made for.
    pub(super) fn uri(&self) -> Option<Uri> {
        format!("{}://{}{}", self.over.scheme(), self.authority(), self.path).parse().ok()
    }
}

/// Splits `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            host.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|&port| port > 0)?),
        None if port.is_empty() => None,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.over.scheme(), self.authority())?;
        if path.len() < self.path.len() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no [`Link`]. Does not quote the text, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALink(&'static str);

impl NotALink {
    const SHAPE: Self = Self(
        "must be HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, ws://HOST[:PORT][/PATH] or wss://HOST[:PORT][/PATH]",
    );
}

impl fmt::Display for NotALink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotALink {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_an_address_or_a_url() {
        for (text, shown) in [
            ("127.0.0.1:8082", "tcp://127.0.0.1:8082"),
            ("gateway.example.com:8082", "tcp://gateway.example.com:8082"),
            ("[::1]:8082", "tcp://[::1]:8082"),
            ("tcp://g.example:1/", "tcp://g.example:1"),
            ("TLS://g.example:8082", "tls://g.example:8082"),
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v2/message/client/link"),
            ("ws://[::1]", "ws://[::1]:80/v2/message/client/link"),
            ("wss://g.example/", "wss://g.example:443/v2/message/client/link"),
            ("wss://g.example/?token=hunter2", "wss://g.example:443/v2/message/client/link?…"),
            ("wss://g.example?token=hunter2", "wss://g.example:443/v2/message/client/link?…"),
            ("wss://g.example/own/path", "wss://g.example:443/own/path"),
        ] {
            let link: Link = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((link.to_string().as_str(), format!("{link:?}").as_str()), (shown, shown), "{text}");
        }
        let link: Link = "wss://g.example/?a=b".parse().unwrap();
        assert_eq!(link.uri().unwrap(), "wss://g.example:443/v2/message/client/link?a=b", "the query is sent");
        assert_eq!(Link::from("[::1]:1".parse::<SocketAddr>().unwrap()).to_string(), "tcp://[::1]:1");
    }

    #[test]
    fn anything_else_is_none_and_the_reason_says_what_to_write() {
        for (text, words) in [
            ("", "HOST:PORT"),
            ("127.0.0.1", "must name the port"),
            (":8082", "HOST:PORT"),
            ("::1:8082", "HOST:PORT"),
            ("[::x]:8082", "HOST:PORT"),
            ("[::1]8082", "HOST:PORT"),
            ("host:99999", "HOST:PORT"),
            ("host:0", "HOST:PORT"),
            ("a b:1", "HOST:PORT"),
            ("udp://host:1", "HOST:PORT"),
            ("tls://host", "must name the port"),
            ("tcp://host:1/path", "only a WebSocket"),
            ("http://g.example", "ws://"),
            ("ws://", "HOST:PORT"),
            ("ws:///x", "HOST:PORT"),
            ("ws://user:hunter2@g.example", "its token"),
            ("ws://g.example/#top", "fragment"),
        ] {
            let error = text.parse::<Link>().expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
