//! What leaves for other systems without being a job's own work: the client and the signature of calls, and
//! the channels by which alerts are told. Imports nothing of ours and knows no database.

pub(crate) mod address;
mod channels;
#[cfg(feature = "email")]
mod email;
pub(crate) mod signature;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

pub use channels::{ChannelError, ChannelSettings, Channels};
pub use signature::KeyError;

/// A client that follows no redirect and, unless `allow_private`, reaches public addresses alone.
pub(crate) fn client(allow_private: bool, connect_timeout: Duration) -> reqwest::Result<Client> {
    // An error means that somebody has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // A proxy would resolve the name for itself.
        .no_proxy()
        .connect_timeout(connect_timeout);
    let client = if allow_private { client } else { client.dns_resolver(Arc::new(address::PublicResolver)) };
    client.build()
}
