//! Chooses the proxy of outbound calls from the config. Decides nothing about which addresses may
//! be called.

use crate::config::{Config, ProxyChoice};
use tidemill::outbound::ProxySettings;

/// The proxy that `own` names, else that of all calls.
pub(crate) fn proxy(config: &Config, own: Option<&ProxyChoice>) -> ProxySettings {
    let outbound = &config.outbound;
    let url = match own {
        Some(choice) if choice.is_none() => return ProxySettings::default(),
        Some(choice) => Some(choice.0.clone()),
        None => outbound.proxy.as_ref().map(|url| url.0.clone()),
    };
    let direct = outbound.direct.iter().map(|host| host.0.clone()).collect();
    ProxySettings { url, from_environment: outbound.from_environment, direct }
}
