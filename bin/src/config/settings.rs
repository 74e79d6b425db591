//! Every setting, with its unit, default and meaning, in one place. The structs, the checks of
//! values and `docs/configuration.md` all follow from here. (Extensions declare their own.)

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::log::{LogFilter, LogFormat};
use tidemill::job::settings::OnLostContact;
use tidemill::job::unique::Unique;
use tidemill::kinds::command::containment::ContainmentChoice;
use tidemill_settings::network::Network;
use tidemill_settings::origins::WebOrigin;
use tidemill_settings::postgres_url::PostgresUrl;
use tidemill_settings::proxies::{BasePath, DirectHost, ProxyChoice, ProxyUrl};
use tidemill_settings::section;
use tidemill_settings::section::{DeclaredSetting, Entry, Reader, Section};
use tidemill_settings::types::{
    ByteSize, ErrorClass, ExitCode, FairKey, Header, HeaderText, HostName, HttpUrl, JobArgs, LimitKey,
    MissedWord, OverlapWord, Priority, QueueName, SchemaName, Secret, Time, VariableName, VariableText,
    Words,
};

section! {
    /// Where the jobs are kept.
    DatabaseSection {
        /// The Postgres that holds the jobs. Absent: `dev` runs an embedded one; the other commands need it. Several
        /// servers are named as `postgres://user@host1:5432,host2:5432/database`: the primary among them is used.
        url: Option<PostgresUrl> = none;
        /// The schema of all tables, so that several Tidemills share one database.
        schema: SchemaName = "tidemill";
        /// The most connections of one process, including the one for LISTEN. Claims, writes of workers and
        /// everything else have separate shares.
        max_connections: u32 where "5"..="1000" = "16";
        /// A direct connection for LISTEN and migrations, past `PgBouncer`. Absent: `url`.
        listen_url: Option<PostgresUrl> = none;
        /// Whether `url` leads through `PgBouncer` in transaction mode: each statement then runs in a transaction of
        /// its own and sets its own session settings. Without `listen_url`, changes are found only by polling.
        pgbouncer: bool = "false";
        /// The longest time that a statement may run.
        statement_timeout: Duration where "100ms"..="1h" = "30s";
    }
}

section! {
    /// The owner of this config, for several configs that share a schema and for successive releases
    /// (`docs/operations.md`).
    DeploymentSection {
        /// The name under which the schedules and alert rules of this config are stored. Each service with its own
        /// config needs its own name.
        name: QueueName = "default";
        /// The number of this release, larger at every deploy and also when an earlier release is deployed again,
        /// such as Helm's `.Release.Revision` or a build number. With a revision, a start of `dev` or `serve` removes
        /// the schedules and alert rules of earlier releases that are not in this config, and a process of an earlier
        /// release that starts again changes nothing. Absent: nothing is removed.
        revision: Option<u64> where "0"..="9000000000000000000" = none;
    }
}

section! {
    /// The embedded Postgres of `tidemill dev`.
    EmbeddedSection {
        /// The folder with `initdb` and `postgres`. Absent: searched on the PATH and in the usual folders, otherwise
        /// downloaded.
        programs_dir: Option<PathBuf> = none;
    }
}

section! {
    /// The HTTP API and the dashboard.
    ApiSection {
        /// The listening address; port 0 picks a free port. Any address other than loopback needs an existing API
        /// key.
        listen: SocketAddr = "127.0.0.1:8080";
        /// Host names under which the server may be called, with any port, in addition to localhost, loopback
        /// addresses and the listening address.
        hosts: Vec<HostName> = "[]";
        /// The path prefix of the server behind a proxy that gives it a part of a site, such as `/jobs-ui`; the proxy
        /// may strip it or not (`docs/operations.md`). Absent: no prefix.
        base_path: Option<BasePath> = none;
        /// Other origins whose web pages may call the server. `ALLOWED_ORIGINS` means the same.
        cors_origins: Vec<WebOrigin> = "[]";
        /// The largest args of one job.
        max_args_bytes: ByteSize where "1KiB"..="256MiB" = "1MiB";
        /// The largest request body, such as a batch of jobs. Whatever its size, a body has at most 100,000 values
        /// (in a batch, each job) and 64 levels.
        max_body_bytes: ByteSize where "1KiB"..="1GiB" = "16MiB";
        /// The most connections at once. 256 more are reserved for short requests such as health and metrics; further
        /// connections are refused with 503. One address gets at most three quarters of each.
        max_connections: u32 where "16"..="1000000" = "10000";
        /// The most event streams, WebSockets and waiting requests of one address (for IPv6, of one /64 network) at
        /// once; more are refused with 429. All clients together may use nine tenths of `max_connections`.
        max_streams_per_address: u32 where "1"..="1000000" = "5000";
        /// The same for one API key.
        max_streams_per_key: u32 where "1"..="1000000" = "5000";
        /// Proxies whose `X-Forwarded-For` is trusted: limits count their clients instead of the proxy.
        trusted_proxies: Vec<Network> = "[]";
        /// The time after which a request is aborted, other than a stream or a long poll.
        request_timeout: Duration where "100ms"..="10m" = "30s";
        /// The time after which an event stream ends, so that its reader reconnects.
        stream_lifetime: Duration where "1s"..="7d" = "1h";
        /// Refuse jobs of a kind that no worker serves yet.
        strict_kinds: bool = "false";
    }
}

section! {
    /// A process that runs jobs.
    WorkerSection {
        /// The worker's name in lists and logs. Absent: the host's name and the process id.
        name: Option<String> = none;
        /// How many jobs of a queue without a section of its own run at once here. Absent: the number of
        /// cores, at least 4. 0 serves only the queues that have a section.
        slots: Option<u32> where "0"..="10000" = none;
        /// How long a lease is valid without a heartbeat; after that another worker may get the job.
        lease_ttl: Duration where "1s"..="1h" = "30s";
        /// The interval of heartbeats; at most a third of `lease_ttl`.
        heartbeat: Duration where "100ms"..="20m" = "5s";
        /// The interval of polls for jobs without a notification; twice as long while notifications arrive.
        poll: Duration where "50ms"..="5m" = "1s";
        /// How long running jobs may take to finish at shutdown before they are handed back.
        shutdown_timeout: Duration where "0s"..="1d" = "30s";
        /// How processes that a command left in a session of their own are ended: by a `cgroup` for each attempt, by
        /// the worker as sub-`reaper`, or only with the process `group`. `auto`: a cgroup where one can be created,
        /// otherwise the reaper.
        containment: ContainmentChoice = "auto";
        /// The number of attempts after which `tidemill worker` claims no more jobs, lets the running ones finish,
        /// and exits with code 0, so that its supervisor starts it again. Absent: no limit.
        max_runs: Option<u64> where "1"..="1000000000" = none;
        /// The same for the memory of the worker itself, without the commands that it runs.
        max_memory: Option<ByteSize> where "16MiB"..="1024TiB" = none;
        /// The address where `tidemill worker` answers `/healthz`, `/readyz` and `/metrics`. Absent: none.
        listen: Option<SocketAddr> = none;
    }
}

section! {
    /// Maintenance of the tables, in `dev` and `serve`.
    MaintenanceSection {
        /// The interval at which jobs of dead workers and overdue jobs are taken back; at most a sixth of
        /// `worker.lease_ttl`.
        sweep: Duration where "100ms"..="10m" = "5s";
        /// How long finished jobs and their events are kept.
        retention: Duration where "1h"..="36500d" = "30d";
    }
}

section! {
    /// The log on standard error.
    LogSection {
        /// The format of a log line.
        format: LogFormat = "text";
        /// The filter of log lines.
        filter: LogFilter = "info,refinery_core=warn";
    }
}

section! {
    /// Outbound calls: those of kinds with a URL, of alert webhooks, to the agent's model and to Linear. Browsers,
    /// mail and object storage are not affected (object storage has the option `proxy_url`). `docs/operations.md`
    /// says what the rules about private addresses can promise behind a proxy.
    OutboundSection {
        /// The proxy for these calls. Absent: they are made directly.
        proxy: Option<ProxyUrl> = none;
        /// Where `proxy` is absent: take `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment. The
        /// entries of `NO_PROXY` are those of `direct`; a port in one is left out.
        from_environment: bool = "false";
        /// What is called directly all the same: hosts, domains with all below them, addresses and networks.
        direct: Vec<DirectHost> = "localhost,127.0.0.0/8,::1";
    }
}

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

section! {
    /// A schedule: exactly one of `cron`, `every` and `at`, and the job to enqueue. `dev`, `serve` and `worker` store
    /// their schedules when they start; `deployment.revision` says when schedules that are no longer in the config
    /// are removed. See `docs/schedules.md`.
    ScheduleKeys {
        /// Minute, hour, day of month, month, day of week; with seconds before them if there are six fields.
        cron: Option<String> = none;
        /// The interval between slots.
        every: Option<Duration> where "1s"..="3650d" = none;
        /// A single time.
        at: Option<Time> = none;
        /// The time zone of the cron expression, by its name in the tz database.
        timezone: String = "UTC";
        /// The kind of its jobs. Required.
        kind: Option<QueueName> = none;
        /// The args of its jobs.
        args: JobArgs = "{}";
        /// The queue of its jobs. Absent: the kind's.
        queue: Option<QueueName> = none;
        /// The priority of its jobs. Absent: the kind's.
        priority: Option<Priority> = none;
        /// The most attempts of each of its jobs in total. Absent: the kind's.
        max_attempts: Option<i32> where "1"..="1000" = none;
        /// Tags to find its jobs by.
        tags: Vec<String> = "[]";
        /// Which missed slots fire: none, the latest, or the latest `missed_limit`.
        missed: MissedWord = "one";
        /// The most missed slots that fire with `missed = "all"`.
        missed_limit: i32 where "1"..="1000" = "10";
        /// The handling of a slot while an earlier job is not finished: the slot is skipped, or held until that job
        /// has finished (at most one slot), or enqueued anyway, or the earlier job is cancelled.
        overlap: OverlapWord = "skip";
        /// The most by which the start of a job is delayed; name and slot determine the delay.
        jitter: Duration where "0s"..="1d" = "0s";
        /// Whether the schedule is paused when it is first created. Later only people pause and resume it.
        paused: bool = "false";
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
