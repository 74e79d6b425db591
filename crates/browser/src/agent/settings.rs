//! The settings of browser tasks: the model, its limits, and the hosts that the browser may reach.

use std::path::PathBuf;
use std::time::Duration;

use tidemill_settings::proxies::ProxyChoice;
use tidemill_settings::types::{HttpUrl, QueueName, Secret};
use tidemill_settings::{section, text_type};

text_type!(
    /** A host, or all below one. */
    HostPattern,
    "a host name or IP address, or *. and a host name for all below it; without scheme, port or path",
    |text| url::Host::parse(text.strip_prefix("*.").unwrap_or(text)).is_ok()
);
section! {
    /// Tasks that a model carries out in a browser (`docs/agent.md`).
    AgentSection {
        /// The model, by the name that its server uses. Absent: tasks are refused, and none is run by this process.
        model: Option<String> = none;
        /// The URL of a server with the `OpenAI` chat completions protocol.
        base_url: HttpUrl = "https://api.openai.com/v1";
        /// The API key for that server.
        api_key: Option<Secret> = none;
        /// A proxy for calls to the model, or `none`. Absent: `outbound.proxy`, otherwise the one of the environment.
        /// The browser uses no proxy.
        proxy: Option<ProxyChoice> = none;
        /// The longest time that an answer of the model may take.
        model_timeout: Duration where "1s"..="1h" = "2m";
        /// Hosts that the browser may reach: `example.com` is one host, `*.example.com` means all hosts below it.
        /// Empty: every public host.
        allowed_hosts: Vec<HostPattern> = "[]";
        /// Whether the browser may reach addresses that are not public, such as those of this machine and its
        /// network.
        allow_private: bool = "false";
        /// The most steps of one task.
        max_steps: u32 where "1"..="1000" = "30";
        /// The most tokens of one task, as the model's server counts them.
        max_tokens: u64 where "1000"..="1000000000" = "500000";
        /// The longest total working time of a task.
        max_time: Duration where "1s"..="1d" = "15m";
        /// The browser program. Absent: Chromium or Chrome is searched on the PATH.
        browser: Option<PathBuf> = none;
        /// Whether the browser confines its pages with the kernel's sandbox. It must be off where the sandbox is not
        /// available: as root, and in most containers.
        sandbox: bool = "true";
    }
}

section! {
    /// `POST /execute` for a kind of your own (`docs/agent.md`).
    ExecuteSection {
        /// The kind of its jobs: a command, a URL, or the kind of a remote worker, in the queue of that kind. Absent:
        /// `agent.execute`, which needs `agent.model`.
        kind: Option<QueueName> = none;
    }
}
