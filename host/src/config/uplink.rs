//! `[uplink]`: who may push UCloud batches here, and where batches go.

use super::{
    client_tls::ClientTls,
    name::{Name, Named, Roster},
    reader::{Section, Value},
    sending::Sending,
    settings::Noted,
    target::Target,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// Who may push UCloud batches here, and where batches go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uplink {
    /// Each is `POST /receive/uplink/{name}`.
    pub receivers: Roster<UplinkReceiver>,
    /// Each is a lane fed by `POST /api/uplink/{name}`.
    pub destinations: Roster<UplinkDestination>,
}

impl Uplink {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            receivers: Roster::read(section, "receivers", UplinkReceiver::read),
            destinations: Roster::read(section, "destinations", UplinkDestination::read),
        }
    }
}

/// Takes a vendor's batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkReceiver {
    /// The last segment of its path.
    pub name: Name,
    /// Who may call; everybody when `None`.
    pub allow: Option<AllowList>,
    /// Where each batch is delivered too.
    pub forward: Option<Target>,
    /// How that is reached over TLS, beyond what every `https` URL gets.
    pub forward_tls: Option<ClientTls>,
}

impl UplinkReceiver {
    fn read(name: Option<Name>, section: &mut Section<'_>) -> Option<Self> {
        let allow = section.optional("allow", AllowList::read);
        let (forward, forward_tls) = ClientTls::read_with_url(section, "forward", "forward_tls");
        Some(Self { name: name?, allow, forward, forward_tls })
    }
}

impl Named for UplinkReceiver {
    fn name(&self) -> &Name {
        &self.name
    }
}

/// The only addresses that may call a receiver: the vendor signs nothing, so this is all there is to know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList {
    nets: Vec<IpNet>,
}

impl AllowList {
    /// Whether `caller` may call. An IPv4 address that arrived on an IPv6 socket counts as IPv4.
    #[must_use]
    pub fn admits(&self, caller: IpAddr) -> bool {
        let caller = caller.to_canonical();
        self.nets.iter().any(|net| net.contains(&caller))
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        let nets = value.non_empty_list("leave `allow` out to admit every address")?;
        let nets: Vec<_> = nets.iter().filter_map(|net| net.parse_unnoted(network)).collect();
        value.note(Noted::Text(format!("[{}]", nets.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", "))));
        Some(Self { nets })
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    const SHAPE: &str = "must be an address or a network, such as 192.0.2.7 or 10.0.0.0/8";
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let net: IpNet = text.parse().map_err(|_| SHAPE)?;
    if net.addr() != net.network() {
        return Err("has bits set after its prefix: write the network's first address, such as 10.0.0.0/8");
    }
    Ok(net)
}

/// A customer's URL that batches are delivered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkDestination {
    /// The lane's name.
    pub name: Name,
    /// Where batches are posted.
    pub url: Target,
    /// How that is reached over TLS, beyond what every `https` URL gets.
    pub tls: Option<ClientTls>,
    /// Retries, times and concurrency; see [`UplinkDestination::SENDING`].
    pub sending: Sending,
}

impl UplinkDestination {
    /// The page's schedule: "a retry will be attempted every 1 second. If after 3 accumulated retries it is still
    /// unsuccessful, the pushing will stop". The timeout of 5 s and the concurrency of 8 are ours.
    pub const SENDING: Sending = Sending::DEFAULT;

    fn read(name: Option<Name>, section: &mut Section<'_>) -> Option<Self> {
        let url = section.required("url", Target::read);
        let tls = ClientTls::read(section, "tls", url.as_ref());
        let sending = Sending::read(section, Self::SENDING);
        Some(Self { name: name?, url: url?, tls, sending })
    }
}

impl Named for UplinkDestination {
    fn name(&self) -> &Name {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_addresses_may_call() {
        let nets = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].map(|net| network(net).unwrap()).to_vec();
        let allow = AllowList { nets };
        for (caller, admitted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8::9", true),
            ("::1", false),
        ] {
            assert_eq!(allow.admits(caller.parse().unwrap()), admitted, "{caller}");
        }
    }

    #[test]
    fn a_network_is_written_in_one_way() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "ucloud.cn", "10.0.0"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
