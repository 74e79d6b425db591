//! Calls addresses without the browser: robots.txt, and links that are not crawled. Must never
//! connect to an address that the worker may not call, or follow a redirect unless asked.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use url::Url;

use super::args::bad;
use crate::bughive::BrowserSpec;
use tidemill::JobError;
use tidemill::extension::outbound::{PublicResolver, public_addresses, refusal_behind, refused_literal};

/// The most redirects in a row.
pub(super) const MOST_REDIRECTS: usize = 5;
/// The class of the error when an address is not called.
pub(super) const REFUSED: &str = "address_refused";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for short calls.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
    allow_private: bool,
}

impl Web {
    pub(super) fn new(spec: &BrowserSpec) -> Result<Self, JobError> {
        // An error means that a provider is already installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(&spec.user_agent)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(spec.page_timeout)
            .danger_accept_invalid_certs(spec.ignore_certificate_errors);
        if !spec.allow_private {
            builder = builder.dns_resolver(Arc::new(PublicResolver::besides(Vec::new())));
        }
        Ok(Self { client: builder.build()?, allow_private: spec.allow_private })
    }

    /// Refuses a crawl of an address that may not be called, before anything is started for it.
    pub(super) async fn refuse_private(&self, url: &Url) -> Result<(), JobError> {
        if self.allow_private {
            return Ok(());
        }
        let host = url.host_str().ok_or_else(|| bad("base_url has no host"))?;
        let is_refused = match refused_literal(url) {
            Some(_) => true,
            None if url.domain().is_none() => false,
            None => {
                let found = public_addresses(host, 0).await;
                found
                    .map_err(|error| JobError::retry(format!("{host}: {error}")).class("unreachable"))?
                    .is_empty()
            }
        };
        if is_refused {
            let message = format!(
                "{host} is not a public address and is not crawled; to allow it, set bughive.allow_private \
                 = true"
            );
            return Err(JobError::permanent(message).class(REFUSED));
        }
        Ok(())
    }

    /// Whether a numeric address may be called; the resolver judges names.
    pub(super) fn may_call(&self, url: &Url) -> bool {
        self.allow_private || refused_literal(url).is_none()
    }

    /// The answer after redirects; a redirect to a forbidden address is itself the answer.
    pub(super) async fn get(&self, url: &Url) -> Result<Response, JobError> {
        let mut answer = self.call(Method::GET, url).await?;
        for _ in 0..MOST_REDIRECTS {
            let Some(next) = onward(&answer).filter(|next| self.may_call(next)) else { break };
            answer = self.call(Method::GET, &next).await?;
        }
        Ok(answer)
    }

    /// The answer of an address, which may be a redirect.
    pub(super) async fn call(&self, method: Method, url: &Url) -> Result<Response, JobError> {
        let refused = || JobError::permanent("its address is not public").class(REFUSED);
        if !self.may_call(url) {
            return Err(refused());
        }
        match self.client.request(method, url.clone()).send().await {
            Err(error) if refusal_behind(&error).is_some() => Err(refused()),
            answer => Ok(answer.map_err(reqwest::Error::without_url)?),
        }
    }
}

/// The target of a redirect.
pub(super) fn onward(answer: &Response) -> Option<Url> {
    let there = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection())?;
    let next = answer.url().join(there.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_literal_address_that_is_not_public_is_never_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let spec = |allow_private| BrowserSpec {
            program: None,
            sandbox: true,
            allow_private,
            ignore_certificate_errors: false,
            user_agent: "test/1.0".into(),
            page_timeout: Duration::from_secs(3),
            page_delay: Duration::ZERO,
        };
        let careful = Web::new(&spec(false)).unwrap();
        assert!(!careful.may_call(&url));
        let by_name = Url::parse(&format!("http://localhost:{}/", url.port().unwrap())).unwrap();
        for refused in [&url, &by_name] {
            assert!(careful.get(refused).await.unwrap_err().is_of(REFUSED), "{refused}");
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "a connection was made");
        assert!(Web::new(&spec(true)).unwrap().may_call(&url));
    }
}
