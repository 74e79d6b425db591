//! The channels that deliver alerts: signed webhooks and mail. Each call delivers to one receiver
//! once; the caller repeats failures and remembers deliveries.

use std::fmt;
#[cfg(any(feature = "http", feature = "email"))]
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

#[cfg(feature = "http")]
use super::ProxySettings;
#[cfg(feature = "http")]
use super::webhook::Webhooks;

/// A receiver that takes longer is tried again later.
#[cfg(any(feature = "http", feature = "email"))]
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

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
    Secret(#[from] super::KeyError),
    /// The HTTP client cannot be made.
    #[cfg(feature = "http")]
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[from] super::ClientError),
    /// The mail server's address or the sender cannot be used.
    #[error("mail: {0}")]
    Mail(String),
}

/// Delivers to receivers. Cheap to share.
#[derive(Debug)]
pub struct Channels {
    #[cfg(feature = "http")]
    webhooks: Webhooks,
    #[cfg(feature = "email")]
    mailer: Option<super::email::Mailer>,
}

impl Channels {
    /// Checks the settings; opens no connection.
    ///
    /// # Errors
    /// If the secret, the mail server's address or the sender cannot be used.
    pub fn new(settings: &ChannelSettings) -> Result<Self, ChannelError> {
        #[cfg(not(feature = "email"))]
        if settings.smtp_url.is_some() {
            return Err(ChannelError::Mail("this build cannot send any: it lacks the feature email".into()));
        }
        Ok(Self {
            #[cfg(feature = "http")]
            webhooks: Webhooks::new(settings)?,
            #[cfg(feature = "email")]
            mailer: match &settings.smtp_url {
                Some(url) => {
                    Some(super::email::Mailer::new(url, &settings.from).map_err(ChannelError::Mail)?)
                }
                None => None,
            },
        })
    }

    /// Calls a webhook; `id` is the same at each try, so that a receiver can ignore a second call.
    ///
    /// # Errors
    /// Why the delivery failed, without the address, which may contain a token.
    #[cfg_attr(
        not(feature = "http"),
        expect(clippy::unused_async, reason = "it calls with the feature http")
    )]
    pub async fn call(&self, url: &str, id: Uuid, body: &Value) -> Result<(), String> {
        #[cfg(feature = "http")]
        {
            self.webhooks.call(url, id, body).await
        }
        #[cfg(not(feature = "http"))]
        {
            let _ = (url, id, body);
            Err("this build cannot call webhooks: it lacks the feature http".into())
        }
    }

    /// Sends mail; `id` is the same at each try, so that a mail program shows it once.
    ///
    /// # Errors
    /// Why it was not sent.
    #[cfg_attr(
        not(feature = "email"),
        expect(clippy::unused_async, reason = "it sends with the feature email")
    )]
    pub async fn mail(&self, to: &str, id: Uuid, subject: &str, text: &str) -> Result<(), String> {
        #[cfg(feature = "email")]
        if let Some(mailer) = &self.mailer {
            return mailer.send(to, id, subject, text).await;
        }
        let _ = (to, id, subject, text);
        Err("no mail server is configured: set alerting.smtp_url".into())
    }
}

/// An error with its causes.
#[cfg(any(feature = "http", feature = "email"))]
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
