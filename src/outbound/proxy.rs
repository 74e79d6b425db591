//! The proxies of outbound calls, as the client takes them. Must never take one from the environment unless
//! the config asks for it, or show its password.

use reqwest::{NoProxy, Proxy};
use url::Url;

use super::proxy_settings::ProxySettings;

/// The environment variables that name proxies, each with whether it applies to `http` and to `https`.
const VARIABLES: [(&str, bool, bool); 6] = [
    ("https_proxy", false, true),
    ("HTTPS_PROXY", false, true),
    ("http_proxy", true, false),
    ("HTTP_PROXY", true, false),
    ("all_proxy", true, true),
    ("ALL_PROXY", true, true),
];

impl ProxySettings {
    /// The proxies, in the order in which they are asked.
    pub(crate) fn proxies(&self) -> reqwest::Result<Vec<Proxy>> {
        let mut direct: Vec<_> = self.direct.iter().map(|entry| host_of(entry).to_owned()).collect();
        if self.url.is_none() {
            let given = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| std::env::var(name).ok());
            direct.extend(hosts_of(&given.unwrap_or_default()));
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
        let given = VARIABLES.into_iter().filter_map(|(name, http, https)| {
            let address = std::env::var(name).ok().filter(|address| !address.is_empty())?;
            Some((if address.contains("://") { address } else { format!("http://{address}") }, http, https))
        });
        given.collect()
    }
}

/// An entry in the form of the HTTP client, for which a domain includes its subdomains.
fn host_of(entry: &str) -> &str {
    let entry = entry.strip_prefix("*.").unwrap_or(entry);
    entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry)
}

/// The entries of `NO_PROXY`. Some have a port, which the client would take for a part of the name.
fn hosts_of(text: &str) -> Vec<String> {
    let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    let without_port = |entry: &str| match entry.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => {
            host_of(host).to_owned()
        }
        _ => host_of(entry).to_owned(),
    };
    entries.map(without_port).collect()
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_into_no_proxy_names_hosts() {
        let text =
            "10.1.2.3:8080, api.example.com:8443,*.example.com .a.test\t[::1]:80,[::2],::3,10.0.0.0/8,*,,b:";
        let hosts = [
            "10.1.2.3",
            "api.example.com",
            "example.com",
            ".a.test",
            "::1",
            "::2",
            "::3",
            "10.0.0.0/8",
            "*",
            "b:",
        ];
        assert_eq!(hosts_of(text), hosts);
    }

    #[test]
    fn a_proxy_is_only_taken_where_it_is_named() {
        assert!(ProxySettings::default().proxies().unwrap().is_empty());
        let url = Some("http://ann:s3cret@proxy.test:3128".to_owned());
        let named = ProxySettings { url, ..ProxySettings::default() };
        assert_eq!((named.proxies().unwrap().len(), named.hosts()), (1, vec!["proxy.test".to_owned()]));
        assert!(!format!("{named:?}").contains("s3cret"));
    }
}
