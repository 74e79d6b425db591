//! A kind that a URL runs, as the config has it. Must call nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

use crate::outbound::ProxySettings;

/// How the jobs of one kind are run by a URL.
///
/// The body is JSON with `job_id`, `kind`, `attempt`, `max_attempts`, `args` and `execution_id`,
/// signed by the rules of Standard Webhooks if there is a secret; `webhook-id` is the lease, so it
/// is new for every attempt. The meaning of the answers:
///
/// | answer | the attempt |
/// | --- | --- |
/// | 2xx, JSON or empty | completes; the body is the result (other text: as a JSON string) |
/// | 2xx, `application/x-ndjson` | goes on while lines come: the same as on a command's channel |
/// | the same, broken off, also in the middle of the last line | is retried |
/// | 3xx | fails for good |
/// | 429 or 503 with `Retry-After` | is snoozed for that time, 1 s to 1 h, without counting the attempt |
/// | 407, 408, 425, 429, 5xx, no answer | is retried |
/// | other 4xx | fails for good |
#[derive(Clone, PartialEq, Eq)]
pub struct UrlSpec {
    /// The URL; `http` or `https`.
    pub url: Url,
    /// Signs the calls: `whsec_` and base64, or the key's own bytes.
    pub secret: Option<String>,
    /// True to call also loopback, private and other special addresses.
    pub allow_private: bool,
    /// The proxy through which it is called.
    pub proxy: ProxySettings,
    /// The timeout for the connection, including TLS.
    pub connect_timeout: Duration,
    /// Longest silence, before the answer and within it; then the attempt is retried.
    pub idle_timeout: Duration,
    /// Sent with every call, such as `authorization`.
    pub headers: BTreeMap<String, String>,
    /// A larger result fails the job, in bytes of JSON.
    pub max_result_bytes: usize,
}

impl UrlSpec {
    /// Calls of `url` with defaults for everything else.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            secret: None,
            allow_private: false,
            proxy: ProxySettings::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            headers: BTreeMap::new(),
            max_result_bytes: 1024 * 1024,
        }
    }
}

impl fmt::Debug for UrlSpec {
    /// Shows no secret and no header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlSpec")
            .field("host", &self.url.host_str())
            .field("signed", &self.secret.is_some())
            .field("allow_private", &self.allow_private)
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("headers", &self.headers.keys())
            .field("max_result_bytes", &self.max_result_bytes)
            .finish()
    }
}
