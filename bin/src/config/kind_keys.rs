//! The settings of a kind, `[kinds.NAME]`, with their units, defaults and meanings. The structs, the
//! checks of values and `docs/configuration.md` all follow from here; it must never read a value itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tidemill::job::settings::OnLostContact;
use tidemill::job::unique::Unique;
use tidemill_settings::proxies::ProxyChoice;
use tidemill_settings::section;
use tidemill_settings::section::{DeclaredSetting, Entry, Reader, Section};
use tidemill_settings::types::{
    ByteSize, ErrorClass, ExitCode, FairKey, Header, HeaderText, HttpUrl, LimitKey, Priority, QueueName,
    Secret, VariableName, VariableText, Words,
};

section! {
    /// The delays between the attempts of a job.
    BackoffSection {
        /// The delay before the second attempt.
        first: Duration where "0s"..="30d" = "5s";
        /// The factor by which each further delay is longer than the previous one.
        factor: f64 where "1"..="100" = "2";
        /// The longest delay.
        max: Duration where "0s"..="365d" = "1h";
        /// The share of a delay by which it may randomly be shorter or longer.
        jitter: f64 where "0"..="1" = "0.2";
    }
}

section! {
    /// The circuit breaker: when the jobs of a kind crash in a loop, no more are started for a while.
    BreakerSection {
        /// The number of crashes (a worker that died, a command ended by a signal or out of memory) within `window`
        /// that opens it. Absent: it never opens.
        after: Option<u32> where "1"..="1000" = none;
        /// Crashes further apart are not counted together; after this time without a crash the count starts again.
        window: Duration where "1s"..="30d" = "10m";
        /// How long it stays open: twice as long each further time, at most a day.
        pause: Duration where "1s"..="1d" = "1m";
    }
}

section! {
    /// A kind of job: either a command to run or a URL to call, and the rules for its jobs. Only commands and URLs
    /// named here can ever be run.
    KindKeys {
        /// The program and its arguments.
        command: Option<Words> = none;
        /// The URL to call with POST instead of running a command.
        url: Option<HttpUrl> = none;
        /// Whether workers in other languages run it over HTTP instead of a command or a URL (docs/python.md). Its
        /// rules are written when a process with this config starts.
        remote: bool = "false";
        /// The queue of its jobs, unless a job names another.
        queue: QueueName = "default";
        /// The priority of its jobs, unless a job has another.
        priority: Priority = "5";
        /// The most attempts of a job in total.
        max_attempts: i32 where "1"..="1000" = "5";
        /// The time after which a command gets SIGTERM and a call is aborted; an attempt that still runs has until
        /// `hard_timeout`. Absent: no soft timeout.
        soft_timeout: Option<Duration> where "10ms"..="365d" = none;
        /// The time after which the attempt is ended, a command with SIGKILL to its whole process group.
        hard_timeout: Duration where "10ms"..="366d" = "1d";
        /// How long an attempt may take to stop after a cancel or at shutdown before it is ended, a command with
        /// SIGKILL.
        stop_grace: Duration where "0s"..="1h" = "10s";
        /// The handling of attempts while the worker cannot reach the database: `stop` ends them before their leases
        /// expire and hands the jobs back without counting an attempt; `continue` lets them run until the lease is
        /// known to belong to another worker.
        on_lost_contact: OnLostContact = "stop";
        /// The delays between attempts.
        backoff: BackoffSection = {};
        /// Classes of errors (their `type`) after which another attempt is useless, such as `bad_args`.
        permanent_errors: Vec<ErrorClass> = "[]";
        /// The circuit breaker for jobs that crash in a loop.
        breaker: BreakerSection = {};
        /// How long its finished jobs are kept. Absent: `keeper.retention`.
        retain: Option<Duration> where "1m"..="36500d" = none;
        /// The rule for unique jobs, as `unique` of POST /jobs: a job is not stored while another one holds its key;
        /// `{}` means one job per kind and args. Absent: jobs need not be unique.
        unique: Option<Unique> = none;
        /// The limits that its jobs count against: `name`, or `name:key`; `{arg}` in a key stands for the value of
        /// that arg.
        concurrency_key: Vec<LimitKey> = "[]";
        /// The group of a job for fairness, such as `{tenant}`; within a queue, jobs of different groups take turns.
        fair_key: Option<FairKey> = none;
        /// The time after which a job that has not started is cancelled. Absent: it waits without limit.
        expires_in: Option<Duration> where "1s"..="36500d" = none;
        /// The largest result, as JSON; a larger one fails the job.
        max_result_bytes: ByteSize where "1KiB"..="256MiB" = "1MiB";

        /// Command: exit codes after which another attempt is useless.
        permanent_exit_codes: Vec<ExitCode> = "[]";
        /// Command: the folder where it starts. Absent: the folder of the config file.
        working_dir: Option<PathBuf> = none;
        /// Command: additional environment variables.
        env: BTreeMap<VariableName, VariableText> = "{}";
        /// Command: start with only PATH, HOME, LANG and `env`. Otherwise it inherits the worker's environment
        /// without its secrets (`TIDEMILL_*`, `DATABASE_URL`, `PG*`).
        clean_env: bool = "false";
        /// Command: the address space of each process, which is larger than its resident memory. Absent: no limit.
        memory: Option<ByteSize> where "1MiB"..="1024TiB" = none;
        /// Command: the processor time of each process. Absent: no limit.
        cpu: Option<Duration> where "1s"..="365d" = none;
        /// Command: the number of files that a process may have open. Absent: the worker's own limit.
        open_files: Option<u64> where "8"..="1048576" = none;
        /// Command: the largest file that it may write. Absent: no limit.
        file_size: Option<ByteSize> where "0"..="1024TiB" = none;
        /// Command: the number of processes of the worker's user while it runs. Absent: the worker's own limit.
        processes: Option<u64> where "1"..="4194304" = none;
        /// Command: the longest line of its log; a longer line is cut and marked.
        max_line_bytes: ByteSize where "256"..="16MiB" = "64KiB";

        /// URL: the key that signs each call (HMAC-SHA256), so that the receiver can verify the caller: `whsec_` and
        /// base64, or the key itself.
        secret: Option<Secret> = none;
        /// URL: whether private and loopback addresses may be called.
        allow_private: bool = "false";
        /// URL: its own proxy, or `none`. Absent: `outbound.proxy`.
        proxy: Option<ProxyChoice> = none;
        /// URL: how long connecting may take.
        connect_timeout: Duration where "10ms"..="10m" = "10s";
        /// URL: how long the answer may be silent before the attempt is retried.
        idle_timeout: Duration where "10ms"..="1d" = "1m";
        /// URL: headers of each call.
        headers: BTreeMap<Header, HeaderText> = "{}";
    }
}

/// The keys of a kind that apply only to a command.
pub(super) const COMMAND_KEYS: &[&str] = &[
    "permanent_exit_codes",
    "working_dir",
    "env",
    "clean_env",
    "memory",
    "cpu",
    "open_files",
    "file_size",
    "processes",
    "max_line_bytes",
];

/// The keys of a kind that apply only to a URL.
pub(super) const URL_KEYS: &[&str] =
    &["secret", "allow_private", "proxy", "connect_timeout", "idle_timeout", "headers"];

/// Allows a section within another section.
macro_rules! inner_section {
    ($($name:ident),+) => {$(
        impl Entry for $name {
            const FIELDS: &'static [DeclaredSetting] = <Self as Section>::FIELDS;

            fn allowed() -> String {
                "a table".into()
            }

            fn read(reader: &mut Reader<'_>, field: &'static DeclaredSetting) -> Self {
                reader.section(field.key)
            }
        }
    )+};
}
inner_section!(BackoffSection, BreakerSection);

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill::job::settings::{Backoff, KindSettings};
    use tidemill_settings::section::Table;

    fn defaults<T: Section>() -> T {
        let mut problems = Vec::new();
        let section = Reader::new(Table::new(), "nowhere", &mut problems).section("x");
        assert_eq!(problems, []);
        section
    }

    #[test]
    fn kinds_default_to_the_engine_s_own_defaults() {
        let keys: KindKeys = defaults();
        let engine = KindSettings::default();
        assert_eq!(keys.queue.0, engine.queue);
        assert_eq!(keys.priority.0, engine.priority);
        assert_eq!(keys.max_attempts, engine.max_attempts);
        assert_eq!(keys.hard_timeout, engine.hard_timeout);
        assert_eq!(keys.stop_grace, engine.stop_grace);
        let Backoff { first, factor, max, jitter } = engine.backoff;
        assert_eq!(keys.backoff, BackoffSection { first, factor, max, jitter });
    }

    #[test]
    fn the_lists_of_keys_name_real_ones() {
        for key in COMMAND_KEYS.iter().chain(URL_KEYS) {
            let field = KindKeys::FIELDS.iter().find(|field| field.key == *key);
            let prefix = if COMMAND_KEYS.contains(key) { " Command:" } else { " URL:" };
            assert!(field.is_some_and(|field| field.meaning.starts_with(prefix)), "{key}");
        }
        let marked = KindKeys::FIELDS
            .iter()
            .filter(|field| field.meaning.starts_with(" Command:") || field.meaning.starts_with(" URL:"));
        assert_eq!(marked.count(), COMMAND_KEYS.len() + URL_KEYS.len());
    }
}
