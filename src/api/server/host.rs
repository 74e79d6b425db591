//! The host names that the server accepts. A foreign page can point a name of its own at a loopback
//! address, so an unconfigured name must never be accepted.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

use super::problem::quoted;

/// True for 127.0.0.0/8 and `::1`, also written as IPv6.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The hosts that one listener answers for.
#[derive(Debug, Clone)]
pub struct Hosts {
    listening: SocketAddr,
    configured: Vec<String>,
}

impl Hosts {
    /// The hosts for a listener at `listening`, and those that were configured.
    #[must_use]
    pub fn new(listening: SocketAddr, configured: &[String]) -> Self {
        Self { listening, configured: configured.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// The remedy for a host that is not accepted.
    #[must_use]
    pub fn remedy(&self, host: &str) -> String {
        let named = host.parse::<Authority>().ok().filter(|_| !host.contains('@'));
        let name = named.map_or_else(|| "NAME".to_owned(), |authority| authority.host().to_owned());
        format!(
            "Call it as localhost, with any port that leads here, or as {}; or add {} to api.hosts, without \
             a port, and restart the server.",
            self.listening,
            quoted(&name)
        )
    }

    /// True if a request for `host` (with its port, if it has one) may be answered.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let Ok(authority) = host.to_ascii_lowercase().parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let is_configured = |name: &str| self.configured.iter().any(|host| host == name);
        if is_configured(authority.as_str()) || is_configured(authority.host()) {
            return true;
        }
        let name = authority.host();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_local = name == "localhost" || address.is_some_and(is_loopback);
        // A foreign page can point its own name here, but never a local one, so the port does not matter.
        // The port differs behind `ssh -L` and behind a proxy that keeps the Host header.
        if is_local {
            return authority.as_str() == name || authority.port_u16().is_some();
        }
        // A listener on another address needs a key, and a host that is an address cannot be the name of a
        // foreign page.
        !is_loopback(self.listening.ip()) && address.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listening: &str, configured: &[&str]) -> Hosts {
        let configured: Vec<_> = configured.iter().map(|&host| host.to_owned()).collect();
        Hosts::new(listening.parse().unwrap(), &configured)
    }

    #[test]
    fn on_loopback_only_its_names_with_any_port() {
        let hosts = hosts("127.0.0.1:8080", &["mill.test", "other.test:81"]);
        for good in [
            "localhost:8080",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "mill.test",
            "Mill.Test:443",
            "localhost",
            "localhost:9000",
            "127.0.0.1",
            "127.0.0.1:1",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        assert!(hosts.allow("other.test:81") && !hosts.allow("other.test") && !hosts.allow("other.test:82"));
        for bad in [
            "",
            "evil.test",
            "evil.test:8080",
            "localhost.:8080",
            "127.0.0.1.evil.test:8080",
            "localhost.evil.test:8080",
            "10.0.0.1:8080",
            "evil@localhost:8080",
            "localhost:8080@evil",
            "localhost:8080/x",
            "null",
            "localhost:99999",
            "localhost :8080",
            "0.0.0.0:8080",
            "mill.test.evil",
            "notmill.test",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }

    #[test]
    fn elsewhere_addresses_pass_and_names_must_be_configured() {
        let hosts = hosts("0.0.0.0:8080", &["tidemill"]);
        for good in ["localhost:9000", "10.1.2.3:8080", "[2001:db8::1]:8080", "tidemill:8080"] {
            assert!(hosts.allow(good), "{good}");
        }
        assert!(!hosts.allow("evil.test:8080") && !hosts.allow("tidemill.evil:8080"));
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("::ffff:0.0.0.0", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(address.parse().unwrap()), expected, "{address}");
        }
    }
}
