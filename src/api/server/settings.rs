//! The settings of the HTTP API: addresses, limits and times. Only `cli` fills it from the config;
//! nothing here reads a file or the environment.

use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::cookie::{CookieRule, SameSite};
use crate::api::events::stream_limits::StreamLimits;

/// One effective setting of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownSetting {
    /// Its whole key, such as `api.listen`.
    pub key: String,
    /// Its value in written form; null if it has none. Secrets are replaced.
    pub value: Option<String>,
    /// `default`, the file, `.env` or `environment` with the variable, or the flag.
    pub source: String,
}

/// Settings of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Address and port to listen on; port 0 picks a free one.
    pub listen: String,
    /// Further names under which the server answers, with or without a port.
    pub hosts: Vec<String>,
    /// The path prefix of the page and the API behind a proxy, such as `/jobs-ui`; empty: none.
    pub base_path: String,
    /// Origins whose pages may call the API, such as `https://jobs.example.org`.
    pub cors_origins: Vec<String>,
    /// The cookie in which pages may send a token, and to which requests of other sites a browser adds it; `None`: no
    /// cookie is read.
    pub token_cookie: Option<(String, SameSite)>,
    /// The largest args of one job, in bytes of JSON.
    pub max_args_bytes: usize,
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// The most connections, in addition to those reserved for short requests.
    pub max_connections: usize,
    /// How many event streams and waiting requests one address may have open.
    pub max_streams_per_address: usize,
    /// How many event streams and waiting requests one API key may have open.
    pub max_streams_per_key: usize,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The longest delay of a refused API key after many refusals from its address; zero for none.
    pub slowest_refusal: Duration,
    /// How long a request may take; streams and long polls have their own bounds.
    pub request_timeout: Duration,
    /// After this time a stream ends, and the reader reconnects.
    pub stream_lifetime: Duration,
    /// How long a remote worker's lease lasts after its claim and each heartbeat.
    pub remote_lease_ttl: Duration,
    /// Refuse jobs of kinds that no worker has served yet.
    pub strict_kinds: bool,
    /// All settings of the process with their sources, without secrets, as admins may see them.
    pub shown: Vec<ShownSetting>,
}

impl ApiSettings {
    /// How many streams there may be: a tenth of all connections is left to others.
    #[must_use]
    pub fn streams(&self) -> StreamLimits {
        StreamLimits {
            all: (self.max_connections * 9 / 10).max(1),
            of_address: self.max_streams_per_address,
            of_key: self.max_streams_per_key,
            proxies: self.trusted_proxies.clone(),
        }
    }
}

impl ApiSettings {
    /// How a token in a cookie is accepted.
    #[must_use]
    pub fn cookie_rule(&self) -> Option<CookieRule> {
        let (name, same_site) = self.token_cookie.clone()?;
        let path = format!("{}/", self.base_path);
        Some(CookieRule { name, same_site, origins: self.cors_origins.clone(), path })
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            hosts: Vec::new(),
            base_path: String::new(),
            cors_origins: Vec::new(),
            token_cookie: None,
            max_args_bytes: 1024 * 1024,
            max_body_bytes: 16 * 1024 * 1024,
            max_connections: 10_000,
            max_streams_per_address: 5_000,
            max_streams_per_key: 5_000,
            trusted_proxies: Vec::new(),
            slowest_refusal: Duration::from_millis(500),
            request_timeout: Duration::from_secs(30),
            stream_lifetime: Duration::from_hours(1),
            remote_lease_ttl: Duration::from_secs(30),
            strict_kinds: false,
            shown: Vec::new(),
        }
    }
}
