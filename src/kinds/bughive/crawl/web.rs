//! Calls addresses without the browser: robots.txt, and links that are not crawled. Must never connect to an address that
//! the worker may not call, also not where a redirect leads.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use url::Url;

use super::args::bad;
use crate::kinds::bughive::BrowserSpec;
use crate::outgoing::address::{PublicResolver, public_addresses, refused_literal};
use crate::worker::handler::JobError;

const MOST_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for short calls.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
    allow_private: bool,
}

impl Web {
    pub(super) fn new(spec: &BrowserSpec) -> Result<Self, JobError> {
        // An error means that somebody has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allow_private = spec.allow_private;
        let redirects = Policy::custom(move |hop| {
            if hop.previous().len() > MOST_REDIRECTS
                || (!allow_private && refused_literal(hop.url()).is_some())
            {
                return hop.stop();
            }
            hop.follow()
        });
        let mut builder = Client::builder()
            .user_agent(&spec.user_agent)
            .redirect(redirects)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(spec.page_timeout)
            .danger_accept_invalid_certs(spec.ignore_certificate_errors);
        if !allow_private {
            builder = builder.dns_resolver(Arc::new(PublicResolver));
        }
        Ok(Self { client: builder.build()?, allow_private })
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
                "{host} is not a public address and is not crawled; if it is meant, set bughive.allow_private = true"
            );
            return Err(JobError::permanent(message).class("address_refused"));
        }
        Ok(())
    }

    /// Whether an address that is no name may be called; the resolver judges names, and the client redirects.
    pub(super) fn may_call(&self, url: &Url) -> bool {
        self.allow_private || refused_literal(url).is_none()
    }

    pub(super) async fn get(&self, url: &Url) -> Result<Response, JobError> {
        self.call(Method::GET, url).await
    }

    /// Why a link is broken, if it is.
    pub(super) async fn broken(&self, url: &Url) -> Option<String> {
        let mut answer = self.call(Method::HEAD, url).await;
        let is_head_unknown = |status: StatusCode| {
            matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
        };
        if answer.as_ref().is_ok_and(|answer| is_head_unknown(answer.status())) {
            answer = self.get(url).await;
        }
        match answer {
            Ok(answer) if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) => {
                Some(format!("it is answered with {}", answer.status().as_u16()))
            }
            // What is forbidden to us may be open to a person.
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    async fn call(&self, method: Method, url: &Url) -> Result<Response, JobError> {
        if !self.may_call(url) {
            return Err(JobError::permanent("its address is not public").class("address_refused"));
        }
        Ok(self.client.request(method, url.clone()).send().await.map_err(reqwest::Error::without_url)?)
    }
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
            page_timeout: Duration::from_millis(200),
            page_delay: Duration::ZERO,
            session_ttl: Duration::from_hours(24),
        };
        let careful = Web::new(&spec(false)).unwrap();
        assert!(!careful.may_call(&url));
        assert!(careful.get(&url).await.unwrap_err().to_string().contains("not public"));
        assert!(careful.broken(&url).await.is_some());
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "a connection was made");
        assert!(Web::new(&spec(true)).unwrap().may_call(&url));
    }
}
