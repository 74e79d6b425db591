//! A kind that a command runs, as the config has it. Must start nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::limits::ProcessLimits;

/// How the jobs of one kind are run by a command.
///
/// The attempt completes when the command exits with 0, fails for good with a code of
/// `permanent_exit_codes` and is retried with any other end. On a stop request its whole process group gets
/// SIGTERM (it is the leader of its own session); then only a reported result completes it. When the
/// attempt's future is dropped the group gets SIGKILL. The recorded peak memory is that of the largest
/// single process, and at least what the worker itself held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// Its working directory; the worker's own if `None`.
    pub working_dir: Option<PathBuf>,
    /// Variables added to its environment.
    pub env: BTreeMap<String, String>,
    /// True for an environment of only `PATH`, `HOME`, `LANG` and `env`; else it inherits the
    /// worker's without its secrets (`TIDEMILL_*`, `DATABASE_URL`, `PG*`).
    pub clean_env: bool,
    /// Exit codes after which no other attempt is made.
    pub permanent_exit_codes: Vec<i32>,
    /// Its resource limits.
    pub limits: ProcessLimits,
    /// Longer lines of output are cut, in bytes.
    pub max_line_bytes: usize,
    /// A larger result fails the job, in bytes of JSON.
    pub max_result_bytes: usize,
}

impl CommandSpec {
    /// A command with defaults for everything else.
    #[must_use]
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

impl Default for CommandSpec {
    /// Names no command yet, so it cannot be started.
    fn default() -> Self {
        Self {
            command: Vec::new(),
            working_dir: None,
            env: BTreeMap::new(),
            clean_env: false,
            permanent_exit_codes: Vec::new(),
            limits: ProcessLimits::default(),
            max_line_bytes: 64 * 1024,
            max_result_bytes: 1024 * 1024,
        }
    }
}
