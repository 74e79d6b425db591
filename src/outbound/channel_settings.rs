//! The settings of the channels that deliver alerts, and the errors of settings that cannot be used.

use std::fmt;
#[cfg(any(feature = "http", feature = "email"))]
use std::time::Duration;

#[cfg(feature = "http")]
use super::client::ClientError;
#[cfg(feature = "http")]
use super::proxy_settings::ProxySettings;
#[cfg(feature = "http")]
use super::signature::KeyError;

/// The longest time of one delivery; a slower receiver is tried again later.
#[cfg(any(feature = "http", feature = "email"))]
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the channels.
#[derive(Clone, Default)]
pub struct ChannelSettings {
    /// Signs webhooks: `whsec_` and base64, or the key's own bytes.
    pub secret: Option<String>,
    /// True to call also loopback, private and other special addresses.
    pub allow_private: bool,
    /// The proxy of webhooks.
    #[cfg(feature = "http")]
    pub proxy: ProxySettings,
    /// The mail server, such as `smtps://user:password@host`.
    pub smtp_url: Option<String>,
    /// The sender of mail.
    pub from: String,
}

impl fmt::Debug for ChannelSettings {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSettings")
            .field("signed", &self.secret.is_some())
            .field("allow_private", &self.allow_private)
            .field("mails", &self.smtp_url.is_some())
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Why the settings of the channels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The secret cannot be used.
    #[cfg(feature = "http")]
    #[error("the secret of webhooks: {0}")]
    Secret(#[from] KeyError),
    /// The HTTP client cannot be made.
    #[cfg(feature = "http")]
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[from] ClientError),
    /// The mail server's address or the sender cannot be used.
    #[error("mail: {0}")]
    Mail(String),
}
