//! `[listen]`: where the gateway listens.

use super::{
    reader::{Section, Value},
    secret::Secret,
    server_tls::ServerTls,
};
use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

/// Where the gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Device API, the device link on WebSockets, and receivers, over HTTP. Default 127.0.0.1:8080.
    pub public: SocketAddr,
    /// Admin API, console, metrics and health, over HTTP. Default 127.0.0.1:8081.
    pub admin: Admin,
    /// The device link on raw TCP. Default 127.0.0.1:8082.
    pub link: SocketAddr,
    /// The certificate that `public` and `link` serve TLS with; none by default.
    pub tls: Option<ServerTls>,
    /// The certificate that `admin` serves TLS with; none by default.
    pub admin_tls: Option<ServerTls>,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            public: loopback(8080),
            admin: Admin { address: loopback(8081), token: None },
            link: loopback(8082),
            tls: None,
            admin_tls: None,
        }
    }
}

impl Listen {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let public = Listener::read(section, "public", default.public);
        let admin = Listener::read(section, "admin", default.admin.address);
        let link = Listener::read(section, "link", default.link);
        admin.differs_from(&public);
        link.differs_from(&public);
        link.differs_from(&admin);

        let token = section.optional("admin_token", Secret::read_for_header);
        let checked = Admin::new(admin.address, token).unwrap_or_else(|error| {
            if let Some(value) = &admin.value {
                value.report(error);
            }
            default.admin
        });
        let tls = section.optional("tls", |value| value.table(ServerTls::read).flatten());
        let admin_tls = section.optional("admin_tls", |value| value.table(ServerTls::read).flatten());
        if let Some(value) = &admin.value
            && admin_tls.is_none()
            && !admin.address.ip().to_canonical().is_loopback()
        {
            value.warn(IN_THE_CLEAR);
        }
        Self { public: public.address, admin: checked, link: link.address, tls, admin_tls }
    }
}

/// What there is to say of an admin listener that other hosts reach without TLS.
const IN_THE_CLEAR: &str = "other hosts reach this without TLS, and the admin token is sent in the clear: set \
                            listen.admin_tls, or keep to loopback behind a proxy that speaks TLS";

/// A listener's address and, unless it is the default, where the file says so.
struct Listener<'a> {
    key: &'static str,
    address: SocketAddr,
    value: Option<Value<'a>>,
}

impl<'a> Listener<'a> {
    fn read(section: &mut Section<'a>, key: &'static str, default: SocketAddr) -> Self {
        let value = section.value_or(key, default);
        let address = value.as_ref().and_then(socket_address).unwrap_or(default);
        Self { key, address, value }
    }

    /// Reports it when both have one address; port 0 is a free port each time.
    fn differs_from(&self, other: &Self) {
        if self.address != other.address || self.address.port() == 0 {
            return;
        }
        let (at, rival) = if self.value.is_some() { (self, other) } else { (other, self) };
        if let Some(value) = &at.value {
            value.report(format_args!("the same address as listen.{}; each listener needs its own", rival.key));
        }
    }
}

/// The admin listener: on loopback, or with a token that every request must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    address: SocketAddr,
    token: Option<Secret>,
}

impl Admin {
    /// Listens on `address`, asking for `token` when there is one.
    ///
    /// # Errors
    ///
    /// Fails when `address` can be reached from another host and there is no token.
    pub fn new(address: SocketAddr, token: Option<Secret>) -> Result<Self, AdminNeedsToken> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(AdminNeedsToken);
        }
        Ok(Self { address, token })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that every request must carry, if any.
    #[must_use]
    pub const fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }
}

/// The admin listener would be open to other hosts without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminNeedsToken;

impl fmt::Display for AdminNeedsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a loopback address, so other hosts can reach it: set listen.admin_token too")
    }
}

impl std::error::Error for AdminNeedsToken {}

fn socket_address(value: &Value<'_>) -> Option<SocketAddr> {
    value.parse(|text| {
        text.parse()
            .map_err(|_| "must be an IP address and a port, such as 127.0.0.1:8080, or [::]:8080 for every address")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_admin_listener_needs_a_token() {
        for (address, open) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.168.0.1:1", true),
            ("[::ffff:10.0.0.1]:1", true),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(Admin::new(address, None).is_err(), open, "{address}");
            assert!(Admin::new(address, Secret::new("t").ok()).is_ok(), "{address}");
        }
    }
}
