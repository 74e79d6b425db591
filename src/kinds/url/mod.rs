//! Jobs that call a URL: args in a signed POST, progress back as JSON lines, the answer as the
//! result. Only the URL in the config is ever called; redirects are not followed, and addresses
//! inside one's own network are refused unless the config allows them.

mod answer;
mod spec;

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use serde_json::json;
use url::Url;

use self::answer::Answer;
pub use self::answer::delay_of;
pub use self::spec::UrlSpec;
use crate::outbound::ClientError;
pub use crate::outbound::KeyError;
use crate::outbound::address;
use crate::outbound::address::AddressRefused;
use crate::outbound::client::client;
use crate::outbound::signature;
use crate::outbound::signature::Key;
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

/// Why a [`UrlSpec`] can not be served.
#[derive(Debug, thiserror::Error)]
pub enum UrlSpecError {
    /// Not `http` or `https`, or no host.
    #[error("`{}` cannot be called: give an http:// or https:// address with a host", address::redacted(.0))]
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
        let mut request = self.client.post(self.spec.url.clone()).headers(self.headers.clone());
        if let Some(span) = &attempt.traceparent {
            request = request.header("traceparent", span);
        }
        let request = request.header(CONTENT_TYPE, "application/json").headers(signed).body(body);
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
