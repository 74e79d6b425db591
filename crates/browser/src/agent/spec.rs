//! The settings of browser tasks as they are meant. Must show no key.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tidemill::extension::outbound::{ClientError, ProxySettings};

use crate::browser::AllowedHosts;

/// The settings of tasks.
#[derive(Clone, PartialEq)]
pub struct AgentSpec {
    /// The model by its name.
    pub model: String,
    /// The URL of a server with the `OpenAI` chat completions protocol, such as
    /// `https://api.openai.com/v1`.
    pub base_url: String,
    /// The API key for that server.
    pub api_key: Option<String>,
    /// The proxy for calls to it.
    pub proxy: ProxySettings,
    /// The longest time that an answer may take.
    pub model_timeout: Duration,
    /// The hosts that the browser may reach.
    pub hosts: AllowedHosts,
    /// The most steps of a task.
    pub max_steps: u32,
    /// The most tokens of a task.
    pub max_tokens: u64,
    /// The longest working time of a task.
    pub max_time: Duration,
    /// The longest time that a browser command may take.
    pub command_timeout: Duration,
    /// The browser's program; searched if `None`.
    pub browser: Option<PathBuf>,
    /// Whether the browser confines its pages in a sandbox.
    pub sandbox: bool,
}

/// Why an [`AgentSpec`] cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AgentSpecError {
    /// The key fits in no header.
    #[error("agent.api_key is not allowed in HTTP: check it for line breaks")]
    Key,
    /// The HTTP client cannot be made.
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[source] ClientError),
}

impl AgentSpec {
    /// Tasks for a model with defaults for everything else.
    #[must_use]
    pub fn new(model: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            base_url: base_url.into(),
            api_key: None,
            proxy: ProxySettings::default(),
            model_timeout: Duration::from_mins(2),
            hosts: AllowedHosts::default(),
            max_steps: 30,
            max_tokens: 500_000,
            max_time: Duration::from_mins(15),
            command_timeout: Duration::from_secs(30),
            browser: None,
            sandbox: true,
        }
    }
}

impl fmt::Debug for AgentSpec {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentSpec")
            .field("model", &self.model)
            .field("base_url", &self.base_url)
            .field("hosts", &self.hosts)
            .field("max_steps", &self.max_steps)
            .field("max_tokens", &self.max_tokens)
            .field("max_time", &self.max_time)
            .finish_non_exhaustive()
    }
}
