use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// IPv4 that is not the public internet (IANA's special-purpose registry, RFC 6890), and what
/// clouds put at public-looking addresses.
const NOT_PUBLIC_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    // Shared address space (RFC 6598); Alibaba Cloud's metadata.
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Link-local (RFC 3927); metadata of most clouds.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    // Protocol assignments (RFC 6890); Oracle Cloud's metadata.
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    // 6to4 relays, deprecated (RFC 7526).
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    // Benchmarks (RFC 2544).
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Azure's platform endpoint.
    v4([168, 63, 129, 16], 32),
    v4([224, 0, 0, 0], 4),
    // Reserved, broadcast included.
    v4([240, 0, 0, 0], 4),
];

/// What the registries give to networks. Everything else is private, local, multicast, an
/// embedded IPv4 address, or unassigned: fc00::/7 with Fly's 6PN, fe80::/10, ff00::/8, ::1,
/// ::ffff:0:0/96, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, 5f00::/16.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// Inside of it, what is not the public internet (RFC 6890).
const NOT_PUBLIC_V6: &[Ipv6Net] = &[
    // Protocol assignments: Teredo, which embeds IPv4, benchmarks, ORCHID.
    v6([0x2001, 0], 23),
    v6([0x2001, 0x0db8], 32),
    // 6to4, which embeds IPv4; deprecated (RFC 7526).
    v6([0x2002, 0], 16),
    v6([0x3fff, 0], 20),
];

/// Whether an address is on the public internet, where a plugin may be let to.
///
/// Deny by default: an address that stands for another one (mapped, translated, tunnelled) is
/// refused whatever it stands for, since it would be vetted as one thing and reached as another.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address)),
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b]: [u16; 2], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_through_the_public_internet_only() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "99.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2400:cb00::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2620:fe::fe",
            "3ffe:ffff::1",
            "3fff:1000::1",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn refuses_private_local_and_reserved_ipv4() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn refuses_private_local_and_reserved_ipv6() {
        for text in [
            "::",
            "::1",
            "100::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fdaa::1",
            "fdaa:0:1::3",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "1fff::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn refuses_an_address_that_stands_for_another() {
        for text in [
            // Mapped and compatible (RFC 4291).
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::10.0.0.1",
            "::8.8.8.8",
            // NAT64 (RFC 6052, RFC 8215) and stateless translation (RFC 2765).
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:ffff::1",
            "::ffff:0:127.0.0.1",
            // 6to4 of 10.0.0.1, of 127.0.0.1, of 169.254.169.254 and of 8.8.8.8.
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:808:808::1",
            // Teredo with a private server, and with a private client (bits inverted).
            "2001:0:a00:1::1",
            "2001:0:4136:e378:8000:63bf:f5ff:fffe",
            // ISATAP on a link-local prefix.
            "fe80::5efe:10.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
