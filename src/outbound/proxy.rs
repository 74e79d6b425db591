//! The proxy of outbound calls, if there is one. Must never take one from the environment unless
//! the config asks for it, or show its password.

use std::fmt;

use reqwest::{NoProxy, Proxy};
use url::Url;

/// The variables of the environment that name proxies, each with whether it is for `http` and for `https`.
const VARIABLES: [(&str, bool, bool); 6] = [
    ("https_proxy", false, true),
    ("HTTPS_PROXY", false, true),
    ("http_proxy", true, false),
    ("HTTP_PROXY", true, false),
    ("all_proxy", true, true),
    ("ALL_PROXY", true, true),
];

/// The proxy of outgoing calls.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// The proxy, such as `http://user:password@proxy:3128`.
    pub url: Option<String>,
    /// Without `url`: use those of the environment.
    pub from_environment: bool,
    /// Hosts, domains (with their subdomains), addresses and networks that are called directly.
    pub direct: Vec<String>,
}

impl fmt::Debug for ProxySettings {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("url", &self.url.is_some())
            .field("from_environment", &self.from_environment)
            .field("direct", &self.direct)
            .finish()
    }
}

impl ProxySettings {
    /// The proxies, in the order in which they are asked.
    pub(crate) fn proxies(&self) -> reqwest::Result<Vec<Proxy>> {
        let mut direct = self.direct.clone();
        if self.url.is_none() {
            direct.extend(["no_proxy", "NO_PROXY"].into_iter().find_map(|name| std::env::var(name).ok()));
        }
        let direct = || NoProxy::from_string(&direct.join(","));
        let made = self.addresses().into_iter().map(|(address, http, https)| {
            let proxy = match (http, https) {
                (true, true) => Proxy::all(address),
                (true, false) => Proxy::http(address),
                _ => Proxy::https(address),
            };
            proxy.map(|proxy| proxy.no_proxy(direct()))
        });
        made.collect()
    }

    /// The host names of the proxies, which may have private addresses whatever is called through them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let hosts = self
            .addresses()
            .into_iter()
            .filter_map(|(address, ..)| Url::parse(&address).ok()?.host_str().map(str::to_owned));
        hosts.collect()
    }

    fn addresses(&self) -> Vec<(String, bool, bool)> {
        if let Some(url) = &self.url {
            return vec![(url.clone(), true, true)];
        }
        if !self.from_environment {
            return Vec::new();
        }
        let said = VARIABLES.into_iter().filter_map(|(name, http, https)| {
            let address = std::env::var(name).ok().filter(|address| !address.is_empty())?;
            Some((if address.contains("://") { address } else { format!("http://{address}") }, http, https))
        });
        said.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_only_taken_where_it_is_named() {
        assert!(ProxySettings::default().proxies().unwrap().is_empty());
        let url = Some("http://ann:s3cret@proxy.test:3128".to_owned());
        let named = ProxySettings { url, ..ProxySettings::default() };
        assert_eq!((named.proxies().unwrap().len(), named.hosts()), (1, vec!["proxy.test".to_owned()]));
        assert!(!format!("{named:?}").contains("s3cret"));
    }
}
