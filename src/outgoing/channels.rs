//! The channels by which alerts are told: signed webhooks and mail. Each call tells one receiver once; to
//! repeat what failed, and to remember what was told, is the caller's.

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::signature::{self, Key, KeyError};
use super::{address, client};

/// A receiver that takes longer is tried again later.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How to reach receivers.
#[derive(Clone, Default)]
pub struct ChannelSettings {
    /// Signs webhooks: `whsec_` and base64, or the key's own bytes.
    pub secret: Option<String>,
    /// True to call also loopback, private and other special addresses.
    pub allow_private: bool,
    /// The mail server, such as `smtps://user:password@host`.
    pub smtp_url: Option<String>,
    /// Who mail is from.
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
            .finish()
    }
}

/// Why receivers cannot be reached as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The secret cannot be used.
    #[error("the secret of webhooks: {0}")]
    Secret(#[from] KeyError),
    /// The HTTP client cannot be made.
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[from] reqwest::Error),
    /// The mail server's address or the sender cannot be used.
    #[error("mail: {0}")]
    Mail(String),
}

/// Tells receivers. Cheap to share.
#[derive(Debug)]
pub struct Channels {
    key: Option<Key>,
    allow_private: bool,
    client: Client,
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
            key: settings.secret.as_deref().map(Key::parse).transpose()?,
            allow_private: settings.allow_private,
            client: client(settings.allow_private, PATIENCE)?,
            #[cfg(feature = "email")]
            mailer: match &settings.smtp_url {
                Some(url) => {
                    Some(super::email::Mailer::new(url, &settings.from).map_err(ChannelError::Mail)?)
                }
                None => None,
            },
        })
    }

    /// Calls a webhook; `id` is the same at each try, so that a receiver can pass over a second one.
    ///
    /// # Errors
    /// Why it was not told; the address, which may hold a token, is not in it.
    pub async fn call(&self, url: &str, id: Uuid, body: &Value) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| format!("the address cannot be read: {error}"))?;
        if !self.allow_private
            && let Some(refused) = address::refused_literal(&url)
        {
            return Err(format!("{refused}; if it is meant, set alerting.allow_private = true"));
        }
        let body = body.to_string();
        let signed = signature::headers(self.key.as_ref(), id, Utc::now(), &body);
        let request = self
            .client
            .post(url)
            .timeout(PATIENCE)
            .header(CONTENT_TYPE, "application/json")
            .headers(signed)
            .body(body);
        let response = request.send().await.map_err(|error| {
            let error = error.without_url();
            match address::refusal_behind(&error) {
                Some(refused) => format!("{refused}; if it is meant, set alerting.allow_private = true"),
                None => chain(&error),
            }
        })?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(format!("the receiver answered {}", response.status().as_u16()))
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
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
