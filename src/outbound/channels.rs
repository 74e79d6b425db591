//! The channels that deliver alerts: signed webhooks and mail. Each call delivers to one receiver
//! once; the caller repeats failures and remembers deliveries.

use serde_json::Value;
use uuid::Uuid;

use super::channel_settings::{ChannelError, ChannelSettings};
#[cfg(feature = "http")]
use super::webhook::Webhooks;

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
