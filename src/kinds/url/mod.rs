//! Jobs that call a URL: args in a signed POST, progress back as JSON lines, the answer as the
//! result. Only the URL in the config is ever called; redirects are not followed, and addresses
//! inside one's own network are refused unless the config allows them.

mod answer;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use serde_json::json;
use url::Url;

use self::answer::Answer;
pub use self::answer::delay_of;
pub use crate::outbound::KeyError;
use crate::outbound::address;
use crate::outbound::address::AddressRefused;
use crate::outbound::client::client;
use crate::outbound::signature;
use crate::outbound::signature::Key;
use crate::outbound::{ClientError, ProxySettings};
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

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

/// Why a [`UrlSpec`] can not be served.
#[derive(Debug, thiserror::Error)]
pub enum UrlSpecError {
    /// Not `http` or `https`, or no host.
    #[error("`{}` cannot be called: give an http:// or https:// address with a host", address::veiled(.0))]
    Address(Url),
    /// The secret cannot be used.
    #[error("the secret for {host}: {source}")]
    Secret {
        /// The host.
        host: String,
        /// The error.
        source: KeyError,
    },
    /// A header's name or value is not allowed in HTTP.
    #[error("header `{0}` is not allowed in HTTP: check its name, and its value for line breaks")]
    Header(String),
    /// The HTTP client cannot be made.
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[source] ClientError),
}

/// A handler that calls a URL.
#[derive(Debug)]
pub struct UrlKind {
    spec: UrlSpec,
    key: Option<Key>,
    headers: HeaderMap,
    client: Client,
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

impl UrlKind {
    /// Checks `spec` and makes its client.
    ///
    /// # Errors
    ///
    /// If the address, the secret or a header cannot be used. A private address is not an error here: its
    /// jobs fail with the reason.
    pub fn new(spec: UrlSpec) -> Result<Self, UrlSpecError> {
        if !matches!(spec.url.scheme(), "http" | "https") || !spec.url.has_host() {
            return Err(UrlSpecError::Address(spec.url));
        }
        let host = || spec.url.host_str().unwrap_or_default().to_owned();
        let key = spec.secret.as_deref().map(Key::parse).transpose();
        let key = key.map_err(|source| UrlSpecError::Secret { host: host(), source })?;
        let headers = headers(&spec.headers)?;
        let client = client(spec.allow_private, spec.connect_timeout, &spec.proxy);
        let client = client.map_err(UrlSpecError::Client)?;
        Ok(Self { spec, key, headers, client })
    }

    async fn attempt(&self, context: &Context) -> Result<Completion, JobError> {
        if !self.spec.allow_private
            && let Some(refused) = address::refused(&self.spec.url, !self.spec.proxy.hosts().is_empty()).await
        {
            return Err(refused_address(&refused, context));
        }
        let response = self.call(context).await?;
        Answer::new(&self.spec, context, response).read().await
    }

    async fn call(&self, context: &Context) -> Result<Response, JobError> {
        let attempt = context.attempt();
        let body = json!({
            "job_id": attempt.job_id,
            "kind": attempt.kind,
            "attempt": attempt.attempt,
            "max_attempts": attempt.max_attempts,
            "args": attempt.args,
            "execution_id": attempt.execution_id,
        })
        .to_string();
        let signed = signature::headers(self.key.as_ref(), attempt.lease_id, chrono::Utc::now(), &body);
        let request = self
            .client
            .post(self.spec.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .headers(signed)
            .body(body);
        match tokio::time::timeout(self.spec.idle_timeout, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(not_reached(error, context)),
            Err(_) => Err(answer::silence(&self.spec)),
        }
    }
}

impl DynHandler for UrlKind {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            tokio::select! {
                biased;
                ended = self.attempt(&context) => ended,
                // Dropping the request closes its connection; the other side can see that.
                reason = context.stopped() => Err(answer::given_up(reason)),
            }
        })
    }
}

fn headers(configured: &BTreeMap<String, String>) -> Result<HeaderMap, UrlSpecError> {
    let parse = |(name, value): (&String, &String)| {
        let parsed = (HeaderName::try_from(name).ok(), HeaderValue::try_from(value).ok());
        let (Some(header), Some(mut value)) = parsed else { return Err(UrlSpecError::Header(name.clone())) };
        value.set_sensitive(true);
        Ok((header, value))
    };
    configured.iter().map(parse).collect()
}

fn refused_address(refused: &AddressRefused, context: &Context) -> JobError {
    let kind = &context.attempt().kind;
    JobError::permanent(format!("{refused}; to allow it, set allow_private = true for kind {kind}"))
        .class("address_refused")
}

/// The error of a call that got no answer.
fn not_reached(error: reqwest::Error, context: &Context) -> JobError {
    // The URL may carry a token.
    let error = error.without_url();
    if let Some(refused) = address::refusal_behind(&error) {
        return refused_address(refused, context);
    }
    let class = if error.is_timeout() { "timeout" } else { "connection" };
    JobError::from(error).class(class)
}
