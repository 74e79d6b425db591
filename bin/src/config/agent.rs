//! The settings of tasks in a browser: which model, how much of it, and what the browser may reach.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::routes::ProxyChoice;
use super::section::section;
use super::types::{HttpUrl, Secret, text_type};
use super::value::Setting;

text_type!(
    /** A host, or all below one. */
    HostPattern,
    "a host name or IP address, or *. and a host name for all below it; without scheme, port or path",
    |text| url::Host::parse(text.strip_prefix("*.").unwrap_or(text)).is_ok()
);
section! {
    /// Tasks that a model does in a browser (`docs/agent.md`).
    AgentSection {
        /// The model, by the name that its server gives it. Absent: tasks are refused and none is run here.
        model: Option<String> = none;
        /// Where it is served by the protocol of `OpenAI`'s chat completions.
        base_url: HttpUrl = "https://api.openai.com/v1";
        /// The key for it.
        api_key: Option<Secret> = none;
        /// A proxy of its own for calls of the model, or `none`. Absent: `outbound.proxy`, else that of
        /// the environment. The browser uses none.
        proxy: Option<ProxyChoice> = none;
        /// No answer of the model takes longer.
        model_timeout: Duration where "1s"..="1h" = "2m";
        /// Hosts that the browser may reach: `example.com` is one, `*.example.com` are all below it. Empty: every public one.
        allowed_hosts: Vec<HostPattern> = "[]";
        /// Whether it may reach addresses that are not public, such as those of this machine and its network.
        allow_private: bool = "false";
        /// The most steps of one task.
        max_steps: u32 where "1"..="1000" = "30";
        /// The most tokens of one task, as the model's server counts them.
        max_tokens: u64 where "1000"..="1000000000" = "500000";
        /// How long a task may be worked on in all.
        max_time: Duration where "1s"..="1d" = "15m";
        /// The program of the browser. Absent: Chromium or Chrome is searched on the PATH.
        browser: Option<PathBuf> = none;
        /// Whether the browser locks its pages in by means of the kernel. It must be off where that cannot be: as root, and in most
        /// containers.
        sandbox: bool = "true";
    }
}
