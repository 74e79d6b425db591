//! The types of settings for inbound paths and outbound proxies. A proxy's address may hold its
//! password, so its `Debug` must never show it.

use std::net::Ipv6Addr;

use tidemill::outbound::ProxySettings;
use url::Url;

use super::network::network;
use super::types::{is_name, text_type};

text_type!(
    /** A part of a site. */
    BasePath,
    "a path such as /jobs-ui, made of letters, digits, dots, underscores and hyphens, without a slash at \
     its end",
    |text| {
        text.len() <= 200
            && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| is_name(part) && part != ".."))
    }
);
text_type!(
    /** A proxy for outgoing calls, which may hold its password. */
    secret ProxyUrl,
    "a URL such as http://proxy:3128 or http://user:password@proxy:3128",
    is_proxy
);
text_type!(
    /** A proxy of its own for some of the outgoing calls, or none. */
    secret ProxyChoice,
    "a URL such as http://proxy:3128, or none to call directly",
    |text| text == "none" || is_proxy(text)
);

text_type!(
    /** What is called without the proxy. */
    DirectHost,
    "a host, a domain such as example.com or *.example.com, an IP address or a network, without a port",
    |text| {
        let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let domain = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
        network(text).is_some()
            || address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            || is_domain(domain)
    }
);

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A number at the end is the rest of an address.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

fn is_proxy(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

impl ProxyChoice {
    /// The proxy that is chosen where all other calls go as `all` says.
    #[must_use]
    pub fn or_default_to(&self, all: &ProxySettings) -> ProxySettings {
        if self.is_none() {
            return ProxySettings::default();
        }
        ProxySettings { url: Some(self.0.clone()), ..all.clone() }
    }

    /// Whether calls are made directly.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0 == "none"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Setting;

    #[test]
    fn what_is_called_directly_is_a_host_or_a_network() {
        for good in [
            "localhost",
            "a-b.example.com",
            "*.example.com",
            ".example.com",
            "my_service",
            "10.1.2.3",
            "10.0.0.0/8",
            "::1",
            "[::1]",
            "fd00::/8",
        ] {
            assert!(DirectHost::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.",
            "a:8443",
            "10.1.2.3:80",
            "[::1]:80",
            "http://x.test/",
            "x.test/a",
            "10.0.0.0/99",
            "10.0.0",
            "a b",
            "a..b",
            "a.*.test",
            "*.10.1.2.3",
        ] {
            assert!(DirectHost::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn base_paths_are_plain() {
        for good in ["/a", "/jobs-ui", "/team_1/jobs.v2"] {
            assert!(BasePath::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/", "a", "/a/", "//a", "/a//b", "/a/../b", "/a b", "/a?b", "/\"x", "https://h/a"] {
            assert!(BasePath::parse(bad).is_none(), "{bad}");
        }
    }
}
