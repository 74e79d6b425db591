//! The hosts that the browser may reach. Judged when a connection is opened, by its actual address,
//! so that a name cannot be checked as one address and reached as another.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, lookup_host};
use url::Url;

use tidemill::extension::outbound::is_public;

/// The hosts that may be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    /// `example.com` is one host, `*.example.com` means all hosts below it; empty: all.
    pub allowed: Vec<String>,
    /// Whether addresses may be reached that are not public.
    pub allow_private: bool,
}

/// Why a host must not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the host {0} is not allowed: it is not in allowed_hosts")]
    NotListed(String),
    #[error("the host {0} is not allowed: its address is not public (allow_private is false)")]
    Private(String),
    #[error("only http:// and https:// addresses can be opened, not {0}")]
    Scheme(String),
}

impl AllowedHosts {
    /// Judges an address before anything is sent to it.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refused> {
        let (true, Some(host)) = (matches!(url.scheme(), "http" | "https"), url.host_str()) else {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        };
        self.check_host(host)
    }

    /// Judges a host by its name, or by its address if it has no name.
    pub(super) fn check_host(&self, host: &str) -> Result<(), Refused> {
        let host = plain(host);
        let fits = |pattern: &String| {
            let pattern = plain(pattern);
            match pattern.strip_prefix("*.") {
                Some(above) => {
                    host.strip_suffix(above).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
                }
                None => pattern == host,
            }
        };
        if !self.allowed.is_empty() && !self.allowed.iter().any(fits) {
            return Err(Refused::NotListed(host));
        }
        match host.parse::<IpAddr>() {
            Ok(address) => self.check_address(&host, address),
            Err(_) => Ok(()),
        }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        if self.allow_private || is_public(address) { Ok(()) } else { Err(Refused::Private(host.to_owned())) }
    }

    /// The addresses of a host that may be reached.
    pub(super) async fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> io::Result<Result<Vec<SocketAddr>, Refused>> {
        if let Err(refused) = self.check_host(host) {
            return Ok(Err(refused));
        }
        let host = plain(host);
        let found = lookup_host((host.as_str(), port)).await?;
        let allowed: Vec<_> = found.filter(|address| self.allow_private || is_public(address.ip())).collect();
        Ok(if allowed.is_empty() { Err(Refused::Private(host)) } else { Ok(allowed) })
    }

    /// A connection to a host, if it may be reached.
    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<Result<TcpStream, Refused>> {
        match self.addresses(host, port).await? {
            Ok(addresses) => Ok(Ok(TcpStream::connect(&addresses[..]).await?)),
            Err(refused) => Ok(Err(refused)),
        }
    }
}

/// A normalised host: without brackets and a trailing dot, in lower case.
fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_and_public_addresses_are_reached() {
        let hosts =
            AllowedHosts { allowed: vec!["Example.com".into(), "*.shop.test".into()], allow_private: false };
        let judged = |url: &str| hosts.check(&Url::parse(url).unwrap());
        for good in ["https://example.com/a", "http://EXAMPLE.com.:81", "https://a.b.shop.test"] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        for bad in [
            "https://www.example.com",
            "https://shop.test",
            "https://evilshop.test",
            "https://x.shop.test.evil.com",
        ] {
            assert!(matches!(judged(bad), Err(Refused::NotListed(_))), "{bad}");
        }
        assert!(matches!(judged("file:///etc/passwd"), Err(Refused::Scheme(_))));
        let anywhere = AllowedHosts::default();
        for private in [
            "http://127.0.0.1",
            "http://0x7f.1",
            "http://[::1]/",
            "http://10.0.0.1",
            "http://169.254.169.254",
        ] {
            assert!(
                matches!(anywhere.check(&Url::parse(private).unwrap()), Err(Refused::Private(_))),
                "{private}"
            );
        }
        assert_eq!(anywhere.check(&Url::parse("https://1.1.1.1").unwrap()), Ok(()));
    }

    #[tokio::test]
    async fn a_name_is_judged_by_its_addresses() {
        let refused = AllowedHosts::default().addresses("localhost", 80).await.unwrap();
        assert_eq!(refused, Err(Refused::Private("localhost".into())));
        let all = AllowedHosts { allow_private: true, ..AllowedHosts::default() };
        assert!(all.addresses("localhost", 80).await.unwrap().is_ok());
    }
}
