//! Stores the alert rules of the config and builds their delivery channels, once when a server
//! starts. Must never change rules that people set and the config does not name.

use super::limits::Declaration;
use super::outbound::proxy;
use super::{Process, failed};
use crate::cli::common::error::CliError;
use crate::config::Config;
use tidemill::outbound::{ChannelSettings, Channels};

/// Writes the rules of the config, removes those of the same deployment that it no longer has where that is asked
/// for, and answers the channels.
pub(crate) async fn declare(
    config: &Config,
    process: &Process,
    declaration: &Declaration,
) -> Result<Channels, CliError> {
    let alerting = &config.alerting;
    let channels = Channels::new(&ChannelSettings {
        secret: alerting.secret.as_ref().map(|secret| secret.0.clone()),
        allow_private: alerting.allow_private,
        proxy: proxy(config, alerting.proxy.as_ref()),
        smtp_url: alerting.smtp_url.as_ref().map(|url| url.0.clone()),
        from: alerting.from.clone(),
    })
    .map_err(|error| CliError::Usage(format!("alerting: {error}")))?;
    let of_extensions = config.declared.alert_rules.iter().map(|(name, rule)| (name, rule));
    let of_extensions = of_extensions.filter(|(name, _)| !config.alerts.contains_key(*name));
    for (name, rule) in config.alerts.iter().chain(of_extensions) {
        if !rule.email.is_empty() && alerting.smtp_url.is_none() {
            let message = format!("alerts.{name}.email needs a mail server: set alerting.smtp_url");
            return Err(CliError::Usage(message));
        }
        if declaration.writes {
            process.store.set_alert(name, rule, Some(&declaration.deployment)).await.map_err(failed)?;
        }
    }
    if !declaration.removes {
        return Ok(channels);
    }
    let declared_by_extensions = config.declared.alert_rules.iter().map(|(name, _)| name.clone());
    let names: Vec<String> = config.alerts.keys().cloned().chain(declared_by_extensions).collect();
    for name in process.store.keep_config_alerts(&names, &declaration.deployment).await.map_err(failed)? {
        tracing::info!(name, "removed an alert rule that is no longer in the config");
    }
    Ok(channels)
}
