//! Signed webhooks that deliver alerts. Must never show a whole address, because it may contain a
//! token.

use chrono::Utc;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::address;
use super::channel_settings::{ChannelError, ChannelSettings, DELIVERY_TIMEOUT};
use super::client::client;
use super::error_chain::chain;
use super::proxy_settings::ProxySettings;
use super::signature::{self, Key};

/// Calls receivers.
#[derive(Debug)]
pub(crate) struct Webhooks {
    key: Option<Key>,
    allow_private: bool,
    proxy: ProxySettings,
    client: Client,
}

impl Webhooks {
    /// Checks the settings; opens no connection.
    pub(crate) fn new(settings: &ChannelSettings) -> Result<Self, ChannelError> {
        Ok(Self {
            key: settings.secret.as_deref().map(Key::parse).transpose()?,
            allow_private: settings.allow_private,
            client: client(settings.allow_private, DELIVERY_TIMEOUT, &settings.proxy)?,
            proxy: settings.proxy.clone(),
        })
    }

    /// Calls one receiver once.
    pub(crate) async fn call(&self, url: &str, id: Uuid, body: &Value) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| format!("the address cannot be read: {error}"))?;
        if !self.allow_private
            && let Some(refused) = address::refused(&url, !self.proxy.hosts().is_empty()).await
        {
            return Err(format!("{refused}; to allow it, set alerting.allow_private = true"));
        }
        let body = body.to_string();
        let signed = signature::headers(self.key.as_ref(), id, Utc::now(), &body);
        let request = self
            .client
            .post(url)
            .timeout(DELIVERY_TIMEOUT)
            .header(CONTENT_TYPE, "application/json")
            .headers(signed)
            .body(body);
        let response = request.send().await.map_err(|error| {
            let error = error.without_url();
            match address::refusal_behind(&error) {
                Some(refused) => format!("{refused}; to allow it, set alerting.allow_private = true"),
                None => chain(&error),
            }
        })?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(format!("the receiver answered {}", response.status().as_u16()))
    }
}
