//! Which addresses are on the public Internet, so that a destination someone else typed in cannot reach the
//! gateway's own network.
//!
//! The ranges are those that the IANA special-purpose registries do not call globally reachable, and the addresses
//! at which clouds tell a machine its credentials. For IPv6 the rule is the other way round: only what is handed out
//! as global unicast is public, so that a range registered tomorrow is closed today.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a courier may reach: the setting `network.allow_private`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses alone.
    Public,
    /// Every address.
    Anywhere,
}

impl Reach {
    /// Tells whether an address may be connected to.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || kind(address).is_none()
    }
}

/// Names the range that keeps an address off the public Internet; `None` is a public address.
#[must_use]
pub fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// The first row that matches names the address, so a single address stands before its range.
const V4: [([u8; 4], u8, &str); 19] = [
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 100, 100, 200], 32, "cloud metadata"),
    ([100, 64, 0, 0], 10, "carrier-grade NAT"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([168, 63, 129, 16], 32, "cloud metadata"), // public by its number, but every Azure machine reaches its host there
    ([169, 254, 169, 254], 32, "cloud metadata"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 88, 99, 0], 24, "reserved"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmark"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([255, 255, 255, 255], 32, "broadcast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

const V6: [([u16; 8], u8, &str); 11] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, "cloud metadata"),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, "cloud metadata"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique-local"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
    // Protocol assignments: Teredo, which carries an IPv4 address, and benchmarks among them.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "reserved"),
];

fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    V4.iter()
        .find(|(range, length, _)| (bits ^ Ipv4Addr::from(*range).to_bits()) >> (32 - length) == 0)
        .map(|row| row.2)
}

fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within = |range: [u16; 8], length: u8| (bits ^ Ipv6Addr::from(range).to_bits()) >> (128 - length) == 0;
    if let Some(row) = V6.iter().find(|(range, length, _)| within(*range, *length)) {
        return Some(row.2);
    }
    if let Some(carried) = carried_v4(address) {
        return kind_v4(carried);
    }
    (!within([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)).then_some("reserved")
}

/// Takes out the IPv4 address that packets to this address end up at: mapped (`::ffff:0:0/96`), translated by NAT64
/// (`64:ff9b::/96`), tunnelled by 6to4 (`2002::/16`) or by ISATAP (any prefix, `5efe` before the last 32 bits; RFC 5214).
/// An IPv4-compatible address (`::/96`) is no longer routed anywhere and falls to the rule for what is not global unicast.
/// A network whose NAT64 has a prefix of its own has to keep its translator from private addresses: nothing here can
/// know the prefix.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] | [.., 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(address: &str) -> Option<&'static str> {
        kind(address.parse().expect(address))
    }

    #[test]
    fn addresses_off_the_public_internet_are_blocked() {
        for (address, expected) in [
            ("0.0.0.0", "unspecified"),
            ("0.255.255.255", "unspecified"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "carrier-grade NAT"),
            ("100.127.255.255", "carrier-grade NAT"),
            ("100.100.100.200", "cloud metadata"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "cloud metadata"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "cloud metadata"),
            ("169.254.170.2", "link-local"), // credentials of a container at one cloud
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.192", "reserved"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "reserved"),
            ("192.168.0.1", "private"),
            ("198.18.0.0", "benchmark"),
            ("198.19.255.255", "benchmark"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "reserved"),         // IPv4-compatible 127.0.0.1
            ("::808:808", "reserved"),        // IPv4-compatible 8.8.8.8
            ("::ffff:127.0.0.1", "loopback"), // IPv4-mapped
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:169.254.169.254", "cloud metadata"),
            ("::ffff:0.0.0.0", "unspecified"),
            ("::ffff:100.64.0.1", "carrier-grade NAT"),
            ("::ffff:224.0.0.1", "multicast"),
            ("::ffff:0:127.0.0.1", "reserved"), // IPv4-translated
            ("64:ff9b::127.0.0.1", "loopback"), // NAT64
            ("64:ff9b::169.254.169.254", "cloud metadata"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b:1::8.8.8.8", "reserved"), // NAT64 of one network
            ("100::1", "reserved"),
            ("2001::1", "reserved"), // Teredo
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "loopback"), // 6to4 of 127.0.0.1
            ("2002:c0a8:1::1", "private"), // 6to4 of 192.168.0.1
            ("2002:a9fe:a9fe::1", "cloud metadata"),
            ("2600::5efe:10.0.0.1", "private"), // ISATAP
            ("2600::200:5efe:127.0.0.1", "loopback"),
            ("3fff::1", "documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "reserved"),
            ("fc00::1", "unique-local"),
            ("fd00:ec2::254", "cloud metadata"),
            ("fd20:ce::254", "cloud metadata"),
            ("fdff::1", "unique-local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "reserved"), // once site-local
            ("ff02::1", "multicast"),
            ("ff0e::1", "multicast"),
        ] {
            assert_eq!(kind_of(address), Some(expected), "{address}");
            assert!(!Reach::Public.allows(address.parse().expect(address)), "{address}");
            assert!(Reach::Anywhere.allows(address.parse().expect(address)), "{address}");
        }
    }

    #[test]
    fn addresses_beside_a_blocked_range_are_public() {
        for address in [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:db7::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2600::5efe:808:808",
            "2400:3200::1",
            "3ffe::1",
        ] {
            assert_eq!(kind_of(address), None, "{address}");
        }
    }
}
