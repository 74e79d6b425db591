//! A kind in the config: the rules for its jobs, and its command or URL. Must never start or call
//! anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kind_keys::{COMMAND_KEYS, KindKeys, URL_KEYS};
use tidemill::job::settings::{Backoff, Breaker, JobDefaults, KindSettings};
use tidemill_settings::proxies::ProxyChoice;
use tidemill_settings::section::Reader;
use tidemill_settings::types::ByteSize;

/// One `[kinds.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct KindSection {
    /// The rules for its jobs.
    pub settings: KindSettings,
    /// Their implementation.
    pub run: RunSection,
}

/// The implementation of a kind.
#[derive(Debug, Clone, PartialEq)]
pub enum RunSection {
    /// A program of this machine.
    Command(CommandSection),
    /// A URL to call.
    Url(UrlSection),
    /// Workers in other languages, over HTTP.
    Remote,
}

/// A command and its limits.
#[derive(Clone, PartialEq)]
pub struct CommandSection {
    /// The program and its arguments, at least one word.
    pub command: Vec<String>,
    /// Absolute, where the config was loaded with an absolute folder.
    pub working_dir: PathBuf,
    /// Variables of its environment; may hold credentials.
    pub env: BTreeMap<String, String>,
    /// Whether it starts without the worker's environment.
    pub clean_env: bool,
    /// Exit codes after which another attempt is useless.
    pub permanent_exit_codes: Vec<i32>,
    /// The limits of each process.
    pub limits: LimitsSection,
    /// A longer line of its log is cut.
    pub max_line_bytes: usize,
    /// A larger result fails the job.
    pub max_result_bytes: usize,
}

/// The limits of one process; `None` sets no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitsSection {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Open files.
    pub open_files: Option<u64>,
    /// The largest file that it writes, in bytes.
    pub file_size_bytes: Option<u64>,
    /// Processes of the same user.
    pub processes: Option<u64>,
}

/// A URL and how it is called.
#[derive(Clone, PartialEq)]
pub struct UrlSection {
    /// http or https.
    pub url: String,
    /// Signs each call.
    pub secret: Option<String>,
    /// Whether private and loopback addresses may be called.
    pub allow_private: bool,
    /// A proxy of its own, or none.
    pub proxy: Option<ProxyChoice>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the answer may be silent before the attempt is retried.
    pub idle_timeout: Duration,
    /// Headers of each call; may hold credentials.
    pub headers: BTreeMap<String, String>,
    /// A larger result fails the job.
    pub max_result_bytes: usize,
}

impl std::fmt::Debug for CommandSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.env.keys().collect();
        f.debug_struct("CommandSection")
            .field("command", &self.command)
            .field("working_dir", &self.working_dir)
            .field("env", &variables)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for UrlSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("UrlSection").field("headers", &headers).finish_non_exhaustive()
    }
}

/// Reports the kinds of a config that have the name of an extension's kind, which is reserved whether the kind is
/// served or not: routes and schedules of the extension use it.
pub(super) fn refuse_taken(taken: &[&str], kinds: &BTreeMap<String, KindSection>, reader: &mut Reader<'_>) {
    for name in taken.iter().filter(|name| kinds.contains_key(**name)) {
        let message = format!(
            "is the name of a built-in kind, which would run instead of this one; choose another name, such \
             as my.{name}, and enqueue its jobs by POST /api/v1/jobs"
        );
        reader.report_here(&format!("kinds.{name}"), message);
    }
}

/// Reports a kind with a name of Tidemill's own.
fn refuse_reserved(reader: &mut Reader<'_>, name: &str) {
    if name.starts_with("tidemill.") {
        let message =
            "begins with `tidemill.`, which is reserved for tidemill's own kinds; choose another name";
        reader.report_here(name, message.to_owned());
    }
}

/// Reads the kind under `name`; `None` where the reason was reported.
pub(super) fn read(reader: &mut Reader<'_>, name: &str, folder: &Path) -> Option<KindSection> {
    refuse_reserved(reader, name);
    let given = reader.keys_of(name);
    let keys: KindKeys = reader.section(name);
    if keys.remote {
        for (keys, theirs) in [(URL_KEYS, "url"), (COMMAND_KEYS, "command")] {
            refuse(reader, name, &given, keys, theirs, "remote worker");
        }
        for key in given.iter().filter(|key| *key == "command" || *key == "url") {
            reader.report_here(&format!("{name}.{key}"), "is not for kinds of remote workers".into());
        }
        return Some(KindSection { settings: settings(&keys), run: RunSection::Remote });
    }
    let run = match (&keys.command, &keys.url) {
        (Some(_), None) => {
            refuse(reader, name, &given, URL_KEYS, "url", "command");
            RunSection::Command(command(&keys, folder))
        }
        (None, Some(_)) => {
            refuse(reader, name, &given, COMMAND_KEYS, "command", "url");
            RunSection::Url(url(&keys))
        }
        (Some(_), Some(_)) => {
            reader.report_here(name, "has both a command and a url; keep exactly one of them".into());
            return None;
        }
        // One that is there and wrong was reported already.
        (None, None) if given.iter().any(|key| key == "command" || key == "url") => return None,
        (None, None) => {
            reader.report_here(
                name,
                "has neither a command nor a url; give exactly one of them, or remote = true".into(),
            );
            return None;
        }
    };
    Some(KindSection { settings: settings(&keys), run })
}

/// Reports keys that do not apply to this sort of kind.
fn refuse(reader: &mut Reader<'_>, name: &str, given: &[String], keys: &[&str], theirs: &str, ours: &str) {
    for key in given.iter().filter(|key| keys.contains(&key.as_str())) {
        let message = format!("is for kinds with a {theirs}; this one has a {ours}");
        reader.report_here(&format!("{name}.{key}"), message);
    }
}

fn settings(keys: &KindKeys) -> KindSettings {
    KindSettings {
        queue: keys.queue.0.clone(),
        priority: keys.priority.0,
        max_attempts: keys.max_attempts,
        soft_timeout: keys.soft_timeout,
        hard_timeout: keys.hard_timeout,
        stop_grace: keys.stop_grace,
        backoff: Backoff {
            first: keys.backoff.first,
            factor: keys.backoff.factor,
            max: keys.backoff.max,
            jitter: keys.backoff.jitter,
        },
        retain: keys.retain,
        permanent_errors: keys.permanent_errors.iter().map(|class| class.0.clone()).collect(),
        breaker: keys.breaker.after.map(|after| Breaker {
            after: i32::try_from(after).unwrap_or(i32::MAX),
            window: keys.breaker.window,
            pause: keys.breaker.pause,
        }),
        defaults: JobDefaults {
            unique: keys.unique.clone(),
            concurrency_keys: keys.concurrency_key.iter().map(|key| key.0.clone()).collect(),
            fair_key: keys.fair_key.as_ref().map(|key| key.0.clone()),
            expires_in: keys.expires_in,
        },
        on_lost_contact: keys.on_lost_contact,
    }
}

fn command(keys: &KindKeys, folder: &Path) -> CommandSection {
    let env = keys.env.iter().map(|(name, value)| (name.0.clone(), value.0.clone()));
    CommandSection {
        command: keys.command.clone().map(|words| words.0).unwrap_or_default(),
        working_dir: keys.working_dir.as_ref().map_or_else(|| folder.to_owned(), |dir| folder.join(dir)),
        env: env.collect(),
        clean_env: keys.clean_env,
        permanent_exit_codes: keys.permanent_exit_codes.iter().map(|code| code.0).collect(),
        limits: LimitsSection {
            memory_bytes: keys.memory.map(|size| size.0),
            cpu: keys.cpu,
            open_files: keys.open_files,
            file_size_bytes: keys.file_size.map(|size| size.0),
            processes: keys.processes,
        },
        max_line_bytes: in_memory(keys.max_line_bytes),
        max_result_bytes: in_memory(keys.max_result_bytes),
    }
}

/// A size that fits one process; settings allow no larger one.
fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

fn url(keys: &KindKeys) -> UrlSection {
    let headers = keys.headers.iter().map(|(name, value)| (name.0.clone(), value.0.clone()));
    UrlSection {
        url: keys.url.clone().map(|url| url.0).unwrap_or_default(),
        secret: keys.secret.clone().map(|secret| secret.0),
        allow_private: keys.allow_private,
        proxy: keys.proxy.clone(),
        connect_timeout: keys.connect_timeout,
        idle_timeout: keys.idle_timeout,
        headers: headers.collect(),
        max_result_bytes: in_memory(keys.max_result_bytes),
    }
}
