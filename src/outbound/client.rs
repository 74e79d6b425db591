//! The HTTP client of outbound calls. Must never change process-wide state: it brings its own
//! cryptography provider instead of installing one for everyone.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;

use super::address::PublicResolver;
use super::proxy_settings::ProxySettings;

/// Why the client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificates of the system cannot be read.
    #[error("the system's CA certificates: {0}")]
    Tls(#[from] rustls::Error),
    /// A proxy or another setting cannot be used.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// The base of every client.
///
/// # Errors
/// If TLS or a proxy cannot be set up.
pub fn builder(proxy: &ProxySettings) -> Result<ClientBuilder, ClientError> {
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = Client::builder()
        .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        // Proxies of the environment are used only if the config asks for them.
        .no_proxy();
    Ok(proxy.proxies()?.into_iter().fold(builder, ClientBuilder::proxy))
}

/// A client that, unless `allow_private`, connects to public addresses and to the proxy alone. The proxy
/// controls its own connections; `address::refused` judges their targets before the call, as far as they
/// are known here.
pub(crate) fn client(
    allow_private: bool,
    connect_timeout: Duration,
    proxy: &ProxySettings,
) -> Result<Client, ClientError> {
    let client = builder(proxy)?.redirect(Policy::none()).connect_timeout(connect_timeout);
    let client = if allow_private {
        client
    } else {
        client.dns_resolver(Arc::new(PublicResolver::besides(proxy.hosts())))
    };
    Ok(client.build()?)
}
