//! The choice of a proxy for outbound calls. Must never show its password.

use std::fmt;

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
