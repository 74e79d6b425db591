//! The addresses that may be called, unless the config allows all. Judged inside the resolver of
//! the connection itself, so that a name cannot be checked as one address and called as another.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// An address must not be called, or a name has only such addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a public address and is not called")]
pub struct AddressRefused(String);

/// From IANA's registries of special-purpose addresses, together with multicast and the range reserved for
/// future use.
static REFUSED_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    networks(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ])
});

/// The only part of IPv6 that is assigned for public use …
static PUBLIC_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&["2000::/3"]));

/// … without protocol assignments (Teredo among them), documentation and 6to4.
static REFUSED_V6: LazyLock<Vec<Ipv6Net>> =
    LazyLock::new(|| networks(&["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]));

/// Addresses that represent an IPv4 address behind a translator.
static NAT64: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&["64:ff9b::/96"]));

fn networks<N: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<N> {
    texts.iter().map(|text| text.parse().expect("the tables above hold networks")).collect()
}

/// True if `address` is one of the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) if in_any(&NAT64, address) => is_public_v4(embedded_v4(address)),
        IpAddr::V6(address) => in_any(&PUBLIC_V6, address) && !in_any(&REFUSED_V6, address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !REFUSED_V4.iter().any(|network| network.contains(&address))
}

fn in_any(networks: &[Ipv6Net], address: Ipv6Addr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn embedded_v4(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// The refusal of a URL with an address instead of a name, which is never resolved. Parsing the URL has
/// already unified the spellings of the address (octal, hexadecimal, one number).
#[must_use]
pub fn refused_literal(url: &Url) -> Option<AddressRefused> {
    let address = match url.host()? {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(_) => return None,
    };
    (!is_public(address)).then(|| AddressRefused(address.to_string()))
}

/// An address without the parts that may be a token: its scheme and host.
#[must_use]
pub fn redacted(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}/…", url.scheme())
}

/// The refusal that made a call fail, if one did.
pub fn refusal_behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a AddressRefused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

/// The addresses of a host that may be called.
///
/// # Errors
/// If the name cannot be resolved.
pub async fn public_addresses(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port)).await?;
    Ok(found.filter(|address| is_public(address.ip())).collect())
}

/// The reason why a URL must not be called, if there is one. A name is judged by the addresses that it
/// resolves to here; behind a proxy (`proxied`) a name that only the proxy can resolve is left to the
/// proxy.
pub async fn refused(url: &Url, proxied: bool) -> Option<AddressRefused> {
    if let Some(refused) = refused_literal(url) {
        return Some(refused);
    }
    let name = url.domain().filter(|_| proxied)?;
    let plain = name.trim_end_matches('.');
    let is_local = plain == "localhost" || plain.ends_with(".localhost");
    let found: Vec<SocketAddr> =
        if is_local { Vec::new() } else { tokio::net::lookup_host((name, 0)).await.ok()?.collect() };
    let is_refused = is_local || (!found.is_empty() && !found.iter().any(|one| is_public(one.ip())));
    is_refused.then(|| AddressRefused(name.to_owned()))
}

/// The system's resolver, limited to public addresses except for the given hosts.
#[derive(Debug)]
pub struct PublicResolver(Vec<String>);

impl PublicResolver {
    /// A resolver that accepts any address for `hosts`.
    #[must_use]
    pub fn besides(hosts: Vec<String>) -> Self {
        Self(hosts)
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_free = self.0.iter().any(|host| host == name.as_str());
        Box::pin(async move {
            if is_free {
                let all: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
                return Ok(Box::new(all.into_iter()) as Addrs);
            }
            let public = public_addresses(name.as_str(), 0).await?;
            if public.is_empty() {
                return Err(AddressRefused(name.as_str().to_owned()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_refused() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_called() {
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700:4700::1111",
            "2a00:1450:4001::200e",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_literal_is_seen_in_all_spellings() {
        for text in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "127.0.0.1.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "１２７.0.0.1",
            "0",
        ] {
            let url = Url::parse(&format!("http://{text}/x")).unwrap();
            assert!(refused_literal(&url).is_some(), "{text}");
        }
        assert_eq!(refused_literal(&Url::parse("http://1.1.1.1/").unwrap()), None);
        assert_eq!(refused_literal(&Url::parse("http://localhost/").unwrap()), None, "left to the resolver");
    }

    #[test]
    fn a_veiled_address_shows_no_more_than_its_host() {
        for (text, shown) in [
            ("https://ann:token@example.org:8443/token?key=token#token", "https://example.org:8443/…"),
            ("https://example.org\\token", "https://example.org/…"),
            ("http://[::1]/", "http://[::1]/…"),
            ("mailto:token@example.org", "mailto:///…"),
        ] {
            assert_eq!(redacted(&Url::parse(text).unwrap()), shown);
        }
    }

    #[tokio::test]
    async fn behind_a_proxy_what_is_known_to_be_private_is_refused() {
        let refused = async |text: &str| refused(&Url::parse(text).unwrap(), true).await.is_some();
        for private in
            ["http://10.0.0.1/", "http://localhost/", "http://a.localhost:1/", "http://localhost./"]
        {
            assert!(refused(private).await, "{private}");
        }
        assert!(!refused("http://only-the-proxy-knows.invalid/").await);
        assert!(!refused("http://1.1.1.1/").await);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_by_the_resolver() {
        let refused =
            PublicResolver::besides(vec![]).resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.downcast_ref(), Some(&AddressRefused("localhost".into())));
    }
}
