//! Chooses the proxy of outbound calls from the config. Decides nothing about which addresses may
//! be called.

use crate::config::Config;
use tidemill::outbound::ProxySettings;
use tidemill_settings::proxies::ProxyChoice;

/// The proxy that `own` names, else that of all calls.
pub(crate) fn proxy(config: &Config, own: Option<&ProxyChoice>) -> ProxySettings {
    let outbound = &config.outbound;
    let all = ProxySettings {
        url: outbound.proxy.as_ref().map(|url| url.0.clone()),
        from_environment: outbound.from_environment,
        direct: outbound.direct.iter().map(|host| host.0.clone()).collect(),
    };
    own.map_or_else(|| all.clone(), |choice| choice.or_default_to(&all))
}
