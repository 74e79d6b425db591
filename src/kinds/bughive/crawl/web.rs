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

    pub(super) async fn get(&self, url: &Url) -> reqwest::Result<Response> {
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
            Err(error) => Some(JobError::from(error.without_url()).to_string()),
        }
    }

    async fn call(&self, method: Method, url: &Url) -> reqwest::Result<Response> {
        self.client.request(method, url.clone()).send().await
    }
}
