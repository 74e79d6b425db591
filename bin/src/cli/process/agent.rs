//! Builds the handler of browser tasks from the config, if a model is configured.

#[cfg(feature = "browser")]
use std::time::Duration;

use crate::cli::error::CliError;
use crate::config::Config;
use tidemill::worker::WorkerBuilder;

/// How long what a step does in the browser may take, with room to spare.
#[cfg(feature = "browser")]
const LAST_STEP: Duration = Duration::from_mins(5);

/// Adds the kind to a worker.
#[cfg(feature = "browser")]
pub(crate) fn add(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    use super::failed;
    use tidemill::job::agent::{KIND, QUEUE};
    use tidemill::job::settings::KindSettings;
    use tidemill::kinds::agent::{AgentKind, AgentSpec, Hosts};

    let agent = &config.agent;
    let Some(model) = &agent.model else { return Ok(builder) };
    let mut proxy = super::outbound::proxy(config, agent.proxy.as_ref());
    // Behind one there is often no other way to a model.
    proxy.from_environment = agent.proxy.is_none();
    let spec = AgentSpec {
        api_key: agent.api_key.as_ref().map(|key| key.0.clone()),
        proxy,
        model_timeout: agent.model_timeout,
        hosts: Hosts {
            allowed: agent.allowed_hosts.iter().map(|host| host.0.clone()).collect(),
            allow_private: agent.allow_private,
        },
        max_steps: agent.max_steps,
        max_tokens: agent.max_tokens,
        max_time: agent.max_time,
        browser: agent.browser.clone(),
        sandbox: agent.sandbox,
        ..AgentSpec::new(model, &agent.base_url.0)
    };
    let rules = KindSettings {
        queue: QUEUE.to_owned(),
        // The handler ends a task by itself after its time, between two steps.
        hard_timeout: agent.max_time + agent.model_timeout + LAST_STEP,
        ..KindSettings::default()
    };
    Ok(builder.kind(KIND, "rust", rules, AgentKind::new(spec).map_err(failed)?))
}

/// This build has no browser: a model that is configured would wait for nothing.
#[cfg(not(feature = "browser"))]
pub(crate) fn add(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, CliError> {
    if config.agent.model.is_none() {
        return Ok(builder);
    }
    Err(CliError::Usage(
        "agent.model is set, but this build has no browser: build with the feature `browser`".into(),
    ))
}
